// Plotly builds its chart again at each change, and for some frames nothing is seen: a chart that is filled in step by
// step would blink. Here a copy of the one that goes is in sight until the one that comes is drawn.

const SETTLED_MS = 60; // after its last change a chart is as it stays
const LONGEST_MS = 2000; // if no chart follows
const guards = new Map(); // name of the container -> Guard

class Guard {
  copies = new Map(); // key of a chart -> its copy

  constructor(container) {
    this.container = container;
    container.style.position = "relative";
    // Told before the browser paints, so that not one frame is empty.
    this.observer = new MutationObserver(() => this.#changed());
    this.observer.observe(container, { childList: true, subtree: true, attributeFilter: ["class", "style"] });
    this.#changed();
  }

  /** The charts that people see, by key: Streamlit hides one that is not drawn yet, and one that is to be removed. */
  #seen() {
    const seen = new Map();
    for (const plot of this.container.querySelectorAll(".js-plotly-plot:not([data-copy])")) {
      const inSight = plot.offsetHeight && getComputedStyle(plot).visibility === "visible";
      if (inSight && isDrawn(plot)) seen.set(keyOf(plot), plot);
    }
    return seen;
  }

  #changed() {
    clearTimeout(this.timer);
    if (!this.container.isConnected) {
      this.dispose(); // the page was left
      return;
    }
    const seen = this.#seen();
    for (const [key, copy] of this.copies) {
      if (seen.has(key)) copy.remove();
      else if (copy.parentNode !== this.container) this.container.prepend(copy); // once: this is a change, too
    }
    const whole = [...this.copies.keys()].every((key) => seen.has(key));
    // Copied now, for Plotly empties a chart that is removed.
    this.timer = setTimeout(() => (whole ? this.#remember() : this.#forget()), whole ? SETTLED_MS : LONGEST_MS);
  }

  #remember() {
    const to = this.container.getBoundingClientRect();
    for (const [key, plot] of this.#seen()) {
      const from = plot.getBoundingClientRect();
      const copy = plot.cloneNode(true);
      copy.dataset.copy = "";
      copy.setAttribute("aria-hidden", "true");
      copy.style.cssText += `; position: absolute; left: ${from.left - to.left}px; top: ${from.top - to.top}px;`;
      copy.style.width = `${from.width}px`;
      copy.style.pointerEvents = "none";
      for (const hover of copy.querySelectorAll(".hoverlayer")) hover.replaceChildren();
      this.copies.set(key, copy);
    }
  }

  /** Charts that did not come back are gone for good. */
  #forget() {
    const seen = this.#seen();
    for (const [key, copy] of this.copies) {
      if (seen.has(key)) continue;
      copy.remove();
      this.copies.delete(key);
    }
  }

  dispose() {
    this.observer.disconnect();
    clearTimeout(this.timer);
    for (const copy of this.copies.values()) copy.remove();
  }
}

/** Whether all is drawn that there is to draw. */
function isDrawn(plot) {
  if (plot.querySelector(".cartesianlayer :is(.trace, image)")) return true;
  const isEmpty = (trace) => ["x", "y", "z"].every((name) => !trace[name] || trace[name].length === 0);
  return Boolean(plot.querySelector(".nsewdrag") && plot.data?.every(isEmpty));
}

/** Streamlit writes an element's key as a class of what contains it. */
function keyOf(plot) {
  const classes = plot.closest("[data-testid=stElementContainer]")?.classList ?? [];
  return [...classes].find((name) => name.startsWith("st-key-")) ?? "";
}

/** Keep the charts in the container with the key `name` in sight while they are drawn again. */
function keepSteady(name) {
  const container = document.querySelector(`.st-key-${name}`);
  if (!container || guards.get(name)?.container === container) return;
  guards.get(name)?.dispose();
  guards.set(name, new Guard(container));
}
