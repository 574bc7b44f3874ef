// The keyboard, wherever the focus is within the canvas.

/** @param app the LatentCanvas */
function handleKey(app, event) {
  const target = event.composedPath()[0];
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, summary")) return;
  const { clock } = app;
  const pause = () => (clock.playing = false);
  const onButtonToo = {
    p: () => app.setTool("pan"),
    l: () => app.setTool("lasso"),
    b: () => app.setTool("box"),
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
