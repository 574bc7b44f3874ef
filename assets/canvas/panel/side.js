// Tokens one by one: beside the panels the selected and the pinned ones, and a card at the one under the mouse.

/** The card beside the token under the mouse, or beside the pinned one: its image, label and index. */
class Tooltip {
  #shown = "";

  constructor() {
    this.image = element("canvas", { "aria-hidden": "true" });
    this.text = element("div", { class: "text" });
    this.index = element("div", { class: "index" });
    this.value = element("div", { class: "index" });
    this.root = element("div", { class: "tooltip", hidden: "" }, this.image, this.text, this.index, this.value);
  }

  hide() {
    this.root.hidden = true;
  }

  /** (x, y): the place in `frame`, the positioned ancestor, beside which the card stands; `repaint` after a change of theme or images. */
  show(datasetKey, { index, label, value }, x, y, frame, repaint) {
    const state = `${datasetKey} ${index} ${label}`;
    this.root.hidden = false;
    setText(this.value, value);
    if (repaint || state !== this.#shown) {
      this.#shown = state;
      this.image.hidden = !digitSprites.paint(this.image, datasetKey, index, computedColour(this.root));
      setText(this.text, label);
      setText(this.index, `index ${index}`);
    }
    const { offsetWidth: width, offsetHeight: height } = this.root;
    const left = x + 14 + width > frame.clientWidth ? x - 14 - width : x + 14;
    const top = Math.max(0, Math.min(y - height / 2, frame.clientHeight - height));
    this.root.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  }
}

const CELL = 26; // CSS pixels
const LINE = 2;

/** A grid of digits on one <canvas>, each underlined in its label's colour; hover and click name the digit. */
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

const MOST_THUMBNAILS = 63;
const HOW_TO = "Drag with the lasso or the box to select tokens. Click a token to pin it.";

/** The side panel: what is selected, and the pinned token with those that it attends to most. */
class Side {
  #selectionShown = "";
  #pinShown = "";

  /** @param app the LatentCanvas; @param act {point(index or −1), pin(index)} */
  constructor(app, act) {
    Object.assign(this, { app, act });
    this.hint = element("p", { class: "muted" }, HOW_TO);
    this.counts = element("div", { class: "counts" });
    this.thumbnails = new Thumbnails(act);
    this.more = element("div", { class: "muted more" });
    this.selected = element("section", { "aria-label": "Selection" }, this.counts, this.thumbnails.root, this.more);
    this.image = element("canvas", { "aria-hidden": "true" });
    this.name = element("div", {});
    this.index = element("div", { class: "muted" });
    const head = element("div", { class: "head" }, this.image, element("div", {}, this.name, this.index));
    this.attends = element("div", { class: "muted" });
    this.neighbours = element("div", { class: "neighbours", role: "group", "aria-label": "Most attended tokens" });
    this.pinned = element("section", { "aria-label": "Pinned token" }, head, this.attends, this.neighbours);
    this.inner = element("div", { class: "side-inner" }, this.hint, this.selected, this.pinned);
    this.root = element("aside", { class: "side", "aria-label": "Selected and pinned tokens" }, this.inner);
  }

  /** @param repaint the theme or the images changed */
  renderSelection(repaint) {
    const { app } = this;
    const { selection, header } = app;
    const pinned = app.pinned.index;
    this.hint.hidden = selection.count > 0 || pinned >= 0;
    this.selected.hidden = selection.count === 0;
    this.pinned.hidden = pinned < 0;
    const width = this.selected.clientWidth;
    const height = app.beside ? this.inner.clientHeight : Infinity;
    const { digest } = header.codes;
    const state = [header.dataset_key, digest, selection.version, width, height, pinned >= 0, app.colours.palette].join();
    if (repaint || state !== this.#selectionShown) this.#fillSelection(width, height, pinned >= 0);
    this.#selectionShown = state;
  }

  #fillSelection(width, height, leaveRoom) {
    const { selection, header, colours } = this.app;
    if (!selection.count) return;
    const total = formatCount(selection.mask.length);
    const heading = element("div", {}, `Selection: ${formatCount(selection.count)} of ${total}`);
    const counts = new Map();
    selection.mask.forEach((bit, i) => bit && counts.set(colours.labels[i], (counts.get(colours.labels[i]) ?? 0) + 1));
    const parts = [...counts].sort(([a], [b]) => a - b);
    const perClass = parts.map(([label, count]) => `${header.class_names[label] ?? ""}:${formatCount(count)}`);
    const list = element("div", { class: "muted" }, header.class_names.length > 1 ? perClass.join("  ") : "");
    this.counts.replaceChildren(heading, list);
    const columns = Math.max(1, Math.floor(width / CELL));
    const free = height - this.counts.offsetHeight - 24 - (leaveRoom ? 200 : 0);
    const rows = Math.min(Math.ceil(MOST_THUMBNAILS / columns), Math.max(2, Math.floor(free / CELL)));
    const most = Math.min(MOST_THUMBNAILS, columns * rows);
    const colourOf = (index) => colours.labelColour(index);
    const drawn = this.thumbnails.draw(header.dataset_key, selection.indices(most), columns, rows, colourOf);
    const rest = selection.count - drawn;
    setText(this.more, drawn && rest ? `and ${formatCount(rest)} more` : "");
  }

  /** Also follows the depth: what the pinned token attends to changes from block to block. */
  renderPinned(repaint) {
    const { app } = this;
    const { header, colours } = app;
    const { index } = app.pinned;
    const row = app.attendedRow();
    const attended = app.attendedNow();
    const answer = [row, app.attended?.digest];
    const state = [header.dataset_key, header.codes.digest, index, ...answer, colours.palette].join();
    if (!repaint && state === this.#pinShown) return;
    this.#pinShown = state;
    if (index < 0) return;
    const ink = computedColour(this.root);
    this.image.hidden = !digitSprites.paint(this.image, header.dataset_key, index, ink);
    setText(this.name, app.labelOf(index));
    setText(this.index, `index ${index}`);
    setText(this.attends, row < 0 ? "" : this.#heading(app.attended.depths[row] + 1, attended));
    this.neighbours.replaceChildren(...attended.map((each) => this.#neighbour(each, ink)));
  }

  #heading(block, attended) {
    const where = block > this.app.header.n_blocks ? "attends to, in one more block" : `attends to, in ${this.app.header.depth_unit} ${formatDepth(block)}`;
    const share = attended.reduce((sum, { weight }) => sum + weight, 0);
    return `${where} (these ${attended.length}: ${Math.round(100 * share)} % of its weight)`;
  }

  #neighbour({ index, weight }, ink) {
    const image = element("canvas", { "aria-hidden": "true" });
    const painted = digitSprites.paint(image, this.app.header.dataset_key, index, ink);
    const label = this.app.labelOf(index);
    const name = `token ${index}, label ${label}, weight ${formatWeight(weight)}`;
    const attributes = { type: "button", "aria-label": name, title: name, "data-index": index };
    const line = element("span", { class: "line", style: `background: ${this.app.colours.labelColour(index)}` });
    const button = element("button", attributes, painted ? image : label || `#${index}`, line, formatWeight(weight));
    button.addEventListener("click", () => this.act.pin(index));
    for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => this.act.point(index));
    for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => this.act.point(-1));
    return button;
  }
}
