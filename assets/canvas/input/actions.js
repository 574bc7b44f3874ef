// What the user does to a canvas, by whatever means: each method sets one thing and asks for a new picture.

/** The state of a canvas, and the ways to change it; `LatentCanvas` builds and draws what is seen of it. */
class Actions {
  clock = new Clock();
  colours = new Colours();
  selection = new Selection();
  panels = [];
  tool = "pan";
  mode = "new";
  look = {}; // diameter and opacity, where the user has set them
  pinned = { panel: null, index: -1 };
  pointed = -1; // the token whose thumbnail is under the mouse
  attended = null; // {index, k, depths, indices, weights}: Python's answer for a pinned token
  isHidden = (index) => this.colours.isHidden(index);
  labelOf = (index) => this.header.class_names[this.colours.labels[index]] ?? "";

  /** The panel in which the pinned token's attention is drawn. */
  get attentionPanel() {
    return this.panels.at(this.header.attention_panel);
  }

  depthMoved() {
    this.settleSoon();
    this.invalidate();
  }

  /** Another part of the page, or a test, moves to a depth. */
  goTo(depth) {
    this.clock.playing = false;
    this.clock.choose(depth);
    this.depthMoved();
  }

  toggle() {
    this.clock.stepwise = this.motion.matches;
    this.clock.toggle();
    this.startClock();
    this.depthMoved();
  }

  /** Anything but depth and view was set. */
  changed() {
    this.settleSoon();
    this.refresh();
  }

  toggleClass(index) {
    const { hidden } = this.colours;
    if (!hidden.delete(index)) hidden.add(index);
    this.changed();
  }

  colourBy(name) {
    this.colours.wanted = name;
    this.changed();
  }

  setPalette(name) {
    this.colours.palette = name;
    this.changed();
  }

  setLook(change) {
    Object.assign(this.look, change);
    for (const panel of this.panels) panel.dirty = true;
    this.changed();
  }

  setTool(name) {
    this.tool = name;
    this.changed();
  }

  setMode(name) {
    this.mode = name;
    this.changed();
  }

  /** Shift and Alt while a gesture begins go before the mode switch; on the legend, Alt alone only means "select". */
  howOf({ shiftKey, altKey }, where = "plot") {
    if (shiftKey) return "add";
    return altKey && where === "plot" ? "subtract" : this.mode;
  }

  /** @param {Uint8Array} chosen 1 for each token to take */
  select(chosen, how = this.mode) {
    this.selection.combine(chosen, how);
    this.changed();
  }

  /** All visible tokens with one of these codes; `codes` are the colouring's, or the labels for the search. */
  ofClasses(classes, codes = this.colours.codes) {
    return Uint8Array.from(codes, (code, i) => (classes.includes(code) && !this.isHidden(i) ? 1 : 0));
  }

  /** Search: what cannot be found is said, and also returned. */
  find(text) {
    const names = this.header.class_names.length > 1 ? this.header.class_names : [];
    const { classes, token, problem } = readQuery(text, names, this.selection.mask.length);
    if (classes.length) this.select(this.ofClasses(classes, this.colours.labels));
    if (token !== null) this.pinToken(token);
    if (problem) setText(this.summary, problem);
    return problem;
  }

  /** Pin a token, or none (−1); the pinned one again: none. */
  pinToken(index, panel = this.attentionPanel) {
    this.pinned = index === this.pinned.index ? { panel: null, index: -1 } : { panel, index };
    this.changed();
  }

  /** For the keyboard: the token under the mouse, else the one nearest to the middle of the panel. */
  pinCentre(panel) {
    const under = panel.underPointer(HOVER_RADIUS);
    this.pinToken(under >= 0 ? under : panel.nearestToCentre(), panel);
  }

  /** Pin the next (1) or previous (−1) selected token; without a selection, the next one by index. */
  stepPinned(by) {
    const total = this.selection.mask.length;
    const eligible = (index) => (!this.selection.count || this.selection.has(index)) && !this.isHidden(index);
    let index = this.pinned.index < 0 && by < 0 ? total : this.pinned.index;
    for (let tried = 0; tried < total; tried++) {
      index = (index + by + total) % total;
      if (!eligible(index)) continue;
      if (index !== this.pinned.index) this.pinToken(index, this.pinned.panel ?? undefined);
      return;
    }
  }

  escape() {
    if (this.selection.count) this.select(new Uint8Array(this.selection.mask.length), "new");
    else this.pinToken(-1);
  }

  /** A thumbnail is under the mouse (−1: none any more). */
  point(index) {
    this.pointed = index;
    this.invalidate();
  }

  viewMoved(panel) {
    panel.dirty = true;
    this.settleSoon();
    this.invalidate();
  }

  resetViews() {
    for (const panel of this.panels) {
      panel.view.reset();
      this.viewMoved(panel);
    }
  }

  /** Which row of `attended` holds at this depth; −1 if Python has not answered for the pinned token. */
  attendedRow() {
    const { attended, pinned, clock, live } = this;
    if (live.isForeign || !attended || attended.index !== pinned.index) return -1;
    return Math.max(0, attended.depths.findLastIndex((depth) => depth <= clock.depth + 1e-9)); // prettier-ignore
  }

  /** {index, weight}[] at this depth, most first. */
  attendedNow() {
    const row = this.attendedRow();
    if (row < 0) return [];
    const { k, indices, weights } = this.attended;
    const of = (array) => [...array.subarray(row * k, (row + 1) * k)];
    const weightOf = of(weights);
    return of(indices).map((index, i) => ({ index, weight: weightOf[i] }));
  }
}
