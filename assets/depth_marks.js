// Marks on a chart of curves over depth where the canvas is, and what each curve has there; a press on the chart moves
// the canvas. Drawn here, not by Plotly, so that nothing is asked of the server while the depth moves.

const TEXT = { "text-anchor": "end", "font-size": 12, "font-weight": 600, "font-family": "inherit" };
const CHART = ".js-plotly-plot:not([data-copy])";
const marks = new WeakMap(); // mount point -> DepthMarks

class DepthMarks {
  marks = new Map(); // key of a chart -> its mark

  constructor(host) {
    this.host = host; // has the theme's colours
  }

  /** @param data {container, canvas, range, curves: {key of a chart: {name, depths, values, digits} or null}} */
  update(data) {
    this.data = data;
    const container = document.querySelector(`.st-key-${data.container}`);
    if (container !== this.container) {
      this.dispose();
      this.container = container;
      const stops = ["at", "live"].map((kind) => onDepth(kind, data.canvas, () => this.render()));
      this.stop = () => stops.forEach((stop) => stop());
      // Plotly builds its chart later than we come, and again at each change.
      this.observer = new MutationObserver((changes) => changes.some((change) => !this.#isOurs(change)) && this.#build());
      this.observer.observe(container, { childList: true, subtree: true });
      this.resizes = new ResizeObserver(() => requestAnimationFrame(() => this.#build()));
      this.resizes.observe(container);
      container.addEventListener("pointerdown", (this.press = (event) => this.#pressed(event)), true);
      container.addEventListener("pointermove", (this.move = (event) => event.buttons & 1 && this.#pressed(event)), true);
    }
    const theme = getComputedStyle(this.host);
    this.accent = theme.getPropertyValue("--st-primary-color") || "#8a3324";
    this.ink = theme.getPropertyValue("--st-text-color") || "currentColor";
    keepSteady(data.container);
    this.#build();
  }

  #isOurs({ target, addedNodes, removedNodes }) {
    const isMark = (node) => Boolean((node.closest ? node : node.parentElement)?.closest?.(".depth-mark, [data-copy]"));
    return isMark(target) || [...addedNodes, ...removedNodes].some(isMark);
  }

  /** The plot of each chart by its key, as a rectangle of the chart's own drawing; not of charts on their way out. */
  #areas() {
    const areas = new Map();
    for (const area of this.container.querySelectorAll(`${CHART} .draglayer .nsewdrag`)) {
      const key = keyOf(area).replace("st-key-", "");
      if (key in this.data.curves && area.getBoundingClientRect().width > 0) areas.set(key, area);
    }
    return areas;
  }

  /** A mark for each chart, where its plot is now, and no other: whoever drew it, and whatever the chart was then. */
  #build() {
    if (!this.container) return; // left meanwhile
    for (const group of this.container.querySelectorAll(`${CHART} .depth-mark`)) group.remove();
    this.marks.clear();
    for (const [key, area] of this.#areas()) {
      const drawing = area.ownerSVGElement;
      const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(area.getAttribute(name)));
      const line = svg("line", { y1: y, y2: y + height, "stroke-width": 2, stroke: this.accent });
      const text = svg("text", { x: x + width, y: y - 8, fill: this.ink, ...TEXT });
      const live = svg("polyline", { fill: "none", "stroke-width": 1.5, "stroke-dasharray": "4 3", stroke: this.accent });
      const group = svg("g", { class: "depth-mark", "pointer-events": "none" }, live, line, text);
      drawing.append(group);
      const plot = area.closest(".js-plotly-plot");
      this.marks.set(key, { x, y, width, height, line, text, live, plot, group });
    }
    this.render();
  }

  render() {
    const depth = sharedDepth.depths.get(this.data.canvas);
    if (depth === undefined) return;
    const [low, high] = this.data.range;
    const measured = sharedDepth.live.get(this.data.canvas);
    for (const [key, mark] of this.marks) {
      const { x, width, line, text, plot } = mark;
      const at = x + ((depth - low) / (high - low)) * width;
      setAttribute(line, "x1", at);
      setAttribute(line, "x2", at);
      const curve = this.data.curves[key];
      const values = measured?.[curve?.name];
      this.#drawLive(mark, values);
      // While the picture is live, Python's curves are of other settings.
      const traces = plot.querySelector(".cartesianlayer");
      const opacity = measured ? "0.25" : "";
      if (traces && traces.style.opacity !== opacity) traces.style.opacity = opacity;
      const shown = measured ? { ...curve, values: values ?? [], depths: [...(values ?? []).keys()] } : curve;
      setText(text, curve ? valueAt(shown, depth) : "");
    }
  }

  /** The live curve, in the scale of the chart that there is. */
  #drawLive({ x, y, width, height, live, plot }, values) {
    const [low, high] = this.data.range;
    const range = plot._fullLayout?.yaxis?.range;
    const points = (range ? (values ?? []) : []).map((value, block) => {
      const share = Math.min(1, Math.max(0, (value - range[0]) / (range[1] - range[0])));
      return `${x + ((block - low) / (high - low)) * width},${y + (1 - share) * height}`;
    });
    setAttribute(live, "points", points.join(" "));
  }

  #pressed(event) {
    if (event.type === "pointerdown" && event.button !== 0) return;
    for (const area of this.#areas().values()) {
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
    for (const { group } of this.marks.values()) group.remove(); // not those of who has come after
    this.container = null;
  }
}

/** Where the mark crosses the curve, or "…" if that is not there yet; nothing for several curves. */
function valueAt(curve, depth) {
  if (curve === null) return "";
  const { depths, values, digits } = curve;
  const after = depths.findIndex((each) => each >= depth - 1e-9);
  if (after < 0) return "…";
  const isThere = Math.abs(depths[after] - depth) < 1e-9 || after === 0;
  const [low, high] = [values[isThere ? after : after - 1], values[after]];
  if (low === null || high === null) return "none";
  const share = isThere ? 0 : (depth - depths[after - 1]) / (depths[after] - depths[after - 1]);
  return (low + share * (high - low)).toFixed(digits);
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
