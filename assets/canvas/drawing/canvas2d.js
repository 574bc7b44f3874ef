// Draws one panel's points with Canvas 2D, where WebGL2 is missing. The same interface as `WebGLPoints`.

class Canvas2DPoints {
  kind = "2d";
  #codes = null;
  #table = null;
  #stamps = new Map(); // colour code -> small canvas with one antialiased disc
  #stampSize = 0;

  static create(canvas, stats) {
    const points = new Canvas2DPoints();
    return Object.assign(points, { canvas, stats, context: canvas.getContext("2d") });
  }

  setFrames() {} // the scene brings them

  setCodes(codes) {
    this.#codes = codes;
  }

  setTable(table) {
    this.#table = table;
    this.#stamps.clear();
  }

  /** A ready-made disc: copying one is several times faster than filling an arc. */
  #stamp(code, diameter) {
    if (diameter !== this.#stampSize) this.#stamps.clear();
    this.#stampSize = diameter;
    if (!this.#stamps.has(code)) {
      const stamp = document.createElement("canvas");
      stamp.width = stamp.height = Math.ceil(diameter) + 2;
      const context = stamp.getContext("2d");
      const [r, g, b, a] = this.#table.slice(4 * code, 4 * code + 4);
      context.fillStyle = `rgb(${r} ${g} ${b} / ${a / 255})`;
      context.arc(stamp.width / 2, stamp.width / 2, diameter / 2, 0, 2 * Math.PI);
      context.fill();
      this.#stamps.set(code, stamp);
    }
    return this.#stamps.get(code);
  }

  draw(scene) {
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.context.globalAlpha = scene.opacity;
    for (const row of scene.rows) this.#drawRow(row, scene);
    this.stats.draws++;
    return true;
  }

  #drawRow(row, { frame, next, t, affine, width, height, ratio, diameter }) {
    const context = this.context;
    const [f, g, s] = [affine(frame), affine(next), 1 - t];
    const [p, q] = [frame.points, next.points];
    for (let i = 0; i < p.length; i += 2) {
      const code = this.#codes[i >> 1];
      if (code >> 8 !== row || this.#table[4 * code + 3] === 0) continue;
      const x = (p[i] * f.ax + f.bx) * s + (q[i] * g.ax + g.bx) * t;
      const y = (p[i + 1] * f.ay + f.by) * s + (q[i + 1] * g.ay + g.by) * t;
      if (x < -diameter || y < -diameter || x > width + diameter || y > height + diameter) continue;
      const stamp = this.#stamp(code, diameter * ratio);
      context.drawImage(stamp, x * ratio - stamp.width / 2, y * ratio - stamp.width / 2);
    }
  }

  readPixel(x, y) {
    const [r, g, b, a] = this.context.getImageData(x, y, 1, 1).data;
    return [r, g, b].map((value) => Math.round((value * a) / 255)).concat(a);
  }

  dispose() {}
}
