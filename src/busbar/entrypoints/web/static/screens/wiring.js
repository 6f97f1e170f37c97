// How the depot is wired, what each branch carries against which limit: as a drawing or as a table.

import { h, set } from "../dom.js";
import { barKey } from "../nodes.js";
import { createDetail } from "../wiring/detail.js";
import { createDrawing, prepareDrawing } from "../wiring/drawing.js";
import { createList } from "../wiring/list.js";
import { searchBox } from "../wiring/search.js";

export const name = "wiring";
export const title = "Wiring";

const NARROW = "(max-width: 720px)";
const keptByDepot = new Map();

/** What stays as it was left when somebody comes back to this screen. */
function keptFor(depotId) {
  if (!keptByDepot.has(depotId)) {
    const view = matchMedia(NARROW).matches ? "list" : "drawing";
    keptByDepot.set(depotId, { view, folded: new Set(), opened: new Set(), detail: "auto", scale: null, closed: null });
  }
  return keptByDepot.get(depotId);
}

export function prepare({ live }) {
  const kept = keptFor(live.depotId);
  if (kept.view === "drawing") prepareDrawing(live.depotId, kept);
}

export function mount(root, context, params) {
  const { live } = context;
  const kept = keptFor(live.depotId);
  if (live.microgrid.nodes.length < 2) return nothing(root);
  const place = h("div", { class: "wiring" });
  const main = h("div", {});
  place.append(main);
  let view = null;
  let detail = null;
  let before = null;

  const search = searchBox(live, {
    label: "Find a node, connector or vehicle",
    choose: async (id) => {
      await view.find(id);
      select(id, {});
    },
  });
  const views = h(
    "div",
    { class: "group", role: "group", "aria-label": "Shown as" },
    [["drawing", "Drawing"], ["list", "Table"]].map(([key, word]) => h("button", { type: "button", "data-view": key, onclick: () => show(key) }, word)),
  );
  const detailButton = h("button", { type: "button", onclick: turnDetail }, "");
  const zooming = h(
    "div",
    { class: "group", role: "group", "aria-label": "Zoom" },
    h("button", { type: "button", "aria-label": "Smaller", onclick: () => view.zoom(1 / 1.25) }, "−"),
    h("button", { type: "button", "aria-label": "Larger", onclick: () => view.zoom(1.25) }, "+"),
    h("button", { type: "button", onclick: () => view.fit() }, "Fit"),
  );
  const folding = h("button", { type: "button", onclick: turnAll }, "");
  const marks = [["is-charging", "charging"], ["is-held", "held back"], ["is-waiting", "waiting"], ["is-trouble", "in trouble"], ["is-free", "free"]];
  const markKey = h("ul", { class: "key" }, marks.map(([kind, word]) => h("li", {}, h("i", { class: `mark ${kind}` }), word)));
  const key = h("div", {}, barKey(), markKey);
  const toolbar = h("div", { class: "bar" }, search.element, views, zooming, folding, detailButton, h("div", { class: "push" }, key));
  root.replaceChildren(toolbar, place);

  function show(which) {
    kept.view = which;
    view?.destroy();
    const make = which === "list" ? createList : createDrawing;
    view = make(context, kept, select);
    main.replaceChildren(view.element);
    for (const button of views.children) set(button, "aria-pressed", String(button.dataset.view === which));
    zooming.hidden = which === "list";
    folding.hidden = which === "list";
    detailButton.hidden = which === "list" || live.connectors.size < 2;
    sayButtons();
    const ready = view.redraw();
    if (detail) view.choose(detail.id);
    return ready;
  }

  const circuits = () => [...live.wiring.values()].filter((node) => node.kind === "CIRCUIT" && [...live.wiring.values()].some((child) => child.parent === node.id));
  const lowest = () => {
    const feeding = new Set([...live.wiring.values()].filter((node) => node.kind === "CHARGE_POINT").map((node) => node.parent));
    return circuits().filter((node) => feeding.has(node.id));
  };

  function sayButtons() {
    folding.textContent = kept.folded.size ? "Unfold all" : "Fold charge points";
    const isCompact = kept.detail === "compact" || (kept.detail === "auto" && live.connectors.size > 80);
    detailButton.textContent = isCompact ? "Show each connector" : "Connectors as marks";
    detailButton.dataset.next = isCompact ? "full" : "compact";
    markKey.hidden = !isCompact || kept.view === "list";
  }

  function turnAll() {
    if (kept.folded.size) kept.folded.clear();
    else for (const node of lowest()) kept.folded.add(node.id);
    sayButtons();
    view.redraw();
  }

  function turnDetail() {
    kept.detail = detailButton.dataset.next;
    kept.opened.clear();
    sayButtons();
    view.redraw();
  }

  function select(id, { byKeyboard = false }) {
    before = byKeyboard ? document.activeElement : null;
    detail?.element.remove();
    detail = createDetail(context, id, { select: (other) => select(other, { byKeyboard: true }), close });
    place.append(detail.element);
    place.classList.add("has-detail");
    view.choose(id);
    if (byKeyboard) detail.focus();
  }

  function close() {
    detail?.element.remove();
    detail = null;
    place.classList.remove("has-detail");
    view.choose(null);
    if (before?.isConnected) before.focus({ preventScroll: true });
    else view.focus();
  }

  const shown = show(kept.view);
  const wanted = params.join("/");
  if (wanted && live.wiring.has(wanted)) {
    select(wanted, {});
    Promise.resolve(shown).then(() => view.find(wanted));
  }

  return {
    update(change) {
      view.update(change);
      if (detail && (change.nodes.includes(detail.id) || change.connectors.includes(detail.id) || change.isWhole)) detail.update();
    },
    unmount() {
      search.destroy();
      view.destroy();
    },
  };
}

function nothing(root) {
  root.replaceChildren(h("div", { class: "empty" }, h("h2", {}, "Nothing is wired yet"), h("p", {}, "This depot has no circuits. Describe them in a depot file and import it: ", h("code", {}, "busbar import DEPOT"))));
  return { update() {}, unmount() {} };
}
