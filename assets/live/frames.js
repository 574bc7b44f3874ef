// Frames of live pictures: numbers that the browser has computed, drawn like those that Python sends.

const LIVE_SPAN = 32767; // as `blob.packed_frames` stores them

const LIVE_STEPS = [["attention", 0.5], ["LayerNorm", 0.75], ["feed-forward", 0.875]]; // prettier-ignore

/** Frames made of numbers, not of a blob: each is packed and uploaded once it is drawn. */
class LiveFrame {
  isLive = true;
  #points = null;

  /** @param places Float32Array (m × 2), @param index where each is among all n tokens, @param scale to data coordinates */
  constructor(depth, digest, places, index, n, scale) {
    Object.assign(this, { depth, digest, places, index, n });
    const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]]; // prettier-ignore
    for (let i = 0; i < places.length; i++) {
      const k = i & 1;
      if (places[i] < low[k]) low[k] = places[i];
      if (places[i] > high[k]) high[k] = places[i];
    }
    const at = (k, share) => (low[k] + (high[k] - low[k]) * share) * scale;
    this.extent = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
    this.offset = [at(0, 0.5), at(1, 0.5)];
    this.step = [0, 1].map((k) => (at(k, 1) - at(k, 0)) / 2 / LIVE_SPAN);
    this.scale = scale;
  }

  get points() {
    if (this.#points) return this.#points;
    const { places, index, scale, step, offset } = this;
    const points = new Int16Array(2 * this.n);
    for (let i = 0; i < index.length; i++)
      for (let k = 0; k < 2; k++) {
        const value = (places[2 * i + k] * scale - offset[k]) / (step[k] || 1);
        points[2 * index[i] + k] = Math.max(-LIVE_SPAN, Math.min(LIVE_SPAN, Math.round(value)));
      }
    return (this.#points = points);
  }
}

/**
 * The track of a run: `frames` (1 + 4 n_blocks, m, 2) of the tokens `index` among n, in place of those of the panel that
 * `spec` describes; without `inside`, those of whole blocks alone.
 */
function liveTrack(spec, frames, m, index, n, { n_blocks, scale, inside, name }) {
  const made = [];
  const names = [];
  for (let f = 0; f <= 4 * n_blocks; f++) {
    const [block, k] = [Math.ceil(f / 4), (f + 3) % 4];
    const isEnd = f % 4 === 0;
    if (!isEnd && !inside) continue;
    const depth = isEnd ? block : block - 1 + LIVE_STEPS[k][1];
    names.push(isEnd ? `block ${block}` : `${LIVE_STEPS[k][0]} of block ${block}`);
    const places = frames.subarray(2 * f * m, 2 * (f + 1) * m);
    made.push(new LiveFrame(depth, `${name} ${f}`, places, index, n, scale));
  }
  const track = new Track({ ...spec, frames: [], frame_names: names }, null);
  track.frames = made;
  track.depths = made.map((frame) => frame.depth);
  return track;
}

/** A track between two pictures of one depth: `share` of the way. */
class GlideTrack extends Track {
  share = 0;

  constructor(real, from, to) {
    super({ ...real, frames: [] }, null);
    this.real = real;
    this.frames = [from, to];
    this.depths = real.depths;
  }

  at() {
    return { k: 0, next: 1, t: this.share };
  }

  titleAt() {
    return this.real.titleAt(this.real.at(this.depth));
  }

  extent({ t }) {
    return this.from.map((value, i) => value * (1 - t) + this.to[i] * t);
  }
}
