// What Python and screen readers hear, once the user has come to rest.

/** The picture in one sentence. */
function describe({ clock, header, colours, selection, pinned, labelOf }) {
  const depth = `Depth ${formatDepth(clock.depth)} of ${header.n_blocks}`;
  const parts = [depth, `${formatCount(colours.visibleCount)} points`];
  if (colours.current !== colours.list[0]) parts.push(`coloured by ${colours.chosen}`);
  if (!colours.isContinuous) {
    const names = colours.current.class_names.filter((_, i) => !colours.hidden.has(i));
    parts.push(`classes shown: ${colours.hidden.size ? names.join(", ") || "none" : "all"}`);
  }
  if (selection.count) parts.push(`${formatCount(selection.count)} selected`);
  if (pinned.index >= 0) parts.push(`pinned: token ${pinned.index}, label ${labelOf(pinned.index) || "none"}`);
  return parts.join("; ");
}

class Report {
  #known = { depth: null, selection: "", pinned: -1 }; // what Python knows

  /** Python has just said so itself. */
  pythonKnows(values) {
    Object.assign(this.#known, values);
  }

  /** Send what Python does not know yet. */
  send(app) {
    const { clock, header, selection, pinned } = app;
    const known = this.#known;
    const { dataset_key } = header;
    const news = {};
    if (known.selection !== selection.text) {
      known.selection = selection.text;
      news.selection = { dataset_key, bits: selection.text, given: header.selection?.digest ?? null };
    }
    if (known.pinned !== pinned.index) {
      known.pinned = pinned.index;
      news.pinned = { dataset_key, index: pinned.index, given: header.pinned?.revision ?? null };
    }
    if (known.depth !== clock.depth && this.#isAtRest(clock)) {
      known.depth = clock.depth;
      news.depth = { at: clock.depth, given: [header.depth, header.revision] };
    }
    if (Object.keys(news).length) app.tell(news);
  }

  #isAtRest(clock) {
    if (clock.moving) return false; // its end asks again
    const growing = clock.computed < clock.length;
    if (!clock.touched && growing) return false; // following new frames is no news for Python
    return !(growing && clock.wanted > clock.computed); // else where the user wants to be comes yet
  }
}
