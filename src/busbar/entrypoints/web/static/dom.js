// Elements without markup in strings: what comes from outside can only ever become text.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, properties, children) {
  for (const [name, given] of Object.entries(properties ?? {})) {
    if (given === null || given === undefined || given === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), given);
    else if (name === "class") element.setAttribute("class", given);
    else if (name in element && typeof given !== "string" && !(element instanceof SVGElement)) element[name] = given;
    else element.setAttribute(name, given === true ? "" : given);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element: h("p", {class: "soft", onclick: fn}, "text", child, [more]). */
export const h = (tag, properties, ...children) => filled(document.createElement(tag), properties, children);

/** The same for SVG. */
export const s = (tag, properties, ...children) => filled(document.createElementNS(SVG, tag), properties, children);

/** Writes a text only where it changed, so that nothing is laid out anew in vain. */
export function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Sets an attribute only where it changed; null removes it. */
export function set(element, name, given) {
  if (!element) return;
  if (given === null || given === undefined || given === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(given)) {
    element.setAttribute(name, String(given));
  }
}

/** A state as shape and word, coloured: <span class="state state-OK">. */
export function stateBadge(state, format) {
  const badge = h("span", { class: "state" }, h("span", { class: "glyph", "aria-hidden": "true" }), h("span", {}));
  updateBadge(badge, state, format);
  return badge;
}

/** Puts another state into such a badge. */
export function updateBadge(badge, state, format) {
  set(badge, "class", `state state-${state ?? "UNKNOWN"}`);
  write(badge.firstChild, format.stateGlyph(state));
  write(badge.lastChild, format.stateWord(state));
}

/** A link to a connector's "Why is this one slow?". */
export const connectorLink = (id, text = id) => h("a", { href: `#/why/${id}` }, text);
