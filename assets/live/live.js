// The live picture of a canvas: a sample of the tokens, run in the browser at the sliders' values, until Python has the
// exact run of all.

const LIVE_GLIDE_MS = 400; // from the sample's places to the exact ones
const LIVE_PAUSE_MS = 150; // after a picture: then it is measured
const LIVE_LOST = 5e-5; // of coordinates at norm √q: what float32 hardly resolves
const LIVE_WARM_MS = 1500; // after the first picture: then the workers start

class Live {
  shown = null; // {values, m, milliseconds}: what the picture on screen is of, or null where Python's is
  held = null; // bytes from Python that wait until the sample is done with
  count = 0; // pictures so far
  fixed = 0; // tokens of a drag, where somebody wants so many and not as many as are fluent
  delays = []; // milliseconds from a slider's move to its picture, the last hundred
  #askedAt = 0;
  #due = 0; // when the picture that is to be drawn was asked for
  #engine = null;
  #broken = false;
  #wanted = null; // the newest values that were asked for
  #m = 0; // tokens of this drag
  #isDragged = false;
  #isWhole = false; // a run of all tokens, which goes last, is in the making
  onWhole = null; // called with the values once all tokens are shown
  #glide = null;
  #timer = 0; // until the workers start
  #isWarm = false;
  #measuring = 0; // timer: until the picture on screen is measured
  #toldAt = 0; // milliseconds: which of Python's values are answers, which older
  given = null; // the values that Python has

  constructor(app) {
    this.app = app;
    this.controls = new LiveControls({ input: () => this.#input(), rest: () => this.#rest() });
    this.settingsCame = (key) => key === app.header?.key && this.#takeSettings();
    this.tokensCame = (key) => key === app.header?.key && this.#warmSoon();
    liveSettings.listeners.add(this.settingsCame);
    liveTokens.listeners.add(this.tokensCame);
  }

  /** No Python is behind the page: all is run in it. */
  get isAlone() {
    return liveSettings.given.get(this.app.header.key)?.tell === null;
  }

  /** Whether colourings and attended tokens, which are Python's, are of another picture than the one on screen. */
  get isForeign() {
    return this.isOn && !this.isAlone;
  }

  get isOn() {
    return this.shown !== null;
  }

  /** The moving panel: the last. */
  get panel() {
    return this.app.panels.at(-1);
  }

  /** Of all settings of a picture; those without a slider are Python's. */
  get #values() {
    return { ...this.spec?.values, ...this.controls.values };
  }

  get spec() {
    return this.app.header?.live ?? null;
  }

  /** The sample that belongs to the picture on screen, or null. */
  get tokens() {
    const tokens = liveTokens.given.get(this.app.header.key);
    return this.spec && tokens?.header.live_key === this.spec.live_key ? tokens : null;
  }

  get isSupported() {
    return !this.#broken && this.tokens !== null && this.tokens.kernel !== null;
  }

  /** Python sent a picture for the first time, or again. */
  begin() {
    this.#takeSettings();
    this.#warmSoon();
    this.say();
  }

  #takeSettings() {
    const given = liveSettings.given.get(this.app.header.key);
    if (!given || given.at < this.#toldAt) return; // not yet the answer to what was told last
    const sliders = given.sliders.filter(({ name }) => this.app.header.sliders.includes(name));
    const values = Object.fromEntries(sliders.map(({ name, value }) => [name, value]));
    if (same(values, this.given)) return;
    this.given = values;
    if (this.controls.held) return; // the hand goes first, and is heard once it rests
    this.controls.take(sliders);
    if (this.isOn) this.#end(); // somebody else set other values, so Python's picture it is
  }

  /** The first drag is to find everything started and compiled. */
  #warmSoon() {
    clearTimeout(this.#timer);
    if (this.#isWarm) return;
    this.#timer = setTimeout(() => {
      if (!this.#prepare() || this.#engine.busy) return;
      this.#isWarm = true;
      const m = Math.min(this.#engine.tokens.n, LIVE_LEAST);
      // Twice: the first time the browser still compiles.
      const settings = { ...this.spec, ...this.#values, m };
      this.#engine.run(settings).then(() => this.#engine.run(settings)).then(() => this.#next(), (error) => this.#break(error)); // prettier-ignore
    }, LIVE_WARM_MS);
  }

  /** Have an engine with these tokens, if there can be one. */
  #prepare() {
    if (!this.isSupported || !this.controls.sliders.length) return false;
    const { header, X, kernel, source } = this.tokens;
    this.#engine ??= new LiveEngine(kernel, source);
    if (!this.#engine.busy) this.#engine.setTokens({ key: header.live_key, X, q: header.n_components });
    return this.#engine.tokens?.key === header.live_key;
  }

  /** A slider moved. */
  #input() {
    if (!this.#isDragged) this.#m = 0; // each drag takes as many as are fluent by then
    this.#isDragged = this.controls.held;
    this.#askedAt = performance.now();
    this.#wanted = this.#values;
    if (this.#prepare()) this.#next();
    else this.say();
  }

  #next() {
    const values = this.#wanted;
    if (values === null || !this.#prepare()) return;
    if (this.#isWhole) this.#engine.stop();
    if (this.#engine.busy) return;
    this.#wanted = null;
    const { spec } = this;
    if (!spec.relu && values.eta === 0.5) return this.say("η = ½ leaves nothing of the latents: the feed-forward step is 0/0.");
    this.#m ||= Math.min(this.#engine.tokens.n, this.fixed || this.#engine.fluent(spec));
    const asked = this.#askedAt;
    this.#run(values, this.#m, asked).then(() => {
      this.#next();
      this.#settle();
    });
  }

  /** Run the first m tokens at these values and show them. */
  async #run(values, m, asked = 0) {
    const { spec } = this;
    try {
      const result = await this.#engine.run({ ...spec, ...values, m });
      if (result && same(this.spec, spec) && this.#finite(result)) this.#show(result, values, asked);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Where there is no Python: all tokens, once the hand rests. */
  async #whole() {
    if (this.#engine.busy) return;
    const values = this.#values;
    const n = this.#engine.tokens.n;
    if (this.shown.m < n) {
      this.#isWhole = true;
      await this.#run(values, n);
      this.#isWhole = false;
    }
    if (this.#wanted === null && this.shown.m === n) this.onWhole?.(this.shown.values);
    this.#next();
  }

  /** The latents after each block, of the tokens and at the values on screen: {m, wide, frames}, or null. */
  async latents() {
    if (!this.isOn || this.#engine.busy) return null;
    this.#isWhole = true;
    const { values, m } = this.shown;
    const result = await this.#engine.run({ ...this.spec, ...values, m, columns: null, ends: true });
    this.#isWhole = false;
    this.#next();
    return result;
  }

  /** The curves' figures of the picture on screen, while the hand does not move; block by block, or it would wait. */
  async #measure() {
    const { shown } = this;
    const result = await this.latents();
    if (!result) return;
    const [size, q] = [result.m * result.wide, result.wide];
    const curves = { "effective rank": [], "mean cosine": [] };
    for (let start = 0; start < result.frames.length; start += size) {
      await new Promise((go) => setTimeout(go));
      if (this.shown !== shown) return;
      const X = result.frames.subarray(start, start + size);
      curves["effective rank"].push(effectiveRank(X, q));
      curves["mean cosine"].push(meanCosine(X, q));
    }
    tellLive(this.app.header.key, curves);
  }

  /** Another model, or other tokens: the same values again. */
  refresh() {
    this.#input();
    this.#rest();
  }

  #finite({ frames }) {
    const sound = Number.isFinite(frames.at(-1));
    if (!sound) this.say("These values are beyond float32: the exact run says what can be had.");
    return sound;
  }

  #break(error) {
    console.error("The live picture:", error);
    this.#broken = true;
    this.say();
  }

  #show({ m, milliseconds, frames }, values, asked) {
    this.#due = asked;
    const { app, panel, spec } = this;
    const began = !this.isOn;
    this.#stopGlide();
    if (!began && m > this.shown.m) this.#glideFrom();
    this.shown = { values, m, milliseconds };
    this.count++;
    const index = this.tokens.index.subarray(0, m);
    const n = app.header.codes.length;
    if (began || this.mask?.m !== m) {
      const bytes = new Uint8Array(n);
      for (const i of index) bytes[i] = 1;
      this.mask = { m, bytes };
    }
    const inside = panel.track.depths.length < 2 || panel.track.depths[1] % 1 !== 0;
    const track = liveTrack(app.header.panels.at(-1), frames, m, index, n, { ...spec, inside, name: `live ${this.count}` });
    panel.setData(track);
    app.liveCame(spec.n_blocks);
    if (!this.isAlone) {
      if (began) tellLive(app.header.key, {});
      clearTimeout(this.#measuring);
      this.#measuring = setTimeout(() => this.#measure(), LIVE_PAUSE_MS);
    }
    this.taken();
    this.say();
  }

  /** The hand rests: Python is told, and computes the exact run of all tokens. */
  #rest() {
    this.#isDragged = false;
    const given = liveSettings.given.get(this.app.header?.key);
    const { values } = this.controls;
    if (given?.tell && !same(values, this.given)) {
      this.given = values;
      this.#toldAt = Date.now();
      given.tell({ ...values, live: this.isOn }, this.#toldAt);
    }
    this.#settle();
  }

  /** Whether another picture comes at once. */
  get #isWorking() {
    return this.#engine.busy && !this.#isWhole;
  }

  /** What waited for the hand or for the engine waits no longer. */
  #settle() {
    if (!this.isOn || this.controls.held || this.#isWorking) return;
    if (this.isAlone) return this.#whole();
    const { app, held } = this;
    this.held = null;
    if (held) app.take(held);
    else if (app.header.visible === null && same(app.header.live.values, this.shown.values)) {
      this.#leave(); // dragged there and back: the exact picture is there already
      app.liveEnded();
    }
  }

  /** The exact picture replaces the sample. */
  #leave() {
    this.#glideFrom();
    this.#off();
  }

  #glideFrom() {
    this.#glide = { from: this.#places(), mask: this.mask.bytes, extent: this.panel.track.extent(this.panel.mix()) };
  }

  /**
   * Python sent a picture while the sample is shown. True: it is to wait. Else it replaces the sample; call `taken` once it
   * is there.
   */
  keeps(header, bytes) {
    if (!this.isOn) return false;
    const { live } = header;
    const [a, b] = [live, this.app.header.live].map((spec) => spec && JSON.stringify({ ...spec, values: null }));
    if (a !== b || header.dataset_key !== this.app.header.dataset_key) {
      this.#off(); // another model or data: the sample is of the one before
      return false;
    }
    const there = header.panels.at(-1).frames.at(-1).depth;
    const isExact = header.visible === null && there >= Math.min(this.app.clock.depth, header.n_blocks);
    const isIt = same(live.values, this.shown.values);
    if (this.controls.held || this.#isWorking || !isIt || !isExact) {
      this.held = bytes;
      return true;
    }
    this.#leave();
    return false;
  }

  /** Places of the sample on screen, in data coordinates. */
  #places() {
    return this.panel.track.positions(this.panel.mix());
  }

  /** Python's picture is there: let the sample glide to its places. */
  taken() {
    const glide = this.#glide;
    if (!glide || glide.track) return;
    if (this.app.motion.matches) return this.#stopGlide();
    const { panel } = this;
    const real = panel.track;
    const [to, extent] = [real.positions(panel.mix()), real.extent(panel.mix())];
    const from = to.slice();
    for (let i = 0; i < glide.mask.length; i++) if (glide.mask[i]) from.set(glide.from.subarray(2 * i, 2 * i + 2), 2 * i);
    const everyone = Uint32Array.from({ length: glide.mask.length }, (_, i) => i);
    const frame = (name, places) => new LiveFrame(0, `glide ${this.count} ${name}`, places, everyone, everyone.length, 1);
    const track = new GlideTrack(real, frame("from", from), frame("to", to));
    Object.assign(track, { from: glide.extent, to: extent, depth: this.app.clock.depth });
    Object.assign(glide, { track, real, began: performance.now(), depth: this.app.clock.depth });
    panel.setData(track);
    this.say();
    this.app.invalidate();
  }

  /** Called before each drawing; asks for another one while the sample glides. */
  tick() {
    if (this.#due) this.delays = [...this.delays.slice(-99), performance.now() - this.#due];
    this.#due = 0;
    const glide = this.#glide;
    if (!glide?.track) return;
    const share = (performance.now() - glide.began) / LIVE_GLIDE_MS;
    if (share >= 1 || this.app.clock.depth !== glide.depth) return this.#stopGlide();
    glide.track.share = share * share * (3 - 2 * share);
    this.panel.dirty = true;
    this.app.invalidate();
  }

  /** {mask, share} of the tokens that are there from the beginning, while the others fade in; or null. */
  get fade() {
    return this.#glide?.track ? { mask: this.#glide.mask, share: this.#glide.track.share } : null;
  }

  #stopGlide() {
    const glide = this.#glide;
    this.#glide = null;
    if (glide?.track && this.panel.track === glide.track) this.panel.setData(glide.real);
  }

  #off() {
    this.shown = this.held = this.#wanted = null;
    clearTimeout(this.#measuring);
    if (this.#isWhole) this.#engine.stop();
    tellLive(this.app.header.key, null);
  }

  /** Back to Python's picture, or to what it sent meanwhile. */
  #end() {
    const { held } = this;
    this.#off();
    if (held) this.app.take(held);
    else this.app.liveEnded();
    this.say();
  }

  /** The line under the sliders. */
  say(problem = "") {
    setText(this.controls.line, problem || this.#sentence());
  }

  #sentence() {
    const { app, shown } = this;
    const all = formatCount(app.header.codes.length);
    if (this.isOn) {
      const [m, n] = [shown.m, app.header.codes.length];
      const { extent } = this.panel.track.frames.at(-1);
      const span = Math.max(extent[2] - extent[0], extent[3] - extent[1]) / this.spec.scale;
      if (span < LIVE_LOST) return "live: all tokens are at one point; what is left of their differences is rounding";
      if (m === n) return `exact: all ${all} tokens, run in your browser in float32, ${Math.round(shown.milliseconds)} ms`;
      return `live: ${formatCount(m)} tokens among themselves, in your browser; the exact run of ${all} follows`;
    }
    if (this.tokens && !this.isSupported) {
      const instead = this.isAlone ? "the picture is the one this page was made with" : "a picture comes once you let go";
      return `this browser cannot run the model itself (it has no WebAssembly SIMD): ${instead}`;
    }
    if (!this.spec || !this.controls.sliders.length) return "";
    return `drag ${this.controls.sliders.map(({ spec }) => spec.symbol).join(" or ")}: the picture follows, in your browser`;
  }

  dispose() {
    clearTimeout(this.#timer);
    liveSettings.listeners.delete(this.settingsCame);
    liveTokens.listeners.delete(this.tokensCame);
    this.#engine?.dispose();
  }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
