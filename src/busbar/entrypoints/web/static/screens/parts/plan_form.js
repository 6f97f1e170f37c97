// A vehicle's departure, energy needed and priority, as an operator knows them.

import { h } from "../../dom.js";
import * as format from "../../format.js";
import { personName, rememberPerson } from "../../person.js";
import { field } from "./field.js";
import { fromField, toField } from "./local_time.js";
import { clearProblems, placeProblems } from "./problems.js";

/** Opens a dialog over the page; `saved()` after the server has taken it. */
export async function editPlan({ connector, api, timezone, saved }) {
  const key = `connector:${connector.id}`;
  const path = `plans/${encodeURI(key)}`;
  const vehicle = connector.vehicle ?? connector.id_tag ?? "the vehicle";
  const opener = document.activeElement;
  const rest = h("div", { hidden: true });
  const departs = h("input", { type: "datetime-local", name: "departs", "data-path": "departs" });
  const energy = h("input", { name: "energy_needed", placeholder: "210 kWh", autocomplete: "off", "data-path": "energy_needed" });
  const priority = h("input", { type: "number", name: "priority", min: "-1000", max: "1000", step: "1", "data-path": "priority" });
  const by = h("input", { name: "by", required: true, maxlength: "200", autocomplete: "name", "data-path": "by", value: personName() });
  const submit = h("button", { class: "primary" }, "Save");
  const left = connector.energy_needed_wh === null ? "not known" : format.energy(connector.energy_needed_wh);
  const form = h(
    "form",
    { onsubmit: send },
    h("h2", {}, `Plan for ${vehicle} at ${connector.id}`),
    field("Departs", departs, `On the depot's clocks, ${timezone}`),
    field("Energy needed", energy, `From its arrival on; left of it now: ${left}`),
    field("Priority", priority, "The higher comes first, where the strategy heeds it"),
    field("Your name", by),
    rest,
    h("p", { class: "soft small" }, "What is left empty is taken from other plans, or counts as not known."),
    h("p", { class: "buttons" }, submit, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")),
  );
  const dialog = h("dialog", { class: "board-dialog", "aria-label": `Plan for ${vehicle}`, onclose: taken }, form);
  document.body.append(dialog);
  await prefill();
  dialog.showModal();
  return dialog;

  async function prefill() {
    let plan = null;
    try {
      plan = (await api.get("plans")).plans.find((each) => each.key === key) ?? null;
    } catch (error) {
      placeProblems(form, rest, error);
    }
    departs.value = toField(plan?.departs ?? connector.departs, timezone);
    energy.value = plan?.energy_needed_wh ? `${plan.energy_needed_wh / 1000} kWh` : "";
    priority.value = plan?.priority ?? connector.priority ?? "";
  }

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    clearProblems(form, rest);
    try {
      rememberPerson(by.value.trim());
      await api.send("PUT", path, {
        departs: fromField(departs.value, timezone),
        energy_needed: energy.value.trim() || null,
        priority: priority.value === "" ? null : Number(priority.value),
        by: by.value.trim(),
      });
      dialog.close();
      saved();
    } catch (error) {
      placeProblems(form, rest, error);
    } finally {
      submit.disabled = false;
    }
  }

  function taken() {
    dialog.remove();
    opener?.focus();
  }
}
