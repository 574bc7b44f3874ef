// What of a canvas comes later and changes often, colourings and attended tokens, in a message of its own: so that the
// frames, a hundred times larger, need not be sent again with it.

const canvasExtras = (window.latentCanvasExtras ??= {
  given: new Map(), // canvas key -> {header, array}
  listeners: new Set(), // called with the canvas key

  give(key, extras) {
    this.given.set(key, extras);
    for (const listener of this.listeners) listener(key);
  },

  /** The extras of a canvas, as far as they are about the frames that its `header` brought. */
  of(header) {
    const extras = this.given.get(header.key);
    return extras?.header.content_key === header.content_key ? extras : null;
  },
});
