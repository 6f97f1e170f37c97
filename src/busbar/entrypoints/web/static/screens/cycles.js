// Cycles: a timeline with outcomes, one cycle opened, two cycles compared.

import { h, set, write } from "../dom.js";
import * as format from "../format.js";
import { openedCycle } from "./parts/cycle_opened.js";
import { comparedCycles } from "./parts/cycles_compared.js";
import { newId, show } from "./parts/dom.js";
import { field } from "./parts/field.js";
import { failed, loading, nothing, outcomeBadge } from "./parts/marks.js";
import { latest, query } from "./parts/requests.js";
import { timeline } from "./parts/timeline.js";
import { count, OUTCOMES } from "./parts/words.js";

export const name = "cycles";
export const title = "Cycles";

const PAGE = 60;
const MOST_KEPT = 600;
const NO_FILTER = { outcome: "", node: "" };

/** Shows the kept cycles; `params`: nothing, a number, or a number, `vs` and another number. */
export function mount(root, { live, api, navigate }, params) {
  const [number, , other] = params.map((part) => (part === "vs" ? part : Number(part)));
  let filter = rememberedFilter;
  let cycles = [];
  let next = null;
  let shown = null;
  const drawn = timeline({ open: (chosen) => navigate(`#/cycles/${chosen}`) });
  const list = h("ol", { class: "cycle-list" });
  const items = new Map();
  const older = h("button", { type: "button", class: "older", hidden: true, onclick: readOlder }, "Show older cycles");
  const tally = h("p", { class: "soft small", role: "status" });
  const overview = h("section", { class: "sheet timeline-sheet", hidden: true }, drawn.element);
  const aside = h("nav", { class: "cycle-aside", "aria-label": "Cycles, the newest first" }, list, older);
  const detail = h("div", { class: "cycle-detail" });
  const newer = h("button", { type: "button", class: "newer" });
  const message = h("div", {}, loading("Reading the last cycles"));
  const board = h("div", { class: `board cycles${number ? " is-opened" : ""}` });
  board.append(head(), message, overview, h("div", { class: "two-parts" }, aside, detail));
  show(root, board);

  const reading = latest(readNewest);
  const opening = latest(readOpened);
  reading.now();
  if (number) opening.now();
  const offs = [live.on("cycle", () => reading.now())];
  return {
    update: () => {},
    unmount: () => {
      offs.forEach((off) => off());
      reading.forget();
      opening.forget();
      drawn.destroy();
    },
  };

  function head() {
    const nodes = newId("nodes");
    const outcome = h(
      "select",
      { onchange: () => filterBy({ ...filter, outcome: outcome.value }) },
      h("option", { value: "" }, "Every outcome"),
      Object.entries(OUTCOMES).map(([value, { word }]) => h("option", { value, selected: filter.outcome === value }, word)),
    );
    const node = h("input", { type: "search", list: nodes, value: filter.node, placeholder: "Any", autocomplete: "off", size: 12, onchange: () => filterBy({ ...filter, node: node.value.trim() }) });
    const known = h("datalist", { id: nodes }, [...live.nodes.values()].filter((each) => each.kind !== "CONNECTOR").map((each) => h("option", { value: each.id })));
    return h(
      "header",
      { class: "board-head" },
      tally,
      h("div", { class: "filters" }, field("Outcome", outcome), field("Node not OK", node), known),
    );
  }

  function filterBy(given) {
    filter = given;
    rememberedFilter = given;
    cycles = [];
    next = null;
    show(message, loading("Reading cycles"));
    reading.now();
  }

  async function readNewest(isForgotten) {
    const asked = filter;
    try {
      const answer = await api.get(`cycles${query({ ...asked, limit: PAGE })}`);
      if (isForgotten() || asked !== filter) return;
      // A page that does not reach back to what is shown leaves a hole: then what is shown begins anew.
      const reaches = cycles.length > 0 && answer.cycles.some((cycle) => cycle.number <= cycles[0].number);
      const rest = reaches ? cycles.filter((cycle) => cycle.number < answer.cycles.at(-1).number) : [];
      if (!reaches || rest.length === 0) next = answer.next;
      cycles = [...answer.cycles, ...rest];
      refresh();
      if (!number && cycles.length) opening.now();
    } catch (error) {
      if (!isForgotten()) show(message, failed("The cycles could not be read.", error, () => reading.now()));
    }
  }

  async function readOlder() {
    older.disabled = true;
    write(older, "Reading older cycles");
    try {
      const answer = await api.get(`cycles${query({ ...filter, limit: PAGE, before: next })}`);
      cycles = [...cycles, ...answer.cycles.filter((cycle) => cycle.number < cycles.at(-1).number)];
      next = cycles.length < MOST_KEPT ? answer.next : null;
      refresh();
    } catch (error) {
      show(message, failed("Older cycles could not be read.", error, readOlder));
    } finally {
      older.disabled = false;
      write(older, "Show older cycles");
    }
  }

  function refresh() {
    const isFiltered = Boolean(filter.outcome || filter.node);
    show(message, cycles.length ? null : isFiltered ? nothing("No cycle is like that", "No kept cycle has this outcome and this node.", clear()) : nothing("No cycle is kept yet", "The first one that changes something appears here by itself."));
    overview.hidden = cycles.length === 0;
    older.hidden = next === null;
    if (!number && cycles.length === 0) show(detail);
    const unchanged = cycles.length > 1 ? cycles[0].number - cycles.at(-1).number + 1 - cycles.length : 0;
    const gaps = !isFiltered && unchanged > 0 ? `; ${unchanged} between them changed nothing` : "";
    write(tally, cycles.length ? `${count(cycles.length, "cycle")} shown${gaps}` : "");
    const chosen = number ?? cycles[0]?.number ?? null;
    drawn.set(cycles, chosen, !isFiltered);
    const lines = cycles.map((cycle) => itemOf(cycle, chosen));
    lines.forEach((line, index) => list.children[index] !== line && list.insertBefore(line, list.children[index] ?? null));
    while (list.children.length > lines.length) list.lastElementChild.remove();
  }

  function clear() {
    return h("button", { type: "button", onclick: () => { filterBy(NO_FILTER); board.firstChild.replaceWith(head()); } }, "Show every cycle");
  }

  function itemOf(cycle, chosen) {
    if (!items.has(cycle.number)) items.set(cycle.number, h("li", {}, itemLink(cycle)));
    const item = items.get(cycle.number);
    set(item.firstChild, "aria-current", cycle.number === chosen ? "true" : null);
    return item;
  }

  function itemLink(cycle) {
    const held = cycle.limited ? `${cycle.limited} of ${cycle.vehicles} held back` : cycle.vehicles === null ? "" : count(cycle.vehicles, "vehicle");
    return h(
      "a",
      { href: `#/cycles/${cycle.number}` },
      h("span", { class: "cycle-number" }, h("span", { class: "visually-hidden" }, "Cycle "), String(cycle.number)),
      h("time", { datetime: cycle.at }, format.time(cycle.at, { seconds: true })),
      outcomeBadge(cycle.outcome),
      h("span", { class: "soft small" }, held),
    );
  }

  async function readOpened(isForgotten) {
    const wanted = number ?? cycles[0]?.number;
    if (!wanted || wanted === shown) return;
    if (!number && shown !== null && isBeingRead()) {
      offerNewest(wanted);
      return;
    }
    if (shown === null) show(detail, loading(other ? `Reading cycles ${number} and ${other}` : `Reading cycle ${wanted}`));
    try {
      const found = await Promise.all([wanted, other].filter(Boolean).map((each) => api.get(`cycles/${each}`)));
      if (isForgotten()) return;
      shown = wanted;
      show(detail, other ? comparison(...found) : single(found[0]));
    } catch (error) {
      if (isForgotten()) return;
      const isGone = error.status === 404;
      show(detail, back(), failed(isGone ? "There is no such cycle: it changed nothing, or is no longer kept." : "The cycle could not be read.", error, isGone ? null : () => opening.now()));
    }
  }

  /** Whoever reads or sorts is not interrupted: the newest cycle waits until it is asked for. */
  function isBeingRead() {
    return detail.contains(document.activeElement) || detail.getBoundingClientRect().top < 0;
  }

  function offerNewest(newest) {
    const follow = () => {
      newer.remove();
      document.activeElement?.blur();
      window.scrollTo(0, 0);
      opening.now();
    };
    write(newer, `Cycle ${newest} is newer: show it`);
    newer.onclick = follow;
    if (newer.parentElement !== detail) detail.prepend(newer);
  }

  function back() {
    return h("a", { class: "back", href: "#/cycles" }, number ? "‹ All cycles, following the newest" : "");
  }

  function single(cycle) {
    const hint = number ? back() : h("span", { class: "soft small" }, "The newest, followed as it comes");
    return [h("div", { class: "opened-head" }, h("div", {}, hint, h("h2", {}, `Cycle ${cycle.number}`)), compareForm(cycle)), openedCycle(cycle, { unitOf })];
  }

  function comparison(later, earlier) {
    const [before, after] = earlier.number < later.number ? [earlier, later] : [later, earlier];
    const links = [before, after].map((cycle) => h("a", { href: `#/cycles/${cycle.number}` }, `Open cycle ${cycle.number}`));
    return [h("div", { class: "opened-head" }, h("div", {}, back(), h("h2", {}, `Cycle ${before.number} and cycle ${after.number}`)), h("p", { class: "links" }, links)), comparedCycles(before, after)];
  }

  function compareForm(cycle) {
    const before = cycles.find((each) => each.number < cycle.number)?.number ?? cycle.number - 1;
    const chosen = h("input", { type: "number", min: "1", value: String(before), required: true, inputmode: "numeric" });
    const submit = (event) => {
      event.preventDefault();
      if (Number(chosen.value) !== cycle.number) navigate(`#/cycles/${cycle.number}/vs/${Number(chosen.value)}`);
    };
    return h("form", { class: "compare", onsubmit: submit }, field("Compare with cycle", chosen), h("button", { type: "submit" }, "Compare"));
  }

  function unitOf(connector) {
    return live.connectors.get(connector)?.current === "DC" ? "W" : "mA";
  }
}

// A filter outlives the opening of one cycle, which mounts the screen anew.
let rememberedFilter = NO_FILTER;
