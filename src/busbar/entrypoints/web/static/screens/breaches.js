// Breaches: the open ones first; what happened, why, how far and for how long; acknowledged by a named person.

import { h, write } from "../dom.js";
import * as format from "../format.js";
import { breachCard } from "./parts/breach_card.js";
import { breachEvidence } from "./parts/breach_opened.js";
import { show } from "./parts/dom.js";
import { failed, loading, nothing } from "./parts/marks.js";
import { latest, query } from "./parts/requests.js";
import { count } from "./parts/words.js";

export const name = "breaches";
export const title = "Breaches";

/** Shows all breaches that are kept; `params`: nothing, or the id of one to open. */
export function mount(root, { live, api }, params) {
  const [id] = params;
  const tools = { mayAcknowledge: live.me?.role === "operator", acknowledge };
  const cards = new Map();
  const board = h("div", { class: "board breaches" }, loading("Reading breaches"));
  const reading = latest(id ? readOne : readAll);
  let breaches = [];
  let next = null;
  let readAtMs = Date.now();
  let opened = null;
  let lists = null;
  show(root, board);
  reading.now();
  const offs = [live.on("breach", () => reading.now()), live.on("tick", countOn)];
  return {
    update: () => {},
    unmount: () => {
      offs.forEach((off) => off());
      reading.forget();
      opened?.destroy();
    },
  };

  async function readAll(isForgotten) {
    try {
      const answer = await api.get("breaches");
      if (isForgotten()) return;
      const known = new Set(answer.breaches.map((each) => each.id));
      // Older pages stay; a breach that was read again replaces what was known of it.
      const older = breaches.filter((each) => !known.has(each.id) && each.ended_at);
      if (older.length === 0) next = answer.next;
      breaches = [...answer.breaches, ...older];
      readAtMs = Date.now();
      drawAll();
    } catch (error) {
      if (!isForgotten()) say(failed("The breaches could not be read.", error, () => reading.now()));
    }
  }

  async function readOlder(event) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      const answer = await api.get(`breaches${query({ before: next })}`);
      const known = new Set(breaches.map((each) => each.id));
      breaches = [...breaches, ...answer.breaches.filter((each) => !known.has(each.id))];
      next = answer.next;
      drawAll();
    } catch (error) {
      say(failed("Older breaches could not be read.", error));
    } finally {
      button.disabled = false;
    }
  }

  /** Over what is shown already, which stays readable. */
  function say(problem) {
    if (lists) show(lists.message, problem);
    else show(board, problem);
  }

  function drawAll() {
    lists ??= makeLists();
    const open = breaches.filter((each) => !each.ended_at);
    const past = breaches.filter((each) => each.ended_at).sort((one, other) => other.started_at.localeCompare(one.started_at));
    show(lists.message);
    show(lists.quiet, open.length ? null : unbroken(past));
    write(lists.openHead, open.length ? `${count(open.length, "limit")} broken now` : "");
    lists.openHead.hidden = open.length === 0;
    lists.pastHead.hidden = past.length === 0;
    lists.older.hidden = next === null;
    place(lists.open, open);
    place(lists.past, past);
  }

  function makeLists() {
    const made = {
      message: h("div", {}),
      quiet: h("div", {}),
      openHead: h("h2", {}),
      open: h("ol", { class: "breach-list" }),
      pastHead: h("h2", {}, "Ended"),
      past: h("ol", { class: "breach-list" }),
      older: h("button", { type: "button", onclick: readOlder }, "Show older breaches"),
    };
    show(board, Object.values(made));
    return made;
  }

  function unbroken(past) {
    const ended = past.map((each) => each.ended_at).sort().at(-1);
    if (!ended) return nothing("No limit has been broken", "No limit has been broken since Busbar began to keep records of this depot. A breach appears here by itself as soon as one opens.");
    return nothing("No limit is broken now", `No limit has been broken since ${format.time(ended, { seconds: true })}.`);
  }

  function place(list, wanted) {
    const items = wanted.map((breach) => {
      if (!cards.has(breach.id)) cards.set(breach.id, wrapped(breachCard(breach, tools)));
      const made = cards.get(breach.id);
      made.card.set(breach, family(breach, breaches));
      made.card.count((Date.now() - readAtMs) / 1000);
      return made.item;
    });
    items.forEach((item, index) => list.children[index] !== item && list.insertBefore(item, list.children[index] ?? null));
    while (list.children.length > items.length) list.lastElementChild.remove();
  }

  function wrapped(card) {
    return { card, item: h("li", {}, card.element) };
  }

  function family(breach, all) {
    return {
      parent: all.find((each) => each.id === breach.parent) ?? (breach.parent ? { id: breach.parent } : null),
      children: all.filter((each) => each.parent === breach.id),
    };
  }

  async function readOne(isForgotten) {
    try {
      // The others only give relatives their names.
      const [breach, others] = await Promise.all([api.get(`breaches/${encodeURIComponent(id)}`), api.get("breaches")]);
      if (isForgotten()) return;
      const named = (relative) => others.breaches.find((each) => each.id === relative) ?? { id: relative };
      readAtMs = Date.now();
      breaches = [breach];
      if (!opened) {
        const made = wrapped(breachCard(breach, { ...tools, isOpened: true }));
        cards.set(breach.id, made);
        opened = breachEvidence(breach, { timezone: live.microgrid?.timezone });
        show(board, h("a", { class: "back", href: "#/breaches" }, "‹ All breaches"), made.card.element, opened.element);
      }
      const parent = breach.parent ? named(breach.parent) : null;
      cards.get(breach.id).card.set(breach, { parent, children: breach.children.map(named) });
      opened.set(breach);
    } catch (error) {
      if (isForgotten()) return;
      opened?.destroy();
      opened = null;
      cards.clear();
      const words = error.status === 404 ? "There is no such breach, or it is no longer kept." : "The breach could not be read.";
      show(board, h("a", { class: "back", href: "#/breaches" }, "‹ All breaches"), failed(words, error, error.status === 404 ? null : () => reading.now()));
    }
  }

  async function acknowledge(breach, given) {
    const answer = await api.send("POST", `breaches/${encodeURIComponent(breach)}/acknowledgement`, given);
    reading.now();
    return answer;
  }

  function countOn() {
    for (const { card } of cards.values()) card.count((Date.now() - readAtMs) / 1000);
  }
}
