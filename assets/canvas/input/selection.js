// The selected tokens, the same for all panels.

class Selection {
  mask = new Uint8Array(0); // 1 for each selected token
  count = 0;
  version = 0; // counts changes

  /** Other tokens: none of them is selected. */
  reset(total) {
    this.mask = new Uint8Array(total);
    this.#changed();
  }

  /** @param {Uint8Array} chosen 1 for each token to take; @param how "new", "add" or "subtract" */
  combine(chosen, how) {
    const { mask } = this;
    if (how === "new") mask.set(chosen);
    else if (how === "add") for (let i = 0; i < mask.length; i++) mask[i] |= chosen[i];
    else for (let i = 0; i < mask.length; i++) mask[i] &= chosen[i] ^ 1;
    this.#changed();
  }

  clear() {
    this.mask.fill(0);
    this.#changed();
  }

  #changed() {
    this.count = 0;
    for (let i = 0; i < this.mask.length; i++) this.count += this.mask[i];
    this.version++;
  }

  has(index) {
    return this.mask[index] === 1;
  }

  /** The selected indices, increasing, at most `limit` of them. */
  indices(limit = Infinity) {
    const found = [];
    for (let i = 0; i < this.mask.length && found.length < limit; i++) if (this.mask[i]) found.push(i);
    return found;
  }

  /** One bit per token, the first in the lowest bit of the first byte. */
  get bits() {
    const bits = new Uint8Array(Math.ceil(this.mask.length / 8));
    for (let i = 0; i < this.mask.length; i++) bits[i >> 3] |= this.mask[i] << (i & 7);
    return bits;
  }

  set bits(bits) {
    for (let i = 0; i < this.mask.length; i++) this.mask[i] = (bits[i >> 3] >> (i & 7)) & 1;
    this.#changed();
  }

  /** The bits in base64, for Python; nothing selected is an empty text. */
  get text() {
    if (!this.count) return "";
    let characters = "";
    for (const byte of this.bits) characters += String.fromCharCode(byte);
    return btoa(characters);
  }
}
