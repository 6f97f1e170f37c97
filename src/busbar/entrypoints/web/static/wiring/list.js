// The same tree as a table: for screen readers, phones, and whoever prefers rows.

import { h, set, stateBadge, updateBadge, write } from "../dom.js";
import { connectorCondition, connectorSentence, loadBar, loadSentence, worstRow } from "../nodes.js";

const MANY = 80;

/** The table in an element; `select(id)` when a node was chosen. */
export function createList(context, kept, select) {
  const { live, format } = context;
  const body = h("tbody", {});
  const head = h(
    "tr",
    {},
    ["Node", "State", "Carries"].map((name) => h("th", { scope: "col" }, name)),
    h("th", { scope: "col", class: "wide" }, "Limit"),
    h("th", { scope: "col", class: "wide" }, "Data"),
  );
  const caption = h("caption", { class: "visually-hidden" }, "Every power node with its state and load, parents before children");
  const element = h("div", { class: "sheet scroll", tabindex: "0", role: "region", "aria-label": "Wiring as a table" }, h("table", { class: "tree-list" }, caption, h("thead", {}, head), body));
  const below = new Map();
  for (const node of live.wiring.values()) {
    if (!below.has(node.parent)) below.set(node.parent, []);
    below.get(node.parent).push(node.id);
  }
  const rows = new Map();
  let selected = null;

  // With many connectors, those of a charge point are shown when they are asked for.
  if (!kept.closed) {
    const isLarge = live.connectors.size > MANY;
    kept.closed = new Set([...live.wiring.values()].filter((node) => isLarge && node.kind === "CHARGE_POINT").map((node) => node.id));
  }

  function draw() {
    rows.clear();
    const made = [];
    const add = (id, depth) => {
      const row = makeRow(id, depth);
      made.push(row.element);
      rows.set(id, row);
      if (!kept.closed.has(id)) for (const child of below.get(id) ?? []) add(child, depth + 1);
    };
    for (const id of below.get(null) ?? []) add(id, 0);
    body.replaceChildren(...made);
    for (const id of rows.keys()) show(id);
  }

  function makeRow(id, depth) {
    const wired = live.wiring.get(id);
    const count = below.get(id)?.length ?? 0;
    const bar = loadBar();
    const badge = stateBadge("UNKNOWN", format);
    const carries = h("span", {});
    const limit = h("td", { class: "wide" });
    const age = h("td", { class: "wide soft" });
    const turn = count
      ? h("button", { class: "turn", type: "button", "aria-expanded": String(!kept.closed.has(id)), "aria-label": `What ${id} feeds`, onclick: () => fold(id) }, kept.closed.has(id) ? "+" : "−")
      : h("span", { class: "leaf" });
    const name = h("button", { class: "link", type: "button", onclick: () => select(id, { byKeyboard: true }) }, id);
    const beside = wired.name && wired.name !== id ? h("small", {}, ` ${wired.name}`) : null;
    const who = h("div", { class: "who" }, turn, h("span", {}, name, beside));
    who.style.paddingInlineStart = `${Math.min(depth, 6) * 12}px`;
    const element = h("tr", { class: id === selected ? "is-selected" : "" }, h("th", { scope: "row" }, who), h("td", {}, badge), h("td", { class: "load" }, bar.element, carries), limit, age);
    return { element, bar, badge, carries, limit, age };
  }

  function show(id) {
    const row = rows.get(id);
    const node = live.nodes.get(id);
    if (!row || !node) return;
    const connector = live.connectors.get(id);
    row.bar.update(node);
    if (connector) {
      const { glyph, word, name } = connectorCondition(connector);
      set(row.badge, "class", `state state-${{ held: "CONSTRAINED", waiting: "CONSTRAINED", trouble: "BREACHED", charging: "OK" }[name] ?? "UNKNOWN"}`);
      write(row.badge.firstChild, glyph);
      write(row.badge.lastChild, word);
      write(row.carries, connector.has_vehicle ? connectorSentence(connector, format).split(", ").filter((part) => part !== word).join(", ") : "");
    } else {
      updateBadge(row.badge, node.state, format);
      write(row.carries, loadSentence(node));
    }
    const worst = worstRow(node);
    write(row.limit, worst ? format.limitWord(worst.limitName) : "not limited");
    write(row.age, format.ago(node.age_s));
  }

  function fold(id) {
    if (kept.closed.has(id)) kept.closed.delete(id);
    else kept.closed.add(id);
    draw();
    rows.get(id)?.element.querySelector(".turn")?.focus();
  }

  return {
    element,
    redraw: draw,
    update: (change) => new Set([...change.nodes, ...change.connectors]).forEach(show),
    choose(id) {
      rows.get(selected)?.element.classList.remove("is-selected");
      selected = id;
      rows.get(id)?.element.classList.add("is-selected");
    },
    async find(id) {
      for (let above = live.wiring.get(id)?.parent; above; above = live.wiring.get(above)?.parent) kept.closed.delete(above);
      if (!rows.has(id)) draw();
      const row = rows.get(id)?.element;
      row?.scrollIntoView({ block: "center" });
      row?.querySelector(".link")?.focus({ preventScroll: true });
    },
    focus: () => rows.get(selected)?.element.querySelector(".link")?.focus(),
    destroy() {},
  };
}
