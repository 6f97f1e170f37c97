// The single-line diagram: the server draws it, this folds, zooms, selects, and walks it by keyboard.

import { h, set } from "../dom.js";
import { createPatching } from "./patching.js";

const SMALLEST = 0.15;
const LARGEST = 3;
const READABLE = 0.72;
const LONGEST_QUERY = 1700;

const fetched = new Map();

/** Asks for a drawing that will be wanted in a moment. */
export function prepareDrawing(depotId, kept) {
  const where = address(depotId, kept);
  fetched.set(where, fetch(where, { credentials: "same-origin" }));
  fetched.get(where).catch(() => fetched.delete(where));
}

function address(depotId, kept) {
  const query = new URLSearchParams();
  if (kept.detail !== "auto") query.set("detail", kept.detail);
  for (const id of kept.folded) query.append("fold", id);
  for (const id of [...kept.opened].reverse()) {
    if (query.toString().length + id.length < LONGEST_QUERY) query.append("unfold", id);
  }
  return `/page/depots/${encodeURIComponent(depotId)}/diagram?${query}`;
}

/** Uses what was prepared, once; what was refused then (before the first cycle, say) is asked for anew. */
async function fetching(where, signal) {
  const prepared = fetched.get(where);
  fetched.clear();
  const early = await prepared?.catch(() => null);
  return early?.ok ? early : fetch(where, { credentials: "same-origin", signal });
}

/** The drawing in an element; `select(id)` when a node was chosen. */
export function createDrawing(context, kept, select) {
  const { live, api, format } = context;
  const canvas = h("div", { class: "canvas", tabindex: "-1" });
  const problems = h("div", { hidden: true });
  const element = h("div", {}, problems, canvas);
  const patching = createPatching(live, format);
  let svg = null;
  let scale = kept.scale;
  let selected = null;
  let asked = null;
  let current = null;

  /** Asks for the drawing anew, as it is folded now. */
  async function redraw({ focus = null } = {}) {
    asked?.abort();
    asked = new AbortController();
    set(canvas, "aria-busy", "true");
    try {
      const response = await fetching(address(live.depotId, kept), asked.signal);
      if (!response.ok) throw new Error(`The diagram cannot be drawn: the server answered ${response.status}.`);
      const text = await response.text();
      api.showProblems(problems, null);
      take(text, focus);
    } catch (error) {
      if (error.name === "AbortError") return;
      api.showProblems(problems, error instanceof TypeError ? new Error("The server cannot be reached, so the diagram stays as it is.") : error);
    }
    set(canvas, "aria-busy", null);
  }

  function take(text, focus) {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    if (parsed.nodeName !== "svg") throw new Error("The diagram cannot be read.");
    const isFirst = svg === null;
    svg = document.adoptNode(parsed);
    if (isFirst && scale === null) scale = Math.max(READABLE, Math.min(1.15, fitting()));
    resize();
    canvas.replaceChildren(svg);
    patching.use(svg);
    if (selected) patching.mark(selected, "is-selected", true);
    const first = svg.querySelector("[role=treeitem]");
    become(itemOf(focus ?? current) ?? first, { isFocused: focus !== null });
  }

  const itemOf = (id) => patching.parts().get(id)?.item;
  const drawnOf = (item) => item.closest("[data-node]").dataset;
  const fitting = () => (canvas.clientWidth - 14) / Number(svg.dataset.width);

  function resize() {
    set(svg, "width", Math.round(Number(svg.dataset.width) * scale));
    set(svg, "height", Math.round(Number(svg.dataset.height) * scale));
    kept.scale = scale;
  }

  /** Zooms so that the point under the pointer, or the middle, stays where it is. */
  function zoom(factor, event = null) {
    if (!svg) return;
    const box = canvas.getBoundingClientRect();
    const x = event ? event.clientX - box.left : box.width / 2;
    const y = event ? event.clientY - box.top : box.height / 2;
    const before = { left: (canvas.scrollLeft + x) / scale, top: (canvas.scrollTop + y) / scale };
    scale = Math.max(SMALLEST, Math.min(LARGEST, scale * factor));
    resize();
    canvas.scrollTo(before.left * scale - x, before.top * scale - y);
  }

  function fit() {
    if (!svg) return;
    scale = Math.max(SMALLEST, Math.min(1.4, fitting()));
    resize();
    canvas.scrollTo(0, 0);
  }

  function fold(id, isFolded = !kept.folded.has(id)) {
    if (isFolded) kept.folded.add(id);
    else kept.folded.delete(id);
    return redraw({ focus: id });
  }

  function open(id, isOpen = !kept.opened.has(id)) {
    if (isOpen) kept.opened.add(id);
    else kept.opened.delete(id);
    return redraw({ focus: id });
  }

  /** Makes a node the one that Tab reaches, and the arrows start from. */
  function become(item, { isFocused = true } = {}) {
    if (!item) return;
    svg.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    item.setAttribute("tabindex", "0");
    current = drawnOf(item).node;
    if (isFocused) {
      item.focus({ preventScroll: true });
      bring(item);
    }
  }

  function bring(item) {
    const box = item.getBoundingClientRect();
    const around = canvas.getBoundingClientRect();
    if (box.left < around.left || box.right > around.right) canvas.scrollLeft += box.left - around.left - around.width / 3;
    if (box.top < around.top || box.bottom > around.bottom) canvas.scrollTop += box.top - around.top - around.height / 3;
  }

  const items = () => [...svg.querySelectorAll("[role=treeitem]")];
  const level = (item) => Number(item.getAttribute("aria-level"));

  function walk(item, key) {
    const all = items();
    const at = all.indexOf(item);
    const isFoldable = item.hasAttribute("aria-expanded");
    const isOpen = item.getAttribute("aria-expanded") === "true";
    const { kind, node } = drawnOf(item);
    const turn = kind === "CHARGE_POINT" ? open : fold;
    if (key === "ArrowDown") return all[at + 1];
    if (key === "ArrowUp") return all[at - 1];
    if (key === "Home") return all[0];
    if (key === "End") return all.at(-1);
    if (key === "ArrowRight") {
      if (isFoldable && !isOpen) turn(node);
      else if (all[at + 1] && level(all[at + 1]) > level(item)) return all[at + 1];
      return null;
    }
    if (isFoldable && isOpen) {
      turn(node);
      return null;
    }
    return all.slice(0, at).reverse().find((other) => level(other) < level(item));
  }

  function onKey(event) {
    const item = event.target.closest?.("[role=treeitem]");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom(1.2);
    else if (event.key === "-") zoom(1 / 1.2);
    else if (event.key === "0") fit();
    else if (item && (event.key === "Enter" || event.key === " ")) select(drawnOf(item).node, { byKeyboard: true });
    else if (item && /^(Arrow(Up|Down|Left|Right)|Home|End)$/.test(event.key)) become(walk(item, event.key));
    else return;
    event.preventDefault();
  }

  function onClick(event) {
    const turned = event.target.closest("[data-fold]");
    if (turned) {
      fold(turned.dataset.fold);
      return;
    }
    const id = event.target.closest("[data-node]")?.dataset.node;
    if (!id) return;
    become(itemOf(id), { isFocused: false });
    select(id, {});
  }

  function onDoubleClick(event) {
    const drawn = event.target.closest("[data-node]")?.dataset;
    if (drawn?.kind === "CHARGE_POINT" && itemOf(drawn.node).hasAttribute("aria-expanded")) open(drawn.node);
  }

  const pointers = new Map();
  let spread = 0;
  const apart = () => {
    const [one, other] = [...pointers.values()];
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  };

  function onPointerDown(event) {
    if (event.pointerType !== "touch") return;
    pointers.set(event.pointerId, event);
    if (pointers.size === 2) spread = apart();
  }

  function onPointerMove(event) {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, event);
    if (pointers.size !== 2 || !spread) return;
    const [one, other] = [...pointers.values()];
    zoom(apart() / spread, { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 });
    spread = apart();
  }

  const onPointerUp = (event) => pointers.delete(event.pointerId);

  function onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), event);
  }

  canvas.addEventListener("keydown", onKey);
  canvas.addEventListener("click", onClick);
  canvas.addEventListener("dblclick", onDoubleClick);
  canvas.addEventListener("wheel", onWheel, { passive: false });
  canvas.addEventListener("pointerdown", onPointerDown);
  canvas.addEventListener("pointermove", onPointerMove);
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) canvas.addEventListener(name, onPointerUp);

  return {
    element,
    redraw,
    zoom,
    fit,
    update: (change) => patching.ask([...change.nodes, ...change.connectors]),
    choose(id) {
      if (selected) patching.mark(selected, "is-selected", false);
      selected = id;
      if (id) patching.mark(id, "is-selected", true);
    },
    /** Unfolds whatever hides a node, and brings it into view. */
    async find(id) {
      let above = live.wiring.get(id)?.parent;
      let isHidden = !patching.parts().has(id);
      for (; above; above = live.wiring.get(above)?.parent) isHidden = kept.folded.delete(above) || isHidden;
      if (isHidden) await redraw();
      const drawn = patching.parts().get(id);
      if (!drawn) return;
      bring(drawn.element);
      patching.mark(id, "is-found", true);
      setTimeout(() => patching.mark(id, "is-found", false), 2500);
      become(drawn.item ?? itemOf(live.wiring.get(id).parent));
    },
    focus: () => become(itemOf(current)),
    destroy() {
      asked?.abort();
      patching.stop();
    },
  };
}
