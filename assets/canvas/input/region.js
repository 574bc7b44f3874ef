// What is drawn on a panel to select points: a lasso or a box, in CSS pixels of the plot.

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
