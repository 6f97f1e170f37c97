// One breach as a card: what is broken, why, how far, for how long, and who has seen it.

import { showProblems } from "../../api.js";
import { h, set, write } from "../../dom.js";
import * as format from "../../format.js";
import { personName, rememberPerson } from "../../person.js";
import { show } from "./dom.js";
import { field } from "./field.js";
import { fact, gauge, stateBadge } from "./marks.js";
import { CAUSES, lasting } from "./words.js";

/** `set(breach, family)` shows it as it is now; `count(seconds)` lets an open one's duration go on since it was read. */
export function breachCard(first, { mayAcknowledge, acknowledge, isOpened = false }) {
  let breach = first;
  const state = h("span", {});
  const severity = h("strong", { class: "critical" }, "Critical: our own fault");
  const where = h("a", { href: `#/wiring/${first.node}` }, first.node);
  const sentence = h("p", { class: "breach-sentence" });
  const lasted = h("b", {});
  const figures = h("dl", { class: "fact-list" });
  const relatives = h("p", { class: "relatives" });
  const seen = h("div", { class: "seen" });
  const more = isOpened ? null : h("a", { class: "more", href: `#/breaches/${encodeURIComponent(first.id)}` }, "Moments before and after", h("span", { class: "visually-hidden" }, ` of the breach at ${first.node}`));
  const heading = h(isOpened ? "h2" : "h3", {}, where, " ", h("span", { class: "soft" }, rowWord(first.row)));
  const head = h("header", {}, state, heading, severity, h("span", { class: "lasted" }, lasted));
  const element = h("article", { class: "sheet breach" }, head, sentence, figures, relatives, h("footer", {}, seen, more));
  let said = "";
  let seenSaid = "";
  return { element, set: setBreach, count };

  function setBreach(given, family) {
    breach = given;
    const { duration_s: _, ...rest } = given;
    const now = JSON.stringify([rest, family.parent, family.children.map((child) => child.id)]);
    count(0);
    if (now === said) return;
    said = now;
    set(element, "class", `sheet breach ${breach.ended_at ? "is-past" : "is-open"}`);
    show(state, breach.ended_at ? stateBadge("OK", "Ended") : stateBadge("BREACHED", "Open"));
    severity.hidden = breach.severity !== "critical";
    write(sentence, breach.sentence);
    show(figures, figureList(breach));
    show(relatives, relativeLinks(family));
    relatives.hidden = relatives.childNodes.length === 0;
    // A form somebody is writing in is left alone while nothing changed about it.
    const seenNow = JSON.stringify([breach.acknowledged_by, breach.acknowledged_at, breach.note]);
    if (seenNow !== seenSaid) show(seen, seenBy());
    seenSaid = seenNow;
  }

  function count(elapsed_s) {
    const time = lasting(breach.duration_s + (breach.ended_at ? 0 : elapsed_s));
    write(lasted, breach.ended_at ? `${format.time(breach.started_at)}, for ${time}` : `for ${time}, goes on`);
  }

  function seenBy() {
    if (breach.acknowledged_by) {
      const note = breach.note ? h("q", {}, breach.note) : null;
      return h("p", {}, h("span", { "aria-hidden": "true" }, "✓ "), `Seen by ${breach.acknowledged_by}, ${format.time(breach.acknowledged_at)} `, note);
    }
    if (!mayAcknowledge) return h("p", { class: "soft" }, "Nobody has acknowledged it yet.");
    const place = h("div", {});
    const begin = h("button", { type: "button", onclick: () => show(place, form(() => show(place, begin))) }, "Acknowledge", h("span", { class: "visually-hidden" }, ` the breach at ${breach.node}`));
    show(place, begin);
    return place;
  }

  function form(cancel) {
    const by = h("input", { name: "by", value: personName(), required: true, maxlength: "200", autocomplete: "name" });
    const note = h("textarea", { name: "note", rows: "2", maxlength: "2000" });
    const problems = h("div", { hidden: true });
    const submit = h("button", { class: "primary" }, "Acknowledge");
    const made = h(
      "form",
      { class: "acknowledge", "aria-label": `Acknowledge the breach at ${breach.node}`, onsubmit: send },
      field("Your name", by),
      field("Note", note, null, { isWide: true }),
      problems,
      h("p", { class: "soft small wide" }, "This says that you have seen it. It ends nothing: a breach ends when the flow is below the limit."),
      h("p", { class: "buttons" }, submit, h("button", { type: "button", onclick: cancel }, "Not now")),
    );
    queueMicrotask(() => (by.value ? note : by).focus());
    return made;

    async function send(event) {
      event.preventDefault();
      submit.disabled = true;
      showProblems(problems, null);
      try {
        rememberPerson(by.value.trim());
        await acknowledge(breach.id, { by: by.value.trim(), note: note.value.trim() });
      } catch (error) {
        showProblems(problems, error);
        submit.disabled = false;
      }
    }
  }
}

function rowWord(row) {
  return row === "total" ? "in total" : `on ${row}`;
}

function figureList(breach) {
  const { peak, limit, unit } = breach;
  const most = Math.max(peak, limit) * 1.04;
  const share = limit > 0 ? `${Math.round((100 * peak) / limit)} % of the limit` : "the limit is 0";
  return [
    h("div", { class: "fact peak" }, h("dt", {}, `Peak at ${format.time(breach.peak_at, { seconds: true })}`), h("dd", {}, format.value({ value: peak, unit }), h("small", {}, share), gauge(peak, most, { limit, state: "BREACHED" }))),
    fact(capital(format.limitWord(breach.limit_name)), format.value({ value: limit, unit })),
    fact("Energy over", format.energy(breach.energy_over_wh)),
    fact("Cause", CAUSES[breach.cause] ?? format.words(breach.cause)),
    fact("Since", format.time(breach.started_at, { seconds: true })),
    breach.ended_at ? fact("Until", format.time(breach.ended_at, { seconds: true })) : null,
  ];
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function relativeLinks({ parent, children }) {
  const link = (breach) => h("a", { href: `#/breaches/${encodeURIComponent(breach.id)}` }, breach.node ? `${breach.node} ${rowWord(breach.row)}` : `breach ${breach.id}`);
  return [
    parent ? h("span", {}, "Above it, broken at the same time: ", link(parent)) : null,
    children.length ? h("span", {}, "Below it, broken at the same time: ", children.flatMap((child, index) => [index ? ", " : "", link(child)])) : null,
  ];
}
