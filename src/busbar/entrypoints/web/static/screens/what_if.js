// What if: the last cycle balanced once more with something otherwise; nothing sent, nothing stored.

import { h } from "../dom.js";
import { show } from "./parts/dom.js";
import { nothing } from "./parts/marks.js";
import { whatIfAnswer } from "./parts/what_if_answer.js";
import { whatIfForm } from "./parts/what_if_form.js";

export const name = "what-if";
export const title = "What if?";

/** Shows the form and, beside it, the answer. `params`: `leaves` and `charge_point`, what is asked at once. */
export function mount(root, { live, api }, params) {
  const answer = h("div", { class: "what-if-answer", role: "status", "aria-label": "Answer" });
  const invite = () => show(answer, nothing("What would happen?", "Change a limit, how it is shared, or the vehicles, and run it. Before and after appear here, side by side."));
  let isGone = false;
  invite();
  const given = params.length === 2 ? { [params[0]]: params[1] } : {};
  const form = whatIfForm({ live, ask, cleared: invite, given });
  show(root, h("div", { class: "board what-if" }, h("section", { class: "sheet" }, form), answer));
  if (params.length) form.requestSubmit();
  return { update: () => {}, unmount: () => (isGone = true) };

  async function ask(question) {
    const found = await api.send("POST", "what-if", question);
    if (isGone) return;
    show(answer, whatIfAnswer(found));
    answer.scrollIntoView({ block: "nearest" });
  }
}
