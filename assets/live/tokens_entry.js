// The component "live_tokens": receives a canvas's tokens and, with its own text, the engine for them. Shows nothing.

const kernel = LiveKernel.choose(LIVE_KERNELS); // null: this browser runs none

export default function ({ data }) {
  if (!data?.length) return;
  const { header, array } = readBlob(data);
  if (liveTokens.given.get(header.key)?.header.live_key === header.live_key) return;
  const [index, X] = [array(Uint32Array, header.index), array(Float32Array, header.X)];
  liveTokens.give(header.key, { header, index, X, kernel, source: LIVE_WORKER });
}
