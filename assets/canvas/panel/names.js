// Names of the classes, each on its cluster; a class that lies all over the picture has none.

const NAMED_CLASSES = 30; // more names would cover the points
const TOKENS_OF_A_CLASS = 300; // enough for a median, and as many for each class of any data set
const GATHERED = 0.65; // a class whose spread is below this share of all points' has its name, …
const SPREAD = 0.8; // … from here on it has none, and in between it fades
const APART = [1.1, 0.9]; // names closer than these shares of their width and height cover each other: the later goes
const NAME_HEIGHT = 16; // CSS pixels

/** Median of the numbers, which are put in order for it. */
function median(numbers) {
  numbers.sort();
  const half = numbers.length >> 1;
  return numbers.length % 2 ? numbers[half] : (numbers[half - 1] + numbers[half]) / 2;
}

/** {x, y, r}: the median of places, and the median distance from it. */
function middle(xs, ys) {
  const [x, y] = [median(Float64Array.from(xs)), median(Float64Array.from(ys))];
  return { x, y, r: median(Float64Array.from(xs, (value, i) => Math.hypot(value - x, ys[i] - y))) };
}

/** Where each class of a frame is, in data coordinates, and how visible its name is: {x, y, share} or null. */
function middles(frame, labels, count, isAbsent) {
  const xs = Array.from({ length: count }, () => []);
  const ys = Array.from({ length: count }, () => []);
  const take = (index, x, y) => {
    const of = labels[index];
    if (of >= count || xs[of].length >= TOKENS_OF_A_CLASS || isAbsent(index)) return;
    xs[of].push(x);
    ys[of].push(y);
  };
  if (frame.isLive) {
    const { places, index, scale } = frame;
    for (let i = 0; i < index.length; i++) take(index[i], places[2 * i] * scale, places[2 * i + 1] * scale);
  } else {
    const { points, step, offset } = frame;
    for (let i = 0; i < labels.length; i++) {
      take(i, points[2 * i] * step[0] + offset[0], points[2 * i + 1] * step[1] + offset[1]);
    }
  }
  const all = xs.some((of) => of.length) ? middle(xs.flat(), ys.flat()) : { r: 0 };
  return xs.map((of, c) => {
    if (!of.length || !all.r) return null;
    const { x, y, r } = middle(of, ys[c]);
    return { x, y, share: Math.max(0, Math.min(1, (SPREAD - r / all.r) / (SPREAD - GATHERED))) };
  });
}

/** The names over one panel. */
class ClassNames {
  root = element("div", { class: "class-names", "aria-hidden": "true" });
  shown = []; // {name, x, y, opacity} as drawn, in CSS pixels
  #found = new WeakMap(); // frame -> {of, at}: what they were found for, and where
  #names = "";

  /** @param track, mix, affine of the panel; @param {View} view; @param {Colours} colours; @param wanted whether to show any */
  place(track, mix, affine, view, colours, wanted) {
    const names = colours.list[0]?.class_names ?? [];
    const few = names.length > 1 && names.length <= NAMED_CLASSES;
    const isOn = wanted && few && colours.current === colours.list[0] && !track.blank;
    this.#build(isOn ? names : []);
    if (!isOn) return (this.shown = []);
    const [f, g] = [track.frames[mix.k], track.frames[mix.next]];
    const [before, after] = [f, g].map((frame) => this.#middles(frame, colours, names.length));
    const [from, to] = [affine(f), affine(g)];
    const placed = (spot, frame, { ax, ay, bx, by }) => [
      ((spot.x - frame.offset[0]) / (frame.step[0] || 1)) * ax + bx,
      ((spot.y - frame.offset[1]) / (frame.step[1] || 1)) * ay + by,
    ];
    this.widths ??= [...this.root.children].map((child) => child.offsetWidth || NAME_HEIGHT);
    this.shown = names.map((name, c) => {
      if (!before[c] || !after[c] || colours.hidden.has(c) || name in colours.withoutClass) return { name, x: 0, y: 0, opacity: 0 };
      const [p, q] = [placed(before[c], f, from), placed(after[c], g, to)];
      const [x, y] = p.map((value, i) => value + (q[i] - value) * mix.t);
      const opacity = before[c].share + (after[c].share - before[c].share) * mix.t;
      const isInside = x >= 0 && y >= 0 && x <= view.width && y <= view.height;
      const half = Math.min(this.widths[c], view.width) / 2; // whole, also at the rim
      return { name, x: Math.max(half, Math.min(view.width - half, x)), y, opacity: isInside ? opacity : 0 };
    });
    this.#uncover();
    this.shown.forEach(({ x, y, opacity }, c) => {
      const { style } = this.root.children[c];
      style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
      style.opacity = opacity.toFixed(2);
    });
  }

  #build(names) {
    const state = JSON.stringify(names);
    if (state === this.#names) return;
    this.#names = state;
    this.root.replaceChildren(...names.map((name) => element("span", {}, name)));
    this.widths = null;
  }

  #middles(frame, colours, count) {
    const { labels, visible, liveMask } = colours;
    const found = this.#found.get(frame);
    const of = [labels, visible, liveMask];
    if (found && found.of.every((each, i) => each === of[i])) return found.at;
    const at = middles(frame, labels, count, colours.isAbsent);
    this.#found.set(frame, { of, at });
    return at;
  }

  /** Of names that would cover each other, the one of the class that is gathered more stays. */
  #uncover() {
    const order = this.shown.map((_, c) => c).sort((a, b) => this.shown[b].opacity - this.shown[a].opacity || a - b);
    const kept = [];
    for (const c of order) {
      const { x, y } = this.shown[c];
      const covers = (other) =>
        Math.abs(this.shown[other].x - x) < ((this.widths[c] + this.widths[other]) / 2) * APART[0] &&
        Math.abs(this.shown[other].y - y) < NAME_HEIGHT * APART[1];
      if (this.shown[c].opacity && kept.some(covers)) this.shown[c].opacity = 0;
      else if (this.shown[c].opacity) kept.push(c);
    }
  }
}
