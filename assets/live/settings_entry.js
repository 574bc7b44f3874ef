// The component "live_settings": the values that Python has for the sliders of a canvas, and the way back.

export default function ({ data, setStateValue }) {
  if (!data?.key) return;
  const tell = (values, at) => sendAlone(() => setStateValue("settings", { ...values, at }));
  liveSettings.give(data.key, { sliders: data.sliders, at: data.at, tell });
}
