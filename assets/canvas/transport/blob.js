// Reads the one bytes blob that Python's `blob.pack` wrote: a header, then arrays.

/**
 * @param {Uint8Array} bytes u32 little-endian header length, JSON header, padding to 4, arrays
 * @returns {{header: object, array: (Type: Function, place: {start: number, length: number}) => ArrayBufferView}}
 */
function readBlob(bytes) {
  // The message's bytes may start anywhere, typed arrays only at a multiple of their element size: so copy.
  const own = bytes.slice();
  const headerLength = new DataView(own.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + headerLength)));
  const base = (4 + headerLength + 3) & ~3;
  return { header, array: (Type, { start, length }) => new Type(own.buffer, base + start, length) };
}
