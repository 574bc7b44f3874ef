// What Python gives for live pictures, by the canvas's key: the tokens to run, and the values of the sliders.

function liveRegistry() {
  return {
    given: new Map(),
    listeners: new Set(), // called with the canvas key
    give(key, what) {
      this.given.set(key, what);
      for (const listener of this.listeners) listener(key);
    },
  };
}

/** Which of the modules, in base64, this browser can run: the first with SIMD that it knows, beside workers; or null. */
const LiveKernel = {
  choose(modules) {
    if (typeof Worker !== "function" || typeof WebAssembly !== "object") return null;
    const bytes = modules.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
    return bytes.find((module) => WebAssembly.validate(module)) ?? null;
  },
};

/** {header: {key, live_key, n_components}, index: Uint32Array, X: Float32Array, kernel: Uint8Array or null, source} */
const liveTokens = (window.liveTokens ??= liveRegistry());

/** {sliders: [{name, label, …, value}], at, tell(values, at)}; `at`: of the last values that Python was told */
const liveSettings = (window.liveSettings ??= liveRegistry());
