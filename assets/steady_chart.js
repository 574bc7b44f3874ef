// Plotly builds its chart anew at each change, and for some frames nothing is seen: a chart that is filled in step by
// step would blink. Here a copy of the one that goes is in sight until the one that comes is drawn.

const SETTLED_MS = 60; // after its last change a chart is as it stays
const LONGEST_MS = 2000; // if no chart follows
const guards = new Map(); // name of the container -> Guard

class Guard {
  constructor(container) {
    this.container = container;
    container.style.position = "relative";
    // Told before the browser paints, so that not one frame is empty.
    this.observer = new MutationObserver(() => this.#changed());
    this.observer.observe(container, { childList: true, subtree: true, attributeFilter: ["class", "style"] });
    this.#changed();
  }

  /** The chart that people see: Streamlit hides one that is not drawn yet, and one that is to be removed. */
  #seen() {
    const plots = [...this.container.querySelectorAll(".js-plotly-plot:not([data-copy])")];
    return plots.find((plot) => {
      const drawn = plot.offsetHeight && plot.querySelector(".cartesianlayer :is(.trace, image)");
      return drawn && getComputedStyle(plot).visibility === "visible";
    });
  }

  #changed() {
    clearTimeout(this.timer);
    if (!this.container.isConnected) {
      this.dispose(); // the page was left
    } else if (this.#seen()) {
      this.copy?.remove();
      this.timer = setTimeout(() => this.#remember(), SETTLED_MS); // now, for Plotly empties a chart that is removed
    } else if (this.copy) {
      if (this.copy.parentNode !== this.container) this.container.append(this.copy); // once: this is a change, too
      this.timer = setTimeout(() => this.#forget(), LONGEST_MS);
    }
  }

  #remember() {
    const plot = this.#seen();
    if (!plot) return;
    const [from, to] = [plot.getBoundingClientRect(), this.container.getBoundingClientRect()];
    this.copy = plot.cloneNode(true);
    this.copy.dataset.copy = "";
    this.copy.setAttribute("aria-hidden", "true");
    this.copy.style.cssText += `; position: absolute; left: ${from.left - to.left}px; top: ${from.top - to.top}px;`;
    this.copy.style.pointerEvents = "none";
    for (const hover of this.copy.querySelectorAll(".hoverlayer")) hover.replaceChildren();
  }

  #forget() {
    this.copy?.remove();
    this.copy = null;
  }

  dispose() {
    this.observer.disconnect();
    clearTimeout(this.timer);
    this.#forget();
  }
}

export default function ({ data }) {
  const container = data && document.querySelector(`.st-key-${data.container}`);
  if (!container || guards.get(data.container)?.container === container) return;
  guards.get(data.container)?.dispose();
  guards.set(data.container, new Guard(container));
}
