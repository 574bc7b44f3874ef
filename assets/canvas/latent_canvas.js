// The whole component: panels on one clock and around them what one sees and sets; what Python sends in.

const SETTLE_MS = 300; // how long everything must rest before Python hears of it
const HOVER_RADIUS = 8;
const RESET_HELP = "Undo zoom and pan in all panels (in one: double-click)";
const BESIDE_WIDTH = 960; // CSS pixels of the component from which the side panel stands beside the others

class LatentCanvas extends Actions {
  report = new Report();
  hovered = { panel: null, index: -1 };
  given = null; // what Python passed last: {depth, selection, pinned}, each as a text
  beside = false;
  stats = { draws: 0, uploads: 0, firstDrawMs: null, fps: 0 };
  #born = performance.now();
  #request = 0; // of the animation frame
  #lastTick = 0;
  #settleTimer = 0;
  #shownDepth = null;
  #repaint = false;
  #moreThanDepth = true; // since the last frame; reading sizes at every step of a drag would cost half its frames
  #paint = new Paint();

  constructor(parent) {
    super();
    this.motion = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.scrubber = new Scrubber(this.clock, { changed: () => this.depthMoved(), toggle: () => this.toggle() });
    this.legend = new Legend({
      toggle: (index) => this.toggleClass(index),
      select: (index, event) => this.select(this.ofClasses([index]), this.howOf(event, "legend")),
    });
    this.toolbar = new Toolbar({ tool: (name) => this.setTool(name), mode: (name) => this.setMode(name) });
    this.lookControls = new Look({
      colourBy: (name) => this.colourBy(name),
      palette: (name) => this.setPalette(name),
      look: (change) => this.setLook(change),
    });
    this.search = new Search((text) => this.find(text));
    this.tooltip = new Tooltip();
    this.side = new Side(this, { point: (index) => this.point(index), pin: (index) => this.pinToken(index) });
    this.table = new Table(this);
    this.live = new Live(this);
    this.row = element("div", { class: "panels" });
    this.summary = element("div", { class: "visually-hidden", "aria-live": "polite" });
    const reset = { type: "button", class: "reset", title: RESET_HELP, onclick: () => this.resetViews() };
    const { by, details } = this.lookControls;
    const controls = [by, this.search.root, details, element("button", reset, "Reset view")];
    const footer = element(
      "div",
      { class: "footer" },
      this.toolbar.root,
      this.legend.root,
      element("div", { class: "controls" }, ...controls),
    );
    this.story = element("p", { class: "story", hidden: "" });
    const steering = element("div", { class: "steering" }, this.scrubber.root, this.live.controls.root);
    const main = element("div", { class: "main" }, this.story, this.row, steering);
    const inner = [main, footer, this.side.root, this.table.root, this.summary, this.tooltip.root];
    this.root = element("div", { class: "latent-canvas", onkeydown: (event) => handleKey(this, event) }, ...inner);
    parent.append(this.root);
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.root);
    this.resized = this.resized.bind(this);
    this.spritesReady = (key) => key === this.header?.dataset_key && this.repaint();
    window.addEventListener("resize", this.resized); // also tells of a changed devicePixelRatio
    digitSprites.listeners.add(this.spritesReady);
    this.extrasCame = (key) => {
      if (key !== this.header?.key) return;
      this.#takeExtras();
      this.changed();
    };
    canvasExtras.listeners.add(this.extrasCame);
    this.root.latentCanvas = testHandle(this);
  }

  /** How the points are drawn. */
  get options() {
    const { point_size: diameter, opacity } = this.header;
    const rows = this.selection.count || this.live.fade ? [1, 0] : [0];
    return { diameter, opacity, names: true, images: false, ...this.look, rows };
  }

  // --- what Python sends ---

  /** New data or a rerun with the same data: only what differs is touched. */
  update(bytes, tell) {
    this.tell = tell; // called with values by name
    this.repaint(); // the theme may have changed
    this.take(bytes);
  }

  take(bytes) {
    this.bytes = bytes.length;
    const { header, array } = readBlob(bytes);
    const before = this.header;
    // The header holds a digest of every array, so equal headers mean equal data.
    if (before && JSON.stringify(before) === JSON.stringify(header)) return;
    if (this.live.keeps(header, bytes)) return;
    this.header = header;
    this.root.style.setProperty("--height", `${header.height}px`);
    this.clock.stepwise = this.motion.matches;
    this.array = array;
    this.#takeExtras();
    if (before?.dataset_key !== header.dataset_key || before.codes.length !== header.codes.length) this.#forgetTokens();
    this.#matchPanels(header.panels.length);
    setAttribute(this.row, "data-panels", header.panels.length);
    header.panels.forEach((spec, i) => this.panels[i].setData(new Track(spec, array)));
    this.#setAxis();
    this.#takeGiven(array);
    if (!before) {
      this.stopListening = onDepth("go", header.key, (depth) => this.goTo(depth));
      if (!recall(this) && header.opens && !this.motion.matches && isFirstVisit()) this.#open();
    }
    this.live.begin();
    this.live.taken();
    this.resized();
    this.settleSoon();
  }

  /** Play once; whatever the visitor does first ends it. */
  #open() {
    const end = () => {
      for (const name of ["pointerdown", "keydown"]) window.removeEventListener(name, end, true);
      this.clock.endOpening();
      this.depthMoved();
    };
    for (const name of ["pointerdown", "keydown"]) window.addEventListener(name, end, true);
    this.endOpening = end;
    this.clock.open();
    this.startClock();
  }

  /** A live picture is there, of all blocks. */
  liveCame(n_blocks) {
    this.clock.setAxis(this.clock.first, n_blocks, n_blocks);
    if (this.colours.liveMask === this.live.mask.bytes) return this.invalidate();
    this.colours.liveMask = this.live.mask.bytes;
    this.#takeExtras();
    this.refresh();
  }

  /** Python's picture again, the one that it sent last. */
  liveEnded() {
    this.colours.liveMask = null;
    this.#takeExtras();
    this.panels.at(-1).setData(new Track(this.header.panels.at(-1), this.array));
    this.#setAxis();
    this.live.taken();
    this.refresh();
  }

  /** Colourings and attended tokens, in so far as they have come for these frames. */
  #takeExtras() {
    const extras = this.live.isForeign ? null : canvasExtras.of(this.header);
    if (!this.live.isOn) this.colours.liveMask = null;
    this.colours.setData(this.header, this.array, extras);
    const attended = extras?.header.attended;
    this.attended = attended && {
      ...attended,
      digest: attended.indices.digest + attended.weights.digest,
      indices: extras.array(Uint32Array, attended.indices),
      weights: extras.array(Float32Array, attended.weights),
    };
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
        pin: () => this.pinToken(panel.underPointer(HOVER_RADIUS), panel),
        centre: () => this.pinCentre(panel),
        changed: () => this.viewMoved(panel),
        tool: () => this.tool,
        select: (region, event) => this.select(panel.inside(region), this.howOf(event)),
      });
    }
  }

  #forgetTokens() {
    this.hovered = { panel: null, index: -1 };
    this.pinned = { panel: null, index: -1 };
    this.pointed = -1;
    this.selection.reset(this.header.codes.length);
    this.report.pythonKnows({ selection: "", pinned: -1 });
    for (const panel of this.panels) panel.view.reset();
  }

  #setAxis() {
    const tracks = this.panels.map((panel) => panel.track);
    const moving = tracks.filter((track) => track.depths.length > 1);
    // A single frame does not say how far the others will get: a static reference may already show the end.
    const computed = moving.length
      ? Math.max(...moving.map((track) => track.depths.at(-1)))
      : Math.min(...tracks.map((track) => track.depths[0]));
    const first = Math.min(...tracks.map((track) => track.depths[0]), computed);
    this.clock.unit = this.header.depth_unit;
    this.clock.setAxis(first, computed, this.header.n_blocks);
  }

  /** Depth, selection and pinned token are Python's only when it passes another value than the last time. */
  #takeGiven(array) {
    const { depth, revision, selection, selection_revision, pinned, dataset_key } = this.header;
    const given = {
      depth: JSON.stringify([depth, revision]),
      selection: selection ? `${dataset_key} ${selection.digest} ${selection_revision}` : null,
      pinned: pinned ? JSON.stringify([dataset_key, pinned]) : null,
    };
    const before = this.given;
    this.given = given;
    if (before === null) this.report.pythonKnows({ depth });
    if (before?.depth !== given.depth) this.clock.reset(depth);
    if (pinned && before?.pinned !== given.pinned) {
      this.pinned = { panel: this.attentionPanel, index: pinned.index };
      this.report.pythonKnows({ pinned: pinned.index });
    }
    if (before && before.selection === given.selection) return;
    if (selection) this.selection.bits = array(Uint8Array, selection);
    this.report.pythonKnows({ selection: selection ? this.selection.text : "" });
  }

  /** Theme or images have changed. */
  repaint() {
    this.#repaint = true;
    this.refresh();
  }

  /** Draw everything again, the controls too. */
  refresh() {
    this.#moreThanDepth = true;
    this.invalidate();
  }

  resized() {
    this.beside = this.root.clientWidth >= BESIDE_WIDTH;
    this.root.classList.toggle("beside", this.beside);
    let changed = false;
    for (const panel of this.panels) changed = (panel.track && panel.measure()) || changed;
    this.#moreThanDepth = true;
    // Drawn at once: a canvas that changed its size is blank until it is drawn.
    if (changed) this.#render();
    else this.invalidate();
  }

  /** Playing begins or ends: the time until now does not count. */
  startClock() {
    this.#lastTick = 0;
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
    this.live.tick();
    this.recolour();
    for (const panel of this.panels) panel.render();
    if (this.stats.firstDrawMs === null && this.stats.draws) this.stats.firstDrawMs = performance.now() - this.#born;
    if (this.#moreThanDepth) {
      this.scrubber.measure();
      this.legend.render(this.colours);
      this.toolbar.render(this.tool, this.mode);
      this.lookControls.render(this.colours, this.options, digitSprites.has(this.header.dataset_key));
      this.side.renderSelection(this.#repaint);
    }
    this.scrubber.render();
    this.side.renderPinned(this.#repaint);
    this.#renderTokens();
    this.#tell();
    this.#repaint = this.#moreThanDepth = false;
    if (this.clock.depth !== this.#shownDepth) {
      this.#shownDepth = this.clock.depth;
      tellDepth(this.header.key, this.clock.depth);
      this.settleSoon();
    }
  }

  /** What to look at now. */
  #tell() {
    const { story } = this.header;
    const share = this.clock.depth / Math.max(1, this.clock.length);
    setText(this.story, story.findLast(([from]) => share >= from)?.[1] ?? "");
    this.story.hidden = !story.length;
  }

  recolour() {
    // Without a selection nothing is dimmed towards the ground, so that a change of theme changes no pixel.
    const ground = this.selection.count ? computedColour(this.tooltip.root, "backgroundColor") : [0, 0, 0];
    this.#paint.bring(this.colours, this.selection, this.clock.depth, ground, this.live.fade, this.panels.length);
    this.panels.forEach((panel, i) => {
      panel.setCodes(this.#paint.codesOf(i));
      panel.setTable(this.#paint.table);
    });
  }

  #renderTokens() {
    const panel = this.panels.find((candidate) => candidate.pointer);
    this.hovered = { panel, index: panel ? panel.underPointer(HOVER_RADIUS) : this.pointed };
    const { names, images: wanted } = this.options;
    const ground = () => computedColour(this.tooltip.root, "backgroundColor"); // asked for when an image is drawn
    const about = { key: this.header.dataset_key, wanted, first: this.pinned.index, ground };
    for (const each of this.panels) {
      each.placeImages(about, this.#repaint);
      each.placeRings(this.hovered.index, this.pinned.index);
      each.placeNames(this.colours, names);
      each.plot.classList.toggle("on-point", this.hovered.panel === each && this.hovered.index >= 0);
      each.plot.classList.toggle("selecting", this.tool !== "pan");
    }
    this.attentionPanel.placeLinks(this.pinned.index, this.attendedNow());
    this.attentionPanel.placeWay(this.header.shows_way ? this.pinned.index : -1);
    this.#renderTooltip();
  }

  /** The token under the mouse; and the pinned one, in a corner of its panel, where the side panel is out of sight. */
  #renderTooltip() {
    const isHovered = this.hovered.index >= 0;
    const token = isHovered || this.beside ? this.hovered : this.pinned;
    if (token.index < 0 || !this.panels.includes(token.panel) || this.isHidden(token.index)) return this.tooltip.hide();
    let [x, y] = token.panel.place(token.index);
    if (!isHovered) [x, y] = [x > token.panel.view.width / 2 ? -8 : token.panel.view.width, 70];
    const plot = token.panel.plot.getBoundingClientRect();
    const root = this.root.getBoundingClientRect();
    const place = [x + plot.left - root.left, y + plot.top - root.top];
    const value = this.colours.describe(token.index, this.panels.indexOf(token.panel));
    const shown = { index: token.index, label: this.labelOf(token.index), value };
    this.tooltip.show(this.header.dataset_key, shown, ...place, this.root, this.#repaint);
  }

  // --- once everything rests ---

  settleSoon() {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.#settle(), SETTLE_MS);
  }

  #settle() {
    if (!this.clock.moving) {
      setText(this.summary, describe(this));
      this.table.render();
    }
    remember(this);
    this.report.send(this);
  }

  dispose() {
    remember(this);
    this.stopListening?.();
    this.endOpening?.();
    cancelAnimationFrame(this.#request);
    clearTimeout(this.#settleTimer);
    this.observer.disconnect();
    window.removeEventListener("resize", this.resized);
    digitSprites.listeners.delete(this.spritesReady);
    canvasExtras.listeners.delete(this.extrasCame);
    this.live.dispose();
    for (const panel of this.panels) panel.dispose();
    this.root.remove();
  }
}
