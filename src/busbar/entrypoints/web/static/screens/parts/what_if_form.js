// What is to be otherwise: limits, how it is shared, vehicles more and fewer.

import { h, write } from "../../dom.js";
import * as format from "../../format.js";
import { newId, show } from "./dom.js";
import { field } from "./field.js";
import { fromField } from "./local_time.js";
import { clearProblems, placeProblems } from "./problems.js";

const STRATEGIES = ["equal_share", "weighted_share", "first_come", "priority", "earliest_departure", "least_laxity", "lowest_soc"];

/** `ask(question)` runs it; what it throws is said beside the field it is about. `cleared()` after everything is put back.
 * `given`: how it is to be shared, to begin with (`{leaves: "charge_point"}`). */
export function whatIfForm({ live, ask, cleared, given = {} }) {
  const timezone = live.microgrid?.timezone ?? "UTC";
  const nodes = h("datalist", { id: newId("nodes") }, limited(live).map((node) => h("option", { value: node.id }, `${format.kindWord(node.kind)} ${node.name ?? ""}`.trim())));
  const free = h("datalist", { id: newId("connectors") }, [...live.connectors.values()].map((each) => h("option", { value: each.id }, each.has_vehicle ? "in place of its vehicle" : "free")));
  const taken = h("datalist", { id: newId("taken") }, [...live.connectors.values()].filter((each) => each.has_vehicle).map((each) => h("option", { value: each.id }, each.vehicle ?? "a vehicle")));
  const limits = repeated("Change a limit", limitRow);
  const added = repeated("Add a vehicle", vehicleRow);
  const removed = repeated("Take a vehicle away", removalRow);
  const sharing = sharingFields(live.status);
  sharing.fill(given);
  const rest = h("div", { hidden: true });
  const run = h("button", { class: "primary" }, "Run");
  const form = h(
    "form",
    { class: "what-if-form", "aria-label": "What is to be otherwise", novalidate: true, onsubmit: submit },
    nodes,
    free,
    taken,
    h("fieldset", {}, h("legend", {}, "Limits"), limits.element),
    h("fieldset", {}, h("legend", {}, "How it is shared"), sharing.element),
    h("fieldset", {}, h("legend", {}, "Vehicles"), added.element, removed.element),
    rest,
    h("p", { class: "buttons" }, run, h("button", { type: "button", onclick: reset }, "Put everything back")),
    h("p", { class: "soft small" }, "The last cycle is balanced once more, beside the running depot. Nothing is sent to any charge point, and nothing is stored."),
  );
  limits.add();
  return form;

  async function submit(event) {
    event.preventDefault();
    clearProblems(form, rest);
    run.disabled = true;
    write(run, "Running");
    try {
      await ask(question());
    } catch (error) {
      placeProblems(form, rest, error);
    } finally {
      run.disabled = false;
      write(run, "Run");
    }
  }

  function question() {
    const given = limits.rows.map((row) => row.read()).filter((each) => each.node || each.value);
    limits.rows.forEach((row) => row.mark());
    const vehicles = added.rows.filter((row) => row.read().connector);
    vehicles.forEach((row, index) => row.mark(index));
    const gone = removed.rows.filter((row) => row.read());
    gone.forEach((row, index) => row.mark(index));
    return {
      limits: Object.fromEntries(given.map(({ node, value }) => [node, value])),
      ...sharing.read(),
      add: vehicles.map((row) => row.read()),
      remove: gone.map((row) => row.read()),
    };
  }

  function reset() {
    [limits, added, removed].forEach((each) => each.clear());
    sharing.clear();
    limits.add();
    clearProblems(form, rest);
    cleared();
  }

  function limitRow() {
    const now = h("span", {});
    const node = h("input", { list: nodes.id, autocomplete: "off", placeholder: "C1", oninput: () => write(now, current(live, node.value.trim())) });
    const value = h("input", { autocomplete: "off", placeholder: "500 kW" });
    return {
      name: "limit",
      fields: [field("Node", node, now), field("New limit", value)],
      read: () => ({ node: node.value.trim(), value: value.value.trim() }),
      mark: () => (value.dataset.path = node.value.trim() ? `limits.${node.value.trim()}` : "limits"),
    };
  }

  function vehicleRow() {
    const connector = h("input", { list: free.id, autocomplete: "off", placeholder: "CP1/1" });
    const request = h("input", { autocomplete: "off", placeholder: "its rating" });
    const departs = h("input", { type: "datetime-local" });
    const energy = h("input", { autocomplete: "off", placeholder: "210 kWh" });
    const fields = { connector, request, departs, energy_needed: energy };
    const words = { connector: "Connector", request: "Request", departs: "Departs", energy_needed: "Energy needed" };
    return {
      name: "vehicle",
      fields: Object.entries(fields).map(([key, control]) => field(words[key], control)),
      read: () => ({
        connector: connector.value.trim(),
        request: request.value.trim() || null,
        departs: fromField(departs.value, timezone),
        energy_needed: energy.value.trim() || null,
      }),
      mark: (index) => Object.entries(fields).forEach(([key, control]) => (control.dataset.path = `add[${index}].${key}`)),
    };
  }

  function removalRow() {
    const connector = h("input", { list: taken.id, autocomplete: "off", placeholder: "CP1/1" });
    return {
      name: "vehicle to take away",
      fields: [field("Without the vehicle at", connector)],
      read: () => connector.value.trim(),
      mark: (index) => (connector.dataset.path = `remove[${index}]`),
    };
  }
}

/** Rows of fields that people add and take away. */
function repeated(words, make) {
  const list = h("div", { class: "repeated" });
  const rows = [];
  const begin = h("button", { type: "button", class: "quiet add", onclick: () => add().querySelector("input").focus() }, `+ ${words}`);
  const element = h("div", {}, list, begin);
  return { element, rows, add, clear };

  function add() {
    const row = make();
    const line = h("div", { class: "repeated-row", role: "group", "aria-label": row.name }, row.fields, h("button", { type: "button", class: "quiet", "aria-label": `Leave out this ${row.name}`, onclick: drop }, "✕"));
    rows.push(row);
    list.append(line);
    return line;

    function drop() {
      rows.splice(rows.indexOf(row), 1);
      line.remove();
      begin.focus();
    }
  }

  function clear() {
    rows.length = 0;
    show(list);
  }
}

function sharingFields(status) {
  const choose = (path, now, values, told) =>
    h("select", { "data-path": path }, h("option", { value: "" }, `As now: ${told(now)}`), values.filter((value) => value !== now).map((value) => h("option", { value }, told(value))));
  const fields = {
    strategy: choose("strategy", status.strategy, STRATEGIES, format.words),
    leaves: choose("leaves", status.leaves, ["connector", "charge_point"], format.leavesWords),
    fair_in: choose("fair_in", status.fair_in, ["power", "current"], format.words),
  };
  const words = { strategy: "Strategy", leaves: "Shared among", fair_in: "Fair in" };
  return {
    element: h("div", { class: "repeated-row" }, Object.entries(fields).map(([key, control]) => field(words[key], control))),
    read: () => Object.fromEntries(Object.entries(fields).map(([key, control]) => [key, control.value || null])),
    // What cannot be chosen stays as it is now.
    fill: (given) => Object.entries(fields).forEach(([key, control]) => [...control.options].some(({ value }) => value === given[key]) && (control.value = given[key])),
    clear: () => Object.values(fields).forEach((control) => (control.value = "")),
  };
}

function limited(live) {
  return (live.microgrid?.nodes ?? []).filter((node) => Object.values(node.given).some((given) => given !== null));
}

/** What the limit of a node is now, as the depot file gives it. */
function current(live, id) {
  const node = live.microgrid?.nodes.find((each) => each.id === id);
  if (!node) return id ? "No node of this name" : "";
  const { default_operating_capacity: capacity, max_rating: rating, limit } = node.given;
  const given = capacity ?? rating ?? limit;
  return given ? `Now ${given}` : "Not limited now";
}
