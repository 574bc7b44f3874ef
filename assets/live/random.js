// NumPy's RandomState(seed).normal(): Mersenne Twister (Matsumoto & Nishimura 1998) and Marsaglia's polar method.

class RandomState {
  #key = new Uint32Array(624);
  #at = 624;
  #kept = null; // the polar method makes two at a time

  constructor(seed) {
    this.#key[0] = seed;
    for (let i = 1; i < 624; i++) {
      const before = this.#key[i - 1] ^ (this.#key[i - 1] >>> 30);
      this.#key[i] = Math.imul(1812433253, before) + i;
    }
  }

  #twist() {
    const key = this.#key;
    for (let i = 0; i < 624; i++) {
      const y = (key[i] & 0x80000000) | (key[(i + 1) % 624] & 0x7fffffff);
      key[i] = key[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }

  #next() {
    if (this.#at === 624) this.#twist();
    let y = this.#key[this.#at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** 0 … 1, of 53 bits */
  double() {
    const [a, b] = [this.#next() >>> 5, this.#next() >>> 6];
    return (a * 67108864 + b) / 9007199254740992;
  }

  normal() {
    if (this.#kept !== null) {
      const kept = this.#kept;
      this.#kept = null;
      return kept;
    }
    let x, y, square;
    do {
      x = 2 * this.double() - 1;
      y = 2 * this.double() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.#kept = factor * x;
    return factor * y;
  }
}

/** W (d × q) of the paper: i.i.d. N(0, 1/d), as `projection.fit_projection` draws it. */
function gaussianProjection(d, q, seed) {
  const random = new RandomState(seed);
  return Float64Array.from({ length: d * q }, () => random.normal() / Math.sqrt(d));
}

/** Y W of pixels Y (n × d, bytes of 255): n × q. */
function projected(pixels, W, d, q) {
  const n = pixels.length / d;
  const scores = new Float64Array(n * q);
  for (let i = 0; i < n; i++) {
    const row = scores.subarray(i * q, (i + 1) * q);
    for (let j = 0; j < d; j++) {
      const value = pixels[i * d + j] / 255;
      if (value === 0) continue;
      for (let c = 0; c < q; c++) row[c] += value * W[j * q + c];
    }
  }
  return scores;
}

/** LN of scores (n × q) at norm √q, in float32: the latents of block 0. */
function firstLatents(scores, q) {
  const X = new Float32Array(scores.length);
  for (let start = 0; start < scores.length; start += q) {
    const row = scores.subarray(start, start + q);
    const mean = row.reduce((sum, value) => sum + value, 0) / q;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / q;
    row.forEach((value, c) => (X[start + c] = (value - mean) / Math.sqrt(variance + 1e-10)));
  }
  return X;
}
