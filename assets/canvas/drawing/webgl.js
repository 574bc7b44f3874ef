// Draws one panel's points with WebGL2. The same interface as `Canvas2DPoints`.

const VERTEX_SHADER = `#version 300 es
layout(location = 0) in vec2 stored;      // int16 positions of the frame before
layout(location = 1) in vec2 storedNext;  // and of the frame after
layout(location = 2) in uint code;        // column of the colour table, + 256 in its second row: dimmed
uniform vec4 affine, affineNext;          // stored -> CSS pixels: (ax, ay, bx, by)
uniform float t;                          // 0 at the frame before, 1 at the frame after
uniform vec2 size;                        // of the panel, CSS pixels
uniform float diameter, ratio;            // of a point, CSS pixels; device pixels per CSS pixel
uniform sampler2D table;                  // 256 × 2 colours; alpha 0 = hidden
uniform int row;                          // the row of the table that is drawn now
flat out vec4 colour;
flat out float pixels;
void main() {
  colour = texelFetch(table, ivec2(int(code & 255u), row), 0);
  bool hidden = colour.a == 0.0 || int(code >> 8) != row;
  vec2 place = mix(stored * affine.xy + affine.zw, storedNext * affineNext.xy + affineNext.zw, t);
  pixels = diameter * ratio;
  gl_PointSize = pixels + 1.0;            // half a pixel of antialiased rim all around
  gl_Position = hidden ? vec4(2.0, 2.0, 2.0, 1.0)
    : vec4(place.x / size.x * 2.0 - 1.0, 1.0 - place.y / size.y * 2.0, 0.0, 1.0);
}`;

const FRAGMENT_SHADER = `#version 300 es
precision mediump float;
flat in vec4 colour;
flat in float pixels;
uniform float opacity;
out vec4 fragment;
void main() {
  float radius = length(gl_PointCoord - 0.5) * (pixels + 1.0);
  float alpha = opacity * colour.a * clamp(0.5 * pixels + 0.5 - radius, 0.0, 1.0);
  fragment = vec4(colour.rgb * alpha, alpha);  // premultiplied
}`;

const PATIENCE_MS = 2000; // a context that is lost longer than this is given up

const UNIFORMS = ["affine", "affineNext", "t", "size", "diameter", "ratio", "table", "row", "opacity"];

class WebGLPoints {
  kind = "webgl2";
  #frames = []; // what the buffers must hold; kept to fill them again after a lost context
  #codes = null;
  #table = new Uint8Array(2048);
  #buffers = new Map(); // frame digest -> buffer
  #patience = 0; // timer, while the context is lost
  #disposed = false;

  /**
   * @param on {restored(), gone()}: a lost context came back, or did not within `PATIENCE_MS`
   * @returns {WebGLPoints | null} null where WebGL2 is missing
   */
  static create(canvas, stats, on) {
    const options = { alpha: true, antialias: false, depth: false, premultipliedAlpha: true };
    const gl = canvas.getContext("webgl2", options);
    if (!gl) return null;
    const points = new WebGLPoints();
    Object.assign(points, { gl, canvas, stats });
    if (!points.#build()) return null;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // else it is never restored
      if (!points.#disposed) points.#patience = setTimeout(on.gone, PATIENCE_MS);
    });
    canvas.addEventListener("webglcontextrestored", () => {
      clearTimeout(points.#patience);
      points.#build();
      points.#uploadAll();
      on.restored();
    });
    return points;
  }

  #build() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX_SHADER],
      [gl.FRAGMENT_SHADER, FRAGMENT_SHADER],
    ]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      if (!gl.isContextLost()) console.error("WebGL2:", gl.getProgramInfoLog(program));
      return false;
    }
    this.program = program;
    this.uniform = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]));
    this.codesBuffer = gl.createBuffer();
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    for (const location of [0, 1, 2]) gl.enableVertexAttribArray(location);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.#buffers.clear();
    return true;
  }

  #uploadAll() {
    this.setFrames(this.#frames);
    if (this.#codes) this.setCodes(this.#codes);
    this.setTable(this.#table);
  }

  #upload(buffer, array) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, array, this.gl.STATIC_DRAW);
    this.stats.uploads++;
  }

  /** Upload frames that are new, drop those that are gone; a frame is known by its digest. */
  setFrames(frames) {
    this.#frames = frames;
    const digests = new Set(frames.map((frame) => frame.digest));
    for (const [digest, buffer] of this.#buffers) {
      if (digests.has(digest)) continue;
      this.gl.deleteBuffer(buffer);
      this.#buffers.delete(digest);
    }
    for (const frame of frames) if (!frame.isLive) this.#bufferOf(frame);
  }

  /** A live frame is uploaded once it is drawn: of most, nobody sees anything before the next ones come. */
  #bufferOf({ digest, points }) {
    if (!this.#buffers.has(digest)) {
      const buffer = this.gl.createBuffer();
      this.#upload(buffer, points);
      this.#buffers.set(digest, buffer);
    }
    return this.#buffers.get(digest);
  }

  /** @param {Uint16Array} codes one index into the colour table per point */
  setCodes(codes) {
    this.#codes = codes;
    this.#upload(this.codesBuffer, codes);
  }

  /** @param {Uint8Array} table 2 × 256 × RGBA; alpha 0 hides */
  setTable(table) {
    const gl = this.gl;
    this.#table = table;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
  }

  /** @param scene {frame, next, t, affine, width, height, ratio, diameter, opacity, rows}; of `rows`, the last is on top */
  draw(scene) {
    const { gl, uniform } = this;
    if (gl.isContextLost()) return false;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    [scene.frame, scene.next].forEach((frame, location) => {
      const { ax, ay, bx, by } = scene.affine(frame);
      gl.uniform4f(location ? uniform.affineNext : uniform.affine, ax, ay, bx, by);
      const buffer = this.#bufferOf(frame);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.vertexAttribPointer(location, 2, gl.SHORT, false, 0, 0);
    });
    gl.bindBuffer(gl.ARRAY_BUFFER, this.codesBuffer);
    gl.vertexAttribIPointer(2, 1, gl.UNSIGNED_SHORT, 0, 0);
    gl.uniform1f(uniform.t, scene.t);
    gl.uniform2f(uniform.size, scene.width, scene.height);
    gl.uniform1f(uniform.diameter, scene.diameter);
    gl.uniform1f(uniform.ratio, scene.ratio);
    gl.uniform1f(uniform.opacity, scene.opacity);
    gl.uniform1i(uniform.table, 0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    for (const row of scene.rows) {
      gl.uniform1i(uniform.row, row);
      gl.drawArrays(gl.POINTS, 0, scene.frame.points.length / 2);
    }
    this.stats.draws++;
    return true;
  }

  /** Premultiplied [r, g, b, a] at a device pixel counted from the top left; only right after `draw`. */
  readPixel(x, y) {
    const pixel = new Uint8Array(4);
    this.gl.readPixels(x, this.canvas.height - 1 - y, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, pixel);
    return [...pixel];
  }

  dispose() {
    this.#disposed = true;
    clearTimeout(this.#patience);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers allow only some 16 live contexts
  }
}
