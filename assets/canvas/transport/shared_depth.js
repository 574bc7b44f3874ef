// Where a canvas is on its depth axis, for other parts of the page: they may follow it, and ask it to go elsewhere.

const sharedDepth = (window.latentCanvasDepth ??= { depths: new Map(), events: new EventTarget() });

/** A canvas says where it is. */
function tellDepth(key, depth) {
  sharedDepth.depths.set(key, depth);
  sharedDepth.events.dispatchEvent(new CustomEvent("at", { detail: { key, depth } }));
}

/** Ask the canvas `key` to go to `depth`. */
function askForDepth(key, depth) {
  sharedDepth.events.dispatchEvent(new CustomEvent("go", { detail: { key, depth } }));
}

/** Call `listener(depth)` for each event of this kind ("at", "go") of this canvas; returns how to stop. */
function onDepth(kind, key, listener) {
  const heard = ({ detail }) => detail.key === key && listener(detail.depth);
  sharedDepth.events.addEventListener(kind, heard);
  return () => sharedDepth.events.removeEventListener(kind, heard);
}
