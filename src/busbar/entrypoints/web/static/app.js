// The shell: signs in, follows the depot, says how it is, and shows the screen that the address names.

import { ApiError, ask, depotApi } from "./api.js";
import { h, set, updateBadge, write } from "./dom.js";
import * as format from "./format.js";
import { createLive } from "./live.js";
import { useTheme } from "./theme.js";

const SCREENS = {
  wiring: { file: "./screens/wiring.js", title: "Wiring" },
  why: { file: "./screens/why.js", title: "Why is this one slow?" },
  cycles: { file: "./screens/cycles.js", title: "Cycles" },
  breaches: { file: "./screens/breaches.js", title: "Breaches" },
  ready: { file: "./screens/readiness.js", title: "Ready by departure" },
  "what-if": { file: "./screens/what_if.js", title: "What if?" },
};

const part = (id) => document.getElementById(id);
const live = createLive();
const api = depotApi(() => live.depotId);
let shown = null;
let showing = 0;

const context = {
  live,
  api,
  format,
  navigate: (hash) => {
    location.hash = hash;
  },
};

function route() {
  const [name, ...params] = decodeURIComponent(location.hash.replace(/^#\/?/, "")).split("/");
  return name in SCREENS ? { name, params } : { name: "wiring", params: [] };
}

/** Shows the screen of the address; the old one is taken down first. */
async function show({ moveFocus = true } = {}) {
  const { name, params } = route();
  const mine = ++showing;
  for (const link of document.querySelectorAll("#screens a")) {
    set(link, "aria-current", link.hash === `#/${name}` ? "page" : null);
  }
  if (!live.status) return;
  takeDown();
  const root = part("screen");
  root.dataset.screen = name;
  write(part("title"), SCREENS[name].title);
  try {
    const screen = await import(SCREENS[name].file);
    if (mine !== showing) return;
    write(part("title"), screen.title);
    root.removeAttribute("aria-busy");
    shown = { name, handle: screen.mount(root, context, params) };
  } catch (error) {
    if (mine !== showing) return;
    console.error(error);
    root.replaceChildren(broken(error));
  }
  sayTitle();
  if (moveFocus) part("title").focus({ preventScroll: true });
  if (moveFocus) window.scrollTo(0, 0);
}

function takeDown() {
  try {
    shown?.handle?.unmount();
  } catch (error) {
    console.error(error);
  }
  shown = null;
  part("screen").replaceChildren();
}

const broken = (error) =>
  h(
    "div",
    { class: "empty" },
    h("h2", {}, "This screen cannot be shown"),
    h("p", {}, "The rest of the page goes on. Reload it; if it stays so, tell whoever runs Busbar this:"),
    h("pre", {}, String(error?.message ?? error)),
    h("p", {}, h("button", { onclick: () => location.reload() }, "Reload")),
  );

/** How the depot is, in the header; an old state is never said as if it were now. */
function sayStatus() {
  const { status, connection } = live;
  if (!status) return;
  const isLive = connection === "live";
  const breaches = new Set(status.nodes.flatMap((node) => node.breaches)).size;
  const vehicles = status.connectors.filter((connector) => connector.has_vehicle);
  const isGiven = (connector) => connector.setpoint && connector.setpoint.value > 0;
  const isDrawing = (connector) => (connector.draw ? connector.draw.value > 0 : isGiven(connector));
  const isWanting = (connector) => connector.request && connector.request.value > 0;
  const isLimited = (connector) =>
    isWanting(connector) && isGiven(connector) && connector.setpoint.value < connector.request.value;
  write(part("charging"), String(vehicles.filter(isDrawing).length));
  write(part("waiting"), String(vehicles.filter((each) => isWanting(each) && !isGiven(each)).length));
  write(part("held"), String(vehicles.filter(isLimited).length));
  write(part("breaches"), String(breaches));
  write(part("breaches-word"), breaches === 1 ? "open breach" : "open breaches");
  part("breaches").closest("a").classList.toggle("is-alarm", breaches > 0 && isLive);
  write(part("connected"), `${status.charge_points_connected} of ${status.charge_points}`);
  updateBadge(part("state"), isLive ? status.state : "UNKNOWN", format);
  const word = format.stateWord(status.state);
  if (!isLive) write(part("state").lastChild, "Not live");
  write(part("meaning"), isLive ? format.stateMeaning(status.state) : `Was ${word} when last heard of.`);
  saySharing();
  sayAlarms();
  sayTitle();
}

/** How the last cycle shared, and a way to see it shared the other way. */
function saySharing() {
  const { status } = live;
  const other = status.leaves === "connector" ? "charge_point" : "connector";
  const said = format.sharingWords(status);
  write(part("sharing"), said.charAt(0).toUpperCase() + said.slice(1));
  set(part("compare"), "href", `#/what-if/leaves/${other}`);
  write(part("compare"), `Compare with ${format.leavesWords(other)}`);
}

function sayAlarms() {
  const list = part("alarms");
  const said = JSON.stringify(live.status.alarms);
  if (list.dataset.said === said) return;
  list.dataset.said = said;
  list.hidden = live.status.alarms.length === 0;
  const lines = live.status.alarms.slice(0, 5).map((alarm) => h("li", {}, h("strong", {}, alarm.node), " ", alarm.text));
  const more = live.status.alarms.length - lines.length;
  list.replaceChildren(...lines, ...(more > 0 ? [h("li", {}, `and ${more} more`)] : []));
}

function sayTitle() {
  const state = live.connection === "live" ? `${format.stateGlyph(live.status?.state)} ` : "○ ";
  const text = `${state}${part("title").textContent} · ${live.microgrid?.name ?? "Busbar"}`;
  if (document.title !== text) document.title = text;
}

function sayAge() {
  const age = live.ageSeconds();
  write(part("age"), age === null ? "–" : format.ago(Math.floor(age)));
  write(part("cycle"), live.status ? String(live.status.cycle) : "–");
  sayConnection();
}

/** The banner: only when something is wrong, and once when it is well again. */
function sayConnection() {
  const { connection } = live;
  document.documentElement.dataset.connection = connection;
  const age = live.ageSeconds();
  const old = age === null ? "" : format.duration(Math.floor(age));
  const last = live.status ? `The numbers below are ${old} old, of ${format.time(live.status.at, { seconds: true })}.` : "";
  const what = live.problem?.status ? live.problem.problems[0].rule : "The server cannot be reached.";
  if (connection === "lost") {
    const wait = Math.max(0, Math.ceil((live.retryAt - Date.now()) / 1000));
    banner("lost", what, last, wait > 0 ? `Trying again in ${wait} s.` : "Trying now …", true);
  } else if (connection === "stale") {
    banner("stale", "These numbers are not live.", last, "The last cycle is overdue; the page keeps asking.", false);
  } else if (connection === "loading" && live.problem) {
    banner("lost", what, "", "The page keeps trying.", true);
  } else {
    part("banner").hidden = true;
  }
}

function banner(kind, what, last, next, canRetry) {
  const element = part("banner");
  element.hidden = false;
  part("back").hidden = true;
  set(element, "class", `banner banner-${kind}`);
  write(part("banner-what"), what);
  write(part("banner-last"), last);
  write(part("banner-next"), next);
  part("retry").hidden = !canRetry;
}

function sayBack() {
  const element = part("back");
  write(element, "Live again.");
  element.hidden = false;
  clearTimeout(sayBack.timer);
  sayBack.timer = setTimeout(() => {
    element.hidden = true;
  }, 6000);
}

function onConnection({ connection, was }) {
  if (connection === "refused") {
    showLogin();
    return;
  }
  document.body.classList.remove("is-signed-out");
  part("login").hidden = true;
  if (connection === "live" && (was === "lost" || was === "stale")) sayBack();
  sayAge();
  sayStatus();
  if (!shown && live.status) show({ moveFocus: false });
}

function sayDepot() {
  const switcher = part("depot");
  const isAlone = live.depots.length < 2;
  switcher.hidden = isAlone;
  part("depot-label").hidden = isAlone;
  part("depot-name").hidden = !isAlone;
  write(part("depot-name"), live.microgrid?.name ?? live.depotId ?? "");
  const options = live.depots.map((depot) => h("option", { value: depot.id, selected: depot.id === live.depotId }, depot.name));
  switcher.replaceChildren(...options);
  write(part("me"), live.me ? `${live.me.name}, ${live.me.role}` : "");
  part("sign-out").hidden = !live.me;
}

function showLogin() {
  takeDown();
  document.body.classList.add("is-signed-out");
  part("banner").hidden = true;
  part("login").hidden = false;
  document.title = "Sign in · Busbar";
  const problem = live.problem;
  const isAsked = problem instanceof ApiError && problem.status === 401;
  api.showProblems(part("login-problems"), isAsked ? null : problem);
  part("token").focus();
}

async function signIn(event) {
  event.preventDefault();
  const button = part("sign-in");
  button.disabled = true;
  api.showProblems(part("login-problems"), null);
  try {
    await ask("POST", "session", { token: part("token").value.trim() });
    part("token").value = "";
    await live.start(keptDepot());
  } catch (error) {
    api.showProblems(part("login-problems"), error);
    part("token").focus();
  } finally {
    button.disabled = false;
  }
}

async function signOut() {
  try {
    await ask("DELETE", "session");
  } finally {
    location.reload();
  }
}

const keptDepot = () => {
  try {
    return localStorage.getItem("busbar.depot");
  } catch {
    return null;
  }
};

function switchDepot(event) {
  try {
    localStorage.setItem("busbar.depot", event.target.value);
  } catch {
    // It then holds until the page is closed.
  }
  takeDown();
  live.microgrid = null;
  live.status = null;
  if (route().params.length) location.hash = `#/${route().name}`;
  live.start(event.target.value);
}

/** A screen may ask for what it needs while the status is still on its way. */
async function prepare() {
  try {
    (await import(SCREENS[route().name].file)).prepare?.(context);
  } catch {
    // It is said when the screen is shown.
  }
}

function begin() {
  useTheme(part("theme"), () => shown?.handle?.update?.({ nodes: [], connectors: [], isTheme: true }));
  part("login-form").addEventListener("submit", signIn);
  part("sign-out").addEventListener("click", signOut);
  part("retry").addEventListener("click", () => live.retryNow());
  part("depot").addEventListener("change", switchDepot);
  part("compare").addEventListener("click", (event) => {
    // The address does not change where it was compared before: then nobody else asks again.
    if (location.hash === event.currentTarget.hash) show();
  });
  part("skip").addEventListener("click", (event) => {
    event.preventDefault();
    part("main").focus();
  });
  live.on("connection", onConnection);
  live.on("depot", prepare);
  live.on("tick", sayAge);
  live.on("wiring", () => show({ moveFocus: false }));
  live.on("status", (change) => {
    if (!shown) {
      sayDepot();
      show({ moveFocus: false });
    }
    sayStatus();
    sayAge();
    shown?.handle?.update?.(change);
  });
  window.addEventListener("hashchange", () => show());
  live.start(keptDepot());
}

begin();
