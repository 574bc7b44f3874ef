// What tests and the console may ask of a canvas: `element.latentCanvas`.

function testHandle(app) {
  return {
    stats: app.stats,
    get depth() {
      return app.clock.depth;
    },
    /** Of Python's picture: −1 while a live one is shown. */
    get computed() {
      return app.live.isOn ? -1 : app.clock.computed;
    },
    get playing() {
      return app.clock.playing;
    },
    get bytes() {
      return app.bytes;
    },
    get frames() {
      return app.panels.map((panel) => panel.track.frames.length);
    },
    get renderers() {
      return app.panels.map((panel) => panel.renderer.kind);
    },
    /** {name, x, y, opacity} of each class in each panel, in CSS pixels of its plot. */
    get names() {
      return app.panels.map((panel) => panel.names.shown);
    },
    /** {index, x, y} of each token that is an image, in each panel, in CSS pixels of its plot. */
    get images() {
      return app.panels.map((panel) => panel.images.shown);
    },
    get hovered() {
      return app.hovered.index;
    },
    get pinned() {
      return app.pinned.index;
    },
    /** Move as a person would. */
    setDepth(depth) {
      app.goTo(depth);
    },
    /** How many points are part of the picture. */
    get visible() {
      return app.colours.visibleCount;
    },
    /** {values, m, milliseconds, count, gliding} of the live picture on screen, the count-th; null while it is Python's. */
    get live() {
      const { shown, count, fade } = app.live;
      return shown && { ...shown, count, gliding: fade !== null };
    },
    /** Milliseconds from a slider's move to the picture of that value, of the last hundred pictures. */
    get liveDelays() {
      return app.live.delays;
    },
    /** Have every drag show so many tokens (0: as many as are fluent). */
    setLiveTokens(count) {
      app.live.fixed = count;
    },
    get selection() {
      return app.selection.indices();
    },
    get tool() {
      return app.tool;
    },
    get colouring() {
      return app.colours.chosen;
    },
    /** The pinned token's neighbours at the current depth: {index, weight}[]. */
    get attended() {
      return app.attendedNow();
    },
    setTool(name) {
      app.setTool(name);
    },
    setMode(name) {
      app.setMode(name);
    },
    colourBy(name) {
      app.colourBy(name);
    },
    setPalette(name) {
      app.setPalette(name);
    },
    /** {diameter, opacity, names, images}: CSS pixels, 0 … 1, whether */
    setLook(change) {
      app.setLook(change);
    },
    /** Select these indices as a gesture would; how: "new", "add" or "subtract". */
    select(indices, how = "new") {
      const chosen = new Uint8Array(app.selection.mask.length);
      for (const index of indices) chosen[index] = 1;
      app.select(chosen, how);
    },
    /** Select as if this path of CSS pixels had been drawn in the panel; tool: "lasso" or "box". */
    draw(panel, tool, path, how = "new") {
      app.select(app.panels[panel].inside(new REGIONS[tool](path)), how);
    },
    recolour() {
      app.recolour();
    },
    /** Zoom about CSS pixel (x, y) of the panel's canvas. */
    zoomAt(panel, x, y, factor) {
      app.panels[panel].view.zoomAt(x, y, factor);
      app.viewMoved(app.panels[panel]);
    },
    /** Data coordinates (x, y, x, y, …) at the current depth. */
    positions(panel) {
      return app.panels[panel].track.positions(app.panels[panel].mix());
    },
    /** CSS pixels relative to the panel's canvas. */
    screen(panel) {
      return app.panels[panel].track.positions(app.panels[panel].mix(), app.panels[panel].affine());
    },
    view(panel) {
      const { view, track } = app.panels[panel];
      const { width, height, zoom, panX, panY } = view;
      return { width, height, zoom, panX, panY, ...view.fit(track.extent(app.panels[panel].mix())) };
    },
    /** Premultiplied [r, g, b, a] at CSS pixel (x, y) of the panel's canvas, drawn afresh at the current depth. */
    readPixel(panel, x, y) {
      const { renderer, ratio } = app.panels[panel];
      app.recolour();
      app.panels[panel].render(true);
      return renderer.readPixel(Math.floor(x * ratio), Math.floor(y * ratio));
    },
  };
}
