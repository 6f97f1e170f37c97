// Puts live values into the drawing, by element, a few milliseconds at a time.

import { set, write } from "../dom.js";
import { barShares, connectorCondition, connectorSentence, loadSentence, worstRow } from "../nodes.js";

const BUDGET_MS = 8;

/** All nodes of a drawing with the parts that change. */
export function partsOf(svg) {
  const found = new Map();
  for (const element of svg.querySelectorAll("[data-node]")) {
    const parts = { element, kind: element.dataset.kind, bar: Number(element.dataset.bar), item: element.querySelector("[role=treeitem]") };
    for (const part of element.querySelectorAll("[data-part]")) parts[part.dataset.part] = part;
    parts.base = element.getAttribute("class");
    found.set(element.dataset.node, parts);
  }
  return found;
}

/** Draws what changed, soon: what is asked for twice is drawn once. */
export function createPatching(live, format) {
  let parts = new Map();
  let frame = null;
  const waiting = new Set();
  const marks = new Map();

  function use(svg) {
    parts = partsOf(svg);
    ask([...parts.keys()]);
  }

  function ask(ids) {
    for (const id of ids) if (parts.has(id)) waiting.add(id);
    if (frame === null && waiting.size) frame = requestAnimationFrame(work);
  }

  function work() {
    const until = performance.now() + BUDGET_MS;
    for (const id of waiting) {
      waiting.delete(id);
      draw(id);
      if (performance.now() > until) break;
    }
    frame = waiting.size ? requestAnimationFrame(work) : null;
  }

  function draw(id) {
    const found = parts.get(id);
    const node = live.nodes.get(id);
    if (!found || !node) return;
    const added = marks.get(id) ?? "";
    if (found.kind === "CONNECTOR") drawConnector(found, live.connectors.get(id), added);
    else drawNode(found, node, added);
  }

  function drawNode(found, node, added) {
    const worst = worstRow(node);
    const isOver = worst !== null && worst.used > 1;
    set(found.element, "class", `${found.base} in-${node.state}${isOver ? " is-over" : ""}${worst ? "" : " is-open"}${added}`);
    write(found.glyph, format.stateGlyph(node.state));
    write(found.state, format.stateWord(node.state));
    const shares = worst ? barShares(worst) : { measured: 0, committed: 0 };
    set(found.committed, "width", (shares.committed * found.bar).toFixed(1));
    set(found.measured, "width", (shares.measured * found.bar).toFixed(1));
    if (found.kind === "CHARGE_POINT") {
      write(found.load, node.measured?.total_w == null ? "–" : format.power(node.measured.total_w));
    } else {
      write(found.load, worst ? loadText(worst) : "not limited");
      write(found.limit, worst ? `${worst.row} · ${format.limitWord(worst.limitName).replace(/ (capacity|rating)$/, "")}` : "");
      write(found.share, worst && worst.measured !== null && worst.limit > 0 ? format.share(worst.used) : "");
    }
    set(found.item, "aria-label", `${node.id} ${nameOf(node)}${format.stateWord(node.state)}, ${loadSentence(node)}`);
  }

  function loadText(worst) {
    const limit = format.row(worst.row, worst.limit);
    if (worst.measured === null) return `? of ${limit}`;
    const load = format.row(worst.row, worst.measured);
    const [number, unit] = load.split(" ");
    return limit.endsWith(` ${unit}`) ? `${number} of ${limit}` : `${load} of ${limit}`;
  }

  const nameOf = (node) => {
    const name = live.wiring.get(node.id)?.name;
    return name && name !== node.id ? `${name}, ` : "";
  };

  function drawConnector(found, connector, added) {
    if (!connector) return;
    const condition = connectorCondition(connector);
    set(found.element, "class", `${found.base} is-${condition.name}${added}`);
    if (!found.load) return;
    const given = connector.setpoint?.value ?? 0;
    const share = connector.has_vehicle ? Math.min(1, given / (connector.request?.value || 1)) : 0;
    const idle = condition.name === "free" ? "" : condition.word.split(" ").pop();
    write(found.glyph, condition.glyph);
    write(found.load, connector.has_vehicle ? format.value(connector.draw ?? connector.setpoint) : idle);
    set(found.fill, "width", (share * 44).toFixed(1));
    set(found.item, "aria-label", `${connector.id}, ${connectorSentence(connector, format)}`);
  }

  /** Adds a class to a node until it is taken away: selected, found. */
  function mark(id, name, isOn) {
    const names = new Set((marks.get(id) ?? "").split(" ").filter(Boolean));
    if (isOn) names.add(name);
    else names.delete(name);
    marks.set(id, [...names].map((each) => ` ${each}`).join(""));
    if (parts.has(id)) draw(id);
  }

  return { use, ask, mark, parts: () => parts, stop: () => frame !== null && cancelAnimationFrame(frame) };
}
