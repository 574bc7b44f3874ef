// Streamlit folds requests that wait together into one, for the page that the last of them came from. A report that a
// component sends by itself right after a click on a link to another page would so undo the click. Such reports wait.

const LEAVING_MS = 2500; // by then the other page has begun, or the press was not a click

function lastPress() {
  window.drTransformerLastLinkPress ??= watchLinks({ time: -Infinity });
  return window.drTransformerLastLinkPress.time;
}

function watchLinks(press) {
  const onPress = (event) => {
    if (event.composedPath().some((node) => node.tagName === "A" && node.href)) press.time = performance.now();
  };
  for (const kind of ["pointerdown", "mousedown", "keydown", "click"]) document.addEventListener(kind, onPress, true);
  return press;
}

lastPress(); // begin to watch

/** Call `report` now, or, if a link was just pressed, later and only if `element` is still on the page. */
function whenStaying(element, report) {
  const wait = lastPress() + LEAVING_MS - performance.now();
  if (wait <= 0) report();
  else setTimeout(() => element.isConnected && whenStaying(element, report), wait);
}
