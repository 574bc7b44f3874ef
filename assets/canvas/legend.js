// One toggle button per class; hides or shows the class in all panels.

class Legend {
  #for = "";

  /** @param onToggle called with the class's index */
  constructor(onToggle) {
    this.onToggle = onToggle;
    this.root = element("div", { class: "legend", role: "group", "aria-label": "Classes" });
  }

  /** @param {string[]} names; @param {string[]} colours of each class; @param {Set<number>} hidden */
  render(names, colours, hidden) {
    const state = JSON.stringify([names, colours]);
    if (state !== this.#for) {
      this.#for = state;
      this.root.replaceChildren(...names.map((name, i) => this.#button(name, colours[i], i)));
    }
    [...this.root.children].forEach((button, i) => setAttribute(button, "aria-pressed", !hidden.has(i)));
    this.root.hidden = names.length < 2;
  }

  #button(name, colour, index) {
    const swatch = element("span", { class: "swatch", style: `--swatch: ${colour}`, "aria-hidden": "true" });
    return element("button", { type: "button", onclick: () => this.onToggle(index) }, swatch, name);
  }
}
