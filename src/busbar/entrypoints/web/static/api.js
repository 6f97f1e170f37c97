// Asking the server: JSON in and out, refusals as they are given, nothing waits for ever.

import { h } from "./dom.js";

const WAIT_MS = 15000;

/** What the server refused, and how to mend it. */
export class ApiError extends Error {
  constructor(status, problems) {
    super(problems.map((problem) => problem.rule).join(" ") || `The server answered ${status}.`);
    this.status = status;
    this.problems = problems;
  }
}

async function refusal(response) {
  try {
    const document = await response.json();
    if (Array.isArray(document.problems) && document.problems.length) return new ApiError(response.status, document.problems);
  } catch {
    // Not our JSON: a proxy's page, or nothing.
  }
  const fix = response.status >= 500 ? "Try again; the server's log says more." : "Reload the page.";
  return new ApiError(response.status, [{ path: "", rule: `The server answered ${response.status}.`, fix }]);
}

/** One request to `/api/v1/...`; the parsed answer, or an ApiError. Status 0: nobody answered. */
export async function ask(method, path, body, { signal } = {}) {
  const waiting = AbortSignal.timeout(WAIT_MS);
  const headers = { Accept: "application/json", "X-Requested-With": "busbar-page" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, waiting]) : waiting,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const rule = waiting.aborted ? "The server did not answer in time." : "The server cannot be reached.";
    throw new ApiError(0, [{ path: "", rule, fix: "Check that busbar serve is running; the page keeps trying." }]);
  }
  if (!response.ok) throw await refusal(response);
  if (response.status === 204) return null;
  return response.json();
}

/** The API of one depot; `depotId()` says which. */
export function depotApi(depotId) {
  const path = (given) => `depots/${encodeURIComponent(depotId())}${given ? `/${given.replace(/^\/+/, "")}` : ""}`;
  return {
    get: (given, options) => ask("GET", path(given), undefined, options),
    send: (method, given, body, options) => ask(method, path(given), body, options),
    showProblems,
  };
}

/** `like this` in a text becomes code. */
const withCode = (text) => text.split("`").map((each, index) => (index % 2 ? h("code", {}, each) : each));

/** Puts what was refused, with value, rule and fix, into an element; null clears it. */
export function showProblems(element, error) {
  element.replaceChildren();
  element.hidden = !error;
  if (!error) return;
  const problems = error instanceof ApiError ? error.problems : [{ path: "", rule: String(error.message ?? error), fix: "" }];
  element.setAttribute("role", "alert");
  element.classList.add("problems");
  element.append(
    h(
      "ul",
      {},
      problems.map((problem) =>
        h(
          "li",
          {},
          h("strong", {}, problem.rule),
          problem.path ? [" ", h("span", { class: "soft" }, "At "), h("code", {}, problem.path)] : null,
          problem.value ? [h("span", { class: "soft" }, ", given "), h("code", {}, problem.value)] : null,
          problem.fix ? h("span", { class: "fix" }, withCode(problem.fix)) : null,
        ),
      ),
    ),
  );
}
