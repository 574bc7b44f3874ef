// From colouring and selection to what a renderer takes: a code per point and the table of their colours.

class Paint {
  codes = null; // Uint16Array, one per point: another object whenever its content is another
  table = null; // Uint8Array, likewise
  #version = null; // of the selection, and of which points there are
  #state = ""; // of the table

  bring(colours, selection, depth, ground) {
    const moved = colours.moveTo(depth);
    const version = `${selection.version} ${colours.visibleState}`;
    if (moved || this.#version !== version) {
      this.#version = version;
      this.codes = new Uint16Array(colours.codes);
      const { mask } = selection;
      if (selection.count) for (let i = 0; i < mask.length; i++) if (!mask[i]) this.codes[i] += MARKED;
      if (colours.visible) for (let i = 0; i < this.codes.length; i++) if (colours.isAbsent(i)) this.codes[i] = ABSENT;
    }
    const state = `${colours.tableState} ${ground}`;
    if (state === this.#state) return;
    this.#state = state;
    this.table = colours.table(ground);
  }
}
