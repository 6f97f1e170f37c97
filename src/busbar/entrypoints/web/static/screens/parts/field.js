// A control with its label above it and, where there is more to say, a hint below.

import { h } from "../../dom.js";
import { newId } from "./dom.js";

/** `hint` is text, or an element whose text may change. */
export function field(words, control, hint = null, { isWide = false } = {}) {
  control.id ||= newId("field");
  const told = typeof hint === "string" ? h("span", {}, hint) : hint;
  if (told) {
    told.id ||= newId("hint");
    told.className = "hint soft";
    control.setAttribute("aria-describedby", told.id);
  }
  return h("div", { class: `field${isWide ? " wide" : ""}` }, h("label", { for: control.id }, words), control, told);
}
