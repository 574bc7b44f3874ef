// One panel: title, axes, the canvas with its points, and what is drawn over them.

const PIN_RADIUS = 8; // of the ring around the pinned token, as in panel.css
const LINK_RADIUS = 5;

const pointsOf = (path) => path.map((place) => place.map((c) => c.toFixed(1)).join()).join(" ");

/** Lines over the points: the lasso or box while it is drawn, and where the pinned token attends to. */
class Overlay {
  constructor() {
    this.region = svg("polygon", { class: "region" });
    this.links = svg("g", { class: "links" });
    this.way = svg("polyline", { class: "way" });
    this.root = svg("svg", { class: "overlay", "aria-hidden": "true" }, this.way, this.links, this.region);
  }

  /** @param {[number, number][] | null} path CSS pixels */
  drawRegion(path) {
    setAttribute(this.region, "points", pointsOf(path ?? []));
  }

  /** @param {[number, number][]} path CSS pixels: where a token is at each frame */
  drawWay(path) {
    setAttribute(this.way, "points", pointsOf(path));
  }

  /** @param from place of the token that attends; @param {{place, weight}[]} to; stronger lines for greater weights */
  drawLinks(from, to) {
    while (this.links.childElementCount > 2 * to.length) this.links.lastChild.remove();
    while (this.links.childElementCount < 2 * to.length) this.links.append(svg("line"), svg("circle", { r: LINK_RADIUS }));
    const most = Math.max(...to.map((each) => each.weight));
    to.forEach(({ place: [x, y], weight }, i) => {
      const [line, circle] = [this.links.children[2 * i], this.links.children[2 * i + 1]];
      const [dx, dy] = [x - from[0], y - from[1]];
      const length = Math.hypot(dx, dy);
      const apart = length > PIN_RADIUS + LINK_RADIUS; // a line runs from ring to ring, not into them
      setAttribute(line, "visibility", apart ? "visible" : "hidden");
      if (apart) {
        setAttribute(line, "x1", from[0] + (dx * PIN_RADIUS) / length);
        setAttribute(line, "y1", from[1] + (dy * PIN_RADIUS) / length);
        setAttribute(line, "x2", x - (dx * LINK_RADIUS) / length);
        setAttribute(line, "y2", y - (dy * LINK_RADIUS) / length);
      }
      setAttribute(line, "opacity", 0.35 + 0.65 * (weight / most));
      setAttribute(line, "stroke-width", 0.75 + 2.25 * (weight / most));
      setAttribute(circle, "cx", x);
      setAttribute(circle, "cy", y);
    });
  }
}

const PLOT_HELP = "Click a point to pin it. After a click, or with Ctrl, the wheel zooms.";

/** With rings around the tokens that are looked at. */
class Panel {
  view = new View();
  track = null;
  pointer = null; // where the mouse is, in CSS pixels of the plot, or null
  dirty = true;
  #drawn = ""; // the mix that is on screen
  #codes = null;
  #table = null;

  /** @param host {stats, clock, options, isHidden(index), invalidate()} */
  constructor(host) {
    this.host = host;
    this.title = element("div", { class: "title" });
    this.hoverRing = element("div", { class: "ring", hidden: "" });
    this.pinRing = element("div", { class: "ring pinned", hidden: "" });
    this.plot = element("div", { class: "plot", tabindex: "0", role: "img", title: PLOT_HELP });
    this.ends = ["left", "right", "bottom", "top"].map((side) => element("span", { class: `end ${side}` }));
    this.xLabel = element("span", { class: "axis-label" });
    this.yLabel = element("span", { class: "axis-label" });
    const yAxis = element("div", { class: "y-axis", "aria-hidden": "true" }, this.ends[3], this.yLabel, this.ends[2]);
    const xAxis = element("div", { class: "x-axis", "aria-hidden": "true" }, this.ends[0], this.xLabel, this.ends[1]);
    this.note = element("div", { class: "note" });
    this.root = element("div", { class: "panel" }, this.title, this.note, yAxis, this.plot, xAxis);
    this.overlay = new Overlay();
    this.names = new ClassNames();
    this.images = new TokenImages();
    this.#makeRenderer();
    this.plot.append(this.canvas, this.overlay.root, this.names.root, this.pinRing, this.hoverRing);
  }

  #makeRenderer() {
    this.canvas = element("canvas");
    this.renderer = WebGLPoints.create(this.canvas, this.host.stats, {
      restored: () => this.#redraw(),
      gone: () => this.#drawWithout(),
    });
    if (!this.renderer) this.#make2D();
  }

  #make2D() {
    this.canvas = element("canvas"); // a canvas that once had a WebGL context gives no 2D one
    this.renderer = Canvas2DPoints.create(this.canvas, this.host.stats);
  }

  /** The browser took the WebGL context and did not give it back. */
  #drawWithout() {
    const before = this.canvas;
    this.renderer.dispose();
    this.#make2D();
    this.canvas.width = before.width;
    this.canvas.height = before.height;
    before.replaceWith(this.canvas);
    this.renderer.setFrames(this.track.frames);
    this.renderer.setCodes(this.#codes);
    this.renderer.setTable(this.#table);
    this.#redraw();
  }

  #redraw() {
    this.dirty = true;
    this.host.invalidate();
  }

  setData(track) {
    this.track = track;
    this.renderer.setFrames(track.frames);
    setText(this.xLabel, track.x_label);
    setText(this.yLabel, track.y_label);
    setText(this.note, track.note);
    this.note.title = track.note;
    this.root.classList.toggle("moving", track.depths.length > 1);
    this.dirty = true;
  }

  /** @param {Uint16Array} codes one per point, the same object as long as its content is the same */
  setCodes(codes) {
    if (codes === this.#codes) return;
    this.#codes = codes;
    this.renderer.setCodes(codes);
    this.dirty = true;
  }

  setTable(table) {
    if (table === this.#table) return;
    this.#table = table;
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
    const scene = { frame: frames[mix.k], next: frames[mix.next], t: mix.t, affine: this.affine(mix) };
    const options = this.track.blank ? { ...this.host.options, rows: [] } : this.host.options;
    const drawn = this.renderer.draw({ ...scene, width, height, ratio: this.ratio, ...options });
    this.dirty = !drawn; // a lost context: again once it is restored
    this.#drawn = state;
    this.#label(mix);
    return true;
  }

  #label(mix) {
    const title = this.track.titleAt(mix);
    setText(this.title, title);
    setAttribute(this.title, "title", title);
    setAttribute(this.plot, "aria-label", `${title}: ${formatCount(this.track.count)} points`);
    this.root.classList.toggle("blank", this.track.blank);
    const [x0, x1, y0, y1] = this.view.range(this.track.extent(mix));
    const [spanX, spanY] = [x1 - x0, y1 - y0];
    [x0, x1].forEach((value, i) => setText(this.ends[i], formatNumber(value, spanX)));
    [y0, y1].forEach((value, i) => setText(this.ends[2 + i], formatNumber(value, spanY)));
  }

  /** Index of the visible token under the mouse, or −1; images are before points. */
  underPointer(radius) {
    if (!this.pointer || this.track.blank) return -1;
    const image = this.images.at(...this.pointer);
    if (image >= 0) return image;
    const mix = this.mix();
    return this.track.nearest(mix, this.affine(mix), ...this.pointer, radius, this.host.isHidden);
  }

  /** Index of the visible token nearest to the middle of the plot, or −1. */
  nearestToCentre() {
    const mix = this.mix();
    const { width, height } = this.view;
    return this.track.nearest(mix, this.affine(mix), width / 2, height / 2, Math.max(width, height), this.host.isHidden);
  }

  /** 1 for each visible token inside `region`, where the tokens are now. */
  inside(region) {
    const mix = this.mix();
    return this.track.inside(mix, this.affine(mix), region, this.host.isHidden);
  }

  /** Lines and rings from the pinned token to those that it attends to: {index, weight}[]. */
  placeLinks(pinned, attended) {
    const shown = pinned >= 0 && !this.host.isHidden(pinned) ? attended : [];
    const to = shown.filter(({ index }) => index !== pinned && !this.host.isHidden(index));
    if (!to.length) return this.overlay.drawLinks(null, []);
    this.overlay.drawLinks(this.place(pinned), to.map(({ index, weight }) => ({ place: this.place(index), weight }))); // prettier-ignore
  }

  /** The way of a token through all frames, in the scale of the one on screen (−1: none). */
  placeWay(index) {
    const affine = this.affine();
    const shown = index >= 0 && !this.host.isHidden(index) && !this.track.blank;
    const frames = shown ? this.track.frames : [];
    this.overlay.drawWay(frames.map((_, k) => this.track.position({ k, next: k, t: 0 }, index, affine)));
  }

  /** @param {Colours} colours; @param wanted whether the classes are to be named at all */
  placeNames(colours, wanted) {
    const mix = this.mix();
    this.names.place(this.track, mix, this.affine(mix), this.view, colours, wanted);
  }

  /** @param about {key, wanted, first, ground()} of `TokenImages`; @param repaint the theme or the images changed */
  placeImages(about, repaint) {
    const mix = this.mix();
    const { host, images, track } = this;
    const isHidden = (index) => track.blank || host.isHidden(index);
    const all = { ...about, codes: this.#codes, table: this.#table, isHidden };
    images.choose(() => track.positions(mix, this.affine(mix)), this.view, all);
    if (images.draw(this.view, this.ratio, all, repaint)) this.canvas.after(images.root);
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
      ring.classList.toggle("around", this.images.shown.some((token) => token.index === index));
    }
    ring.hidden = !shown;
  }

  dispose() {
    this.renderer.dispose();
  }
}
