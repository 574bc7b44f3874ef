// A board to draw a digit on, with mouse, touch, pen or keyboard. Python is sent the strokes once they rest.

const SIZE = 280; // the board's own units; on the page it may be smaller
const PEN = 24; // width of a stroke
const STEP = 10; // of an arrow key
const SMALL_STEP = 2; // with Shift
const REST_MS = 400;
const HELP =
  "Drawing board. Arrow keys move the pen, with Shift a little; Space sets it down or lifts it; " +
  "Backspace takes the last stroke back, Delete clears.";

/** Strokes by the component's name, so that a visit to another page does not wipe the board. */
const boards = (window.drawingBoards ??= new Map());
const instances = new WeakMap(); // mount point -> Board

class Board {
  pen = [SIZE / 2, SIZE / 2];
  down = false; // the keyboard's pen
  stroke = null; // the one that is being drawn
  byKey = false; // the last move came from the keyboard, so the pen is shown
  #timer = 0;

  constructor(parent, name) {
    this.name = name;
    this.strokes = boards.get(name) ?? [];
    this.canvas = element("canvas", { width: 2 * SIZE, height: 2 * SIZE, tabindex: "0", role: "application" });
    setAttribute(this.canvas, "aria-label", HELP);
    this.undo = element("button", { type: "button", onclick: () => this.takeBack() }, "Undo");
    this.clear = element("button", { type: "button", onclick: () => this.wipe() }, "Clear");
    this.token = element("canvas", { class: "token", role: "img", "aria-label": "The drawing as a token, 28 × 28" });
    this.caption = element("div", { class: "caption" });
    this.said = element("div", { class: "visually-hidden", "aria-live": "polite" });
    const tools = element("div", { class: "tools" }, this.undo, this.clear);
    const beside = element("div", { class: "beside" }, tools, this.token, this.caption);
    this.root = element("div", { class: "board" }, this.canvas, beside, this.said);
    parent.append(this.root);
    this.root.drawingBoard = this; // for tests and the console
    this.#attach();
    this.draw();
  }

  #attach() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      canvas.setPointerCapture(event.pointerId);
      this.byKey = this.down = false;
      this.begin(at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.stroke || this.byKey || !event.isPrimary) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.extend(at(each));
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => event.isPrimary && !this.byKey && this.end());
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => {
      this.lift();
      this.byKey = false;
      this.draw();
    });
  }

  #key(event) {
    const undo = (event.ctrlKey || event.metaKey) && event.key === "z";
    if (!undo && (event.ctrlKey || event.metaKey || event.altKey)) return;
    const by = event.shiftKey ? SMALL_STEP : STEP;
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const acts = {
      " ": () => (this.down ? this.lift() : this.putDown()),
      Backspace: () => this.takeBack(),
      Delete: () => this.wipe(),
      Escape: () => this.lift(),
    };
    const act = undo ? acts.Backspace : acts[event.key];
    if (!act && !moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
    this.byKey = true;
    if (act) act();
    else this.move(...moves[event.key]);
    this.draw();
  }

  /** The keyboard's pen goes by so much, and draws if it is down. */
  move(dx, dy) {
    this.pen = [this.pen[0] + dx, this.pen[1] + dy].map((value) => Math.max(0, Math.min(SIZE, value)));
    if (this.down) this.extend(this.pen);
  }

  putDown() {
    this.down = true;
    this.begin(this.pen);
    this.#say("Pen down");
  }

  lift() {
    if (!this.down) return;
    this.down = false;
    this.end();
    this.#say(`Pen up, ${this.strokes.length} strokes`);
  }

  begin(place) {
    this.stroke = [place];
    this.strokes.push(this.stroke);
    this.#changed();
  }

  extend(place) {
    this.pen = place;
    this.stroke.push(place);
    this.#changed();
  }

  end() {
    this.stroke = null;
    this.#changed();
  }

  takeBack() {
    this.down = false;
    this.stroke = null;
    this.strokes.pop();
    this.#say(`${this.strokes.length} strokes`);
    this.#changed();
  }

  wipe() {
    this.down = false;
    this.stroke = null;
    this.strokes.length = 0;
    this.#say("The board is empty");
    this.#changed();
  }

  #changed() {
    boards.set(this.name, this.strokes);
    this.draw();
    clearTimeout(this.#timer);
    const settle = () => {
      if (this.stroke && !this.byKey) return; // the mouse is still down; its end asks again
      this.report?.(this.text);
    };
    this.#timer = setTimeout(settle, REST_MS);
  }

  /** What Python is sent: strokes as x, y, x, y, … in tenths of a unit. */
  get text() {
    const strokes = this.strokes.map((stroke) => stroke.flat().map((value) => Math.round(10 * value)));
    return JSON.stringify({ size: 10 * SIZE, pen: 10 * PEN, strokes });
  }

  #say(text) {
    setText(this.said, text);
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const ink = `rgb(${computedColour(this.canvas).join(" ")})`;
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, SIZE, SIZE);
    Object.assign(context, { strokeStyle: ink, lineWidth: PEN, lineCap: "round", lineJoin: "round" });
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const place of stroke.length > 1 ? stroke.slice(1) : stroke) context.lineTo(...place);
      context.stroke();
    }
    if (this.byKey) this.#drawPen(context);
    this.undo.disabled = this.clear.disabled = this.strokes.length === 0;
  }

  #drawPen(context) {
    Object.assign(context, { strokeStyle: getComputedStyle(this.root).getPropertyValue("--accent"), lineWidth: 2 });
    context.beginPath();
    context.arc(...this.pen, PEN / 2 + 2, 0, 2 * Math.PI);
    if (this.down) context.arc(...this.pen, 2, 0, 2 * Math.PI);
    context.stroke();
  }

  /** What Python made of it: {pixels: base64 of 28 × 28 or "", caption, sprites, index}. */
  show({ pixels, caption, sprites, index }) {
    setText(this.caption, caption);
    this.token.hidden = !pixels;
    if (!pixels) return;
    const grey = Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
    this.token.width = this.token.height = 28;
    const image = new ImageData(28, 28);
    grey.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
    this.token.getContext("2d").putImageData(image, 0, 0);
    digitSprites.setLater(sprites, index, grey);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  if (!data) return;
  if (!instances.has(parentElement)) instances.set(parentElement, new Board(parentElement, data.name));
  const board = instances.get(parentElement);
  const report = (text) => sendAlone(() => setStateValue("strokes", text));
  if (!board.report && board.strokes.length) report(board.text); // drawn on an earlier visit
  board.report = report;
  board.show(data);
  board.draw(); // the theme may have changed
}
