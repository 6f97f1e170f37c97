// A search box for nodes, connectors and vehicles: type, arrow keys, Enter; "/" from anywhere.

import { kindWord } from "../format.js";
import { h, set } from "../dom.js";
import { matching } from "../nodes.js";

let counted = 0;

/** Makes it; `choose(id)` when one was taken. `destroy()` lets the keyboard go. */
export function searchBox(live, { label, onlyConnectors = false, choose }) {
  const id = `search-${(counted += 1)}`;
  const list = h("ul", { class: "matches", id: `${id}-list`, role: "listbox", "aria-label": "Found", hidden: true });
  const input = h("input", {
    id,
    type: "search",
    role: "combobox",
    placeholder: label,
    "aria-label": label,
    "aria-expanded": "false",
    "aria-controls": `${id}-list`,
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
  });
  let found = [];
  let at = 0;

  function show() {
    found = matching(live, input.value, { onlyConnectors });
    at = 0;
    const isOpen = input.value.trim() !== "";
    list.hidden = !isOpen;
    set(input, "aria-expanded", String(isOpen));
    list.replaceChildren(
      ...(found.length
        ? found.map((each, index) => option(each, index))
        : [h("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing with that id, name or vehicle")]),
    );
    mark();
  }

  function option({ node, connector }, index) {
    const beside = connector?.vehicle ?? (node.name === node.id ? "" : node.name);
    return h(
      "li",
      {
        role: "option",
        id: `${id}-${index}`,
        onmousedown: (event) => {
          event.preventDefault();
          take(index);
        },
      },
      h("strong", {}, node.id),
      beside ? ` ${beside} ` : " ",
      h("small", {}, kindWord(node.kind)),
    );
  }

  function mark() {
    [...list.children].forEach((child, index) => set(child, "aria-selected", String(found.length > 0 && index === at)));
    set(input, "aria-activedescendant", found.length && !list.hidden ? `${id}-${at}` : null);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function close() {
    list.hidden = true;
    set(input, "aria-expanded", "false");
    set(input, "aria-activedescendant", null);
  }

  function take(index) {
    const taken = found[index];
    if (!taken) return;
    input.value = "";
    close();
    choose(taken.node.id);
  }

  function onKey(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) show();
      else at = Math.max(0, Math.min(found.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)));
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!list.hidden) take(at);
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  }

  function onSlash(event) {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    event.preventDefault();
    input.focus();
  }

  input.addEventListener("input", show);
  input.addEventListener("keydown", onKey);
  input.addEventListener("blur", close);
  document.addEventListener("keydown", onSlash);
  const element = h("div", { class: "search" }, input, h("kbd", { "aria-hidden": "true" }, "/"), list);
  return { element, input, destroy: () => document.removeEventListener("keydown", onSlash) };
}
