// The depth axis: play button, slider with a tick per block and the computed part marked, read-out, speed.

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const PLAY = "M4 2.5v11l9-5.5z";
const PAUSE = "M4 2.5h3v11H4zM9 2.5h3v11H9z";
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

const SPEED_HELP = "Speed of playing: at 1× a block a second, or the whole axis in eight seconds if it is longer";
const SLIDER_HELP = "Drag to move through depth; a click on a tick means that block. Keys: ← → Home End";

class Scrubber {
  #ticksFor = "";
  #pressedAt = 0;

  /** @param act {changed(), toggle()}: called after the clock was moved */
  constructor(clock, act) {
    this.clock = clock;
    this.act = act;
    this.icon = svg("path");
    const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, this.icon);
    this.play = element("button", { type: "button", class: "play", onclick: () => act.toggle() }, icon);
    this.buffered = element("div", { class: "buffered" });
    this.passed = element("div", { class: "passed" });
    this.thumb = element("div", { class: "thumb" });
    this.ticks = element("div", { class: "ticks" });
    this.rail = element("div", { class: "rail" }, this.buffered, this.passed, this.ticks, this.thumb);
    this.slider = element(
      "div",
      {
        class: "slider",
        role: "slider",
        tabindex: "0",
        "aria-label": "Depth",
        "aria-orientation": "horizontal",
        title: SLIDER_HELP,
      },
      this.rail,
    );
    this.readout = element("output", { class: "readout", "aria-hidden": "true" });
    const onchange = () => this.#setSpeed();
    this.speed = element("select", { class: "speed", "aria-label": "Playing speed", title: SPEED_HELP, onchange });
    for (const speed of SPEEDS) this.speed.append(element("option", { value: speed }, `${speed}×`));
    this.speed.value = "1";
    this.root = element("div", { class: "scrubber" }, this.play, this.slider, this.readout, this.speed);
    this.#attachPointer();
  }

  #setSpeed() {
    this.clock.speed = Number(this.speed.value);
  }

  #depthAt(event) {
    const box = this.rail.getBoundingClientRect();
    return ((event.clientX - box.left) / Math.max(1, box.width)) * this.clock.length;
  }

  #attachPointer() {
    const { slider, clock, act } = this;
    const end = (event) => {
      if (!clock.dragging) return;
      clock.dragging = false;
      slider.classList.remove("dragging");
      const pixelsPerBlock = this.rail.clientWidth / Math.max(1, clock.length);
      const block = Math.round(clock.depth);
      const click = Math.abs(event.clientX - this.#pressedAt) < 3;
      // A click that all but hits a tick means the tick.
      if (click && Math.abs(clock.depth - block) * pixelsPerBlock < 6) clock.choose(block);
      act.changed();
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      slider.setPointerCapture(event.pointerId);
      slider.classList.add("dragging");
      this.#pressedAt = event.clientX;
      clock.playing = false;
      clock.dragging = true;
      clock.choose(this.#depthAt(event));
      act.changed();
    });
    slider.addEventListener("pointermove", (event) => {
      if (!clock.dragging) return;
      clock.choose(this.#depthAt(event));
      act.changed();
    });
    slider.addEventListener("pointerup", end);
    slider.addEventListener("pointercancel", end);
  }

  /** Take the size on the page, and the length of the axis. */
  measure() {
    this.root.hidden = this.clock.length <= 0;
    this.#makeTicks();
  }

  /** Show the clock's state. */
  render() {
    const { clock } = this;
    const { length, computed, depth } = clock;
    const share = (value) => `${(100 * value) / Math.max(length, 1e-9)}%`;
    this.buffered.style.width = share(computed);
    this.passed.style.width = share(depth);
    this.thumb.style.left = share(depth);
    this.icon.setAttribute("d", clock.playing ? PAUSE : PLAY);
    setAttribute(this.play, "aria-label", clock.playing ? "Pause" : "Play");
    setAttribute(this.play, "title", clock.playing ? "Pause here (space)" : "Play the depth forward from here (space)");
    setText(this.readout, `${clock.unit} ${depth.toFixed(1)}`);
    const rest = computed < length ? `, computed up to ${formatDepth(computed)}` : "";
    setAttribute(this.slider, "aria-valuemin", 0);
    setAttribute(this.slider, "aria-valuemax", length);
    setAttribute(this.slider, "aria-valuenow", Math.round(depth * 100) / 100);
    setAttribute(this.slider, "aria-valuetext", `${clock.unit} ${formatDepth(depth)} of ${length}${rest}`);
  }

  #makeTicks() {
    const { length } = this.clock;
    const width = this.rail.clientWidth;
    const state = `${length} ${width}`;
    if (state === this.#ticksFor) return;
    this.#ticksFor = state;
    const every = (pixels) => STEPS.find((step) => (step * width) / length >= pixels) ?? length;
    const [mark, number] = [every(4), every(26)];
    this.ticks.replaceChildren();
    for (let block = 0; block <= length; block += mark) {
      const tick = element("span", { class: "tick", style: `left: ${(100 * block) / length}%` });
      if (block % number === 0) tick.append(element("span", { class: "number" }, String(block)));
      this.ticks.append(tick);
    }
  }
}
