// What was refused, said beside the field it is about.

import { showProblems } from "../../api.js";
import { h } from "../../dom.js";
import { newId } from "./dom.js";

/** Clears what an earlier answer said. */
export function clearProblems(form, rest) {
  form.querySelectorAll(".field-problem").forEach((said) => said.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => {
    field.removeAttribute("aria-invalid");
    const hint = field.closest(".field").querySelector(".hint");
    if (hint) field.setAttribute("aria-describedby", hint.id);
    else field.removeAttribute("aria-describedby");
  });
  showProblems(rest, null);
}

/**
 * Puts each problem after the field whose `dataset.path` it names, or the one just above it; what belongs to no field
 * goes into `rest`. The first field that was refused takes the focus.
 */
export function placeProblems(form, rest, error) {
  const fields = [...form.querySelectorAll("[data-path]")].filter((field) => field.dataset.path);
  const left = [];
  let first = null;
  for (const problem of error.problems ?? []) {
    const field = fieldOf(fields, problem.path);
    if (!field) {
      left.push(problem);
      continue;
    }
    const id = newId("problem");
    const fix = problem.fix ? h("span", { class: "fix" }, problem.fix) : null;
    field.closest(".field").append(h("span", { class: "field-problem", id }, problem.rule, " ", fix));
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", [field.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
    first ??= field;
  }
  if (left.length || !error.problems?.length) showProblems(rest, left.length ? Object.assign(error, { problems: left }) : error);
  first?.focus();
}

function fieldOf(fields, path) {
  const wanted = plain(path);
  const matches = fields.filter((field) => {
    const own = plain(field.dataset.path);
    return own === wanted || wanted.startsWith(`${own}.`) || own.startsWith(`${wanted}.`);
  });
  const exact = matches.find((field) => plain(field.dataset.path) === wanted);
  return exact ?? matches.sort((one, other) => other.dataset.path.length - one.dataset.path.length)[0] ?? null;
}

/** `body.add[0].connector` and `add.0.connector` are the same place. */
function plain(path) {
  return String(path ?? "")
    .replace(/^(\$|body)\.?/, "")
    .replaceAll(/\[["']?([^\]"']*)["']?\]/g, ".$1")
    .replace(/^\./, "");
}
