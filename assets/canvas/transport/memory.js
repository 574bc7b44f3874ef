// What a canvas remembers while the user is on another page of the app, by its key.

const canvasMemory = (window.latentCanvasMemory ??= new Map());

/** Keep what the user has set. @param app the LatentCanvas */
function remember(app) {
  const { header, clock, colours, selection } = app;
  if (!header) return;
  canvasMemory.set(header.key, {
    settings: { tool: app.tool, mode: app.mode, wanted: colours.wanted, palette: colours.palette, speed: clock.speed },
    dataset_key: header.dataset_key,
    look: app.look,
    views: app.panels.map(({ view: { zoom, panX, panY } }) => ({ zoom, panX, panY })),
    hidden: colours.hiddenByName,
    given: app.given,
    depth: clock.touched ? clock.wanted : null,
    selection: selection.bits,
    pinned: app.pinned.index,
  });
}

/** Set up a new canvas as the last one with its key was left; tokens, zoom and depth only for the same data set. */
function recall(app) {
  const memory = canvasMemory.get(app.header.key);
  if (!memory) return;
  const { tool, mode, wanted, palette, speed } = memory.settings;
  Object.assign(app, { tool, mode });
  app.clock.speed = speed;
  app.scrubber.speed.value = String(speed);
  app.colours.wanted = wanted;
  if (palette in app.colours.palettes) app.colours.palette = palette;
  if (memory.dataset_key !== app.header.dataset_key) return;
  app.look = memory.look;
  app.colours.hiddenByName = memory.hidden;
  app.panels.forEach(({ view }, i) => Object.assign(view, memory.views[i]));
  const isTheirs = memory.given.pinned === app.given.pinned && memory.pinned < app.selection.mask.length;
  if (isTheirs) app.pinned = { panel: app.attentionPanel, index: memory.pinned };
  if (memory.given.selection === app.given.selection) app.selection.bits = memory.selection;
  if (memory.given.depth === app.given.depth && memory.depth !== null) {
    app.clock.reset(memory.depth);
    app.clock.touched = true;
  }
}
