// Before and after, side by side.

import { h } from "../../dom.js";
import * as format from "../../format.js";
import { beforeAfter } from "./cycles_compared.js";
import { gauge, outcomeBadge, stateBadge } from "./marks.js";
import { rowsOr, scrolled, table } from "./table.js";
import { bindingText, count } from "./words.js";

/** The whole answer to a what-if. */
export function whatIfAnswer(answer) {
  const { before, after, changes } = answer;
  return h(
    "div",
    { class: "sections" },
    h("p", { class: "calm-note" }, h("strong", {}, "Nothing was sent and nothing was stored."), ` Cycle ${answer.cycle} of ${format.time(answer.at, { seconds: true })}, balanced once more.`),
    h("section", { class: "sheet" }, h("h2", {}, headline(before, after, changes)), sides(before, after)),
    h("section", { class: "sheet" }, h("h2", {}, "Nodes"), h("p", { class: "soft small" }, "Allocated of what is available, on the row that is nearest to full"), nodeTable(before, after)),
    h("section", { class: "sheet" }, h("h2", {}, "Connectors"), h("p", { class: "soft small" }, changes.length ? `${count(changes.length, "connector")} would get something else` : ""), changeTable(changes)),
  );
}

function headline(before, after, changes) {
  if (changes.length === 0) return "Nobody would get anything else";
  const difference = after.total_w - before.total_w;
  if (difference === 0) return "The same in total, shared otherwise";
  return `${format.power(Math.abs(difference))} ${difference > 0 ? "more" : "less"} in total`;
}

function sides(before, after) {
  const lines = [
    ["Outcome", (side) => outcomeBadge(side.outcome), (side) => side.outcome],
    ["Given in total", (side) => format.power(side.total_w), (side) => side.total_w],
    ["Held back by a limit", (side) => String(side.limited), (side) => side.limited],
    ["Not ready at departure", (side) => String(side.at_risk), (side) => side.at_risk],
    ["Strategy", (side) => format.words(side.strategy), (side) => side.strategy],
    ["Shared among", (side) => format.leavesWords(side.leaves), (side) => side.leaves],
    ["Fair in", (side) => format.words(side.fair_in), (side) => side.fair_in],
  ];
  const made = table({
    caption: "Before and after",
    keyOf: ([name]) => name,
    rowClass: ([, , value]) => (value(before) === value(after) ? "is-same" : "is-other"),
    columns: [
      { key: "name", label: "", isHead: true, cell: ([name]) => name },
      { key: "before", label: "Before", cell: ([, text]) => text(before) },
      { key: "after", label: "After", cell: ([, text, value]) => (value(before) === value(after) ? h("span", { class: "soft" }, "the same") : h("strong", {}, text(after))) },
    ],
  });
  made.setRows(lines);
  made.element.classList.add("sides");
  return made.element;
}

/** The row on which most of what is available is allocated; null where nothing limits the node. */
function fullest(node) {
  const rows = format.ROWS.map((row) => ({ row, allocated: format.rowOf(node.allocated, row) ?? 0, available: format.rowOf(node.available, row) }));
  const used = ({ allocated, available }) => (available > 0 ? allocated / available : allocated > 0 ? Infinity : 0);
  return rows.filter(({ available }) => available !== null).sort((one, other) => used(other) - used(one))[0] ?? null;
}

function nodeTable(before, after) {
  const earlier = new Map(before.nodes.map((node) => [node.id, node]));
  const pairs = after.nodes.map((node) => ({ id: node.id, kind: node.kind, before: earlier.get(node.id), after: node }));
  const shown = pairs.filter((pair) => pair.before && (fullest(pair.before) || fullest(pair.after)) && isWorthShowing(pair));
  const text = (node) => {
    const full = fullest(node);
    if (!full) return "not limited";
    const where = full.row === "total" ? "" : ` on ${full.row}`;
    const state = full.available > 0 && full.allocated >= full.available * 0.995 ? "CONSTRAINED" : "OK";
    return h("span", { class: "gauged" }, gauge(full.allocated, Math.max(full.available, 1), { state }), h("span", {}, `${format.row(full.row, full.allocated)} of ${format.row(full.row, full.available)}${where}`));
  };
  const made = table({
    caption: "Nodes before and after",
    keyOf: (pair) => pair.id,
    rowClass: (pair) => (same(pair) ? "is-same" : "is-other"),
    columns: [
      { key: "id", label: "Node", isHead: true, sort: (pair) => pair.id, cell: (pair) => [h("a", { href: `#/wiring/${pair.id}` }, pair.id), " ", h("small", { class: "soft" }, format.kindWord(pair.kind))] },
      { key: "before", label: "Before", cell: (pair) => text(pair.before) },
      { key: "after", label: "After", cell: (pair) => text(pair.after) },
      { key: "state", label: "State", cell: states },
    ],
  });
  const place = h("div", {});
  rowsOr(place, { element: scrolled(made.element, "Nodes before and after"), setRows: made.setRows }, shown, "No node is limited.");
  return place;
}

function states({ before, after }) {
  return before.state === after.state ? stateBadge(after.state) : [stateBadge(before.state), " → ", stateBadge(after.state)];
}

function same({ before, after }) {
  const [one, other] = [fullest(before), fullest(after)];
  return before.state === after.state && one?.allocated === other?.allocated && one?.available === other?.available;
}

/** Circuits and what is above them always; charge points where something changes; connectors have a table of their own. */
function isWorthShowing(pair) {
  return pair.kind !== "CONNECTOR" && (pair.kind !== "CHARGE_POINT" || !same(pair));
}

function changeTable(changes) {
  const most = Math.max(1, ...changes.flatMap((each) => [each.before_w, each.after_w]));
  const made = table({
    caption: "Connectors that would get something else",
    keyOf: (each) => each.leaf,
    sorted: { key: "change", isDescending: false },
    columns: [
      { key: "leaf", label: "Connector", isHead: true, sort: (each) => each.leaf, cell: (each) => h("a", { href: `#/why/${each.leaf}` }, each.leaf) },
      { key: "before", label: "Before", isNumber: true, sort: (each) => each.before_w, cell: (each) => format.value(each.before) },
      { key: "after", label: "After", isNumber: true, sort: (each) => each.after_w, cell: (each) => format.value(each.after) },
      { key: "bars", label: "On the supply side", cell: (each) => beforeAfter(each.before_w, each.after_w, most) },
      { key: "change", label: "Change", isNumber: true, sort: (each) => each.after_w - each.before_w, cell: changeText },
      { key: "bound", label: "What would bind", cell: (each) => bindingText(each.bound_by, each.leaf) },
    ],
  });
  const place = h("div", {});
  rowsOr(place, { element: scrolled(made.element, "Connectors that would get something else"), setRows: made.setRows }, changes, "Every connector would get the same.");
  return place;
}

function changeText({ before_w: before, after_w: after }) {
  return `${after > before ? "▲ +" : "▼ −"}${format.power(Math.abs(after - before))}`;
}
