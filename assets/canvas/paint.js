// From colouring and selection to what a renderer takes: a code per point and the table of their colours.

class Paint {
  codes = null; // Uint16Array, one per point: another object whenever its content is another
  table = null; // Uint8Array, likewise
  #version = null;

  bring(colours, selection, depth, ground) {
    const moved = colours.moveTo(depth);
    if (moved || this.#version !== selection.version) {
      this.#version = selection.version;
      this.codes = Uint16Array.from(colours.codes);
      const { mask } = selection;
      if (selection.count) for (let i = 0; i < mask.length; i++) if (!mask[i]) this.codes[i] += MARKED;
    }
    const table = colours.table(ground);
    if (!this.table || table.some((value, i) => value !== this.table[i])) this.table = table;
  }
}
