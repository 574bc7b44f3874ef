// Marks on a chart of curves over depth where the canvas is, and what each curve has there; a press on the chart moves
// the canvas. Drawn here, not by Plotly, so that nothing is asked of the server while the depth moves.

const TEXT = { "text-anchor": "end", "font-size": 12, "font-weight": 600, "font-family": "inherit" };
const marks = new WeakMap(); // mount point -> DepthMarks

class DepthMarks {
  constructor(host) {
    this.host = host; // has the theme's colours
  }

  /** @param data {container, canvas, range, curves: [{values, digits}]} */
  update(data) {
    this.data = data;
    const container = document.querySelector(`.st-key-${data.container}`);
    if (container !== this.container) {
      this.dispose();
      this.container = container;
      this.stop = onDepth("at", data.canvas, () => this.render());
      // Plotly builds its chart later than we come, and anew at each change.
      this.observer = new MutationObserver((changes) => changes.some((change) => !this.#isOurs(change)) && this.render());
      this.observer.observe(container, { childList: true, subtree: true });
      this.resizes = new ResizeObserver(() => requestAnimationFrame(() => this.render()));
      this.resizes.observe(container);
      container.addEventListener("pointerdown", (this.press = (event) => this.#pressed(event)), true);
      container.addEventListener("pointermove", (this.move = (event) => event.buttons & 1 && this.#pressed(event)), true);
    }
    this.render();
  }

  #isOurs({ target, addedNodes }) {
    return target.classList?.contains("depth-mark") || [...addedNodes].some((node) => node.classList?.contains("depth-mark"));
  }

  /** The plots' areas, in order, as rectangles of the chart's own drawing. */
  #areas() {
    return [...this.container.querySelectorAll(".js-plotly-plot .draglayer .nsewdrag")];
  }

  render() {
    const depth = sharedDepth.depths.get(this.data.canvas);
    if (depth === undefined) return;
    const [low, high] = this.data.range;
    const theme = getComputedStyle(this.host);
    const accent = theme.getPropertyValue("--st-primary-color") || "#8a3324";
    const ink = theme.getPropertyValue("--st-text-color") || "currentColor";
    this.#areas().forEach((area, i) => {
      const drawing = area.ownerSVGElement;
      const number = (name) => Number(area.getAttribute(name));
      const x = number("x") + ((depth - low) / (high - low)) * number("width");
      let group = drawing.querySelector(`.depth-mark[data-curve="${i}"]`);
      if (!group) {
        group = svg("g", { class: "depth-mark", "data-curve": i, "pointer-events": "none" }, svg("line"), svg("text", TEXT));
        drawing.append(group);
      }
      const [line, text] = group.children;
      setAttribute(line, "stroke", accent);
      const ends = { x1: x, x2: x, y1: number("y"), y2: number("y") + number("height"), "stroke-width": 2 };
      for (const [name, value] of Object.entries(ends)) setAttribute(line, name, value);
      setAttribute(text, "x", number("x") + number("width"));
      setAttribute(text, "y", number("y") - 8);
      setAttribute(text, "fill", ink);
      setText(text, this.#valueAt(this.data.curves[i], depth));
    });
  }

  /** The value at the block that was passed last, or "…" if it is not there yet. */
  #valueAt(curve, depth) {
    const value = curve?.values[Math.floor(depth + 1e-9)];
    return value === undefined ? "…" : value.toFixed(curve.digits);
  }

  #pressed(event) {
    if (event.type === "pointerdown" && event.button !== 0) return;
    for (const area of this.#areas()) {
      const box = area.getBoundingClientRect();
      const inside = event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside || event.clientX < box.left || event.clientX > box.right) continue;
      const [low, high] = this.data.range;
      askForDepth(this.data.canvas, low + ((event.clientX - box.left) / box.width) * (high - low));
      event.preventDefault();
      return;
    }
  }

  dispose() {
    if (!this.container) return;
    this.stop();
    this.observer.disconnect();
    this.resizes.disconnect();
    this.container.removeEventListener("pointerdown", this.press, true);
    this.container.removeEventListener("pointermove", this.move, true);
    for (const group of this.container.querySelectorAll(".depth-mark")) group.remove();
    this.container = null;
  }
}

export default function ({ data, parentElement }) {
  if (!data) return;
  if (!marks.has(parentElement)) marks.set(parentElement, new DepthMarks(parentElement.host ?? parentElement));
  const mine = marks.get(parentElement);
  mine.update(data);
  return () => {
    setTimeout(() => {
      if ((parentElement.host ?? parentElement).isConnected || marks.get(parentElement) !== mine) return;
      marks.delete(parentElement);
      mine.dispose();
    });
  };
}
