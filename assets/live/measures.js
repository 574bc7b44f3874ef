// What is said of latents X (n × q, float32): as `quality.metrics` has it.

/** Mean cosine of two different tokens, from the sum of all directions. */
function meanCosine(X, q) {
  const n = X.length / q;
  const sum = new Float64Array(q);
  let square = 0;
  for (let i = 0; i < n; i++) {
    let norm = 0;
    for (let c = 0; c < q; c++) norm += X[i * q + c] ** 2;
    if (norm === 0) continue;
    square += 1;
    norm = Math.sqrt(norm);
    for (let c = 0; c < q; c++) sum[c] += X[i * q + c] / norm;
  }
  return (sum.reduce((total, value) => total + value * value, 0) - square) / (n * (n - 1));
}

/** exp of the entropy of the spectrum of XᵀX: how many directions matter. */
function effectiveRank(X, q) {
  const n = X.length / q;
  const gram = new Float64Array(q * q);
  for (let i = 0; i < n; i++)
    for (let a = 0; a < q; a++) {
      const value = X[i * q + a];
      for (let b = 0; b <= a; b++) gram[a * q + b] += value * X[i * q + b];
    }
  const spectrum = eigenvalues(gram, q).map((value) => Math.max(0, value));
  const total = spectrum.reduce((sum, value) => sum + value, 0);
  const entropy = spectrum.reduce((sum, value) => (value > 0 ? sum - (value / total) * Math.log(value / total) : sum), 0);
  return Math.exp(entropy);
}

/** All eigenvalues of a symmetric matrix, whose lower triangle is given (and lost); as EISPACK: tred1, then imtql1. */
function eigenvalues(A, n) {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n); // beside[i]: left of diagonal[i]
  for (let i = n - 1; i > 0; i--) {
    let scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(A[i * n + k]);
    if (i === 1 || scale === 0) {
      beside[i] = A[i * n + i - 1];
      continue;
    }
    let h = 0;
    for (let k = 0; k < i; k++) {
      A[i * n + k] /= scale;
      h += A[i * n + k] ** 2;
    }
    let f = A[i * n + i - 1];
    const g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h);
    beside[i] = scale * g;
    h -= f * g;
    A[i * n + i - 1] = f - g;
    f = 0;
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let k = 0; k <= j; k++) sum += A[j * n + k] * A[i * n + k];
      for (let k = j + 1; k < i; k++) sum += A[k * n + j] * A[i * n + k];
      beside[j] = sum / h;
      f += beside[j] * A[i * n + j];
    }
    const half = f / (h + h);
    for (let j = 0; j < i; j++) {
      f = A[i * n + j];
      const e = (beside[j] -= half * f);
      for (let k = 0; k <= j; k++) A[j * n + k] -= f * beside[k] + e * A[i * n + k];
    }
  }
  for (let i = 0; i < n; i++) diagonal[i] = A[i * n + i];
  for (let i = 1; i < n; i++) beside[i - 1] = beside[i];
  beside[n - 1] = 0;
  for (let l = 0; l < n; l++) {
    for (let tries = 0; tries < 60; tries++) {
      let m = l;
      for (; m < n - 1; m++) {
        const size = Math.abs(diagonal[m]) + Math.abs(diagonal[m + 1]);
        if (Math.abs(beside[m]) <= Number.EPSILON * size) break;
      }
      if (m === l) break;
      let g = (diagonal[l + 1] - diagonal[l]) / (2 * beside[l]);
      let r = Math.hypot(g, 1);
      g = diagonal[m] - diagonal[l] + beside[l] / (g + (g >= 0 ? r : -r));
      let [s, c, p] = [1, 1, 0]; // prettier-ignore
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * beside[i];
        const b = c * beside[i];
        r = Math.hypot(f, g);
        beside[i + 1] = r;
        if (r === 0) {
          diagonal[i + 1] -= p;
          beside[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = diagonal[i + 1] - p;
        r = (diagonal[i] - g) * s + 2 * c * b;
        p = s * r;
        diagonal[i + 1] = g + p;
        g = c * r - b;
      }
      if (r === 0 && i >= l) continue;
      diagonal[l] -= p;
      beside[l] = g;
      beside[m] = 0;
    }
  }
  return diagonal;
}

/** The k tokens that token `index` attends to most, among latents X (n × q, norm √q): {indices, weights}, most first. */
function attendedMost(X, q, index, { alpha, n_heads, mask_self }, k) {
  const n = X.length / q;
  const d = q / n_heads;
  const total = new Float64Array(n);
  for (let head = 0; head < n_heads; head++) {
    const logits = new Float64Array(n);
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let c = head * d; c < (head + 1) * d; c++) sum += X[index * q + c] * X[j * q + c];
      logits[j] = mask_self && j === index ? -Infinity : (alpha / d) * sum;
    }
    const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = logits.map((logit) => Math.exp(logit - most));
    const sum = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, j) => (total[j] += weight / sum / n_heads));
  }
  const indices = Array.from(total.keys()).sort((a, b) => total[b] - total[a]).slice(0, k); // prettier-ignore
  return { indices, weights: indices.map((j) => total[j]) };
}
