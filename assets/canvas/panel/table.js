// The picture's twin for those who cannot see it or want the numbers: index, label and places of the selected tokens.

const TABLE_ROWS = { selected: 500, otherwise: 100 };
const TABLE_HELP = "Index, label and coordinates of the selected tokens, or of the first ones";

class Table {
  #shown = "";

  constructor(app) {
    this.app = app;
    this.body = element("div", { class: "table-body", tabindex: "0", role: "region", "aria-label": "Table of tokens" });
    this.root = element("details", { class: "table" }, element("summary", { title: TABLE_HELP }, "Table"), this.body);
    this.root.addEventListener("toggle", () => this.render());
  }

  /** Called once the depth has come to rest; a closed table costs nothing. */
  render() {
    const { selection, header, panels, clock } = this.app;
    if (!this.root.open) return;
    const frames = panels.map(({ track }) => track.frames.map((frame) => frame.digest).join());
    const state = [header.dataset_key, header.codes.digest, selection.version, clock.depth, ...frames].join();
    if (state === this.#shown) return;
    this.#shown = state;
    const total = selection.mask.length;
    const indices = selection.count
      ? selection.indices(TABLE_ROWS.selected)
      : Array.from({ length: Math.min(total, TABLE_ROWS.otherwise) }, (_, i) => i);
    const of = selection.count ? `${formatCount(selection.count)} selected` : formatCount(total);
    const which = indices.length === (selection.count || total) ? "" : `first ${indices.length} of `;
    const caption = element("caption", {}, `${which}${of} tokens at depth ${formatDepth(clock.depth)}`);
    const mixes = panels.map((panel) => panel.mix());
    this.body.replaceChildren(
      element("table", {}, caption, this.#head(), element("tbody", {}, ...indices.map((index) => this.#row(index, mixes)))),
    );
  }

  #head() {
    const cell = (text, attributes) => element("th", attributes, text);
    const above = [cell("index", { scope: "col", rowspan: 2 }), cell("label", { scope: "col", rowspan: 2 })];
    above.push(...this.app.panels.map((panel) => cell(panel.title.textContent, { scope: "colgroup", colspan: 2 })));
    const below = this.app.panels.flatMap(() => [cell("x", { scope: "col" }), cell("y", { scope: "col" })]);
    return element("thead", {}, element("tr", {}, ...above), element("tr", {}, ...below));
  }

  #row(index, mixes) {
    const places = this.app.panels.flatMap((panel, i) => panel.track.position(mixes[i], index, dataAffine));
    const numbers = places.map((place) => element("td", {}, place.toPrecision(5).replace("-", "−")));
    const head = element("th", { scope: "row" }, String(index));
    return element("tr", {}, head, element("td", {}, this.app.labelOf(index)), ...numbers);
  }
}
