// The one clock of all linked panels: where on the depth axis we are, how far frames are computed, and playing.

const SECONDS_FOR_SHORT_AXIS = 8; // at speed 1: one block a second, or the whole axis in this time if it is longer

class Clock {
  wanted = 0; // where the user (or Python) wants to be; may lie beyond what is computed so far
  computed = 0; // depth of the newest frame
  first = 0; // depth of the oldest frame
  length = 0; // planned length of the axis, in `unit`
  unit = "block";
  touched = false; // has the user chosen a depth?
  playing = false;
  dragging = false;
  speed = 1;
  stepwise = false; // prefers-reduced-motion: whole blocks, no tweening
  #since = 0; // seconds since the last whole step

  get depth() {
    return Math.max(this.first, Math.min(this.wanted, this.computed));
  }

  /** Playing, but at the end of what has been computed so far. */
  get waiting() {
    return this.playing && this.depth >= this.computed;
  }

  get moving() {
    return this.dragging || (this.playing && !this.waiting);
  }

  /** The axis grew, shrank or started again. Who was asked to be at its end goes to its new end, frame by frame. */
  setAxis(first, computed, length) {
    if (!this.touched && this.length > 0 && this.wanted >= this.length) this.wanted = Math.max(this.wanted, length);
    Object.assign(this, { first, computed, length });
    if (computed >= length && this.waiting) this.playing = false;
  }

  /** A person chose this depth. */
  choose(depth) {
    this.touched = true;
    this.wanted = Math.max(this.first, Math.min(depth, this.computed));
  }

  /** Python set this depth. */
  reset(depth) {
    this.touched = false;
    this.playing = false;
    this.wanted = depth;
  }

  /** Move by whole blocks; from between two blocks to the nearest one in that direction. */
  step(blocks) {
    const from = blocks > 0 ? Math.floor(this.depth + 1e-6) : Math.ceil(this.depth - 1e-6);
    this.choose(from + blocks);
  }

  toggle() {
    if (!this.playing && this.depth >= this.computed && this.computed >= this.length) this.choose(this.first);
    this.touched = true;
    this.wanted = this.depth;
    this.playing = !this.playing;
    this.#since = 0;
  }

  /** Let `seconds` pass. */
  advance(seconds) {
    if (!this.playing || this.dragging || this.waiting) return;
    const blocks = this.speed * Math.max(1, this.length / SECONDS_FOR_SHORT_AXIS);
    if (this.stepwise) {
      this.#since += seconds;
      if (this.#since * blocks < 1) return;
      this.#since = 0;
      this.step(1);
    } else {
      this.choose(this.depth + seconds * blocks);
    }
    if (this.depth >= this.computed && this.computed >= this.length) this.playing = false;
  }
}
