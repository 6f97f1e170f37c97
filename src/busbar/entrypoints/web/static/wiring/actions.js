// What an operator may order at a node: said in words first, done by a named person, undone by the same button.

import { h, write } from "../dom.js";
import { personName, rememberPerson } from "../person.js";

const ORDERS = {
  CONNECTOR: [
    { kind: "hold", word: "Hold charging", what: "gets no more power until somebody resumes it; its vehicle stays plugged in", undo: "Resume charging" },
    { kind: "stop", word: "Stop charging", what: "ends its charging session", undo: "Allow charging again" },
  ],
  CHARGE_POINT: [{ kind: "out_of_service", word: "Take out of service", what: "gets no vehicle and counts nothing: only where it is isolated", undo: "Return to service" }],
  GRID_CONNECTION: [{ kind: "safe", word: "Put into SAFE", what: "goes down to its safe capacity until somebody ends it", undo: "End SAFE" }],
  CIRCUIT: [{ kind: "safe", word: "Put into SAFE", what: "goes down to its safe capacity until somebody ends it", undo: "End SAFE" }],
};
const STRATEGIES = ["equal_share", "weighted_share", "first_come", "priority", "earliest_departure", "least_laxity", "lowest_soc"];

/** The part of the panel with the orders; nothing for whoever may only look. */
export function createActions(context, id) {
  const { live, api, format } = context;
  const kind = live.wiring.get(id).kind;
  const list = h("ul", { class: "below" });
  const buttons = h("div", { class: "actions" });
  const place = h("div", {});
  const problems = h("div", { hidden: true });
  const said = h("p", { role: "status", class: "soft" });
  const choices = ORDERS[kind] ?? [];
  const mayOrder = live.me?.role === "operator" && (choices.length > 0 || kind === "MICROGRID");
  const element = h("div", { hidden: !mayOrder }, h("h3", {}, "Orders"), list, buttons, place, problems, said);
  let orders = [];
  let drawn = "";

  async function load() {
    if (!mayOrder || !choices.length) return;
    try {
      orders = (await api.get("orders")).orders.filter((order) => order.subject === id);
      draw();
    } catch (error) {
      api.showProblems(problems, error);
    }
  }

  function draw() {
    const now = JSON.stringify([orders, live.status.strategy]);
    if (now === drawn) return;
    drawn = now;
    list.replaceChildren(...orders.map((order) => h("li", {}, h("span", {}, h("strong", {}, format.words(order.kind)), ` by ${order.by}${order.reason ? `: ${order.reason}` : ""}`), h("span", { class: "soft" }, format.time(order.at)))));
    buttons.replaceChildren(...choices.map(button), ...(kind === "MICROGRID" ? [h("button", { type: "button", onclick: askStrategy }, "Change the strategy")] : []));
  }

  function button(choice) {
    const order = orders.find((each) => each.kind === choice.kind);
    if (!order) return h("button", { type: "button", onclick: () => ask({ title: `${id} ${choice.what}.`, word: choice.word, act: (by, reason) => api.send("POST", "orders", { kind: choice.kind, subject: id, by, reason }) }) }, choice.word);
    const path = (by) => `orders/${order.kind}/${id.split("/").map(encodeURIComponent).join("/")}?by=${encodeURIComponent(by)}`;
    return h("button", { type: "button", onclick: () => ask({ title: `The order of ${order.by} ends: ${format.words(order.kind)} of ${id}.`, word: choice.undo, hasReason: false, act: (by) => api.send("DELETE", path(by)) }) }, choice.undo);
  }

  function askStrategy() {
    const field = h("select", { id: "ask-strategy" }, STRATEGIES.map((name) => h("option", { value: name, selected: name === live.status.strategy }, format.words(name))));
    ask({ title: "Who comes first when there is not enough for all. Limits stay as they are.", word: "Change the strategy", hasReason: false, extra: [h("label", { for: "ask-strategy" }, "Strategy"), field], act: (by) => api.send("PATCH", "settings", { strategy: field.value, by }) });
  }

  /** Says what will happen, asks who wants it, and does it. */
  function ask({ title, word, act, extra = [], hasReason = true }) {
    const name = h("input", { id: "ask-name", required: true, maxlength: "200", autocomplete: "name", value: personName() });
    const reason = h("input", { id: "ask-reason", maxlength: "500" });
    const yes = h("button", { class: "primary" }, word);
    const form = h(
      "form",
      { class: "ask", "aria-label": word },
      h("p", {}, title),
      extra,
      h("label", { for: "ask-name" }, "Your name"),
      name,
      hasReason ? [h("label", { for: "ask-reason" }, "Reason"), reason] : null,
      h("div", { class: "actions" }, yes, h("button", { type: "button", onclick: () => place.replaceChildren() }, "Leave it")),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      yes.disabled = true;
      try {
        await act(name.value.trim(), reason.value.trim());
        rememberPerson(name.value.trim());
        place.replaceChildren();
        api.showProblems(problems, null);
        write(said, `Done: ${word.toLowerCase()}. It shows with the next cycle.`);
        await load();
      } catch (error) {
        api.showProblems(problems, error);
      } finally {
        yes.disabled = false;
      }
    });
    write(said, "");
    api.showProblems(problems, null);
    place.replaceChildren(form);
    (name.value ? (hasReason ? reason : yes) : name).focus();
  }

  if (mayOrder) draw();
  load();
  return { element, update: () => mayOrder && draw() };
}
