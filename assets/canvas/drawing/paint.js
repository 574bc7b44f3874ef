// From colouring and selection to what a renderer takes: a code per point and the table of their colours.

class Paint {
  #byPanel = []; // Uint16Arrays, one per point: other objects whenever their content is another
  table = null; // Uint8Array, likewise
  #version = null; // of the selection, and of which points there are
  #state = ""; // of the table

  bring(colours, selection, depth, ground) {
    const moved = colours.moveTo(depth);
    const version = `${selection.version} ${colours.visibleState}`;
    if (moved || this.#version !== version) {
      this.#version = version;
      this.#byPanel = colours.byPanel.map((bytes) => this.#marked(bytes, colours, selection));
    }
    const state = `${colours.tableState} ${ground}`;
    if (state === this.#state) return;
    this.#state = state;
    this.table = colours.table(ground);
  }

  /** The codes that the renderer of this panel takes. */
  codesOf(panel) {
    return this.#byPanel[panel] ?? this.#byPanel[0];
  }

  #marked(bytes, colours, { mask, count }) {
    const codes = new Uint16Array(bytes);
    if (count) for (let i = 0; i < mask.length; i++) if (!mask[i]) codes[i] += MARKED;
    if (colours.visible) for (let i = 0; i < codes.length; i++) if (colours.isAbsent(i)) codes[i] = ABSENT;
    return codes;
  }
}
