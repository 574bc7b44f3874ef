// Asks Python for another run of the fragment it stands in, as long as Python says that there is more to come.
//
// Streamlit sends what changes at about the same time as one message, for the fragment of the first change that has
// one. A question in the same message as a person's click would so take the click along to the wrong fragment, and its
// own would never run; a canvas's report likewise. So nothing is asked right after either, and if it happens all the
// same, between the question and its being sent, Python is told to run the whole page.

const LATE_MS = 3000; // Streamlit folds questions that wait together into one and answers that: then ask again
const SETTLED_MS = 300; // by then what was pressed has been sent: a slider waits for 200 ms itself
const PRESSES = ["pointerdown", "pointerup", "click", "keydown", "keyup", "input", "change", "drop", "canvas-report"];
const latest = new WeakMap(); // mount point -> the newest call, the one that may ask
let lastPressed = -Infinity;
let unsent = null; // tells Python about a press while a question waits to be sent

function onPress() {
  lastPressed = performance.now();
  unsent?.();
  unsent = null;
}

for (const kind of PRESSES) document.addEventListener(kind, onPress, { capture: true, passive: true });

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.host ?? parentElement;
  const call = {};
  const wait = (milliseconds) => (call.timer = setTimeout(() => whenStaying(host, ask), milliseconds));
  const ask = () => {
    if (latest.get(parentElement) !== call) return;
    const settling = lastPressed + SETTLED_MS - performance.now();
    if (settling > 0) {
      wait(settling);
      return;
    }
    setTriggerValue("tick", data.serial);
    const tell = (unsent = () => ["pressed", "button"].forEach((name) => setTriggerValue(name, data.serial)));
    setTimeout(() => unsent === tell && (unsent = null)); // Streamlit's own timer came first: it is sent
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
