// How the points look: "Colour by", and under "Look" their size, opacity and palette. Nothing here asks Python.

class Look {
  #for = "";

  /** @param act {colourBy(name), palette(name), look({diameter?, opacity?})} */
  constructor(act) {
    const choose = (label, chosen) => element("select", { "aria-label": label, onchange: (e) => chosen(e.target.value) });
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
      element("summary", {}, "Look"),
      element("div", { class: "card" }, ...rows),
    );
    this.details.addEventListener("focusout", (event) => {
      if (!this.details.contains(event.relatedTarget)) this.details.open = false;
    });
  }

  #slider(label, min, max, step, chosen) {
    const oninput = (event) => chosen(Number(event.target.value));
    return element("input", { type: "range", "aria-label": label, min, max, step, oninput });
  }

  /** @param {Colours} colours; @param options {diameter, opacity} as drawn */
  render(colours, { diameter, opacity }) {
    const names = colours.list.map((colouring) => colouring.name);
    const palettes = Object.keys(colours.palettes);
    const state = JSON.stringify([names, palettes]);
    if (state !== this.#for) {
      this.#for = state;
      const options = (texts) => texts.map((text) => element("option", { value: text }, text));
      this.colourBy.replaceChildren(...options(names));
      this.palette.replaceChildren(...options(palettes));
    }
    this.by.hidden = names.length < 2;
    this.colourBy.value = colours.chosen;
    this.palette.value = colours.palette;
    this.palette.disabled = colours.isContinuous || colours.current.colours !== null;
    this.size.value = diameter;
    this.opacity.value = opacity;
  }
}
