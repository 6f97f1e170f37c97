// A real table: caption, scopes, columns that sort, and cards on a narrow screen. Rows are kept by key, and a cell that
// says the same stays, so that focus survives live values.

import { h, write } from "../../dom.js";
import { show } from "./dom.js";

const MOST_ROWS = 60;
const names = new Intl.Collator("en", { numeric: true });

/**
 * `columns`: [{key, label, cell(row), sort(row)?, isNumber?, isHead?}]; `keyOf(row)`; `sorted`: {key, isDescending};
 * `saysOf(row)`: a text that changes when anything does that the row shows, so that long tables need not be made anew.
 * `setRows(rows)` shows them in the chosen order, or as they come where none is chosen: the first sixty, and all of
 * them when asked, so that a depot of a thousand connectors does not hold the page up.
 */
export function table({ caption, columns, keyOf, sorted = null, rowClass = null, saysOf = null }) {
  let order = sorted;
  let rows = [];
  const kept = new Map();
  const said = new Map();
  const heads = columns.map((column) => headOf(column));
  const body = h("tbody", {});
  const more = h("button", { type: "button", class: "quiet more-rows", hidden: true, onclick: showAll });
  const drawn = h("table", { class: "rows" }, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, heads)), body);
  const element = h("div", {}, drawn, more);
  let most = MOST_ROWS;
  mark();
  return { element, setRows };

  function headOf(column) {
    const attributes = { scope: "col", class: column.isNumber ? "number" : null };
    if (!column.sort) return h("th", attributes, column.label);
    return h("th", attributes, h("button", { type: "button", class: "sort", onclick: () => sortBy(column.key) }, column.label));
  }

  function sortBy(key) {
    order = { key, isDescending: order?.key === key ? !order.isDescending : false };
    mark();
    setRows(rows);
  }

  function mark() {
    columns.forEach((column, index) => {
      if (!column.sort) return;
      const isChosen = order?.key === column.key;
      heads[index].setAttribute("aria-sort", isChosen ? (order.isDescending ? "descending" : "ascending") : "none");
    });
  }

  function setRows(given) {
    rows = given;
    const column = order && columns.find((each) => each.key === order.key);
    const sequence = column ? [...rows].sort((one, other) => compare(column.sort(one), column.sort(other), order.isDescending)) : rows;
    const lines = sequence.slice(0, most).map((row) => lineOf(row));
    const current = new Set(lines);
    for (const [key, line] of kept) {
      if (current.has(line)) continue;
      kept.delete(key);
      said.delete(key);
    }
    lines.forEach((line, index) => {
      if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null);
    });
    while (body.children.length > lines.length) body.lastElementChild.remove();
    more.hidden = rows.length <= most;
    if (!more.hidden) write(more, `Show all ${rows.length} rows`);
  }

  function showAll() {
    const first = most;
    most = Infinity;
    setRows(rows);
    body.children[first]?.querySelector("a, button")?.focus();
  }

  function lineOf(row) {
    const key = keyOf(row);
    const says = saysOf?.(row);
    if (says !== undefined && said.get(key) === says) return kept.get(key);
    said.set(key, says);
    const cells = columns.map((column) => cellOf(column, row));
    const known = kept.get(key);
    const line = known ?? h("tr", {}, cells);
    line.className = rowClass?.(row) ?? "";
    if (known) {
      cells.forEach((cell, index) => {
        if (!line.children[index].isEqualNode(cell)) line.children[index].replaceWith(cell);
      });
    }
    kept.set(key, line);
    return line;
  }

  function cellOf(column, row) {
    const attributes = { class: column.isNumber ? "number" : null, "data-label": column.label };
    return h(column.isHead ? "th" : "td", column.isHead ? { ...attributes, scope: "row" } : attributes, column.cell(row));
  }
}

/** Unknown comes last whichever way it is sorted. */
export function compare(one, other, isDescending = false) {
  const isOneKnown = one !== null && one !== undefined;
  const isOtherKnown = other !== null && other !== undefined;
  if (!isOneKnown || !isOtherKnown) return Number(isOtherKnown) - Number(isOneKnown);
  const found = typeof one === "string" ? names.compare(one, other) : one - other;
  return isDescending ? -found : found;
}

/** A table that may be wider than the screen scrolls by itself, by keyboard too. */
export function scrolled(element, label) {
  return h("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": label }, element);
}

/** Shows a table, or these words where there are no rows. */
export function rowsOr(place, made, rows, words) {
  made.setRows(rows);
  const wanted = rows.length ? made.element : null;
  if (wanted && place.firstElementChild !== wanted) show(place, wanted);
  if (!wanted) show(place, h("p", { class: "soft" }, words));
}
