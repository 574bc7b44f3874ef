// The tool switch (what a drag does) and the mode switch (what becomes of the selection so far).

const TOOLS = [
  ["pan", "Pan", "Pan: a drag moves the view (p)", "M8 2v12M2 8h12M6.3 3.7 8 2l1.7 1.7M6.3 12.3 8 14l1.7-1.7M3.7 6.3 2 8l1.7 1.7M12.3 6.3 14 8l-1.7 1.7"],
  ["lasso", "Lasso", "Lasso: a drag around points selects them (l)", "M5.2 10.3C3.3 9.7 2 8.4 2 6.9 2 4.7 4.7 3 8 3s6 1.7 6 3.9-2.7 3.9-6 3.9c-1 0-2-.2-2.8-.5Zm0 0c.9 1 .7 2.3-.9 3.2"],
  ["box", "Box", "Box: a drag from corner to corner selects (b)", "M3.5 3.5h1.8m1.8 0h1.8m1.8 0h1.8v1.8m0 1.8v1.8m0 1.8v1.8h-1.8m-1.8 0H7.1m-1.8 0H3.5v-1.8m0-1.8V7.1m0-1.8V3.5"],
]; // prettier-ignore
const MODES = [
  ["new", "New selection", "Each gesture starts a new selection", "new"],
  ["add", "Add to selection", "Each gesture adds to the selection (or hold Shift)", "+"],
  ["subtract", "Subtract from selection", "Each gesture takes away from the selection (or hold Alt)", "−"],
];

class Toolbar {
  /** @param act {tool(name), mode(name)}: called when the user chooses */
  constructor(act) {
    const icon = (path) => svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: path }));
    this.tools = new Map(
      TOOLS.map(([name, label, title, path]) => [name, this.#button(label, title, icon(path), () => act.tool(name))]),
    );
    this.modes = new Map(
      MODES.map(([name, label, title, text]) => [name, this.#button(label, title, text, () => act.mode(name))]),
    );
    const group = (name, buttons) =>
      element("div", { class: "switch", role: "group", "aria-label": name }, ...buttons.values());
    this.root = element("div", { class: "toolbar" }, group("Tool", this.tools), group("Selection mode", this.modes));
  }

  #button(label, title, content, onclick) {
    return element("button", { type: "button", "aria-label": label, title, onclick }, content);
  }

  render(tool, mode) {
    for (const [name, button] of this.tools) setAttribute(button, "aria-pressed", name === tool);
    for (const [name, button] of this.modes) setAttribute(button, "aria-pressed", name === mode);
  }
}
