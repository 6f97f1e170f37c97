// One cycle opened: what it was decided from, what everybody was given, and what became of the setpoints.

import { h } from "../../dom.js";
import * as format from "../../format.js";
import { fact, gauge, outcomeBadge, setpointBadge, stateBadge } from "./marks.js";
import { rowsOr, table } from "./table.js";
import { bindingText, count, milliseconds, OUTCOMES, SETPOINT_STATES } from "./words.js";

/** The whole of a cycle. `unitOf(connector)` says whether its setpoints are mA or W. */
export function openedCycle(cycle, { unitOf }) {
  return h(
    "div",
    { class: "sections" },
    facts(cycle),
    cycle.violations.length ? violations(cycle.violations) : null,
    section("Allocations", `Who asked for what, what each was given, and what stopped more`, allocations(cycle)),
    section("Setpoints", setpointCounts(cycle.setpoints), setpoints(cycle, unitOf)),
    section("Decided from", "The inputs of this balance", inputs(cycle)),
    section("Nodes", "Those that were not OK", nodeStates(cycle.node_states)),
  );
}

function section(title, words, content) {
  return h("section", { class: "sheet" }, h("h3", {}, title), h("p", { class: "soft small" }, words), content);
}

function facts(cycle) {
  const { means } = OUTCOMES[cycle.outcome] ?? OUTCOMES.UNCHANGED;
  const sharing = [format.words(cycle.strategy), cycle.inputs?.fair_in ? `fair in ${cycle.inputs.fair_in}` : null];
  return h(
    "section",
    { class: "sheet" },
    h("p", { class: "outcome-line" }, outcomeBadge(cycle.outcome), h("span", {}, `${means}.`)),
    h(
      "dl",
      { class: "fact-list" },
      fact("At", format.time(cycle.at, { seconds: true })),
      fact("Trigger", format.words(cycle.trigger)),
      fact("Strategy", sharing.filter(Boolean).join(", ")),
      fact("Shared among", format.leavesWords(cycle.leaves)),
      fact("Vehicles", cycle.vehicles ?? "–"),
      fact("Held back by a limit", cycle.limited ?? "–"),
      fact("Took", milliseconds(cycle.duration_us)),
    ),
  );
}

function violations(found) {
  return h(
    "section",
    { class: "sheet is-failed" },
    h("h3", {}, "What the audit found"),
    h("p", { class: "soft small" }, "Nothing of this allocation was sent."),
    h("ul", {}, found.map((violation) => h("li", {}, violation))),
  );
}

function allocations(cycle) {
  const most = Math.max(1, ...cycle.allocations.map((each) => Math.max(each.request.value, each.setpoint.value)));
  const made = table({
    caption: `Allocations of cycle ${cycle.number}`,
    keyOf: (each) => each.leaf,
    sorted: { key: "leaf", isDescending: false },
    columns: [
      { key: "leaf", label: "Connector", isHead: true, sort: (each) => each.leaf, cell: (each) => h("a", { href: `#/why/${each.leaf}` }, each.leaf) },
      { key: "request", label: "Request", isNumber: true, sort: (each) => each.request.value, cell: (each) => format.value(each.request) },
      { key: "setpoint", label: "Given", isNumber: true, sort: (each) => each.setpoint.value, cell: (each) => format.value(each.setpoint) },
      { key: "share", label: "Of its request", sort: (each) => part(each), cell: (each) => share(each, most) },
      { key: "bound", label: "What bound", sort: (each) => bindingText(each.bound_by, each.leaf), cell: (each) => bindingText(each.bound_by, each.leaf) },
    ],
  });
  const place = h("div", {});
  rowsOr(place, made, cycle.allocations, "No vehicle asked for anything.");
  return place;
}

function part(each) {
  return each.request.value > 0 ? each.setpoint.value / each.request.value : 1;
}

function share(each, most) {
  const state = part(each) < 1 ? "CONSTRAINED" : "OK";
  const words = `${Math.floor(100 * part(each))} %`;
  return h("span", { class: "gauged" }, gauge(each.setpoint.value, most, { ghost: each.request.value, state }), h("span", {}, words));
}

function setpointCounts(setpoints) {
  const found = Object.entries(SETPOINT_STATES)
    .map(([state, { word }]) => [word.toLowerCase(), setpoints.filter((each) => each.state === state).length])
    .filter(([, number]) => number > 0);
  return found.length ? `Since the cycle before: ${found.map(([word, number]) => `${number} ${word}`).join(", ")}` : "What became of them since the cycle before";
}

function setpoints(cycle, unitOf) {
  const made = table({
    caption: `Setpoints of cycle ${cycle.number}`,
    keyOf: (each) => `${each.connector} ${each.state} ${each.value}`,
    sorted: { key: "state", isDescending: false },
    columns: [
      { key: "connector", label: "Connector", isHead: true, sort: (each) => each.connector, cell: (each) => h("a", { href: `#/why/${each.connector}` }, each.connector) },
      { key: "value", label: "Setpoint", isNumber: true, sort: (each) => each.value, cell: (each) => setpointText(each, unitOf) },
      { key: "state", label: "State", sort: (each) => SETPOINT_STATES[each.state]?.rank ?? 9, cell: (each) => setpointBadge(each.state) },
      { key: "reason", label: "Why", sort: (each) => each.reason ?? "", cell: (each) => (each.reason ? format.words(each.reason) : "–") },
    ],
  });
  const place = h("div", {});
  rowsOr(place, made, cycle.setpoints, "Nothing was sent, answered or held back.");
  return place;
}

function setpointText(each, unitOf) {
  return each.value === null ? "–" : format.value({ value: each.value, unit: unitOf(each.connector) });
}

const INPUT_WORDS = { base_load: "Base load", modes: "Modes", envelopes: "Envelopes", vehicles: "Vehicles", limited: "Held back by a limit", leaves: "Shared among", fair_in: "Fair in" };
const IN_FACTS = new Set(["leaves", "fair_in", "vehicles", "limited"]);

function inputs(cycle) {
  const shown = Object.entries(cycle.inputs ?? {}).filter(([name]) => !IN_FACTS.has(name));
  const groups = shown.map(([name, value]) => [INPUT_WORDS[name] ?? format.words(name), inputLines(value)]);
  const vehicles = ["Vehicles", [["", cycle.vehicles === null ? "not recorded" : count(cycle.vehicles, "vehicle")]]];
  return h("dl", { class: "inputs" }, [vehicles, ...groups].map(([name, lines]) => inputGroup(name, lines)));
}

function inputGroup(name, lines) {
  const found = lines.length ? lines : [["", "none"]];
  return h("div", {}, h("dt", {}, name), found.map(([node, text]) => h("dd", {}, node ? h("b", {}, node) : null, h("span", {}, text))));
}

/** By node what it was given; whatever form a value has, it is shown and never guessed at. */
export function inputLines(value) {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [["", String(value)]];
  return Object.entries(value).map(([node, each]) => [node, inputText(each)]);
}

function inputText(value) {
  if (value === null || value === undefined) return "not known";
  if (typeof value !== "object") return String(value);
  if ("mode" in value) return [value.mode, value.cause ? format.words(inputText(value.cause)) : null].filter(Boolean).join(": ");
  if ("total_w" in value || "L1_ma" in value) return format.rows({ L1_ma: null, L2_ma: null, L3_ma: null, total_w: null, ...value });
  if (Array.isArray(value) && value.length === 4 && value.every((each) => typeof each === "number" || each === null)) {
    return format.rows({ L1_ma: value[0], L2_ma: value[1], L3_ma: value[2], total_w: value[3] });
  }
  return Object.entries(value)
    .map(([name, each]) => (Array.isArray(value) ? inputText(each) : `${format.words(name)} ${inputText(each)}`))
    .join(", ");
}

function nodeStates(states) {
  const found = Object.entries(states);
  if (found.length === 0) return h("p", { class: "soft" }, "Every node was OK.");
  return h("ul", { class: "chips" }, found.map(([node, state]) => h("li", {}, h("a", { href: `#/wiring/${node}` }, node), stateBadge(state))));
}
