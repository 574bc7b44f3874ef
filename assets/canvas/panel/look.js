// How the points look: "Colour by", and under "Look" their size, opacity and palette. Nothing here asks Python.

const LOOK_HELP = {
  "Colour by": "What the colours of the points say",
  Palette: "Colours of the classes; values have a scale of their own",
  "Point size": "Diameter of a point, in pixels",
  Opacity: "Of one point: many faint ones show where they are dense",
  Look: "Size, opacity and palette of the points",
};
// By the name that Python gives a colouring.
const COLOURING_HELP = {
  "tokens attended to, in effect": "Row entropy of the attention matrix, its exp: m for a token that attends to m alike",
};

class Look {
  #for = "";

  /** @param act {colourBy(name), palette(name), look({diameter?, opacity?})} */
  constructor(act) {
    const choose = (label, chosen) => {
      const onchange = (event) => chosen(event.target.value);
      return element("select", { "aria-label": label, title: LOOK_HELP[label], onchange });
    };
    this.colourBy = choose("Colour by", act.colourBy);
    this.palette = choose("Palette", act.palette);
    this.size = this.#slider("Point size", 1, 16, 0.25, (diameter) => act.look({ diameter }));
    this.opacity = this.#slider("Opacity", 0.05, 1, 0.05, (opacity) => act.look({ opacity }));
    const rows = [
      ["Point size", this.size],
      ["Opacity", this.opacity],
      ["Palette", this.palette],
    ].map(([text, control]) => element("label", {}, element("span", { "aria-hidden": "true" }, text), control));
    this.by = element("label", { class: "by" }, element("span", { "aria-hidden": "true" }, "Colour"), this.colourBy);
    this.details = element(
      "details",
      { class: "look" },
      element("summary", { title: LOOK_HELP.Look }, "Look"),
      element("div", { class: "card" }, ...rows),
    );
    this.details.addEventListener("focusout", (event) => {
      if (!this.details.contains(event.relatedTarget)) this.details.open = false;
    });
  }

  #slider(label, min, max, step, chosen) {
    const oninput = (event) => chosen(Number(event.target.value));
    return element("input", { type: "range", "aria-label": label, title: LOOK_HELP[label], min, max, step, oninput });
  }

  /** @param {Colours} colours; @param options {diameter, opacity} as drawn */
  render(colours, { diameter, opacity }) {
    const names = colours.list.map((colouring) => colouring.name);
    const palettes = Object.keys(colours.palettes);
    const state = JSON.stringify([names, palettes]);
    if (state !== this.#for) {
      this.#for = state;
      const help = (text) => (COLOURING_HELP[text] ? { title: COLOURING_HELP[text] } : {});
      const options = (texts) => texts.map((text) => element("option", { value: text, ...help(text) }, text));
      this.colourBy.replaceChildren(...options(names));
      this.palette.replaceChildren(...options(palettes));
    }
    this.by.hidden = names.length < 2;
    this.colourBy.value = colours.chosen;
    setAttribute(this.colourBy, "title", COLOURING_HELP[colours.chosen] ?? LOOK_HELP["Colour by"]);
    this.palette.value = colours.palette;
    this.palette.disabled = colours.isContinuous || colours.current.colours !== null;
    this.size.value = diameter;
    this.opacity.value = opacity;
  }
}
