// What is kept and told once the user has come to rest: for the next visit to the page, for Python, for screen readers.

// By the canvas's key.
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

/** Set up a new canvas as the last one with its key was left, if there was one; tokens, zoom and depth only for the same data set. */
function recall(app) {
  const memory = canvasMemory.get(app.header.key);
  if (!memory) return false;
  const { tool, mode, wanted, palette, speed } = memory.settings;
  Object.assign(app, { tool, mode });
  app.clock.speed = speed;
  app.scrubber.speed.value = String(speed);
  app.colours.wanted = wanted;
  if (palette in app.colours.palettes) app.colours.palette = palette;
  if (memory.dataset_key !== app.header.dataset_key) return true;
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
  return true;
}

/** Whether this tab has not been here before; a page that was reloaded has, and a link with settings is about these. */
function isFirstVisit() {
  if (location.hash) return false;
  try {
    const been = sessionStorage.getItem("latent-canvas");
    sessionStorage.setItem("latent-canvas", "seen");
    return been === null;
  } catch {
    return true; // a browser that keeps nothing
  }
}

/** The picture in one sentence, for screen readers. */
function describe({ clock, header, colours, selection, pinned, labelOf }) {
  const depth = `Depth ${formatDepth(clock.depth)} of ${header.n_blocks}`;
  const parts = [depth, `${formatCount(colours.visibleCount)} points`];
  if (colours.current !== colours.list[0]) parts.push(`coloured by ${colours.chosen}`);
  if (!colours.isContinuous) {
    const names = colours.current.class_names.filter((_, i) => !colours.hidden.has(i));
    parts.push(`classes shown: ${colours.hidden.size ? names.join(", ") || "none" : "all"}`);
  }
  if (selection.count) parts.push(`${formatCount(selection.count)} selected`);
  if (pinned.index >= 0) parts.push(`pinned: token ${pinned.index}, label ${labelOf(pinned.index) || "none"}`);
  return parts.join("; ");
}

/** What Python hears. */
class Report {
  #known = { depth: null, selection: "", pinned: -1, wanted: null }; // what Python knows

  /** Python has just said so itself. */
  pythonKnows(values) {
    Object.assign(this.#known, values);
  }

  /** Send what Python does not know yet. */
  send(app) {
    const { clock, header, selection, pinned, colours } = app;
    const known = this.#known;
    const { dataset_key } = header;
    const news = {};
    if (known.selection !== selection.text) {
      known.selection = selection.text;
      news.selection = { dataset_key, bits: selection.text, given: header.selection?.digest ?? null };
    }
    if (known.pinned !== pinned.index) {
      known.pinned = pinned.index;
      news.pinned = { dataset_key, index: pinned.index, given: header.pinned?.revision ?? null };
    }
    if (known.wanted !== colours.asked && (known.wanted || colours.offered.includes(colours.asked))) {
      news.wanted = known.wanted = colours.asked;
    }
    if (known.depth !== clock.depth && this.#isAtRest(clock)) {
      known.depth = clock.depth;
      news.depth = { at: clock.depth, given: [header.depth, header.revision] };
    }
    if (Object.keys(news).length) app.tell(news);
  }

  #isAtRest(clock) {
    if (clock.moving) return false; // its end asks again
    const growing = clock.computed < clock.length;
    if (!clock.touched && growing) return false; // following new frames is no news for Python
    return !(growing && clock.wanted > clock.computed); // else where the user wants to be comes yet
  }
}
