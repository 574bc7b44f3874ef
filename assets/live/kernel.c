// The transformer's block on rows of float32 latents, with WebAssembly's SIMD: built by scripts/build_live_kernel.py.
//
// Latents X are m rows of q, scaled to norm √q (X √n of the paper), so that the logits (α n / d) x·x are (α / d) x·x,
// d = q / heads. Everything is done for some rows of all, so that several workers share a block.

#include <wasm_simd128.h>

#define WIDTH 8  // tokens in a group of keys, and coordinates in a group of values
#define ROWS 4   // queries at a time: 4 × 8 sums fit into sixteen registers, with what they are made of
#define BATCH 32  // queries for which what was fetched is used
#define TILE 4096  // floats of keys that stay in the first cache

extern unsigned char __heap_base;

// a b + c: with relaxed SIMD one instruction, rounded once where the processor does so.
static inline v128_t multiply_add(v128_t a, v128_t b, v128_t c) {
#ifdef __wasm_relaxed_simd__
  return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

static inline float* at(float* X, int row, int q) { return X + (long)row * q; }

// The address of the first free byte; JavaScript places all arrays from there.
int heap(void) { return (int)&__heap_base; }

// Copies the columns from … from + d of X (m × q) twice. `keys`: groups of eight tokens, each d × 8. `values`: groups of
// eight columns, each m × 8. What is beyond m or d is zero.
void pack(float* X, int m, int q, int from, int d, float* keys, float* values) {
  int groups = (m + WIDTH - 1) / WIDTH;
  for (int g = 0; g < groups; g++)
    for (int t = 0; t < WIDTH; t++) {
      int row = g * WIDTH + t;
      float* x = at(X, row, q) + from;
      float* to = keys + (long)g * d * WIDTH + t;
      for (int c = 0; c < d; c++) to[c * WIDTH] = row < m ? x[c] : 0;
    }
  for (int c = 0; c < d; c += WIDTH)
    for (int row = 0; row < m; row++) {
      float* x = at(X, row, q) + from + c;
      float* to = values + (long)c * m + row * WIDTH;
      for (int k = 0; k < WIDTH; k++) to[k] = c + k < d ? x[k] : 0;
    }
}

// e^x for x ≤ 0: 2^k times a polynomial of degree six on |r| ≤ ½ ln 2, relative error 1e-7.
static inline v128_t exponential(v128_t x) {
  x = wasm_f32x4_max(x, wasm_f32x4_splat(-87.0f));
  v128_t k = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_splat(1.44269504f)));
  v128_t r = wasm_f32x4_sub(x, wasm_f32x4_mul(k, wasm_f32x4_splat(0.693359375f)));
  r = wasm_f32x4_add(r, wasm_f32x4_mul(k, wasm_f32x4_splat(2.12194440e-4f)));
  v128_t p = wasm_f32x4_splat(1.0f / 720);
  const float series[6] = {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  for (int i = 0; i < 6; i++) p = multiply_add(p, r, wasm_f32x4_splat(series[i]));
  v128_t bits = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(k), wasm_i32x4_splat(127)), 23);
  return wasm_f32x4_mul(p, bits);
}

// Logits of ROWS queries x (each q apart) to the keys of the tokens first … last − 1, into `weights` (ROWS × padded).
static void logits(const float* x, int q, int d, const float* keys, int first, int last, int padded, float scale,
                   float* weights) {
  v128_t scales = wasm_f32x4_splat(scale);
  keys += (long)first * d;
  for (int token = first; token < last; token += WIDTH) {
    v128_t low[ROWS], high[ROWS];
    for (int i = 0; i < ROWS; i++) low[i] = high[i] = wasm_f32x4_splat(0);
    for (int c = 0; c < d; c++) {
      v128_t k0 = wasm_v128_load(keys), k1 = wasm_v128_load(keys + 4);
      keys += WIDTH;
      for (int i = 0; i < ROWS; i++) {
        v128_t value = wasm_v128_load32_splat(x + (long)i * q + c);
        low[i] = multiply_add(value, k0, low[i]);
        high[i] = multiply_add(value, k1, high[i]);
      }
    }
    for (int i = 0; i < ROWS; i++) {
      wasm_v128_store(weights + (long)i * padded + token, wasm_f32x4_mul(low[i], scales));
      wasm_v128_store(weights + (long)i * padded + token + 4, wasm_f32x4_mul(high[i], scales));
    }
  }
}

// Logits to e^(logit − largest), zero beyond m and, with a `masked` token ≥ 0, at it; returns 1 / their sum.
static float softmax(float* w, int m, int padded, int masked) {
  for (int j = m; j < padded; j++) w[j] = -__builtin_inff();
  if (masked >= 0) w[masked] = -__builtin_inff();
  v128_t most = wasm_v128_load(w);
  for (int j = 4; j < padded; j += 4) most = wasm_f32x4_max(most, wasm_v128_load(w + j));
  float top = wasm_f32x4_extract_lane(most, 0);
  float rest[3] = {wasm_f32x4_extract_lane(most, 1), wasm_f32x4_extract_lane(most, 2), wasm_f32x4_extract_lane(most, 3)};
  for (int k = 0; k < 3; k++) top = rest[k] > top ? rest[k] : top;
  v128_t shift = wasm_f32x4_splat(top), sum = wasm_f32x4_splat(0);
  for (int j = 0; j < padded; j += 4) {
    v128_t e = exponential(wasm_f32x4_sub(wasm_v128_load(w + j), shift));
    wasm_v128_store(w + j, e);
  }
  for (int j = m; j < padded; j++) w[j] = 0;
  if (masked >= 0) w[masked] = 0;
  for (int j = 0; j < padded; j += 4) sum = wasm_f32x4_add(sum, wasm_v128_load(w + j));
  return 1 / (wasm_f32x4_extract_lane(sum, 0) + wasm_f32x4_extract_lane(sum, 1) + wasm_f32x4_extract_lane(sum, 2) +
              wasm_f32x4_extract_lane(sum, 3));
}

// WIDTH columns of the weighted means of ROWS queries, into `means` (ROWS × WIDTH).
static void averages(const float* weights, int m, int padded, const float* values, float* means) {
  v128_t low[ROWS], high[ROWS];
  for (int i = 0; i < ROWS; i++) low[i] = high[i] = wasm_f32x4_splat(0);
  for (int j = 0; j < m; j++) {
    v128_t v0 = wasm_v128_load(values), v1 = wasm_v128_load(values + 4);
    values += WIDTH;
    for (int i = 0; i < ROWS; i++) {
      v128_t weight = wasm_v128_load32_splat(weights + (long)i * padded + j);
      low[i] = multiply_add(weight, v0, low[i]);
      high[i] = multiply_add(weight, v1, high[i]);
    }
  }
  for (int i = 0; i < ROWS; i++) {
    wasm_v128_store(means + i * WIDTH, low[i]);
    wasm_v128_store(means + i * WIDTH + 4, high[i]);
  }
}

// AX of the rows row0 … row1 − 1, for the head with columns from … from + d, into `AX` (rows × q, from row0 on). `keys` and
// `values` are `pack`'s; `work` holds BATCH × m, rounded up to eights. X may be read three rows beyond row1. A batch of
// queries goes over some keys, or columns, before the next ones are fetched: all of them are more than a cache holds.
void attend(float* X, int m, int q, int from, int d, float* keys, float* values, int row0, int row1, float scale,
            int masked, float* work, float* AX) {
  int padded = (m + WIDTH - 1) / WIDTH * WIDTH;
  int tile = TILE / (d * WIDTH) * WIDTH;
  if (tile < WIDTH) tile = WIDTH;
  for (int batch = row0; batch < row1; batch += BATCH) {
    int end = batch + BATCH < row1 ? batch + BATCH : row1;
    float inverse[BATCH], means[ROWS * WIDTH];
    for (int token = 0; token < padded; token += tile) {
      int last = token + tile < padded ? token + tile : padded;
      for (int row = batch; row < end; row += ROWS)
        logits(at(X, row, q) + from, q, d, keys, token, last, padded, scale, work + (long)(row - batch) * padded);
    }
    for (int row = batch; row < end; row++)
      inverse[row - batch] = softmax(work + (long)(row - batch) * padded, m, padded, masked ? row : -1);
    for (int c = 0; c < d; c += WIDTH)
      for (int row = batch; row < end; row += ROWS) {
        averages(work + (long)(row - batch) * padded, m, padded, values + (long)c * m, means);
        for (int i = 0; i < ROWS && row + i < end; i++) {
          float* to = at(AX, row + i - row0, q) + from + c;
          for (int k = 0; k < WIDTH && c + k < d; k++) to[k] = means[i * WIDTH + k] * inverse[row + i - batch];
        }
      }
  }
}

// X ← X + 2η AX, with `diffusion` X + 2η (AX − X), for `rows` rows.
void step(float* X, float* AX, int count, double eta, int diffusion) {
  float kept = diffusion ? 1 - 2 * eta : 1, rate = 2 * eta;
  for (int i = 0; i < count; i++) X[i] = kept * X[i] + rate * AX[i];
}

// X ← LN(X): mean 0, norm √q. Sums in float64: they cost nothing here and decide the last digit.
void layer_norm(float* X, int rows, int q, float eps) {
  for (int row = 0; row < rows; row++) {
    float* x = at(X, row, q);
    double mean = 0, variance = 0;
    for (int c = 0; c < q; c++) mean += x[c];
    mean /= q;
    for (int c = 0; c < q; c++) variance += (x[c] - mean) * (x[c] - mean);
    double scale = 1 / __builtin_sqrt(variance / q + eps);
    for (int c = 0; c < q; c++) x[c] = (x[c] - mean) * scale;
  }
}

// X ← X − 2η X, with `relu` X − 2η relu(X).
void feed_forward(float* X, int count, double eta, int relu) {
  float positive = 1 - 2 * eta, negative = relu ? 1 : positive; // in float64: near η = ½ little is left
  for (int i = 0; i < count; i++) X[i] *= X[i] > 0 ? positive : negative;
}
