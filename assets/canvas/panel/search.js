// The search field: "7" selects the class named 7, "3, 8" both, "#1234" pins the token 1234.

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
