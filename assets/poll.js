// Asks Python for another run of the fragment it stands in, as long as Python says that there is more to come.

const timers = new WeakMap(); // mount point -> timer

export default function ({ data, parentElement, setTriggerValue }) {
  clearTimeout(timers.get(parentElement));
  const host = parentElement.host ?? parentElement;
  const ask = () => whenStaying(host, () => setTriggerValue("tick", data.serial));
  const timer = data?.pending ? setTimeout(ask, data.milliseconds) : 0;
  timers.set(parentElement, timer);
  // This call's timer only: Streamlit may clean up after a call when a newer one has set its own already.
  return () => clearTimeout(timer);
}
