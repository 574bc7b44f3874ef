// What tests and the console may ask of a canvas: `element.latentCanvas`.

function testHandle(app) {
  return {
    stats: app.stats,
    get depth() {
      return app.clock.depth;
    },
    get computed() {
      return app.clock.computed;
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
    get hovered() {
      return app.hovered.index;
    },
    get pinned() {
      return app.pinned.index;
    },
    /** Move as a person would. */
    setDepth(depth) {
      app.clock.playing = false;
      app.clock.choose(depth);
      app.depthMoved();
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
      app.panels[panel].render(true);
      return renderer.readPixel(Math.floor(x * ratio), Math.floor(y * ratio));
    },
  };
}
