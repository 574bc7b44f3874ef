// The digit images of each data set, shared by everything on the page. One component fills it, canvases read it.

/** Window-level, because the component that receives the images and the one that shows them are two modules. */
const digitSprites = (window.digitSpriteRegistry ??= {
  sets: new Map(), // dataset key -> {width, height, pixels: Uint8Array | null}
  later: new Map(), // dataset key -> {index, pixels}: one image more, which was not there when the set was sent
  listeners: new Set(), // called when a set has been decoded

  /** Decompress one set; the two newest sets are kept, so that a page change does not decode again. */
  async add(key, { width, height }, compressed) {
    if (this.sets.has(key)) return;
    const set = { width, height, pixels: null };
    this.sets.set(key, set);
    while (this.sets.size > 2) this.sets.delete(this.sets.keys().next().value);
    const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate"));
    set.pixels = new Uint8Array(await new Response(stream).arrayBuffer());
    for (const listener of this.listeners) listener(key);
  },

  /** Whether the images of this data set are there. */
  has(key) {
    return Boolean(this.sets.get(key)?.pixels?.length);
  },

  /** @param {Uint8Array} pixels an image of the set's size, for a token that the set has none for */
  setLater(key, index, pixels) {
    this.later.set(key, { index, pixels });
    for (const listener of this.listeners) listener(key);
  },

  /** Draw one digit as ink of the colour `rgb` on a transparent ground; false if it is not there (yet). */
  paint(canvas, key, index, rgb) {
    const set = this.sets.get(key);
    if (!set?.pixels) return false;
    const { width, height } = set;
    const size = width * height;
    const later = this.later.get(key);
    const pixels = later?.index === index ? later.pixels : set.pixels.subarray(index * size, (index + 1) * size);
    if (pixels.length < size) return false;
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height);
    const [r, g, b] = rgb;
    for (let i = 0, at = 0; i < size; i++) {
      image.data[at++] = r;
      image.data[at++] = g;
      image.data[at++] = b;
      image.data[at++] = pixels[i];
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return true;
  },
});
