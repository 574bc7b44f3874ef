// Sliders beside the depth for the settings that a live picture follows: α and η, each with a number, play and reset.

const LIVE_POSITIONS = 1000; // of a slider
const LIVE_SWEEP_S = 6; // seconds from end to end when it plays
const LIVE_REST_MS = 300; // after the last key

/** Values of a setting, and where they are on its slider; the scale is logarithmic where it spans decades. */
class Scale {
  constructor({ low, high, step, logarithmic }) {
    Object.assign(this, { low, high, step, logarithmic });
  }

  /** 0 … 1 */
  shareOf(value) {
    const { low, high } = this;
    const share = this.logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    return Math.min(1, Math.max(0, share));
  }

  /** The value there, to two or three digits: what stands on screen is what is computed. */
  valueAt(share) {
    const { low, high } = this;
    const exact = this.logarithmic ? low * (high / low) ** share : low + (high - low) * share;
    const grain = this.logarithmic && exact < 10 * this.step ? this.step / 10 : this.step;
    return this.clamp(Math.round(exact / grain) * grain);
  }

  clamp(value) {
    return Number(Math.min(this.high, Math.max(this.low, value)).toPrecision(12));
  }
}

/** One setting. @param act {input(), rest(), refused(value)}: it moves; it came to rest; why a value cannot be had, or "" */
class LiveSlider {
  playing = false;
  #restTimer = 0;

  constructor(spec, act) {
    this.spec = spec;
    this.name = spec.name;
    this.scale = new Scale(spec);
    this.act = act;
    const { label, help, name, low, high } = spec;
    this.range = element("input", { type: "range", min: 0, max: LIVE_POSITIONS, step: 1, "aria-label": label, title: help }); // prettier-ignore
    this.number = element("input", { type: "number", min: low, max: high, step: "any", "aria-label": `${label}, number`, title: `${label}: type a number from ${low} to ${high}` }); // prettier-ignore
    this.icon = svg("path", { d: PLAY });
    const play = { type: "button", class: "play-live", onclick: () => this.toggle() };
    this.play = element("button", play, svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, this.icon));
    const reset = `Back to the paper's ${spec.symbol} = ${formatValue(spec.paper)}`;
    this.reset = element("button", { type: "button", class: "reset-live", "aria-label": reset, title: reset, onclick: () => this.choose(spec.paper) }, "↺"); // prettier-ignore
    const marks = element("div", { class: "marks", "aria-hidden": "true" });
    for (const { at, text, title } of spec.marks) {
      const style = `left: ${100 * this.scale.shareOf(at)}%`;
      marks.append(element("span", { class: "mark", style, title }, text));
    }
    const symbol = element("span", { class: "symbol", "aria-hidden": "true" }, spec.symbol);
    const rail = element("div", { class: "live-rail" }, this.range, marks);
    this.root = element("div", { class: "live-slider", "data-name": name }, this.play, symbol, rail, this.number, this.reset);
    this.#listen();
    this.#label();
    this.set(spec.value);
  }

  #listen() {
    const { range, number, scale } = this;
    range.addEventListener("input", () => this.#move(scale.valueAt(range.value / LIVE_POSITIONS), false));
    // Browsers tell of no change where the hand came back to where it began.
    for (const end of ["change", "pointerup", "pointercancel"]) range.addEventListener(end, () => this.#rest(0));
    range.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (steps === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#move(scale.clamp(this.value + steps * scale.step));
      this.#rest(LIVE_REST_MS);
    });
    number.addEventListener("change", () => {
      const typed = Number(number.value);
      if (number.value === "" || !Number.isFinite(typed)) return this.set(this.value);
      this.choose(scale.clamp(typed));
    });
  }

  /** Show a value that comes from elsewhere. */
  set(value, range = true) {
    this.value = value;
    if (range) this.range.value = Math.round(this.scale.shareOf(value) * LIVE_POSITIONS);
    this.number.value = formatValue(value);
    setAttribute(this.range, "aria-valuetext", formatValue(value));
  }

  /** Go there, and rest. */
  choose(value) {
    this.#move(value);
    this.#rest(0);
  }

  #move(value, range = true) {
    this.stop();
    this.set(value, range);
    this.act.input();
  }

  #rest(wait) {
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.act.rest(), wait);
  }

  /** Sweep from here to the end, from the end from the beginning. */
  toggle() {
    if (this.playing) return this.#end();
    this.playing = true;
    this.#label();
    let share = this.scale.shareOf(this.value);
    if (share >= 1) share = 0;
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      share = Math.min(1, share + Math.max(0, now - before) / 1000 / LIVE_SWEEP_S);
      before = now;
      this.set(this.scale.valueAt(share));
      this.act.input();
      if (share >= 1) this.#end();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** Do not play any more. */
  stop() {
    if (!this.playing) return;
    this.playing = false;
    this.#label();
  }

  #end() {
    this.stop();
    this.#rest(0);
  }

  #label() {
    const { symbol, low, high } = this.spec;
    const text = this.playing ? `Stop ${symbol} here` : `Animate ${symbol} from here to ${formatValue(high)}; at the end, from ${formatValue(low)}`; // prettier-ignore
    setAttribute(this.play, "aria-label", text);
    setAttribute(this.play, "title", text);
    this.icon.setAttribute("d", this.playing ? PAUSE : PLAY);
  }

  /** Whether a hand is on it. */
  get held() {
    return this.playing || this.range.matches(":active");
  }
}

/** "30", "0.4", "0.123": as people write it. */
function formatValue(value) {
  return String(Number(value.toPrecision(4)));
}

/** All sliders of a canvas, as Python declares them. */
class LiveControls {
  sliders = [];
  /** @param act {input(), rest()} */
  constructor(act) {
    this.act = act;
    this.line = element("div", { class: "live-line", role: "status" });
    this.row = element("div", { class: "live-sliders" });
    this.root = element("div", { class: "live-controls", hidden: "" }, this.row, this.line);
  }

  /** Take the values that Python has; make the sliders, where they are others. */
  take(sliders) {
    if (sliders.map(({ name }) => name).join() !== this.sliders.map(({ name }) => name).join()) {
      for (const slider of this.sliders) slider.stop();
      this.sliders = sliders.map((spec) => new LiveSlider(spec, this.act));
      this.row.replaceChildren(...this.sliders.map((slider) => slider.root));
      this.root.hidden = !sliders.length;
    } else {
      sliders.forEach(({ value }, i) => this.sliders[i].set(value));
    }
  }

  /** {alpha, eta} */
  get values() {
    return Object.fromEntries(this.sliders.map(({ name, value }) => [name, value]));
  }

  get held() {
    return this.sliders.some((slider) => slider.held);
  }
}
