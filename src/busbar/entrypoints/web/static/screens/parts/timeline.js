// Cycles by time: one lane per outcome, one mark per kept cycle, and a thread where cycles changed nothing.

import { h, s } from "../../dom.js";
import { time } from "../../format.js";
import { shapeIn } from "./marks.js";
import { show } from "./dom.js";
import { count, OUTCOMES } from "./words.js";

const LANES = ["FAILED", "PARTIAL", "CONSTRAINED", "APPLIED"];
const LANE_HEIGHT = 24;
const TOP = 8;
const THREAD_Y = TOP + LANES.length * LANE_HEIGHT + 8;
const HEIGHT = THREAD_Y + 34;
const NARROW = 560;

/** `open(number)` is called for arrow keys; a mark by itself is a link. */
export function timeline({ open }) {
  const drawing = s("svg", { class: "timeline-drawing", height: HEIGHT, "aria-hidden": "true" });
  const element = h(
    "div",
    { class: "timeline", role: "group", tabindex: "0", onkeydown: stepped },
    drawing,
  );
  let cycles = [];
  let chosen = null;
  let isWhole = true;
  const watched = new ResizeObserver(() => draw());
  watched.observe(element);
  return { element, set, destroy: () => watched.disconnect() };

  /** Cycles newest first; `whole` says that none is left out by a filter, so that gaps mean something. */
  function set(given, chosenNumber, whole) {
    cycles = given;
    chosen = chosenNumber;
    isWhole = whole;
    draw();
  }

  function stepped(event) {
    const step = { ArrowLeft: 1, ArrowRight: -1 }[event.key];
    if (!step || cycles.length === 0) return;
    const at = cycles.findIndex((cycle) => cycle.number === chosen);
    const next = cycles[Math.max(0, Math.min(cycles.length - 1, (at < 0 ? 0 : at) + step))];
    event.preventDefault();
    open(next.number);
  }

  function draw() {
    const width = element.clientWidth;
    element.setAttribute("aria-label", described());
    if (!width || cycles.length === 0) {
      show(drawing);
      return;
    }
    const left = width < NARROW ? 34 : 122;
    const oldest = Date.parse(cycles.at(-1).at);
    const span = Math.max(1, Date.parse(cycles[0].at) - oldest);
    const at = (iso) => left + 16 + ((Date.parse(iso) - oldest) / span) * (width - left - 34);
    drawing.setAttribute("width", width);
    const marks = cycles.map((cycle) => mark(cycle, at(cycle.at)));
    show(drawing, lanes(left, width), ticks(left, width, oldest, span), isWhole ? threads(at) : null, marks);
  }

  function described() {
    if (cycles.length === 0) return "Timeline: no cycles.";
    const counts = LANES.map((outcome) => [OUTCOMES[outcome].word.toLowerCase(), cycles.filter((each) => each.outcome === outcome).length]);
    const found = counts.filter(([, number]) => number > 0).map(([word, number]) => `${number} ${word}`);
    const times = `from ${time(cycles.at(-1).at, { seconds: true })} to ${time(cycles[0].at, { seconds: true })}`;
    return `Timeline of ${count(cycles.length, "cycle")} ${times}: ${found.join(", ")}. Left and right arrow keys open the older and the newer cycle.`;
  }

  function lanes(left, width) {
    const isNarrow = width < NARROW;
    const drawn = LANES.map((outcome, index) => {
      const y = TOP + index * LANE_HEIGHT + LANE_HEIGHT / 2;
      const glyph = s("g", { class: `is-outcome-${outcome.toLowerCase()}`, transform: `translate(4 ${y - 8}) scale(0.95)` }, shapeIn(OUTCOMES[outcome].shape));
      const word = isNarrow ? null : s("text", { class: "lane-word", x: 27, y: y + 4.5 }, OUTCOMES[outcome].word);
      return [s("line", { class: "lane", x1: left, x2: width - 4, y1: y, y2: y }), glyph, word];
    });
    const word = isNarrow || !isWhole ? null : s("text", { class: "lane-word soft", x: 27, y: THREAD_Y + 4 }, "No change");
    return [...drawn, word];
  }

  function ticks(left, width, oldest, span) {
    const most = Math.max(2, Math.floor((width - left) / 130));
    const found = Array.from({ length: most }, (_, index) => index / (most - 1));
    return found.map((part) => {
      const x = left + 16 + part * (width - left - 34);
      const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
      return s("text", { class: "tick-word", x, y: HEIGHT - 4, "text-anchor": anchor }, time(oldest + part * span, { seconds: true }));
    });
  }

  /** Numbers count every cycle: where some are missing, nothing changed. */
  function threads(at) {
    return cycles.slice(0, -1).map((cycle, index) => {
      const older = cycles[index + 1];
      const missing = cycle.number - older.number - 1;
      if (missing < 1) return null;
      const from = at(older.at);
      const line = { class: "thread", x1: from + 2, x2: Math.max(from + 4, at(cycle.at) - 2), y1: THREAD_Y, y2: THREAD_Y };
      return s("line", line, s("title", {}, `${count(missing, "cycle")} changed nothing`));
    });
  }

  function mark(cycle, x) {
    const { word, shape } = OUTCOMES[cycle.outcome] ?? OUTCOMES.UNCHANGED;
    const lane = LANES.indexOf(cycle.outcome);
    const y = lane < 0 ? THREAD_Y : TOP + lane * LANE_HEIGHT + LANE_HEIGHT / 2;
    const isChosen = cycle.number === chosen;
    const title = `Cycle ${cycle.number}, ${time(cycle.at, { seconds: true })}: ${word}`;
    const link = { class: `cycle-mark is-outcome-${cycle.outcome.toLowerCase()}`, href: `#/cycles/${cycle.number}`, tabindex: "-1" };
    return s(
      "a",
      link,
      s("title", {}, title),
      isChosen ? s("line", { class: "chosen-line", x1: x, x2: x, y1: 2, y2: THREAD_Y + 8 }) : null,
      isChosen ? s("circle", { class: "chosen-ring", cx: x, cy: y, r: 10.5 }) : null,
      s("circle", { class: "cycle-reach", cx: x, cy: y, r: 11 }),
      s("g", { transform: `translate(${(x - 7.2).toFixed(1)} ${y - 7.2}) scale(0.9)` }, shapeIn(shape)),
    );
  }
}
