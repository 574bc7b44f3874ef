// A saved page: all that the canvas is given lies in the page itself; no server is asked for anything.

const textOf = (id) => document.getElementById(id)?.textContent ?? "";

/** The bytes of a blob of the page: base64, and if `packed`, gzip under it. */
async function bytesOf(id, packed = true) {
  const characters = atob(textOf(id));
  const bytes = Uint8Array.from(characters, (character) => character.charCodeAt(0));
  if (!packed) return bytes;
  return unpacked(bytes, "gzip");
}

async function unpacked(bytes, format) {
  const stream = new Response(bytes).body.pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** From the bits of a half-precision number, positive and finite. */
function fromHalf(bits) {
  const [exponent, fraction] = [bits >> 10, bits & 1023];
  return exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
}

/** What token `index` attends to, as Python would answer: {index, k, depths, indices, weights}. */
function attendedBy(index, { header, array }) {
  const { n, k, depths } = header;
  const indices = header.wide ? array(Uint32Array, header.indices) : array(Uint16Array, header.indices);
  const [most, shares] = [array(Uint16Array, header.most), array(Uint8Array, header.shares)];
  const found = { indices: [], weights: [] };
  depths.forEach((_, f) => {
    const first = fromHalf(most[f * n + index]);
    for (let i = 0; i < k; i++) {
      found.indices.push(indices[(i * depths.length + f) * n + index]);
      found.weights.push((first * shares[(i * depths.length + f) * n + index]) / 255);
    }
  });
  const place = (values) => ({ digest: String(index), values });
  return { index, k, depths, indices: place(found.indices), weights: place(found.weights) };
}

async function open() {
  const page = JSON.parse(textOf("page"));
  const { key, descriptions } = page;
  let live = null; // the page's own engine, if it has one
  const extras = readBlob(await bytesOf("extras"));
  const answers = document.getElementById("attended") && readBlob(await bytesOf("attended"));
  const give = (attended) => {
    const array = (Type, place) => (place.values ? Type.from(place.values) : extras.array(Type, place));
    canvasExtras.give(key, { header: { ...extras.header, attended }, array });
  };
  give(null);
  let settling = 0;
  onDepth("at", key, (depth) => {
    clearTimeout(settling);
    const block = Math.min(Math.floor(depth + 1e-9), descriptions.length - 1);
    const say = () => live?.atDepth() || setText(document.getElementById("description"), descriptions[block]);
    settling = setTimeout(say, SETTLE_MS);
  });
  const app = new LatentCanvas(document.getElementById("canvas"));
  app.update(await bytesOf("frames"), async ({ pinned }) => {
    if (!pinned || (await live?.pinned(pinned.index))) return;
    if (answers) give(pinned.index < 0 ? null : attendedBy(pinned.index, answers));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.repaint());
  let pixels = null;
  if (document.getElementById("images")) {
    const images = readBlob(await bytesOf("images", false));
    const compressed = images.array(Uint8Array, images.header.images);
    if (page.live?.pixels) pixels = await unpacked(compressed, "deflate");
    await digitSprites.add(images.header.dataset_key, images.header, compressed);
  }
  if (page.live) {
    const tokens = page.live.pixels ? null : readBlob(await bytesOf("tokens"));
    live = new LivePage(app, page, give, pixels, tokens?.array(Float32Array, tokens.header.X));
  }
}

open().catch((error) => {
  document.getElementById("problem").hidden = false;
  console.error(error);
});
