// Asks Python for another run of the fragment it stands in, as long as Python says that there is more to come.

const LATE_MS = 3000; // a question without an answer is asked again
const SETTLED_MS = 300; // people go first: a slider waits for 200 ms itself before it sets its value
const latest = new WeakMap(); // mount point -> the newest call, the one that may ask

export default function ({ data, parentElement, setTriggerValue }) {
  const call = {};
  const wait = (milliseconds) => (call.timer = setTimeout(() => sendAlone(ask, SETTLED_MS), milliseconds));
  const ask = () => {
    if (latest.get(parentElement) !== call) return;
    setTriggerValue("tick", data.serial);
    wait(LATE_MS);
  };
  clearTimeout(latest.get(parentElement)?.timer);
  latest.set(parentElement, call);
  if (data?.pending) wait(data.milliseconds);
  return () => {
    clearTimeout(call.timer);
    // Streamlit may clean up after a call when a newer one has come already: that one goes on.
    if (latest.get(parentElement) === call) latest.delete(parentElement);
  };
}
