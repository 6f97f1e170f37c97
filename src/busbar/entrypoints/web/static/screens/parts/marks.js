// Small pieces that several screens show: badges with a shape, waiting, nothing there, and what went wrong.

import { h, s } from "../../dom.js";
import { stateGlyph, stateWord } from "../../format.js";
import { OUTCOMES, RISKS, SETPOINT_STATES } from "./words.js";

const SHAPES = {
  circle: () => s("circle", { cx: 8, cy: 8, r: 5 }),
  diamond: () => s("path", { d: "M8 1.6 14.4 8 8 14.4 1.6 8Z" }),
  cross: () => s("path", { d: "M3 1.4 8 6.4 13 1.4 14.6 3 9.6 8 14.6 13 13 14.6 8 9.6 3 14.6 1.4 13 6.4 8 1.4 3Z" }),
  wedge: () => s("path", { d: "M8 14 1.4 2.4H14.6Z" }),
  dash: () => s("path", { d: "M2 6.6h12v2.8H2Z" }),
};

/** One of the shapes, as wide as a letter, in the colour of the text around it. */
export function shape(name, attributes = {}) {
  const size = { width: 16, height: 16, viewBox: "0 0 16 16", fill: "currentColor", "aria-hidden": "true" };
  return s("svg", { ...size, class: "shape", ...attributes }, SHAPES[name]());
}

/** The bare shape, to be placed in a drawing of its own. */
export function shapeIn(name) {
  return SHAPES[name]();
}

/** A word with a shape, in a state's colour; `word` in place of the state's own. */
export function stateBadge(state, word = stateWord(state)) {
  return h("span", { class: `state state-${state}` }, h("span", { class: "glyph", "aria-hidden": "true" }, stateGlyph(state)), word);
}

export function outcomeBadge(outcome) {
  const { word, shape: name } = OUTCOMES[outcome] ?? OUTCOMES.UNCHANGED;
  return h("span", { class: `state is-outcome-${outcome.toLowerCase()}` }, shape(name), word);
}

export function riskBadge(risk) {
  const { word, state } = RISKS[risk] ?? RISKS.unknown;
  return stateBadge(state, word);
}

export function setpointBadge(state) {
  const { word, state: colour } = SETPOINT_STATES[state] ?? { word: state, state: "UNKNOWN" };
  return stateBadge(colour, word);
}

/** A figure under its name, for the head of a screen. */
export function fact(name, ...value) {
  return h("div", { class: "fact" }, h("dt", {}, name), h("dd", {}, ...value));
}

/** While the first answer is awaited: the outline of what will come. */
export function loading(words) {
  const outline = h("div", { class: "skeleton", "aria-hidden": "true" }, h("i", {}), h("i", {}), h("i", {}));
  return h("div", { role: "status" }, outline, h("span", { class: "visually-hidden" }, words));
}

/** Nothing there, and what that means. */
export function nothing(headline, words, ...more) {
  return h("div", { class: "empty" }, h("h2", {}, headline), words ? h("p", {}, words) : null, more);
}

/** What went wrong, and a way on. */
export function failed(words, error, again = null) {
  const lines = (error?.problems ?? []).map((problem) => h("li", {}, problem.rule, " ", h("span", { class: "fix" }, problem.fix)));
  return h(
    "div",
    { class: "problems", role: "alert" },
    h("strong", {}, words),
    h("ul", {}, lines),
    again ? h("button", { type: "button", class: "again", onclick: again }, "Try again") : null,
  );
}

/** `n` of `most` as a bar, with a tick where the limit is; a picture beside figures that say the same. */
export function gauge(value, most, { limit = null, state = "OK", ghost = null } = {}) {
  const part = (number) => `${Math.max(0, Math.min(100, most > 0 ? (100 * number) / most : 0))}%`;
  const rect = (name, number) => s("rect", { class: name, x: 0, y: 0, height: "100%", width: part(number), rx: 2 });
  return s(
    "svg",
    { class: `gauge is-${state}`, "aria-hidden": "true", height: 10 },
    s("rect", { class: "trough", width: "100%", height: "100%", rx: 2 }),
    ghost === null ? null : rect("ghost", ghost),
    rect("filled", value),
    limit === null ? null : s("rect", { class: "tick", x: part(limit), y: 0, width: 2, height: "100%" }),
  );
}
