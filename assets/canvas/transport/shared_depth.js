// Where a canvas is on its depth axis, for other parts of the page: they may follow it, and ask it to go elsewhere. And
// what its live picture measures, while it shows one.

const sharedDepth = (window.latentCanvasDepth ??= { depths: new Map(), live: new Map(), events: new EventTarget() });

/** A canvas says where it is. */
function tellDepth(key, depth) {
  sharedDepth.depths.set(key, depth);
  sharedDepth.events.dispatchEvent(new CustomEvent("at", { detail: { key, depth } }));
}

/** A canvas says what it measures of a live picture: {name: one figure a block}, or null once it shows none. */
function tellLive(key, curves) {
  if (sharedDepth.live.get(key) === curves) return;
  sharedDepth.live.set(key, curves);
  sharedDepth.events.dispatchEvent(new CustomEvent("live", { detail: { key } }));
}

/** Ask the canvas `key` to go to `depth`. */
function askForDepth(key, depth) {
  sharedDepth.events.dispatchEvent(new CustomEvent("go", { detail: { key, depth } }));
}

/** Call `listener(depth)` for each event of this kind ("at", "go", "live") of this canvas; returns how to stop. */
function onDepth(kind, key, listener) {
  const heard = ({ detail }) => detail.key === key && listener(detail.depth);
  sharedDepth.events.addEventListener(kind, heard);
  return () => sharedDepth.events.removeEventListener(kind, heard);
}
