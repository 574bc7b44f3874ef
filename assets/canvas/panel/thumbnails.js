// A grid of digits on one <canvas>, each underlined in its label's colour; hover and click name the digit.

const CELL = 26; // CSS pixels
const LINE = 2;

class Thumbnails {
  #indices = [];
  #columns = 1;
  #scratch = document.createElement("canvas");

  /** @param act {point(index or −1), pin(index)} */
  constructor(act) {
    this.root = element("canvas", { class: "thumbnails", role: "img" });
    this.root.addEventListener("pointermove", (event) => act.point(this.#at(event)));
    this.root.addEventListener("pointerleave", () => act.point(-1));
    this.root.addEventListener("click", (event) => this.#at(event) >= 0 && act.pin(this.#at(event)));
  }

  #at(event) {
    const box = this.root.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / CELL);
    const row = Math.floor((event.clientY - box.top) / CELL);
    return column < this.#columns ? (this.#indices[row * this.#columns + column] ?? -1) : -1;
  }

  /** Draw as many of `indices` as fit into `columns` × `rows`; how many that are (0 without images). */
  draw(datasetKey, indices, columns, rows, colourOf) {
    this.#columns = columns;
    this.#indices = indices.slice(0, columns * rows);
    const ratio = window.devicePixelRatio || 1;
    const lines = Math.ceil(this.#indices.length / columns);
    this.root.width = columns * CELL * ratio;
    this.root.height = lines * CELL * ratio;
    this.root.style.width = `${columns * CELL}px`;
    this.root.style.height = `${lines * CELL}px`;
    const context = this.root.getContext("2d");
    const ink = computedColour(this.root);
    context.scale(ratio, ratio);
    let drawn = 0;
    this.#indices.forEach((index, i) => {
      const [x, y] = [(i % columns) * CELL, Math.floor(i / columns) * CELL];
      if (!digitSprites.paint(this.#scratch, datasetKey, index, ink)) return;
      context.drawImage(this.#scratch, x + 1, y, CELL - LINE - 2, CELL - LINE - 2);
      context.fillStyle = colourOf(index);
      context.fillRect(x + 1, y + CELL - LINE - 2, CELL - LINE - 2, LINE);
      drawn++;
    });
    this.root.hidden = drawn === 0;
    setAttribute(this.root, "aria-label", `Images of ${drawn} selected tokens`);
    return drawn;
  }
}
