// Lines over one panel's points: the lasso or box while it is drawn, and where the pinned token attends to.

const PIN_RADIUS = 8; // of the ring around the pinned token, as in canvas.css
const LINK_RADIUS = 5;

const pointsOf = (path) => path.map((place) => place.map((c) => c.toFixed(1)).join()).join(" ");

class Overlay {
  constructor() {
    this.region = svg("polygon", { class: "region" });
    this.links = svg("g", { class: "links" });
    this.way = svg("polyline", { class: "way" });
    this.root = svg("svg", { class: "overlay", "aria-hidden": "true" }, this.way, this.links, this.region);
  }

  /** @param {[number, number][] | null} path CSS pixels */
  drawRegion(path) {
    setAttribute(this.region, "points", pointsOf(path ?? []));
  }

  /** @param {[number, number][]} path CSS pixels: where a token is at each frame */
  drawWay(path) {
    setAttribute(this.way, "points", pointsOf(path));
  }

  /** @param from place of the token that attends; @param {{place, weight}[]} to; stronger lines for greater weights */
  drawLinks(from, to) {
    while (this.links.childElementCount > 2 * to.length) this.links.lastChild.remove();
    while (this.links.childElementCount < 2 * to.length) this.links.append(svg("line"), svg("circle", { r: LINK_RADIUS }));
    const most = Math.max(...to.map((each) => each.weight));
    to.forEach(({ place: [x, y], weight }, i) => {
      const [line, circle] = [this.links.children[2 * i], this.links.children[2 * i + 1]];
      const [dx, dy] = [x - from[0], y - from[1]];
      const length = Math.hypot(dx, dy);
      const apart = length > PIN_RADIUS + LINK_RADIUS; // a line runs from ring to ring, not into them
      setAttribute(line, "visibility", apart ? "visible" : "hidden");
      if (apart) {
        setAttribute(line, "x1", from[0] + (dx * PIN_RADIUS) / length);
        setAttribute(line, "y1", from[1] + (dy * PIN_RADIUS) / length);
        setAttribute(line, "x2", x - (dx * LINK_RADIUS) / length);
        setAttribute(line, "y2", y - (dy * LINK_RADIUS) / length);
      }
      setAttribute(line, "opacity", 0.35 + 0.65 * (weight / most));
      setAttribute(line, "stroke-width", 0.75 + 2.25 * (weight / most));
      setAttribute(circle, "cx", x);
      setAttribute(circle, "cy", y);
    });
  }
}
