// The whole component: panels on one clock, scrubber, legend and tooltip; what Python sends in, what it hears back.

const SETTLE_MS = 300; // how long the depth must rest before Python hears of it
const HOVER_RADIUS = 8;

class LatentCanvas {
  clock = new Clock();
  panels = [];
  hidden = new Set(); // classes
  hovered = { panel: null, index: -1 };
  pinned = { panel: null, index: -1 };
  stats = { draws: 0, uploads: 0, firstDrawMs: null, fps: 0 };
  options = { diameter: 4, opacity: 0.8 };
  isHidden = (index) => this.hidden.has(this.codes[index]);
  #born = performance.now();
  #request = 0; // of the animation frame
  #lastTick = 0;
  #settleTimer = 0;
  #shownDepth = null;
  #reported = null; // the depth that Python knows
  #given = null; // the depth and revision that Python passed last
  #repaint = false;

  constructor(parent) {
    this.motion = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.scrubber = new Scrubber(this.clock, { changed: () => this.depthMoved(), toggle: () => this.toggle() });
    this.legend = new Legend((index) => this.toggleClass(index));
    this.tooltip = new Tooltip();
    this.row = element("div", { class: "panels" });
    this.summary = element("div", { class: "visually-hidden", "aria-live": "polite" });
    const reset = { type: "button", class: "reset", onclick: () => this.resetViews() };
    this.resetButton = element("button", reset, "Reset view");
    const footer = element("div", { class: "footer" }, this.legend.root, this.resetButton);
    const inner = [this.row, this.scrubber.root, footer, this.summary, this.tooltip.root];
    this.root = element("div", { class: "latent-canvas", onkeydown: (event) => this.#key(event) }, ...inner);
    parent.append(this.root);
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.root);
    this.resized = this.resized.bind(this);
    this.spritesReady = (key) => key === this.header?.dataset_key && this.refreshTooltip();
    window.addEventListener("resize", this.resized); // also tells of a changed devicePixelRatio
    digitSprites.listeners.add(this.spritesReady);
    this.root.latentCanvas = testHandle(this);
  }

  /** New data or a rerun with the same data: only what differs is touched. */
  update(bytes, setStateValue) {
    this.setStateValue = setStateValue;
    this.bytes = bytes.length;
    const { header, array } = readBlob(bytes);
    const before = this.header;
    this.#repaint = true; // the theme may have changed
    this.invalidate();
    // The header holds a digest of every array, so equal headers mean equal data.
    if (before && JSON.stringify(before) === JSON.stringify(header)) return;
    this.header = header;
    this.root.style.setProperty("--height", `${header.height}px`);
    this.options = { diameter: header.point_size, opacity: header.opacity };
    this.clock.stepwise = this.motion.matches;
    if (before?.dataset_key !== header.dataset_key) this.#forgetTokens();
    if (JSON.stringify(before?.class_names) !== JSON.stringify(header.class_names)) this.hidden.clear();
    const sameCodes = before?.codes.digest === header.codes.digest;
    if (!sameCodes) this.codes = array(Uint8Array, header.codes);
    this.#matchPanels(header.panels.length);
    header.panels.forEach((spec, i) => {
      const panel = this.panels[i];
      panel.setData(new Track(spec, array), sameCodes && panel.track ? null : this.codes);
    });
    this.#setTable();
    this.#setClock(header);
    this.legend.render(header.class_names, header.colours, this.hidden);
    this.resized();
  }

  #matchPanels(count) {
    while (this.panels.length > count) {
      const panel = this.panels.pop();
      this.observer.unobserve(panel.plot);
      panel.dispose();
      panel.root.remove();
    }
    while (this.panels.length < count) {
      const panel = new Panel(this);
      this.panels.push(panel);
      this.row.append(panel.root);
      this.observer.observe(panel.plot);
      attachGestures(panel, {
        hover: () => this.invalidate(),
        pin: () => this.pin(panel),
        changed: () => this.viewMoved(panel),
      });
    }
  }

  #forgetTokens() {
    this.hovered = { panel: null, index: -1 };
    this.pinned = { panel: null, index: -1 };
    for (const panel of this.panels) panel.view.reset();
  }

  #setClock(header) {
    const tracks = this.panels.map((panel) => panel.track);
    const moving = tracks.filter((track) => track.depths.length > 1);
    // A single frame does not say how far the others will get: a static reference may already show the end.
    const computed = moving.length
      ? Math.max(...moving.map((track) => track.depths.at(-1)))
      : Math.min(...tracks.map((track) => track.depths[0]));
    const first = Math.min(...tracks.map((track) => track.depths[0]), computed);
    const given = JSON.stringify([header.depth, header.revision]);
    if (this.#given === null) this.#reported = header.depth;
    const depthIsNew = given !== this.#given;
    this.#given = given;
    this.clock.setAxis(first, computed, header.n_blocks);
    if (depthIsNew) this.clock.reset(header.depth);
    this.#settleSoon();
  }

  #setTable() {
    const table = new Uint8Array(1024);
    const colours = this.header.colours;
    for (let code = 0; code < 256; code++) {
      const alpha = this.hidden.has(code) ? 0 : 255;
      table.set([...parseHex(colours[code % colours.length]), alpha], 4 * code);
    }
    for (const panel of this.panels) panel.setTable(table);
  }

  // --- what the user does ---

  depthMoved() {
    this.#settleSoon();
    this.invalidate();
  }

  toggle() {
    this.clock.stepwise = this.motion.matches;
    this.clock.toggle();
    this.#lastTick = 0;
    this.depthMoved();
  }

  toggleClass(index) {
    if (!this.hidden.delete(index)) this.hidden.add(index);
    this.#setTable();
    this.legend.render(this.header.class_names, this.header.colours, this.hidden);
    this.#settleSoon();
    this.invalidate();
  }

  pin(panel) {
    const index = panel.underPointer(HOVER_RADIUS);
    this.pinned = index === this.pinned.index ? { panel: null, index: -1 } : { panel, index };
    this.invalidate();
  }

  viewMoved(panel) {
    panel.dirty = true;
    this.invalidate();
  }

  resetViews() {
    for (const panel of this.panels) {
      panel.view.reset();
      panel.dirty = true;
    }
    this.invalidate();
  }

  refreshTooltip() {
    this.#repaint = true;
    this.invalidate();
  }

  #key(event) {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("button, select")) return;
    const { clock } = this;
    const pause = () => (clock.playing = false);
    const keys = {
      ArrowRight: () => (pause(), clock.step(1)),
      ArrowUp: () => (pause(), clock.step(1)),
      ArrowLeft: () => (pause(), clock.step(-1)),
      ArrowDown: () => (pause(), clock.step(-1)),
      Home: () => (pause(), clock.choose(clock.first)),
      End: () => (pause(), clock.choose(clock.computed)),
      " ": () => this.toggle(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
    keys[event.key]();
    this.depthMoved();
  }

  resized() {
    let changed = false;
    for (const panel of this.panels) changed = (panel.track && panel.measure()) || changed;
    // Drawn at once: a canvas that changed its size is blank until it is drawn.
    if (changed) this.#render();
    else this.invalidate();
  }

  // --- drawing: only when something changed ---

  invalidate() {
    this.#request ||= requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    this.#request = 0;
    const elapsed = this.#lastTick ? now - this.#lastTick : 0;
    this.clock.advance(Math.min(0.1, elapsed / 1000));
    this.#render();
    if (elapsed > 0 && elapsed < 250) this.stats.fps += (1000 / elapsed - this.stats.fps) * (this.stats.fps ? 0.1 : 1);
    this.#lastTick = now;
    if (this.clock.playing && !this.clock.waiting) this.invalidate();
  }

  #render() {
    if (!this.header) return;
    for (const panel of this.panels) panel.render();
    if (this.stats.firstDrawMs === null && this.stats.draws) this.stats.firstDrawMs = performance.now() - this.#born;
    this.scrubber.render();
    this.#renderTokens();
    if (this.clock.depth !== this.#shownDepth) {
      this.#shownDepth = this.clock.depth;
      this.#settleSoon();
    }
  }

  #renderTokens() {
    const panel = this.panels.find((candidate) => candidate.pointer);
    this.hovered = { panel, index: panel ? panel.underPointer(HOVER_RADIUS) : -1 };
    for (const each of this.panels) {
      each.placeRings(this.hovered.index, this.pinned.index);
      each.plot.classList.toggle("on-point", this.hovered.panel === each && this.hovered.index >= 0);
    }
    const token = this.hovered.index >= 0 ? this.hovered : this.pinned;
    if (token.index < 0 || !this.panels.includes(token.panel) || this.isHidden(token.index)) return this.tooltip.hide();
    const [x, y] = token.panel.place(token.index);
    const plot = token.panel.plot.getBoundingClientRect();
    const root = this.root.getBoundingClientRect();
    const name = this.header.class_names[this.codes[token.index]] ?? "";
    const place = [x + plot.left - root.left, y + plot.top - root.top];
    this.tooltip.show(this.header.dataset_key, token.index, name, ...place, this.root, this.#repaint);
    this.#repaint = false;
  }

  // --- what Python and screen readers hear, once the depth rests ---

  #settleSoon() {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.#settle(), SETTLE_MS);
  }

  #settle() {
    const { clock, header } = this;
    if (clock.moving) return; // its end starts the timer again
    const total = this.codes.length;
    const names = header.class_names.filter((_, i) => !this.hidden.has(i));
    const shown = this.hidden.size ? names.join(", ") || "none" : "all";
    const depth = `Depth ${formatDepth(clock.depth)} of ${header.n_blocks}`;
    setText(this.summary, `${depth}; ${formatCount(total)} points; classes shown: ${shown}`);
    if (!clock.touched && clock.computed < clock.length) return; // following new frames is no news for Python
    if (this.#reported === clock.depth) return;
    this.#reported = clock.depth;
    this.setStateValue("depth", clock.depth);
  }

  dispose() {
    cancelAnimationFrame(this.#request);
    clearTimeout(this.#settleTimer);
    this.observer.disconnect();
    window.removeEventListener("resize", this.resized);
    digitSprites.listeners.delete(this.spritesReady);
    for (const panel of this.panels) panel.dispose();
    this.root.remove();
  }
}
