// What the colours mean: one toggle button per class, or the bar of a continuous colouring.

const LEGEND_HELP = "Click hides or shows; Alt+click, or the key s, selects";

class Legend {
  #for = "";

  /** @param act {toggle(index), select(index, event)}: called with the class's index */
  constructor(act) {
    this.act = act;
    this.root = element("div", { class: "legend", role: "group", "aria-label": "Classes" });
  }

  /** @param {Colours} colours */
  render(colours) {
    const { class_names, low, high, unit, name } = colours.current;
    const palette = colours.isContinuous ? colours.sequential : colours.classColours;
    const state = JSON.stringify([name, class_names, palette, low, high, unit]);
    if (state !== this.#for) {
      this.#for = state;
      const buttons = () => class_names.map((label, i) => this.#button(label, palette[i], i));
      this.root.replaceChildren(...(colours.isContinuous ? [this.#bar(colours.current, palette)] : buttons()));
    }
    if (colours.isContinuous) return (this.root.hidden = false);
    [...this.root.children].forEach((button, i) => setAttribute(button, "aria-pressed", !colours.hidden.has(i)));
    this.root.hidden = class_names.length < 2;
  }

  #button(name, colour, index) {
    const swatch = element("span", { class: "swatch", style: `--swatch: ${colour}`, "aria-hidden": "true" });
    const onclick = (event) => (event.altKey ? this.act.select(index, event) : this.act.toggle(index));
    const onkeydown = (event) => event.key === "s" && this.act.select(index, event);
    return element("button", { type: "button", title: LEGEND_HELP, onclick, onkeydown }, swatch, name);
  }

  #bar({ name, low, high, unit }, palette) {
    const [from, to] = [low, high].map((value) => formatNumber(value, high - low || 1));
    const text = `${name} from ${from} to ${to} ${unit}`.trim();
    const strip = element("span", { class: "strip", style: `--strip: linear-gradient(to right, ${palette.join()})` });
    const ends = [element("span", {}, from), strip, element("span", {}, `${to} ${unit}`.trim())];
    const title = COLOURING_HELP[name] ?? text;
    return element("span", { class: "colour-bar", role: "img", "aria-label": text, title }, ...ends);
  }
}
