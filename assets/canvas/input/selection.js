// The selected tokens, and what is drawn on a panel to select them: a lasso or a box, in CSS pixels of the plot.

const BANDS = 64; // edges are looked up by height, so that a long lasso costs little more per point than a short one

class Lasso {
  #bands;

  /** @param {[number, number][]} path closed by an edge from its last place to its first */
  constructor(path) {
    this.path = path;
    const [xs, ys] = [0, 1].map((axis) => path.map((place) => place[axis]));
    Object.assign(this, { left: Math.min(...xs), right: Math.max(...xs) });
    Object.assign(this, { top: Math.min(...ys), bottom: Math.max(...ys) });
    this.#bands = Array.from({ length: BANDS }, () => []);
    path.forEach(([x0, y0], i) => {
      const [x1, y1] = path[(i + 1) % path.length];
      if (y0 === y1) return;
      const last = this.#band(Math.max(y0, y1));
      for (let band = this.#band(Math.min(y0, y1)); band <= last; band++) this.#bands[band].push([x0, y0, x1, y1]);
    });
  }

  #band(y) {
    return Math.min(BANDS - 1, Math.floor(((y - this.top) / (this.bottom - this.top)) * BANDS));
  }

  /** By the even-odd rule. */
  contains(x, y) {
    if (!(y >= this.top && y < this.bottom)) return false;
    let inside = false;
    for (const [x0, y0, x1, y1] of this.#bands[this.#band(y)]) {
      if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) inside = !inside;
    }
    return inside;
  }
}

class Box {
  /** @param {[number, number][]} path from corner to corner, with anything in between */
  constructor(path) {
    const [[x0, y0], [x1, y1]] = [path[0], path.at(-1)];
    Object.assign(this, { left: Math.min(x0, x1), right: Math.max(x0, x1) });
    Object.assign(this, { top: Math.min(y0, y1), bottom: Math.max(y0, y1) });
    const { left, right, top, bottom } = this;
    this.path = [[left, top], [right, top], [right, bottom], [left, bottom]]; // prettier-ignore
  }

  contains(x, y) {
    return x >= this.left && x <= this.right && y >= this.top && y <= this.bottom;
  }
}

const REGIONS = { lasso: Lasso, box: Box };

/** The same for all panels. */
class Selection {
  mask = new Uint8Array(0); // 1 for each selected token
  count = 0;
  version = 0; // counts changes

  /** Other tokens: none of them is selected. */
  reset(total) {
    this.mask = new Uint8Array(total);
    this.#changed();
  }

  /** @param {Uint8Array} chosen 1 for each token to take; @param how "new", "add" or "subtract" */
  combine(chosen, how) {
    const { mask } = this;
    if (how === "new") mask.set(chosen);
    else if (how === "add") for (let i = 0; i < mask.length; i++) mask[i] |= chosen[i];
    else for (let i = 0; i < mask.length; i++) mask[i] &= chosen[i] ^ 1;
    this.#changed();
  }

  #changed() {
    this.count = 0;
    for (let i = 0; i < this.mask.length; i++) this.count += this.mask[i];
    this.version++;
  }

  has(index) {
    return this.mask[index] === 1;
  }

  /** The selected indices, increasing, at most `limit` of them. */
  indices(limit = Infinity) {
    const found = [];
    for (let i = 0; i < this.mask.length && found.length < limit; i++) if (this.mask[i]) found.push(i);
    return found;
  }

  /** One bit per token, the first in the lowest bit of the first byte. */
  get bits() {
    const bits = new Uint8Array(Math.ceil(this.mask.length / 8));
    for (let i = 0; i < this.mask.length; i++) bits[i >> 3] |= this.mask[i] << (i & 7);
    return bits;
  }

  set bits(bits) {
    for (let i = 0; i < this.mask.length; i++) this.mask[i] = (bits[i >> 3] >> (i & 7)) & 1;
    this.#changed();
  }

  /** The bits in base64, for Python; nothing selected is an empty text. */
  get text() {
    if (!this.count) return "";
    let characters = "";
    for (const byte of this.bits) characters += String.fromCharCode(byte);
    return btoa(characters);
  }
}
