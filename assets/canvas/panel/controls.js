// The controls under the panels: tools, legend, look and search.

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

/** The tool switch (what a drag does) and the mode switch (what becomes of the selection so far). */
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

const LEGEND_HELP = "Click hides or shows; Alt+click, or the key s, selects";

/** What the colours mean: one toggle button per class, or the bar of a continuous colouring. */
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

const LOOK_HELP = {
  "Colour by": "What the colours of the points say",
  Palette: "Colours of the classes; values have a scale of their own",
  "Point size": "Diameter of a point, in pixels",
  Opacity: "Of one point: many faint ones show where they are dense",
  "Class names": "The name of each class on its cluster; a class that is spread out has none",
  Images: "Tokens as images, as many as stand side by side (key I); zoomed in, always",
  Look: "Size, opacity, palette, names and images of the points",
};
// By the name that Python gives a colouring.
const COLOURING_HELP = {
  "effective neighbours": "Row entropy of the attention matrix, its exp: m for a token that attends to m alike",
};

/** How the points look: "Colour by", and under "Look" their size, opacity and palette. Nothing here asks Python. */
class Look {
  #for = "";

  /** @param act {colourBy(name), palette(name), look({diameter?, opacity?, names?, images?})} */
  constructor(act) {
    const choose = (label, chosen) => {
      const onchange = (event) => chosen(event.target.value);
      return element("select", { "aria-label": label, title: LOOK_HELP[label], onchange });
    };
    this.colourBy = choose("Colour by", act.colourBy);
    this.palette = choose("Palette", act.palette);
    this.size = this.#slider("Point size", 1, 16, 0.25, (diameter) => act.look({ diameter }));
    this.opacity = this.#slider("Opacity", 0.05, 1, 0.05, (opacity) => act.look({ opacity }));
    const check = (label, chosen) => {
      const onchange = (event) => chosen(event.target.checked);
      return element("input", { type: "checkbox", "aria-label": label, title: LOOK_HELP[label], onchange });
    };
    this.names = check("Class names", (names) => act.look({ names }));
    this.images = check("Images", (images) => act.look({ images }));
    const rows = [
      ["Point size", this.size],
      ["Opacity", this.opacity],
      ["Palette", this.palette],
      ["Class names", this.names],
      ["Images", this.images],
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

  /** @param {Colours} colours; @param options {diameter, opacity, names, images} as drawn; @param hasImages of the tokens */
  render(colours, { diameter, opacity, names: named, images }, hasImages) {
    const { names } = colours;
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
    this.colourBy.value = colours.asked;
    setAttribute(this.colourBy, "aria-busy", colours.asked !== colours.chosen);
    setAttribute(this.colourBy, "title", COLOURING_HELP[colours.asked] ?? LOOK_HELP["Colour by"]);
    this.palette.value = colours.palette;
    this.palette.disabled = colours.isContinuous || colours.current.colours !== null;
    this.size.value = diameter;
    this.opacity.value = opacity;
    this.names.checked = named;
    this.names.disabled = colours.current !== colours.list[0];
    this.images.checked = images && hasImages;
    this.images.disabled = !hasImages;
  }
}

/**
 * What a query means.
 * @returns {{classes: number[], token: number | null, problem: string}} problem: a sentence if anything matches nothing
 */
function readQuery(text, classNames, total) {
  const found = { classes: [], token: null, problem: "" };
  const fold = (name) => name.trim().toLowerCase();
  const exact = classNames.findIndex((name) => fold(name) === fold(text)); // a name may hold a comma
  if (exact >= 0) return { ...found, classes: [exact] };
  for (const part of text.split(",").map((each) => each.trim()).filter(Boolean)) { // prettier-ignore
    const label = classNames.findIndex((name) => fold(name) === fold(part));
    const number = /^#\s*(\d+)$/.exec(part);
    if (label >= 0) found.classes.push(label);
    else if (number && Number(number[1]) < total) found.token = Number(number[1]);
    else if (number) found.problem ||= `There is no token ${part}: the last one is #${total - 1}.`;
    else found.problem ||= `No label is called “${part}”. A token is found by #index.`;
  }
  return found;
}

/** The search field: "7" selects the class named 7, "3, 8" both, "#1234" pins the token 1234. */
class Search {
  /** @param onSearch called with the text; returns a sentence to show, or nothing */
  constructor(onSearch) {
    this.input = element("input", {
      type: "search",
      "aria-label": "Search label or #index",
      placeholder: "label or #index",
      autocomplete: "off",
      spellcheck: "false",
      title: "“7” selects a class, “3, 8” two, “#1234” pins a token",
    });
    this.message = element("div", { class: "card message", "aria-hidden": "true", hidden: "" });
    const say = (text) => {
      setText(this.message, text);
      this.message.hidden = !text;
    };
    const onsubmit = (event) => {
      event.preventDefault();
      say(this.input.value.trim() ? onSearch(this.input.value) : "");
    };
    this.input.addEventListener("input", () => say(""));
    this.input.addEventListener("blur", () => say(""));
    this.root = element("form", { class: "search", role: "search", onsubmit }, this.input, this.message);
  }
}
