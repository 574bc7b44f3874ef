// The component "latent_canvas". Streamlit calls this at every rerun with new bytes and at every change of theme.

const instances = new WeakMap(); // mount point -> LatentCanvas, so that a rerun finds its canvas again

export default function ({ data, parentElement, setStateValue }) {
  if (!data?.length) return;
  if (!instances.has(parentElement)) instances.set(parentElement, new LatentCanvas(parentElement));
  const app = instances.get(parentElement);
  app.update(data, (values) => {
    sendAlone(() => Object.entries(values).forEach(([name, value]) => setStateValue(name, value)));
  });
  return () => {
    // Streamlit also calls this when a newer call overtook this one; then the canvas is still on the page.
    setTimeout(() => {
      if (app.root.isConnected || instances.get(parentElement) !== app) return;
      instances.delete(parentElement);
      app.dispose();
    });
  };
}
