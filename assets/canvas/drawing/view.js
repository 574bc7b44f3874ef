// Zoom and pan of one panel: from data coordinates to CSS pixels, the same scale on both axes.

const FIT_MARGIN = 0.92; // share of the panel that the fitted extent fills
const ZOOM_RANGE = [0.25, 5000];

class View {
  width = 1;
  height = 1;
  zoom = 1;
  panX = 0; // in units of the shorter side, so that resizing keeps what is seen
  panY = 0;

  get side() {
    return Math.min(this.width, this.height);
  }

  /** What the view shows when `extent` is fitted: `scale` in pixels per data unit, (originX, originY) = centre. */
  fit(extent) {
    const [x0, y0, x1, y1] = extent;
    const [spanX, spanY] = [x1 - x0, y1 - y0];
    const fitted = Math.min(this.width / spanX, this.height / spanY); // Infinity for a single place
    const scale = (Number.isFinite(fitted) ? fitted : 1) * FIT_MARGIN * this.zoom;
    return {
      centerX: (x0 + x1) / 2,
      centerY: (y0 + y1) / 2,
      scale,
      originX: this.width / 2 + this.panX * this.side,
      originY: this.height / 2 + this.panY * this.side,
    };
  }

  /** From a frame's stored int16 to CSS pixels. In float64, so that tiny, far-off clusters keep their shape. */
  screenAffine(extent) {
    const { centerX, centerY, scale, originX, originY } = this.fit(extent);
    return (frame) => ({
      ax: frame.step[0] * scale,
      ay: -frame.step[1] * scale,
      bx: (frame.offset[0] - centerX) * scale + originX,
      by: -(frame.offset[1] - centerY) * scale + originY,
    });
  }

  /** Data range visible on both axes: [x0, x1, y0, y1]. */
  range(extent) {
    const { centerX, centerY, scale, originX, originY } = this.fit(extent);
    return [
      centerX - originX / scale,
      centerX + (this.width - originX) / scale,
      centerY - (this.height - originY) / scale,
      centerY + originY / scale,
    ];
  }

  zoomAt(x, y, factor) {
    const zoom = Math.min(ZOOM_RANGE[1], Math.max(ZOOM_RANGE[0], this.zoom * factor));
    const ratio = zoom / this.zoom;
    const cursorX = (x - this.width / 2) / this.side;
    const cursorY = (y - this.height / 2) / this.side;
    this.panX = cursorX - (cursorX - this.panX) * ratio;
    this.panY = cursorY - (cursorY - this.panY) * ratio;
    this.zoom = zoom;
  }

  panBy(dx, dy) {
    this.panX += dx / this.side;
    this.panY += dy / this.side;
  }

  reset() {
    this.zoom = 1;
    this.panX = this.panY = 0;
  }
}
