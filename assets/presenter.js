// Arrow keys, Page Up and Page Down (what presenters' remote controls send) step through a lesson; Escape ends presenting.

const KEYS = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1, Escape: 0 };
const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable], [role=slider], [role=radio], [role=grid]";

export default function ({ data, setTriggerValue }) {
  const onKey = (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.composedPath()[0];
    const arrow = event.key.startsWith("Arrow");
    if (arrow && target instanceof Element && target.closest(`${TYPING}, .latent-canvas`)) return;
    event.preventDefault();
    sendAlone(() => setTriggerValue("step", { by: KEYS[event.key], serial: data.serial }));
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
