// Ready by departure: every vehicle, when it leaves, when it will be ready, and what would be missing.

import { h, write } from "../dom.js";
import * as format from "../format.js";
import { show } from "./parts/dom.js";
import { field } from "./parts/field.js";
import { nothing, riskBadge } from "./parts/marks.js";
import { editPlan } from "./parts/plan_form.js";
import { oncePerFrame } from "./parts/requests.js";
import { rowsOr, scrolled, table } from "./parts/table.js";
import { count, RISKS } from "./parts/words.js";

export const name = "ready";
export const title = "Ready by departure";

const DANGER = ["late", "at_risk"];
const FAR_MS = 1e14;
const SHOWN = ["vehicle", "id_tag", "departs", "soc", "energy_needed_wh", "request", "setpoint", "readiness"];

/** Shows every vehicle that is plugged in, the one in the greatest danger first. */
export function mount(root, { live, api }) {
  let filter = { text: "", risk: "" };
  const isOperator = live.me?.role === "operator";
  const made = vehicles(isOperator, edit);
  const summary = h("p", { class: "summary" });
  const tally = h("ul", { class: "tally" });
  const notice = h("p", { class: "soft small", role: "status" });
  const place = h("div", {});
  const head = filters((given) => {
    filter = { ...filter, ...given };
    draw();
  });
  const board = h("div", { class: "board ready" }, h("header", { class: "board-head" }, h("div", {}, summary, tally), head), notice, h("section", { class: "sheet" }, place));
  const empty = nothing("No vehicle is plugged in", "Vehicles appear here by themselves when they are plugged in.");
  const drawing = oncePerFrame(draw);
  let dialog = null;
  draw();
  return {
    update: () => drawing.later(),
    unmount: () => {
      drawing.forget();
      dialog?.close();
    },
  };

  function draw() {
    const all = [...live.connectors.values()].filter((connector) => connector.has_vehicle);
    if (all.length === 0) {
      show(root, empty);
      return;
    }
    if (board.parentElement !== root) show(root, board);
    write(summary, sentence(all));
    const counts = Object.keys(RISKS).map((risk) => [risk, all.filter((connector) => riskOf(connector) === risk).length]);
    show(tally, counts.filter(([, number]) => number > 0).map(([risk, number]) => h("li", {}, h("b", {}, String(number)), " ", riskBadge(risk))));
    rowsOr(place, made, all.filter(wanted), "No vehicle is like that.");
  }

  function wanted(connector) {
    const isWanted = filter.risk === "" || (filter.risk === "danger" ? DANGER.includes(riskOf(connector)) : riskOf(connector) === filter.risk);
    const said = [connector.id, connector.vehicle, connector.id_tag].filter(Boolean).join(" ").toLowerCase();
    return isWanted && said.includes(filter.text.toLowerCase());
  }

  async function edit(id) {
    const connector = live.connectors.get(id);
    const saved = () => write(notice, `The plan for ${connector.vehicle ?? id} is saved; the next cycle counts with it.`);
    dialog = await editPlan({ connector, api, timezone: live.microgrid?.timezone ?? "UTC", saved });
  }
}

function filters(changed) {
  const text = h("input", { type: "search", autocomplete: "off", placeholder: "Vehicle or connector", oninput: () => changed({ text: text.value.trim() }) });
  const risk = h(
    "select",
    { onchange: () => changed({ risk: risk.value }) },
    h("option", { value: "" }, "Every vehicle"),
    h("option", { value: "danger" }, "In danger of not being ready"),
    Object.entries(RISKS).map(([value, { word }]) => h("option", { value }, word)),
  );
  return h("div", { class: "filters" }, field("Find", text), field("Show", risk));
}

function riskOf(connector) {
  const state = connector.readiness?.state ?? "unknown";
  return state in RISKS ? state : "unknown";
}

function sentence(all) {
  const late = all.filter((connector) => riskOf(connector) === "late").length;
  const atRisk = all.filter((connector) => riskOf(connector) === "at_risk").length;
  const unknown = all.filter((connector) => riskOf(connector) === "unknown").length;
  if (unknown === all.length) return "It is not known whether they will be ready: no departure or need is known.";
  let known = `${late} of ${all.length} will not be ready when they depart, at this pace.`;
  if (late === 0) known = atRisk ? "None will be late." : `All ${count(all.length - unknown, "vehicle")} with a known departure will be ready.`;
  if (atRisk) known += ` ${atRisk} ${atRisk === 1 ? "is" : "are"} at risk.`;
  return unknown ? `${known} Of ${unknown} it is not known.` : known;
}

function vehicles(isOperator, edit) {
  const departure = (connector) => (connector.departs ? Date.parse(connector.departs) : null);
  const columns = [
    { key: "risk", label: "Risk", sort: (each) => RISKS[riskOf(each)].rank * FAR_MS + (departure(each) ?? FAR_MS - 1), cell: (each) => riskBadge(riskOf(each)) },
    { key: "vehicle", label: "Vehicle", isHead: true, sort: (each) => each.vehicle ?? each.id_tag, cell: (each) => each.vehicle ?? each.id_tag ?? h("span", { class: "soft" }, "not known") },
    { key: "connector", label: "Connector", sort: (each) => each.id, cell: (each) => h("a", { href: `#/why/${each.id}`, title: "Why does it get what it gets?" }, each.id) },
    { key: "departs", label: "Departs", sort: departure, cell: departs },
    { key: "soc", label: "Charge", isNumber: true, sort: (each) => each.soc, cell: (each) => format.share(each.soc) },
    { key: "needs", label: "Still needs", isNumber: true, sort: (each) => each.energy_needed_wh, cell: (each) => format.energy(each.energy_needed_wh) },
    { key: "given", label: "Given now", isNumber: true, sort: (each) => each.power_w, cell: given },
    { key: "ready", label: "Ready at", isNumber: true, sort: (each) => each.readiness?.ready_at, cell: ready },
    { key: "missing", label: "Would lack", isNumber: true, sort: (each) => each.readiness?.missing_wh, cell: missing },
  ];
  if (isOperator) columns.push({ key: "edit", label: "Plan", cell: (each) => h("button", { type: "button", class: "quiet", onclick: () => edit(each.id) }, "Edit", h("span", { class: "visually-hidden" }, ` the plan for ${each.vehicle ?? each.id}`)) });
  const made = table({
    caption: "Vehicles and whether they will be ready when they depart",
    keyOf: (each) => each.id,
    sorted: { key: "risk", isDescending: false },
    saysOf: (each) => JSON.stringify([SHOWN.map((field) => each[field]), Math.floor(Date.now() / 60_000)]),
    rowClass: (each) => (DANGER.includes(riskOf(each)) ? "is-danger" : ""),
    columns,
  });
  return { element: scrolled(made.element, "Vehicles"), setRows: made.setRows };
}

function departs({ departs: iso }) {
  if (!iso) return h("span", { class: "soft" }, "not known");
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const away = seconds < 0 ? `${format.duration(-seconds)} ago` : `in ${format.duration(seconds)}`;
  return [format.time(iso), " ", h("small", { class: "soft" }, away)];
}

function given({ setpoint, request }) {
  if (!setpoint) return "–";
  const wants = request && request.value > setpoint.value ? h("small", { class: "soft" }, `of ${format.value(request)}`) : null;
  return [format.value(setpoint), " ", wants].filter((part) => part !== null);
}

function ready({ readiness }) {
  if (!readiness) return "–";
  if (readiness.ready_at) return format.time(readiness.ready_at);
  if (readiness.state === "ready") return "now";
  return h("span", { class: "soft" }, readiness.state === "unknown" ? "–" : "not at this pace");
}

function missing({ readiness }) {
  if (!readiness || readiness.missing_wh === null) return "–";
  return readiness.missing_wh > 0 ? h("strong", { class: "lacking" }, format.energy(readiness.missing_wh)) : "nothing";
}
