// A block as a diagram: what comes in, four sub-steps that are buttons, what goes out. One sub-step is chosen.

const diagrams = new WeakMap(); // mount point -> BlockDiagram

class BlockDiagram {
  constructor(parent, choose) {
    this.choose = choose;
    this.root = element("div", { class: "block-diagram", role: "group", "aria-label": "Sub-steps of a block" });
    parent.append(element("div", { class: "frame" }, this.root));
  }

  /** @param data {before, after, chosen, steps: [{name, label, formula, help, residual}]} */
  update(data) {
    const text = JSON.stringify({ ...data, chosen: null });
    if (text !== this.text) this.#build(data);
    this.text = text;
    this.#mark(data.chosen);
  }

  #build({ before, after, steps }) {
    this.buttons = new Map();
    const parts = [this.#end(before), wire()];
    for (const step of steps) {
      const button = element(
        "button",
        { type: "button", class: "step", title: step.help, onclick: () => this.#pressed(step.name) },
        element("span", { class: "label" }, step.label),
        element("span", { class: "formula" }, step.formula),
      );
      this.buttons.set(step.name, button);
      if (step.residual) {
        const arc = element("span", { class: "arc", "aria-hidden": "true" });
        const plus = element("span", { class: "plus", "aria-hidden": "true" }, "+");
        parts.push(element("div", { class: "residual" }, arc, button, wire(), plus), wire());
      } else {
        parts.push(button, wire());
      }
    }
    this.root.replaceChildren(...parts, this.#end(after));
  }

  #end({ symbol, label }) {
    return element("div", { class: "end" }, element("span", { class: "symbol" }, symbol), element("span", {}, label));
  }

  #pressed(name) {
    this.#mark(name); // at once; Python answers later
    this.choose(name);
  }

  #mark(chosen) {
    for (const [name, button] of this.buttons) setAttribute(button, "aria-pressed", name === chosen);
  }
}

function wire() {
  return element("span", { class: "wire", "aria-hidden": "true" });
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return;
  const report = (name) => sendAlone(() => setStateValue("step", name));
  if (!diagrams.has(parentElement)) diagrams.set(parentElement, new BlockDiagram(parentElement, report));
  const mine = diagrams.get(parentElement);
  mine.choose = report;
  mine.update(data);
  return () => {
    setTimeout(() => {
      if (mine.root.isConnected || diagrams.get(parentElement) !== mine) return;
      diagrams.delete(parentElement);
      mine.root.parentElement.remove();
    });
  };
}
