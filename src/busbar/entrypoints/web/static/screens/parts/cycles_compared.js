// Two cycles beside each other: only what differs.

import { h } from "../../dom.js";
import * as format from "../../format.js";
import { inputLines } from "./cycle_opened.js";
import { gauge } from "./marks.js";
import { rowsOr, table } from "./table.js";
import { bindingText, milliseconds, OUTCOMES } from "./words.js";

/** What differs from `before` to `after`, both whole cycles. */
export function comparedCycles(before, after) {
  const changes = allocationChanges(before, after);
  return h(
    "div",
    { class: "sections" },
    h(
      "section",
      { class: "sheet" },
      h("h3", {}, "The cycles"),
      differences(before, after),
    ),
    h(
      "section",
      { class: "sheet" },
      h("h3", {}, "Connectors"),
      h("p", { class: "soft small" }, "Those with another request, another setpoint or another limit"),
      changeTable(changes, before, after),
    ),
  );
}

/** Leaves whose request, setpoint or binding differs; null on a side where the leaf had no vehicle. */
export function allocationChanges(before, after) {
  const earlier = new Map(before.allocations.map((each) => [each.leaf, each]));
  const later = new Map(after.allocations.map((each) => [each.leaf, each]));
  return [...new Set([...earlier.keys(), ...later.keys()])]
    .map((leaf) => ({ leaf, before: earlier.get(leaf) ?? null, after: later.get(leaf) ?? null }))
    .filter(({ before: one, after: other }) => {
      if (!one || !other) return true;
      const isSameValue = one.setpoint.value === other.setpoint.value && one.request.value === other.request.value;
      return !isSameValue || JSON.stringify(one.bound_by) !== JSON.stringify(other.bound_by);
    });
}

function differences(before, after) {
  const lines = [
    ["At", format.time(before.at, { seconds: true }), format.time(after.at, { seconds: true })],
    ["Outcome", OUTCOMES[before.outcome].word, OUTCOMES[after.outcome].word],
    ["Trigger", format.words(before.trigger), format.words(after.trigger)],
    ["Strategy", format.words(before.strategy), format.words(after.strategy)],
    ["Shared among", format.leavesWords(before.leaves), format.leavesWords(after.leaves)],
    ["Fair in", before.inputs?.fair_in ?? "–", after.inputs?.fair_in ?? "–"],
    ["Vehicles", before.vehicles ?? "–", after.vehicles ?? "–"],
    ["Held back by a limit", before.limited ?? "–", after.limited ?? "–"],
    ["Took", milliseconds(before.duration_us), milliseconds(after.duration_us)],
    ...byNode("Base load of", before.inputs?.base_load, after.inputs?.base_load, "none"),
    ...byNode("Mode of", before.inputs?.modes, after.inputs?.modes, "NORMAL"),
    ...byNode("Envelope on", before.inputs?.envelopes, after.inputs?.envelopes, "none"),
    ...byNode("State of", stateWords(before), stateWords(after), format.stateWord("OK")),
  ].filter(([, one, other]) => one !== other);
  const made = table({
    caption: `What differs between cycle ${before.number} and cycle ${after.number}`,
    keyOf: ([name]) => name,
    columns: [
      { key: "name", label: "What", isHead: true, cell: ([name]) => name },
      { key: "before", label: `Cycle ${before.number}`, cell: ([, one]) => String(one) },
      { key: "after", label: `Cycle ${after.number}`, cell: ([, , other]) => String(other) },
    ],
  });
  const place = h("div", {});
  rowsOr(place, made, lines, "Nothing but the numbers.");
  return place;
}

function stateWords({ node_states: states }) {
  return Object.fromEntries(Object.entries(states).map(([node, state]) => [node, format.stateWord(state)]));
}

function byNode(words, before, after, absent) {
  const one = Object.fromEntries(inputLines(before));
  const other = Object.fromEntries(inputLines(after));
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].map((node) => [`${words} ${node}`, one[node] ?? absent, other[node] ?? absent]);
}

function changeTable(changes, before, after) {
  const most = Math.max(1, ...changes.flatMap(({ before: one, after: other }) => [one?.setpoint.value ?? 0, other?.setpoint.value ?? 0]));
  const given = (side) => (each) => (each[side] ? format.value(each[side].setpoint) : "no vehicle");
  const requests = ({ before: one, after: other }) => {
    const texts = [one, other].map((each) => (each ? format.value(each.request) : "–"));
    return texts[0] === texts[1] ? texts[0] : `${texts[0]} → ${texts[1]}`;
  };
  const bound = ({ leaf, before: one, after: other }) => {
    const texts = [one, other].map((each) => (each ? bindingText(each.bound_by, leaf) : null));
    if (texts[0] === texts[1] || !texts[0] || !texts[1]) return texts[1] ?? texts[0];
    return [h("s", {}, texts[0]), " ", texts[1]];
  };
  const made = table({
    caption: `Connectors that differ between cycle ${before.number} and cycle ${after.number}`,
    keyOf: (each) => each.leaf,
    sorted: { key: "leaf", isDescending: false },
    columns: [
      { key: "leaf", label: "Connector", isHead: true, sort: (each) => each.leaf, cell: ({ leaf }) => h("a", { href: `#/why/${leaf}` }, leaf) },
      { key: "request", label: "Request", isNumber: true, cell: requests },
      { key: "before", label: "Before", isNumber: true, sort: (each) => each.before?.setpoint.value, cell: given("before") },
      { key: "after", label: "After", isNumber: true, sort: (each) => each.after?.setpoint.value, cell: given("after") },
      { key: "change", label: "Change", sort: difference, cell: (each) => beforeAfter(each.before?.setpoint.value ?? 0, each.after?.setpoint.value ?? 0, most) },
      { key: "bound", label: "What bound", cell: bound },
    ],
  });
  const place = h("div", {});
  rowsOr(place, made, changes, "Every connector got the same, for the same reason.");
  return place;
}

function difference({ before, after }) {
  return (after?.setpoint.value ?? 0) - (before?.setpoint.value ?? 0);
}

/** Two bars, the earlier one above the later one. */
export function beforeAfter(before, after, most) {
  const state = after < before ? "CONSTRAINED" : "OK";
  return h("span", { class: "two-bars" }, gauge(before, most, { state: "UNKNOWN" }), gauge(after, most, { state }));
}
