// Mouse, touch and keys on one panel; and the keyboard, wherever the focus is within the canvas.

const CLICK_SLOP = 4; // pixels a click may wander before it is a drag

/**
 * Hover, click to pin, wheel and pinch to zoom, drag to pan or to select.
 * @param act {hover(), pin(), changed()}: called after the panel's pointer or view has changed; {tool()}: "pan",
 * "lasso" or "box"; {select(region, event)}: a region was drawn, begun with `event`; {centre()}: pin what is in the middle
 */
function attachGestures(panel, act) {
  const { plot, view } = panel;
  const fingers = new Map(); // pointer id -> last place
  let pressed = null;
  let pressEvent = null;
  let dragged = false;
  let path = null; // of the lasso or box that is being drawn

  const placeOf = (event) => {
    const box = plot.getBoundingClientRect();
    return [event.clientX - box.left - plot.clientLeft, event.clientY - box.top - plot.clientTop];
  };
  const within = ([x, y]) => [Math.max(0, Math.min(x, view.width)), Math.max(0, Math.min(y, view.height))];
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  const setPath = (next) => {
    path = next;
    panel.overlay.drawRegion(path && new REGIONS[act.tool()](path).path);
  };
  const moveView = (event, place, before) => {
    const spreadBefore = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, place);
    if (spreadBefore) {
      const [a, b] = [...fingers.values()];
      view.zoomAt((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, spread() / spreadBefore);
    }
    view.panBy((place[0] - before[0]) / fingers.size, (place[1] - before[1]) / fingers.size);
    act.changed();
  };

  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    plot.setPointerCapture(event.pointerId);
    pressed = placeOf(event);
    pressEvent = event;
    fingers.set(event.pointerId, pressed);
    dragged = fingers.size > 1;
    setPath(act.tool() === "pan" || dragged ? null : [within(pressed)]); // a second finger means zooming
  });
  plot.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      panel.pointer = place;
      act.hover();
      return;
    }
    if (!dragged && Math.hypot(place[0] - pressed[0], place[1] - pressed[1]) < CLICK_SLOP) return;
    dragged = true;
    panel.pointer = null;
    if (path) return setPath([...path, within(place)]);
    if (act.tool() !== "pan" && fingers.size === 1) return; // what is left of a drawing that was given up
    plot.classList.add("dragging");
    moveView(event, place, before);
  });
  const release = (event) => {
    if (!fingers.delete(event.pointerId) || fingers.size) return;
    plot.classList.remove("dragging");
    panel.pointer = placeOf(event);
    const drawn = event.type === "pointerup" && dragged ? path : null;
    if (drawn) act.select(new REGIONS[act.tool()](drawn), pressEvent);
    setPath(null);
    act.hover();
    if (!dragged && event.type === "pointerup") act.pin();
  };
  plot.addEventListener("pointerup", release);
  plot.addEventListener("pointercancel", release);
  plot.addEventListener("pointerleave", () => {
    if (fingers.size) return;
    panel.pointer = null;
    act.hover();
  });
  plot.addEventListener(
    "wheel",
    (event) => {
      // The wheel alone scrolls the page, unless the panel was clicked.
      if (!event.ctrlKey && !event.metaKey && !plot.matches(":focus")) return;
      event.preventDefault(); // the page must not scroll away under a zoom
      const lines = event.deltaMode === 1 ? 16 : 1;
      view.zoomAt(...placeOf(event), Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)));
      act.changed();
    },
    { passive: false },
  );
  plot.addEventListener("dblclick", () => {
    view.reset();
    act.changed();
  });
  plot.addEventListener("keydown", (event) => {
    const factor = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (factor) view.zoomAt(view.width / 2, view.height / 2, factor);
    else if (event.key === "0") view.reset();
    else if (event.key === "Enter") act.centre();
    else if (event.key === "Escape" && path) setPath(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
    act.changed();
  });
}

/** The shortcuts. @param app the LatentCanvas */
function handleKey(app, event) {
  const target = event.composedPath()[0];
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, summary")) return;
  const { clock } = app;
  const pause = () => (clock.playing = false);
  const onButtonToo = {
    p: () => app.setTool("pan"),
    l: () => app.setTool("lasso"),
    b: () => app.setTool("box"),
    i: () => app.setLook({ images: !app.options.images }),
    n: () => app.stepPinned(1),
    N: () => app.stepPinned(-1),
    "]": () => app.stepPinned(1),
    "[": () => app.stepPinned(-1),
    Escape: () => app.escape(),
  };
  const moves = {
    ArrowRight: () => (pause(), clock.step(1)),
    ArrowUp: () => (pause(), clock.step(1)),
    ArrowLeft: () => (pause(), clock.step(-1)),
    ArrowDown: () => (pause(), clock.step(-1)),
    Home: () => (pause(), clock.choose(clock.first)),
    End: () => (pause(), clock.choose(clock.computed)),
    " ": () => app.toggle(),
  };
  const isMove = Object.hasOwn(moves, event.key);
  if (isMove ? target.closest("button, .table") : !Object.hasOwn(onButtonToo, event.key)) return;
  event.preventDefault();
  event.stopPropagation(); // Streamlit has shortcuts of its own
  (moves[event.key] ?? onButtonToo[event.key])();
  if (isMove) app.depthMoved();
}
