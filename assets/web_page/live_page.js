// A page that runs its model itself: sliders, variant and seed, and what Python would say of a picture.

const MEASURED_TOKENS = 2000; // of more, effective rank and mean cosine would keep the page waiting
const ATTENDED = 10;
const IN_LINK = ["alpha", "eta", "n_blocks", "n_components", "random_state", "n_heads", "mask_self", "graph_diffusion", "relu"]; // prettier-ignore

const IS_FRAMED = location.protocol === "about:"; // a notebook has it in a frame, which has no address

class LivePage {
  #latents = null; // {values, n_blocks, q, frames} of the picture on screen
  #measured = 0; // which picture is being measured

  /** @param give(attended) hands attended tokens to the canvas; @param pixels bytes (n × d), or null if `first` is given */
  constructor(app, page, give, pixels, first) {
    Object.assign(this, { app, page, give, pixels });
    this.said = document.getElementById("description");
    this.problem = element("p", { class: "problem", role: "alert" });
    this.settings = { ...page.live.settings, ...this.#linked() };
    for (const slider of page.live.sliders) slider.value = this.settings[slider.name];
    this.#buildForm();
    this.#giveTokens(first);
    liveSettings.give(page.key, { sliders: page.live.sliders, at: 0, tell: null });
    app.live.onWhole = (values) => this.#settled(values);
    this.#place(new URLSearchParams(location.hash.slice(1)));
    // What the page was made at is shown already; anything else is run.
    if (IN_LINK.some((name) => this.settings[name] !== page.live.settings[name])) this.#changed();
  }

  /** Settings after the # of the address, as far as they can be used. */
  #linked() {
    const found = {};
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      const before = this.page.live.settings[name];
      if (!IN_LINK.includes(name)) continue;
      const value = typeof before === "boolean" ? text === "true" : Number(text);
      if (!this.#why({ ...this.page.live.settings, [name]: value })) found[name] = value;
    }
    return this.#why({ ...this.page.live.settings, ...found }) ? {} : found;
  }

  /** `depth` after the #: where the picture rests; `embed`: another page has this one in a frame, with its own words. */
  #place(link) {
    document.body.classList.toggle("embedded", link.has("embed"));
    const depth = Number(link.get("depth") ?? NaN);
    if (depth >= 0) this.app.goTo(Math.min(depth, this.settings.n_blocks));
  }

  /** Why these settings cannot be had; "" if they can. */
  #why(settings) {
    for (const { name, low, high, label, whole } of [...this.page.live.controls, ...this.page.live.sliders]) {
      const value = settings[name];
      if (typeof value === "boolean") continue;
      if (!Number.isFinite(value) || value < low || value > high || (whole && value % 1 !== 0))
        return `${label} must be a ${whole ? "whole " : ""}number from ${low} to ${high}.`;
    }
    const { n_components, n_heads } = settings;
    if (n_components % n_heads) return `${n_heads} heads do not divide ${n_components} latent dimensions evenly.`;
    return "";
  }

  #buildForm() {
    const fields = this.page.live.controls.map(({ name, label, help, low, high }) => {
      const isSwitch = typeof this.settings[name] === "boolean";
      const kind = isSwitch ? { type: "checkbox" } : { type: "number", min: low, max: high, step: 1 };
      const input = element("input", { ...kind, name, title: help, onchange: () => this.#take(input) });
      if (isSwitch) input.checked = this.settings[name];
      else input.value = this.settings[name];
      return element("label", { title: help }, ...(isSwitch ? [input, label] : [label, input]));
    });
    const copy = IS_FRAMED ? "" : element("button", { type: "button", title: "A link to this page with these settings", onclick: () => this.#copy(copy) }, "Copy link"); // prettier-ignore
    const form = element("form", { class: "model", onsubmit: (event) => event.preventDefault() }, ...fields, copy);
    document.getElementById("canvas").after(form, this.problem);
  }

  #take(input) {
    const value = input.type === "checkbox" ? input.checked : Number(input.value);
    const wanted = { ...this.settings, [input.name]: value };
    const why = this.#why(wanted);
    setText(this.problem, why);
    if (why) return;
    this.settings = wanted;
    this.#changed();
  }

  #copy(button) {
    const done = () => {
      setText(button, "Copied");
      setTimeout(() => setText(button, "Copy link"), 1500);
    };
    navigator.clipboard?.writeText(location.href).then(done, () => prompt("The link:", location.href));
  }

  /** Everything but α and η, which the canvas's sliders hold. */
  #changed() {
    const { app, page, settings } = this;
    this.#giveTokens(null);
    const { n_components: q, n_blocks } = settings;
    const columns = page.live.spec.columns.map((column) => Math.min(column, q - 1));
    const live = { ...page.live.spec, ...settings, live_key: this.key, columns, values: null };
    app.header = { ...app.header, n_blocks, live };
    app.live.refresh();
  }

  /** The first latents, again where seed or dimension are others. */
  #giveTokens(first) {
    const { page, pixels, settings, app } = this;
    const { random_state, n_components: q } = settings;
    const isMade = pixels !== null;
    this.key = isMade ? `${q} ${random_state}` : page.live.spec.live_key;
    if (this.key === liveTokens.given.get(page.key)?.header.live_key) return;
    const n = app.header.codes.length;
    let X = first;
    if (isMade) {
      const d = pixels.length / n;
      const scores = projected(pixels, gaussianProjection(d, q, random_state), d, q);
      this.#showProjection(scores, q, n);
      X = firstLatents(scores, q);
    }
    const index = page.live.order; // balanced, so that fewer are a sample
    const ordered = new Float32Array(X.length);
    index.forEach((token, i) => ordered.set(X.subarray(token * q, (token + 1) * q), i * q));
    const header = { key: page.key, live_key: this.key, n_components: q };
    app.header = { ...app.header, live: { ...app.header.live, live_key: this.key } };
    liveTokens.give(page.key, { header, index: Uint32Array.from(index), X: ordered, kernel: LiveKernel.choose(LIVE_KERNELS), source: LIVE_WORKER }); // prettier-ignore
  }

  #showProjection(scores, q, n) {
    const panel = this.app.panels[0];
    const [a, b] = this.page.live.spec.columns.map((column) => Math.min(column, q - 1));
    const places = new Float32Array(2 * n);
    for (let i = 0; i < n; i++) places.set([scores[i * q + a], scores[i * q + b]], 2 * i);
    const everyone = Uint32Array.from({ length: n }, (_, i) => i);
    const track = new Track({ ...this.app.header.panels[0], frames: [] }, null);
    track.frames = [new LiveFrame(0, `projection ${this.key}`, places, everyone, n, 1)];
    track.depths = [0];
    panel.setData(track);
  }

  /** All tokens are on screen, exactly, at these values. */
  async #settled(values) {
    const { app, settings } = this;
    Object.assign(settings, values);
    const different = IN_LINK.filter((name) => settings[name] !== this.page.live.settings[name]);
    const link = new URLSearchParams(different.map((name) => [name, String(settings[name])]));
    if (!IS_FRAMED) history.replaceState(null, "", different.length ? `#${link}` : location.pathname + location.search);
    this.#latents = this.measures = null;
    this.give(null);
    const mine = ++this.#measured;
    this.#say(null);
    if (app.header.codes.length > MEASURED_TOKENS && app.pinned.index < 0) return;
    const result = await app.live.latents();
    if (result === null || mine !== this.#measured) return;
    this.#latents = { ...settings, n: result.m, frames: result.frames };
    this.pinned(app.pinned.index);
    if (app.header.codes.length <= MEASURED_TOKENS) await this.#measure(mine);
  }

  #block(block) {
    const { n, n_components: q, frames } = this.#latents;
    return frames.subarray(block * n * q, (block + 1) * n * q);
  }

  async #measure(mine) {
    const found = [];
    const { n_blocks, n_components: q } = this.#latents;
    for (let block = 0; block <= n_blocks; block++) {
      await new Promise((go) => setTimeout(go)); // a hand that moves goes first
      if (mine !== this.#measured || this.app.live.controls.held) return;
      found.push({ rank: effectiveRank(this.#block(block), q), cosine: meanCosine(this.#block(block), q) });
    }
    this.measures = found;
    this.#say(found);
  }

  #say(measures) {
    const { app, settings } = this;
    const here = Math.min(Math.floor(app.clock.depth + 1e-9), settings.n_blocks);
    const at = `Block ${here} of ${settings.n_blocks}, α = ${formatValue(settings.alpha)}, η = ${formatValue(settings.eta)}`;
    if (!measures) return setText(this.said, `${at}.`);
    const [first, now] = [measures[0], measures[here]];
    const rank = `Of ${settings.n_components} directions ${now.rank.toFixed(1)} matter (effective rank; ${first.rank.toFixed(1)} at block 0)`;
    setText(this.said, `${at}. ${rank}; the mean cosine of two tokens is ${now.cosine.toFixed(2)} (${first.cosine.toFixed(2)}).`);
  }

  /** The canvas came to rest at a depth. True if this page says what is to be seen there, and not what it was made with. */
  atDepth() {
    if (this.measures === undefined) return false;
    this.#say(this.measures);
    return true;
  }

  /** A token was pinned (−1: none): show what it attends to, before each block. */
  async pinned(index) {
    if (!this.app.live.isOn) return false;
    if (index < 0) this.give(null);
    else if (this.#latents) {
      const rows = Array.from({ length: this.#latents.n_blocks + 1 }, (_, block) => this.#attended(block, index));
      const place = (name) => ({ digest: `${index} ${this.#measured}`, values: rows.flatMap((row) => row[name]) });
      const k = rows[0].indices.length;
      this.give({ index, k, depths: rows.map((_, block) => block), indices: place("indices"), weights: place("weights") });
    } else if (this.app.live.shown.m === this.app.header.codes.length) await this.#settled(this.app.live.shown.values);
    return true;
  }

  /** In the engine's order of the tokens, which is not the page's. */
  #attended(block, index) {
    const { order } = this.page.live;
    const most = attendedMost(this.#block(block), this.#latents.n_components, order.indexOf(index), this.#latents, ATTENDED); // prettier-ignore
    return { indices: most.indices.map((i) => order[i]), weights: most.weights };
  }
}
