// Small helpers to build and format what is shown around the points.

/** element("div", {class: "x", role: "slider"}, child, …) */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The same for drawings: svg("path", {d: "…"}) */
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Write only when it differs: a written text costs layout even if it is the same. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** "5", "5.4": as people read a depth. */
function formatDepth(depth) {
  return String(Math.round(depth * 10) / 10);
}

/** "10 000", with a thin no-break space. */
function formatCount(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Ends of an axis: as many digits as its span needs, with a true minus. */
function formatNumber(value, span) {
  const magnitude = Math.max(Math.abs(value), span);
  if (magnitude >= 1e4 || magnitude < 1e-3) return value.toExponential(1).replace("e+", "e").replaceAll("-", "−");
  const digits = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(span))));
  return value.toFixed(digits).replace("-", "−");
}

/** [r, g, b] of "#rrggbb". */
function parseHex(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

/** [r, g, b] of a computed CSS colour, the text's or, by name, another one's. */
function computedColour(node, property = "color") {
  return (getComputedStyle(node)[property].match(/[\d.]+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
}

/** An attention weight as tables print it, with two digits: ".31", ".0029", "1.0". */
function formatWeight(weight) {
  if (weight >= 0.995) return weight.toFixed(1);
  if (weight >= 1e-4) return weight.toFixed(1 - Math.floor(Math.log10(weight))).slice(1);
  return weight > 0 ? weight.toExponential(0).replace("-", "−") : "0";
}
