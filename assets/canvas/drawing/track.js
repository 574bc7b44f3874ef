// One panel's frames and the linear interpolation between them, on the CPU. The vertex shader does the same.

class Track {
  /** @param spec one entry of the header's `panels`; @param array reads an array of the blob */
  constructor(spec, array) {
    Object.assign(this, spec);
    this.frames = spec.frames.map((frame) => ({ ...frame, points: array(Int16Array, frame.points) }));
    this.depths = this.frames.map((frame) => frame.depth);
  }

  get count() {
    return this.frames[0].points.length / 2;
  }

  /** Which two frames to mix at this depth. */
  at(depth) {
    return mixOf(this.depths, depth);
  }

  /** The title at this mix: its depth, and which frame or which two frames it shows, filled in. */
  titleAt({ k, next, t }) {
    const depth = this.depths[k] * (1 - t) + this.depths[next] * t;
    const [here, there] = [this.frame_names[k], this.frame_names[next]];
    const frame = t === 0 ? here : `${here} → ${there}`;
    return this.title.replace("{depth}", formatDepth(depth)).replace("{frame}", frame);
  }

  /** The box [x0, y0, x1, y1] that the view fits at this mix. */
  extent({ k, next, t }) {
    if (this.fixed_extent) return this.fixed_extent;
    const frames = this.frames;
    if (this.scale === "final") return frames[frames.length - 1].extent;
    return frames[k].extent.map((value, i) => value * (1 - t) + frames[next].extent[i] * t);
  }

  /** Coordinates of all points at this mix under `to(frame)` = {ax, ay, bx, by}: x = a·stored + b. */
  positions({ k, next, t }, to = dataAffine) {
    const p = this.frames[k].points;
    const q = this.frames[next].points;
    const f = to(this.frames[k]);
    const g = to(this.frames[next]);
    const out = new Float32Array(p.length);
    for (let i = 0; i < p.length; i += 2) {
      out[i] = (p[i] * f.ax + f.bx) * (1 - t) + (q[i] * g.ax + g.bx) * t;
      out[i + 1] = (p[i + 1] * f.ay + f.by) * (1 - t) + (q[i + 1] * g.ay + g.by) * t;
    }
    return out;
  }

  /** One point's coordinates; the same as `positions`, for one index. */
  position({ k, next, t }, index, to) {
    const p = this.frames[k].points;
    const q = this.frames[next].points;
    const f = to(this.frames[k]);
    const g = to(this.frames[next]);
    const i = 2 * index;
    return [
      (p[i] * f.ax + f.bx) * (1 - t) + (q[i] * g.ax + g.bx) * t,
      (p[i + 1] * f.ay + f.by) * (1 - t) + (q[i + 1] * g.ay + g.by) * t,
    ];
  }

  /** 1 for each visible point inside `region`, which is in the coordinates that `to` gives. */
  inside(mix, to, region, isHidden) {
    const places = this.positions(mix, to);
    const chosen = new Uint8Array(this.count);
    const { left, right, top, bottom } = region;
    for (let i = 0; i < chosen.length; i++) {
      const x = places[2 * i];
      const y = places[2 * i + 1];
      if (x < left || x > right || y < top || y > bottom) continue; // most are spared the exact test
      if (region.contains(x, y) && !isHidden(i)) chosen[i] = 1;
    }
    return chosen;
  }

  /** The visible point nearest to (x, y) within `radius`, or −1. A linear scan: below 1 ms for 70 000 points. */
  nearest({ k, next, t }, to, x, y, radius, isHidden) {
    const p = this.frames[k].points;
    const q = this.frames[next].points;
    const f = to(this.frames[k]);
    const g = to(this.frames[next]);
    const s = 1 - t;
    let best = radius * radius;
    let found = -1;
    for (let i = 0; i < p.length; i += 2) {
      const dx = (p[i] * f.ax + f.bx) * s + (q[i] * g.ax + g.bx) * t - x;
      if (dx > radius || dx < -radius) continue;
      const dy = (p[i + 1] * f.ay + f.by) * s + (q[i + 1] * g.ay + g.by) * t - y;
      const distance = dx * dx + dy * dy;
      // "<=": of two points at one place, the later one is drawn on top.
      if (distance <= best && !isHidden(i >> 1)) {
        best = distance;
        found = i >> 1;
      }
    }
    return found;
  }
}

/** From stored int16 to data coordinates. */
function dataAffine(frame) {
  return { ax: frame.step[0], ay: frame.step[1], bx: frame.offset[0], by: frame.offset[1] };
}

/** Which two of increasing `depths` to mix at `depth`: entry `k` with weight 1 − t, entry `next` with weight t. */
function mixOf(depths, depth) {
  const last = depths.length - 1;
  let k = 0;
  while (k < last && depths[k + 1] <= depth) k++;
  if (k === last || depth <= depths[0]) return { k, next: k, t: 0 };
  return { k, next: k + 1, t: (depth - depths[k]) / (depths[k + 1] - depths[k]) };
}
