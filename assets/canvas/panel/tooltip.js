// The card beside the token under the mouse, or beside the pinned one: its image, label and index.

class Tooltip {
  #shown = "";

  constructor() {
    this.image = element("canvas", { "aria-hidden": "true" });
    this.text = element("div", { class: "text" });
    this.index = element("div", { class: "index" });
    this.value = element("div", { class: "index" });
    this.root = element("div", { class: "tooltip", hidden: "" }, this.image, this.text, this.index, this.value);
  }

  hide() {
    this.root.hidden = true;
  }

  /** (x, y): the place in `frame`, the positioned ancestor, beside which the card stands; `repaint` after a change of theme or images. */
  show(datasetKey, { index, label, value }, x, y, frame, repaint) {
    const state = `${datasetKey} ${index} ${label}`;
    this.root.hidden = false;
    setText(this.value, value);
    if (repaint || state !== this.#shown) {
      this.#shown = state;
      this.image.hidden = !digitSprites.paint(this.image, datasetKey, index, computedColour(this.root));
      setText(this.text, label);
      setText(this.index, `index ${index}`);
    }
    const { offsetWidth: width, offsetHeight: height } = this.root;
    const left = x + 14 + width > frame.clientWidth ? x - 14 - width : x + 14;
    const top = Math.max(0, Math.min(y - height / 2, frame.clientHeight - height));
    this.root.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  }
}
