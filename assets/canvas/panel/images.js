// The tokens as images on the map: as many as stand side by side; the others stay points.

const IMAGE_SIZE = 24; // CSS pixels, of an image and its ground
const NEAR = 2; // from this zoom on …
const NEAR_TOKENS = 200; // … so few tokens in sight are images without being asked for
const STAMPS = 4000; // coloured images that are kept

/** The images over one panel. */
class TokenImages {
  root = null; // made once there is something to draw
  shown = []; // {index, x, y} as drawn, in CSS pixels
  #drawn = "";
  #stamps = new Map(); // "index colour" -> small canvas
  #of = ""; // the data set that the stamps are of

  /**
   * @param locate gives a Float32Array (x, y, …) of all tokens in CSS pixels; @param {View} view
   * @param {{key, wanted, first, codes, table, isHidden}} about the data set; whether all zooms have images; the token that goes
   *   before others; colours as the renderer takes them
   */
  choose(locate, { width, height, zoom }, { key, wanted, first, codes, table, isHidden }) {
    this.shown = [];
    if (!(wanted || zoom >= NEAR) || !digitSprites.has(key)) return;
    const places = locate();
    const inSight = [];
    const look = (index) => {
      const [x, y] = [places[2 * index], places[2 * index + 1]];
      if (x < 0 || y < 0 || x > width || y > height || isHidden(index)) return;
      // of tokens that are marked as others, or of a hidden class, points are enough
      if (codes[index] < MARKED && table[4 * codes[index] + 3]) inSight.push({ index, x, y });
    };
    if (first >= 0) look(first);
    for (let index = 0; index < codes.length; index++) if (index !== first) look(index);
    if (!wanted && inSight.length > NEAR_TOKENS) return;
    const cells = new Map(); // of one image at most, which covers nothing but its eight neighbours
    const columns = Math.ceil(width / IMAGE_SIZE) + 3;
    for (const token of inSight) {
      const cell = (Math.floor(token.y / IMAGE_SIZE) + 1) * columns + Math.floor(token.x / IMAGE_SIZE) + 1;
      const covers = (other) =>
        other && Math.abs(other.x - token.x) < IMAGE_SIZE && Math.abs(other.y - token.y) < IMAGE_SIZE;
      let isFree = true;
      for (const row of [-columns, 0, columns]) for (const side of [-1, 0, 1]) isFree &&= !covers(cells.get(cell + row + side)); // prettier-ignore
      if (!isFree) continue;
      cells.set(cell, token);
      this.shown.push(token);
    }
  }

  /** Draw what was chosen, on the colour [r, g, b] that `ground` gives; returns whether the element was made just now. */
  draw({ width, height }, ratio, { key, codes, table, ground }, repaint) {
    if (!this.shown.length && !this.root) return false;
    const state = `${key} ${width} ${height} ${ratio} ${this.shown.map(({ index, x, y }) => `${index} ${x} ${y} ${colourOf(table, codes[index])}`)}`;
    const isNew = !this.root;
    this.root ??= element("canvas", { class: "images", "aria-hidden": "true" });
    if (state === this.#drawn && !repaint) return isNew;
    this.#drawn = state;
    if (key !== this.#of || this.#stamps.size > STAMPS || repaint) this.#stamps.clear();
    this.#of = key;
    Object.assign(this.root, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = this.root.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = `rgb(${ground().join(" ")} / 0.8)`;
    const half = IMAGE_SIZE / 2;
    for (const { index, x, y } of this.shown) {
      const stamp = this.#stamp(key, index, colourOf(table, codes[index]));
      if (!stamp) continue;
      context.fillRect(x - half, y - half, IMAGE_SIZE, IMAGE_SIZE);
      context.drawImage(stamp, x - half + 1, y - half + 1, IMAGE_SIZE - 2, IMAGE_SIZE - 2);
    }
    return isNew;
  }

  #stamp(key, index, colour) {
    const name = `${index} ${colour}`;
    if (!this.#stamps.has(name)) {
      const stamp = document.createElement("canvas");
      if (!digitSprites.paint(stamp, key, index, colour)) return null;
      this.#stamps.set(name, stamp);
    }
    return this.#stamps.get(name);
  }

  /** The token whose image is at (x, y), or −1. */
  at(x, y) {
    const isOn = (token) => Math.max(Math.abs(token.x - x), Math.abs(token.y - y)) <= IMAGE_SIZE / 2;
    return this.shown.find(isOn)?.index ?? -1;
  }
}

function colourOf(table, code) {
  return [...table.subarray(4 * code, 4 * code + 3)];
}
