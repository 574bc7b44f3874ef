// One panel: title, axes, the canvas with its points, and rings around the tokens that are looked at.

class Panel {
  view = new View();
  track = null;
  pointer = null; // where the mouse is, in CSS pixels of the plot, or null
  dirty = true;
  #drawn = ""; // the mix that is on screen

  /** @param host {stats, isHidden(index), options, invalidate()} */
  constructor(host) {
    this.host = host;
    this.title = element("div", { class: "title" });
    this.hoverRing = element("div", { class: "ring", hidden: "" });
    this.pinRing = element("div", { class: "ring pinned", hidden: "" });
    this.plot = element("div", { class: "plot", tabindex: "0", role: "img" });
    this.ends = ["left", "right", "bottom", "top"].map((side) => element("span", { class: `end ${side}` }));
    this.xLabel = element("span", { class: "axis-label" });
    this.yLabel = element("span", { class: "axis-label" });
    const yAxis = element("div", { class: "y-axis", "aria-hidden": "true" }, this.ends[3], this.yLabel, this.ends[2]);
    const xAxis = element("div", { class: "x-axis", "aria-hidden": "true" }, this.ends[0], this.xLabel, this.ends[1]);
    this.root = element("div", { class: "panel" }, this.title, yAxis, this.plot, xAxis);
    this.#makeRenderer();
    this.plot.append(this.canvas, this.pinRing, this.hoverRing);
  }

  #makeRenderer() {
    const { stats } = this.host;
    this.canvas = element("canvas");
    const restored = () => {
      this.dirty = true;
      this.host.invalidate();
    };
    this.renderer = WebGLPoints.create(this.canvas, stats, restored);
    if (this.renderer) return;
    this.canvas = element("canvas"); // a canvas that once had a WebGL context gives no 2D one
    this.renderer = Canvas2DPoints.create(this.canvas, stats);
  }

  /** New data; `codes` is null if the classes are the same as before. */
  setData(track, codes) {
    this.track = track;
    this.renderer.setFrames(track.frames);
    if (codes) this.renderer.setCodes(codes);
    setText(this.xLabel, track.x_label);
    setText(this.yLabel, track.y_label);
    this.dirty = true;
  }

  setTable(table) {
    this.renderer.setTable(table);
    this.dirty = true;
  }

  /** Take the plot's size on the page; true if it changed. */
  measure() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.plot.clientWidth, this.plot.clientHeight];
    if (width === this.view.width && height === this.view.height && ratio === this.ratio) return false;
    if (!width || !height) return false; // not laid out (a closed tab): keep what there is
    Object.assign(this.view, { width, height });
    this.ratio = ratio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.dirty = true;
    return true;
  }

  mix() {
    return this.track.at(this.host.clock.depth);
  }

  affine(mix = this.mix()) {
    return this.view.screenAffine(this.track.extent(mix));
  }

  /** Redraw if anything changed; true if it did. */
  render(force = false) {
    const mix = this.mix();
    const state = `${mix.k} ${mix.t}`;
    if (!this.ratio || (!force && !this.dirty && state === this.#drawn)) return false;
    const { frames } = this.track;
    const { width, height } = this.view;
    const { diameter, opacity } = this.host.options;
    const scene = { frame: frames[mix.k], next: frames[mix.next], t: mix.t, affine: this.affine(mix) };
    const drawn = this.renderer.draw({ ...scene, width, height, ratio: this.ratio, diameter, opacity });
    this.dirty = !drawn; // a lost context: again once it is restored
    this.#drawn = state;
    this.#label(mix);
    return true;
  }

  #label(mix) {
    const depth = this.track.depths[mix.k] * (1 - mix.t) + this.track.depths[mix.next] * mix.t;
    const title = this.track.title.replace("{depth}", formatDepth(depth));
    setText(this.title, title);
    setAttribute(this.plot, "aria-label", `${title}: ${formatCount(this.track.count)} points`);
    const [x0, x1, y0, y1] = this.view.range(this.track.extent(mix));
    const [spanX, spanY] = [x1 - x0, y1 - y0];
    [x0, x1].forEach((value, i) => setText(this.ends[i], formatNumber(value, spanX)));
    [y0, y1].forEach((value, i) => setText(this.ends[2 + i], formatNumber(value, spanY)));
  }

  /** Index of the visible token under the mouse, or −1. */
  underPointer(radius) {
    if (!this.pointer) return -1;
    const mix = this.mix();
    return this.track.nearest(mix, this.affine(mix), ...this.pointer, radius, this.host.isHidden);
  }

  /** CSS-pixel place of a token in this plot. */
  place(index) {
    const mix = this.mix();
    return this.track.position(mix, index, this.affine(mix));
  }

  /** Put both rings (−1: none); rings of hidden or out-of-sight tokens vanish. */
  placeRings(hovered, pinned) {
    this.#placeRing(this.hoverRing, hovered);
    this.#placeRing(this.pinRing, pinned);
  }

  #placeRing(ring, index) {
    let shown = index >= 0 && index < this.track.count && !this.host.isHidden(index);
    if (shown) {
      const [x, y] = this.place(index);
      shown = x >= 0 && y >= 0 && x <= this.view.width && y <= this.view.height;
      if (shown) ring.style.transform = `translate(${x}px, ${y}px)`;
    }
    ring.hidden = !shown;
  }

  dispose() {
    this.renderer.dispose();
  }
}
