// Asks Python for another run of the fragment it stands in, as long as Python says that there is more to come.

const timers = new WeakMap(); // mount point -> timer

export default function ({ data, parentElement, setTriggerValue }) {
  clearTimeout(timers.get(parentElement));
  const host = parentElement.host ?? parentElement;
  const ask = () => whenStaying(host, () => setTriggerValue("tick", data.serial));
  if (data?.pending) timers.set(parentElement, setTimeout(ask, data.milliseconds));
  return () => clearTimeout(timers.get(parentElement));
}
