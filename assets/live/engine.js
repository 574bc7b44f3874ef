// The model in the browser: a pool of workers that share the rows of the tokens, and how many tokens are fluent.

const LIVE_LEAST = 300; // tokens: fewer give no picture of the whole
const LIVE_MOST_WORKERS = 4;
const LIVE_PACE_MS = 80; // for one picture, so that ten a second come

class LiveEngine {
  #workers = [];
  #address = ""; // of the workers' source
  #answers = null; // of the run in the making
  #serial = 0;
  #speed = null; // multiplications a millisecond, as measured
  tokens = null; // {key, X, q, n}

  /** @param {Uint8Array} kernel the module's bytes; @param {string} source the worker's text; @param {number} count */
  constructor(kernel, source, count = LiveEngine.defaultCount) {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const ports = Array.from({ length: count }, () => []);
    for (let i = 0; i < count; i++)
      for (let j = 0; j < i; j++) {
        const { port1, port2 } = new MessageChannel();
        ports[i].push(port1);
        ports[j].push(port2);
      }
    for (let index = 0; index < count; index++) {
      const worker = new Worker(address);
      worker.onmessage = ({ data }) => this.#take(data);
      worker.onerror = (event) => this.#fail(new Error(event.message || "a worker of the live engine did not start"));
      worker.postMessage({ kind: "begin", module: kernel, index, count }, ports[index]);
      this.#workers.push(worker);
    }
    this.#address = address;
  }

  static get defaultCount() {
    return Math.max(1, Math.min(LIVE_MOST_WORKERS, navigator.hardwareConcurrency || 1));
  }

  get busy() {
    return this.#answers !== null;
  }

  /** The latents of block 0, at norm √q, in an order of which each beginning is a sample. */
  setTokens({ key, X, q }) {
    if (this.tokens?.key === key) return;
    this.tokens = { key, X, q, n: X.length / q };
    for (const worker of this.#workers) worker.postMessage({ kind: "tokens", X, q });
  }

  /** How many tokens give a picture in `pace` milliseconds, as far as is known; a multiple of 50, or all. */
  fluent({ n_blocks }, pace = LIVE_PACE_MS) {
    const { n, q } = this.tokens;
    if (this.#speed === null) return Math.min(n, LIVE_LEAST);
    const m = 50 * Math.floor(Math.sqrt((pace * this.#speed) / (n_blocks * q)) / 50);
    return Math.min(n, Math.max(LIVE_LEAST, m));
  }

  /**
   * Run the first m tokens; one run at a time.
   * @param settings {m, n_blocks, alpha, eta, n_heads, mask_self, graph_diffusion, relu, columns, ends}: without
   *   `columns` all of them; with `ends` no sub-steps
   * @returns {Promise<{m, wide, frames: Float32Array, milliseconds}>} frames (1 + 4 n_blocks, or 1 + n_blocks) × m × wide, at
   *   norm √q; null if it was stopped
   */
  run(settings) {
    if (this.busy) return Promise.reject(new Error("the live engine is at work"));
    const serial = ++this.#serial;
    const began = performance.now();
    return new Promise((resolve, reject) => {
      this.#answers = { serial, parts: [], settings, began, resolve, reject };
      for (const worker of this.#workers) worker.postMessage({ kind: "run", serial, ...settings });
    });
  }

  #take(part) {
    const answers = this.#answers;
    if (part.serial !== answers?.serial) return;
    if (part.problem) return this.#fail(new Error(part.problem));
    answers.parts.push(part);
    if (answers.parts.length < this.#workers.length) return;
    const { m, n_blocks, columns, ends } = answers.settings;
    const { q } = this.tokens;
    const milliseconds = performance.now() - answers.began;
    const speed = (n_blocks * m * m * q) / milliseconds;
    this.#speed = this.#speed === null ? speed : this.#speed + 0.3 * (speed - this.#speed);
    this.#answers = null;
    const wide = columns ? columns.length : q;
    answers.resolve({ m, wide, milliseconds, frames: joined(answers.parts, m, wide, 1 + (ends ? 1 : 4) * n_blocks) });
  }

  /** Give up the run in the making. */
  stop() {
    const answers = this.#answers;
    if (!answers) return;
    this.#answers = null;
    for (const worker of this.#workers) worker.postMessage({ kind: "stop" });
    answers.resolve(null);
  }

  #fail(error) {
    const answers = this.#answers;
    this.#answers = null;
    answers?.reject(error);
  }

  dispose() {
    for (const worker of this.#workers) worker.terminate();
    URL.revokeObjectURL(this.#address);
    this.#fail(new Error("the live engine was closed"));
  }
}

/** The workers' rows of each frame, one after another. */
function joined(parts, m, wide, count) {
  const frames = new Float32Array(count * m * wide);
  for (const { from, rows, drawn } of parts) {
    const size = rows * wide;
    for (let f = 0; f < count; f++) frames.set(drawn.subarray(f * size, (f + 1) * size), (f * m + from) * wide);
  }
  return frames;
}
