// The side panel: what is selected, and the pinned token with those that it attends to most.

const MOST_THUMBNAILS = 63;
const HOW_TO = "Drag with the lasso or the box to select tokens. Click a token to pin it.";

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

  /** Also follows the depth: whom the pinned token attends to changes from block to block. */
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
    const where = block > this.app.header.n_blocks ? "would attend to next" : `attends to, in ${this.app.header.depth_unit} ${formatDepth(block)}`;
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
