// What a node carries against which limit: the row that is nearest its limit, and the bar that shows it.

import { ROWS, row as rowText, rowOf } from "./format.js";
import { h, s, set } from "./dom.js";

/** Where on a bar the limit stands: what is above it has room to show. */
export const LIMIT_AT = 0.84;

/** What may flow at most on a row: base load and everything below that may still draw. */
export function mayFlow(node, name) {
  const committed = rowOf(node.committed, name);
  return committed === null ? null : committed + Math.max(0, rowOf(node.base_load, name) ?? 0);
}

/** The row that is nearest its limit with its figures; null where nothing limits the node. */
export function worstRow(node) {
  let worst = null;
  for (const name of ROWS) {
    const limit = rowOf(node.limit, name);
    if (limit === null) continue;
    const measured = rowOf(node.measured, name);
    const committed = mayFlow(node, name);
    const load = measured ?? committed ?? 0;
    const used = limit > 0 ? load / limit : load > 0 ? Infinity : 0;
    // A row takes over only where it is clearly nearer, so that balanced rows do not take turns.
    if (!worst || used > worst.used * 1.005 + 0.002) worst = { row: name, limit, measured, committed, used };
  }
  if (worst) worst.limitName = node.limit_names?.[worst.row] ?? null;
  return worst;
}

/** How long the parts of a bar are, each 0 to 1. */
export function barShares(worst) {
  const part = (load) => (load === null || !worst.limit ? (load > 0 ? 1 : 0) : Math.min(1, Math.max(0, (load / worst.limit) * LIMIT_AT)));
  return { measured: part(worst.measured), committed: part(worst.committed) };
}

/** "612 of 720 A on L1", or without a limit what flows. */
export function loadSentence(node) {
  const worst = worstRow(node);
  if (!worst) return "no limit here";
  const where = worst.row === "total" ? "in total" : `on ${worst.row}`;
  const load = worst.measured === null ? "not measured" : rowText(worst.row, worst.measured);
  return `${load} of ${rowText(worst.row, worst.limit)} ${where}`;
}

/** A bar of measured, committed and limit as an element; `update(node)` moves it. */
export function loadBar() {
  const committed = s("rect", { class: "bar-committed", x: 0, y: 0, height: 10, width: 0, rx: 2 });
  const measured = s("rect", { class: "bar-measured", x: 0, y: 2.5, height: 5, width: 0, rx: 1.5 });
  const element = s(
    "svg",
    { class: "loadbar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "bar-track", x: 0, y: 0, width: 100, height: 10, rx: 2 }),
    committed,
    measured,
    s("line", { class: "bar-limit", x1: LIMIT_AT * 100, x2: LIMIT_AT * 100, y1: 0, y2: 10 }),
  );
  return {
    element,
    update(node) {
      const worst = worstRow(node);
      const shares = worst ? barShares(worst) : { measured: 0, committed: 0 };
      set(committed, "width", (shares.committed * 100).toFixed(1));
      set(measured, "width", (shares.measured * 100).toFixed(1));
      set(element, "class", `loadbar${worst && worst.used > 1 ? " is-over" : ""}${worst ? "" : " is-open"}`);
    },
  };
}

/** The key to such bars. */
export const barKey = () =>
  h(
    "ul",
    { class: "key" },
    h("li", {}, h("i", { class: "key-measured" }), "measured"),
    h("li", {}, h("i", { class: "key-committed" }), "may flow: base load and committed"),
    h("li", {}, h("i", { class: "key-limit" }), "limit"),
  );

const CONDITIONS = {
  trouble: { glyph: "✖", word: "in trouble" },
  away: { glyph: "○", word: "not connected" },
  out: { glyph: "–", word: "out of service" },
  free: { glyph: "", word: "free" },
  ordered: { glyph: "❚❚", word: "held by a person" },
  waiting: { glyph: "◇", word: "waiting" },
  held: { glyph: "◆", word: "held back" },
  charging: { glyph: "●", word: "charging" },
  idle: { glyph: "·", word: "wants nothing" },
};

function conditionOf(connector) {
  if (connector.trouble) return "trouble";
  if (connector.order === "out_of_service") return "out";
  if (!connector.is_connected) return "away";
  if (connector.order) return "ordered";
  if (!connector.has_vehicle) return "free";
  const wants = connector.request?.value ?? 0;
  const given = connector.setpoint?.value ?? 0;
  if (wants <= 0) return "idle";
  if (given <= 0) return "waiting";
  return given < wants ? "held" : "charging";
}

/** How a connector is: {name, glyph, word}. */
export function connectorCondition(connector) {
  const name = conditionOf(connector);
  return { name, ...CONDITIONS[name] };
}

/** What it draws of what it asks for, in words. */
export function connectorSentence(connector, format) {
  const { word } = connectorCondition(connector);
  const who = connector.vehicle ?? connector.id_tag;
  const given = connector.has_vehicle && connector.setpoint ? `, ${format.value(connector.setpoint)} of ${format.value(connector.request)}` : "";
  return `${who ? `${who}, ` : ""}${word}${given}`;
}

/** Connectors and nodes whose id, name or vehicle has the text in it; the best first. */
export function matching(live, text, { onlyConnectors = false, most = 12 } = {}) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const found = [];
  for (const node of live.wiring.values()) {
    if (onlyConnectors && node.kind !== "CONNECTOR") continue;
    const connector = live.connectors.get(node.id);
    const words = [node.id, node.name, connector?.vehicle, connector?.id_tag].filter(Boolean).map((each) => each.toLowerCase());
    const rank = Math.min(...words.map((each) => (each === wanted ? 0 : each.startsWith(wanted) ? 1 : each.includes(wanted) ? 2 : 9)));
    if (rank < 9) found.push({ node, connector, rank });
  }
  return found.sort((one, other) => one.rank - other.rank).slice(0, most);
}
