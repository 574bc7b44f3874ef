// The one clock of all linked panels: where on the depth axis we are, how far frames are computed, and playing.

const SECONDS_OF_OPENING = 5;
const SECONDS_BEFORE_OPENING = 1; // so that the first picture is seen before it moves
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
  opening = false; // playing by itself, once, at the first sight of the page
  #since = 0; // seconds since the last whole step
  #before = 0; // seconds until the first step

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
    if (computed < length || !this.waiting) return;
    this.playing = false;
    this.endOpening();
  }

  /** Play from the first block to where Python said, as nobody has asked for a depth yet. */
  open() {
    Object.assign(this, { opening: true, playing: true, goal: this.wanted, wanted: this.first });
    this.#before = SECONDS_BEFORE_OPENING;
  }

  /** Be at once where the opening would end, if it plays. */
  endOpening() {
    if (!this.opening) return;
    Object.assign(this, { opening: false, playing: false, touched: false, wanted: this.goal });
    this.#before = 0;
  }

  /** A person chose this depth. */
  choose(depth) {
    this.touched = true;
    this.wanted = Math.max(this.first, Math.min(depth, this.computed));
  }

  /** Python set this depth. */
  reset(depth) {
    this.touched = this.playing = this.opening = false;
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
    if ((this.#before -= seconds) > 0) return;
    const chosen = this.speed * Math.max(1, this.length / SECONDS_FOR_SHORT_AXIS);
    const blocks = this.opening ? this.length / SECONDS_OF_OPENING : chosen;
    if (this.stepwise) {
      this.#since += seconds;
      if (this.#since * blocks < 1) return;
      this.#since = 0;
      this.step(1);
    } else {
      this.choose(this.depth + seconds * blocks);
    }
    if (this.depth >= this.computed && this.computed >= this.length) {
      this.playing = false;
      this.endOpening();
    }
  }
}
