// Streamlit gathers what widgets and components set, and a timer sends it: as one message, for the fragment of the first
// that set something. What others set until then goes along, and their own fragments never run. So what is set here is
// sent at once, in a message of its own, and not while what a person has just changed waits to be sent.

const SENT_MS = 20; // Streamlit's timer is one of 0 ms, which browsers make 4
const PRESSES = ["pointerdown", "pointerup", "click", "keydown", "keyup", "input", "change", "drop"];
const waiting = []; // what is to be sent, in order
let lastPressed = -Infinity;

for (const kind of PRESSES) {
  document.addEventListener(kind, () => (lastPressed = performance.now()), { capture: true, passive: true });
}

/** Call `set`, in which a component sets its values, and send them, once nothing was pressed for `rest` ms. */
function sendAlone(set, rest = SENT_MS) {
  waiting.push({ set, rest });
  if (waiting.length === 1) sendNext();
}

function sendNext() {
  const pressed = lastPressed;
  const sendOrWait = () => {
    const set = lastPressed === pressed && waiting.shift().set;
    if (waiting.length) sendNext();
    if (set) sendNow(set);
  };
  // Never without a timer: those of values that were set before come first.
  setTimeout(sendOrWait, Math.max(SENT_MS, pressed + waiting[0].rest - performance.now()));
}

function sendNow(set) {
  const setTimer = window.setTimeout;
  const due = [];
  window.setTimeout = (callback, delay, ...rest) => (delay ? setTimer(callback, delay, ...rest) : due.push(callback));
  try {
    set();
  } finally {
    window.setTimeout = setTimer;
  }
  for (const send of due) send();
}
