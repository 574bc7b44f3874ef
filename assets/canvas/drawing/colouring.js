// What the points are coloured by, and the codes and colours that a renderer takes for it.

const MISSING = 255; // the byte of a point without a value
const NO_VALUE = [128, 128, 128]; // and its colour
const LEVELS = 254; // continuous values are bytes 0 … LEVELS
const MARKED = 256; // added to a byte: not selected while others are
const ABSENT = 512; // instead of a byte: the point is not part of the picture
const DIMMED = { mix: 0.7, alpha: 110 }; // towards the ground, so that dense clusters become faint too

/** The class labels or one of Python's colourings, each one byte per point. */
class Colours {
  offered = []; // names of those that Python has, or measures once they are wanted
  list = []; // {name, class_names | low, high, unit, colours, panels: [[{depth, digest, codes}, …]]}; the labels come first
  wanted = null; // name of the colouring that the user chose; it may not be there yet, or again
  palette = null; // name of the palette
  liveMask = null; // 1 for each point of the live picture, which alone the last panel shows; null: there is none
  byPanel = [new Uint8Array(0)]; // codes of the points at the depth last asked for: for each panel, or one for all
  withoutClass = {}; // name of a class that is none -> its grey
  #hidden = new Map(); // colouring's name -> set of hidden classes
  #state = "";
  #mixed = []; // one buffer for each panel
  #given = null;

  /** @param header of the blob; @param array reads an array of the blob; @param extras what `canvasExtras.of` gives */
  setData(header, array, extras) {
    const { class_names } = header;
    const labels = { name: "class", class_names, colours: null, panels: [[{ depth: 0, ...header.codes }]] };
    const before = JSON.stringify(this.list[0]?.class_names);
    const read = (colouring, from) => ({
      ...colouring,
      panels: colouring.panels.map((rows) => rows.map((row) => ({ ...row, codes: from(Uint8Array, row) }))),
    });
    const others = extras ? extras.header.colourings.map((colouring) => read(colouring, extras.array)) : [];
    this.list = [read(labels, array), ...others];
    if (before !== JSON.stringify(class_names)) this.#hidden.clear();
    this.withoutClass = header.without_class;
    this.palettes = header.palette ? header.palettes : { given: header.colours, ...header.palettes };
    const given = header.palette ?? "given";
    const givenColours = JSON.stringify([given, this.palettes[given]]);
    if (this.#given !== null && this.#given !== givenColours) this.palette = given; // Python chose again
    this.#given = givenColours;
    if (!(this.palette in this.palettes)) this.palette = given;
    this.offered = header.offered ?? []; // a page without a server has them all
    this.sequential = header.sequential;
    this.visible = header.visible && array(Uint8Array, header.visible); // null: all of them
    this.visibleState = header.visible?.digest ?? "all";
  }

  /** Name of the colouring that is shown: the wanted one, or while that is not there, the classes. */
  get chosen() {
    return this.list.some((colouring) => colouring.name === this.wanted) ? this.wanted : this.list[0].name;
  }

  /** All that can be chosen, in an order that stays when one of them comes. */
  get names() {
    const [labels, ...others] = this.list.map((colouring) => colouring.name);
    return [...new Set([labels, ...this.offered, ...others])];
  }

  /** The wanted one, also while Python still measures it. */
  get asked() {
    return this.offered.includes(this.wanted) ? this.wanted : this.chosen;
  }

  get current() {
    return this.list.find((colouring) => colouring.name === this.chosen);
  }

  get labels() {
    return this.list[0].panels[0][0].codes;
  }

  /** Codes of the points; classes are the same in all panels. */
  get codes() {
    return this.byPanel[0];
  }

  codesOf(panel) {
    return this.byPanel[panel] ?? this.byPanel[0];
  }

  get isContinuous() {
    return !this.current.class_names;
  }

  /** Hidden classes of the current colouring. */
  get hidden() {
    if (!this.#hidden.has(this.chosen)) this.#hidden.set(this.chosen, new Set());
    return this.#hidden.get(this.chosen);
  }

  get visibleCount() {
    const mask = this.liveMask ?? this.visible;
    return mask ? mask.reduce((sum, one) => sum + one, 0) : this.labels.length;
  }

  isAbsent = (index) => (this.liveMask ? !this.liveMask[index] : this.visible !== null && !this.visible[index]);

  isHidden = (index) => this.isAbsent(index) || (this.hidden.has(this.codes[index]) && !this.isContinuous);

  get hiddenByName() {
    return [...this.#hidden].map(([name, classes]) => [name, [...classes]]);
  }

  set hiddenByName(entries) {
    this.#hidden = new Map(entries.map(([name, classes]) => [name, new Set(classes)]));
  }

  /** One colour per class of the current colouring. */
  get classColours() {
    const { class_names, colours } = this.current;
    const own = colours ?? this.palettes[this.palette];
    return class_names.map((name, i) => this.withoutClass[name] ?? own[i % own.length]);
  }

  /** The label's colour, whatever the points are coloured by. */
  labelColour(index) {
    const palette = this.palettes[this.palette];
    const label = this.labels[index];
    return this.withoutClass[this.list[0].class_names[label]] ?? palette[label % palette.length];
  }

  /** Colour the points as at this depth; true if any byte may have changed. Classes do not mix: the nearer row's. */
  moveTo(depth) {
    const { panels, name } = this.current;
    const mixes = panels.map((rows) => {
      const { k, next, t } = mixOf(rows.map((row) => row.depth), depth); // prettier-ignore
      if (this.isContinuous) return { before: rows[k], after: rows[next], t };
      const nearer = rows[t < 0.5 ? k : next];
      return { before: nearer, after: nearer, t: 0 };
    });
    const state = `${name} ${mixes.map(({ before, after, t }) => `${before.digest} ${after.digest} ${t}`)}`;
    if (state === this.#state) return false;
    this.#state = state;
    this.byPanel = mixes.map((mix, i) => (mix.t === 0 ? mix.before.codes : this.#mix(i, mix)));
    return true;
  }

  #mix(panel, { before: { codes: before }, after: { codes: after }, t }) {
    if (this.#mixed[panel]?.length !== before.length) this.#mixed[panel] = new Uint8Array(before.length);
    const mixed = this.#mixed[panel];
    for (let i = 0; i < before.length; i++) {
      const missing = before[i] === MISSING || after[i] === MISSING;
      mixed[i] = missing ? MISSING : (before[i] + (after[i] - before[i]) * t + 0.5) | 0;
    }
    return mixed;
  }

  /** Equal if the table is. */
  get tableState() {
    const colours = this.isContinuous ? "continuous" : this.classColours;
    return `${colours} hidden ${[...this.hidden]}`;
  }

  /**
   * The colours of all codes: 256 × RGBA as they are, then 256 × RGBA dimmed towards `ground`, or with `share` (0 … 1) as
   * they are but only so far opaque; alpha 0 hides.
   */
  table(ground, share) {
    const table = new Uint8Array(8 * 256);
    const classes = this.isContinuous ? null : this.classColours.map(parseHex);
    const map = this.isContinuous ? this.sequential.map(parseHex) : null;
    const continuous = (code) => (code === MISSING ? NO_VALUE : map[Math.round((code / LEVELS) * (map.length - 1))]);
    for (let code = 0; code < 256; code++) {
      const colour = map ? continuous(code) : classes[code % classes.length];
      const shown = !this.hidden.has(code) || map;
      const dimmed = colour.map((value, i) => value + (ground[i] - value) * DIMMED.mix);
      table.set([...colour, shown ? 255 : 0], 4 * code);
      const marked = share === undefined ? [...dimmed, DIMMED.alpha] : [...colour, Math.round(255 * share)];
      table.set(shown ? marked : [0, 0, 0, 0], 4 * (MARKED + code));
    }
    return table;
  }

  /** "entropy 3.2 nats" of a token in a panel, at the depth last asked for; nothing if that is its label. */
  describe(index, panel) {
    const { name, class_names, low, high, unit } = this.current;
    const code = this.codesOf(panel)[index];
    if (this.current === this.list[0]) return "";
    if (class_names) return `${name} ${class_names[code]}`;
    if (code === MISSING) return `${name}: none`;
    const value = formatNumber(low + ((high - low) * code) / LEVELS, (high - low) / 10 || 1);
    return `${name} ${value} ${unit}`.trim();
  }
}

/** From colouring and selection to a code per point and the table of their colours. */
class Paint {
  #byPanel = []; // Uint16Arrays, one per point: other objects whenever their content is another
  table = null; // Uint8Array, likewise
  #version = null; // of the selection, and of which points there are
  #liveMask = null;
  #fadeMask = undefined;
  #state = ""; // of the table

  /** @param fade {mask, share}: points without a mark are there only so far, in the last of `count` panels; or null */
  bring(colours, selection, depth, ground, fade, count) {
    const fading = selection.count ? null : fade; // those not selected are dimmed already
    const moved = colours.moveTo(depth);
    const { liveMask } = colours;
    const version = `${selection.version} ${colours.visibleState}`;
    const isOther = this.#version !== version || this.#liveMask !== liveMask || this.#fadeMask !== fading?.mask;
    if (moved || isOther) {
      this.#version = version;
      this.#liveMask = liveMask;
      this.#fadeMask = fading?.mask;
      const panels = liveMask || fading ? count : colours.byPanel.length;
      const last = (i) => (i === panels - 1 ? { liveMask, fadeMask: fading?.mask } : {});
      this.#byPanel = Array.from({ length: panels }, (_, i) => this.#marked(i, colours, selection, last(i)));
    }
    const state = `${colours.tableState} ${ground} ${fading?.share}`;
    if (state === this.#state) return;
    this.#state = state;
    this.table = colours.table(ground, fading?.share);
  }

  /** The codes that the renderer of this panel takes. */
  codesOf(panel) {
    return this.#byPanel[panel] ?? this.#byPanel[0];
  }

  #marked(panel, colours, { mask, count }, { liveMask, fadeMask }) {
    const codes = new Uint16Array(colours.codesOf(panel));
    const marked = count ? mask : fadeMask;
    if (marked) for (let i = 0; i < marked.length; i++) if (!marked[i]) codes[i] += MARKED;
    const present = liveMask ?? colours.visible;
    if (present) for (let i = 0; i < codes.length; i++) if (!present[i]) codes[i] = ABSENT;
    return codes;
  }
}
