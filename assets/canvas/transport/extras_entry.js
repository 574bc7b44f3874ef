// The component "canvas_extras": receives a canvas's colourings and attended tokens and shows nothing.

export default function ({ data }) {
  if (!data?.length) return;
  const extras = readBlob(data);
  canvasExtras.give(extras.header.key, extras);
}
