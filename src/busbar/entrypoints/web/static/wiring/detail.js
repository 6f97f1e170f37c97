// The panel about one node: all four rows, why it is as it is, what is below it, what a person may order.

import { connectorLink, h, set, stateBadge, updateBadge, write } from "../dom.js";
import { ROWS, rowOf } from "../format.js";
import { connectorCondition, worstRow } from "../nodes.js";
import { createActions } from "./actions.js";

const FIGURES = [
  ["limit", "Limit"],
  ["measured", "Measured"],
  ["committed", "Committed"],
  ["allocated", "Allocated"],
  ["headroom", "Headroom"],
  ["base_load", "Base load"],
  ["available", "Available"],
];
const MOST_BELOW = 60;

/** The panel; `select(id)` follows a link to another node, `close()` shuts it. */
export function createDetail(context, id, { select, close }) {
  const { live, format } = context;
  const wired = live.wiring.get(id);
  const isConnector = wired.kind === "CONNECTOR";
  const badge = stateBadge("UNKNOWN", format);
  const cause = h("p", { class: "why", hidden: true });
  const cells = new Map();
  const rowHeads = new Map();
  const pairs = h("dl", { class: "pairs" });
  const breaches = h("p", { hidden: true });
  const actions = createActions(context, id);
  const heading = h("h2", { tabindex: "-1", id: "detail-title" }, wired.name && wired.name !== id ? `${id} · ${wired.name}` : id);
  const element = h(
    "aside",
    { class: "sheet detail", "aria-labelledby": "detail-title" },
    h("div", { class: "detail-head" }, h("div", {}, h("span", { class: "soft" }, format.kindWord(wired.kind)), heading, badge), h("button", { class: "quiet", type: "button", "aria-label": "Close", onclick: close }, "✕")),
    breaches,
    cause,
    isConnector ? h("p", {}, connectorLink(id, "Why does it get what it gets?")) : null,
    pairs,
    h("h3", {}, "Row by row"),
    figures(),
    below(),
    actions.element,
  );
  element.addEventListener("keydown", (event) => event.key === "Escape" && close());

  function figures() {
    const head = h("tr", {}, h("td", {}), ROWS.map((name) => h("th", { scope: "col" }, name === "total" ? "Total" : name)));
    const lines = FIGURES.map(([key, word]) => {
      const line = ROWS.map((name) => {
        const cell = h("td", {});
        cells.set(`${key}.${name}`, cell);
        return cell;
      });
      return h("tr", {}, h("th", { scope: "row" }, word), line);
    });
    const names = ROWS.map((name) => {
      const cell = h("td", { class: "soft" });
      rowHeads.set(name, cell);
      return cell;
    });
    const which = h("tr", {}, h("th", { scope: "row" }, "Which limit"), names);
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures row by row" }, h("table", { class: "figures" }, h("thead", {}, head), h("tbody", {}, lines[0], which, lines.slice(1))));
  }

  function below() {
    const children = [...live.wiring.values()].filter((node) => node.parent === id);
    if (!children.length) return null;
    const list = children.slice(0, MOST_BELOW).map((node) =>
      h("li", { "data-below": node.id }, h("button", { class: "link", type: "button", onclick: () => select(node.id) }, node.id), h("span", { class: "soft" })),
    );
    const more = children.length - list.length;
    return [h("h3", {}, "Feeds"), h("ul", { class: "below" }, list), more > 0 ? h("p", { class: "soft" }, `and ${more} more`) : null];
  }

  function pairsOf(node) {
    const connector = live.connectors.get(id);
    const worst = worstRow(node);
    const found = [];
    if (wired.parent) found.push(["Fed by", wired.parent]);
    if (worst) found.push(["Nearest its limit", worst.row === "total" ? "total power" : worst.row]);
    found.push(["Mode", node.mode === "SAFE" ? "SAFE: its safe capacity applies" : "NORMAL"]);
    found.push(["Newest data", node.measured ? format.ago(node.age_s === null ? null : node.age_s + Math.max(0, live.ageSeconds() - live.status.age_s)) : "not measured"]);
    if (!connector) return found.concat(givenPairs());
    found.push(["It says", format.words(connector.state)]);
    found.push(["Vehicle", connector.has_vehicle ? (connector.vehicle ?? connector.id_tag ?? "yes, without a name") : "none"]);
    if (connector.has_vehicle) {
      found.push(["Asks for", `${format.value(connector.request)}${connector.request_reason ? ` (${format.words(connector.request_reason)})` : ""}`]);
      found.push(["Is given", format.value(connector.setpoint)]);
      found.push(["Acknowledged", format.value(connector.acknowledged)]);
      found.push(["Draws", format.value(connector.draw)]);
      if (connector.soc !== null) found.push(["State of charge", format.share(connector.soc)]);
      if (connector.departs) found.push(["Departs", format.time(connector.departs)]);
    }
    found.push(["Committed", format.value(connector.committed)]);
    if (connector.order) found.push(["Order", format.words(connector.order)]);
    if (connector.trouble) found.push(["Trouble", format.words(connector.trouble)]);
    if (connector.held_back) found.push(["Held back", connector.held_back]);
    return found.concat(givenPairs());
  }

  function givenPairs() {
    const names = [["rating", "Rating"], ["default_operating_capacity", "Default capacity"], ["safe_operating_capacity", "Safe capacity"], ["max_rating", "Maximum rating"], ["min", "Minimum"], ["fallback", "Fallback"], ["limit", "Limit on the sum"]];
    return names.filter(([key]) => wired.given[key]).map(([key, word]) => [`${word}, as stored`, wired.given[key]]);
  }

  function update() {
    const node = live.nodes.get(id);
    if (!node) return;
    updateBadge(badge, node.state, format);
    const connector = live.connectors.get(id);
    if (connector && node.state !== "BREACHED") write(badge.lastChild, connectorCondition(connector).word);
    const text = node.in_transition ? "Its limit has just fallen, or its base load risen: above it, but not yet a breach." : connector ? connector.why : (node.cause?.text ?? "");
    write(cause, text);
    cause.hidden = !text;
    breaches.hidden = node.breaches.length === 0;
    breaches.replaceChildren(...node.breaches.flatMap((breach, index) => [index ? ", " : "", h("a", { href: `#/breaches/${breach}` }, `Open breach${node.breaches.length > 1 ? ` ${index + 1}` : ""}`)]));
    const worst = worstRow(node);
    for (const name of ROWS) {
      for (const [key] of FIGURES) {
        const cell = cells.get(`${key}.${name}`);
        const number = rowOf(node[key], name);
        write(cell, number === null ? "–" : format.row(name, number));
        set(cell, "class", worst?.row === name ? "is-worst" : null);
      }
      write(rowHeads.get(name), node.limit_names[name] ? format.limitWord(node.limit_names[name]).replace(" capacity", "") : "–");
    }
    updatePairs(pairsOf(node));
    for (const line of element.querySelectorAll("[data-below]")) {
      const child = live.nodes.get(line.dataset.below);
      const plug = live.connectors.get(line.dataset.below);
      write(line.lastChild, plug ? connectorCondition(plug).word : `${format.stateGlyph(child?.state)} ${format.stateWord(child?.state)}`);
    }
    actions.update();
  }

  function updatePairs(found) {
    const isSame = pairs.children.length === found.length * 2 && found.every(([word], index) => pairs.children[index * 2].textContent === word);
    if (!isSame) pairs.replaceChildren(...found.flatMap(([word]) => [h("dt", {}, word), h("dd", {})]));
    found.forEach(([, text], index) => write(pairs.children[index * 2 + 1], text));
  }

  update();
  return { id, element, update, focus: () => heading.focus({ preventScroll: false }) };
}
