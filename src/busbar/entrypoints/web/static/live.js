// The depot as the server last told it, kept up to date by its events, and honest about how old it is.

import { ask } from "./api.js";
import { useTimezone } from "./format.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 20000;
const TICK_MS = 1000;
const SLEPT_MS = 15000;
const ASK_WHEN_STALE_MS = 5000;
/** The server says every 5 s that it is there; a stream that is silent for so long is dead. */
const SILENT_MS = 16000;

/** Makes the live state. It starts with `start(depotId)`. */
export function createLive() {
  const listeners = new Map();
  let source = null;
  let retryTimer = null;
  let retries = 0;
  let clockOffsetMs = 0;
  let lastTickMs = Date.now();
  let lastAskedMs = 0;
  let lastHeardMs = 0;
  let lastEvent = null;
  let run = 0;

  const live = {
    depotId: null,
    depots: [],
    me: null,
    microgrid: null,
    wiring: new Map(),
    status: null,
    nodes: new Map(),
    connectors: new Map(),
    connection: "loading",
    problem: null,
    lostAt: null,
    on,
    ageSeconds,
    start,
    stop,
    reload: () => follow(run),
    retryNow,
  };

  function on(kind, listener) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(listener);
    return () => listeners.get(kind).delete(listener);
  }

  function emit(kind, document) {
    for (const listener of [...(listeners.get(kind) ?? [])]) {
      try {
        listener(document);
      } catch (error) {
        console.error(error);
      }
    }
  }

  /** How old the status is, by the server's clock; null before the first. */
  function ageSeconds() {
    if (!live.status) return null;
    return Math.max(0, (Date.now() - clockOffsetMs - Date.parse(live.status.at)) / 1000);
  }

  function become(connection, problem = null) {
    const was = live.connection;
    live.connection = connection;
    live.problem = problem;
    if (connection === "lost" && was !== "lost") live.lostAt = Date.now();
    if (was !== connection) emit("connection", { connection, was });
  }

  function freshness() {
    const age = ageSeconds();
    return age !== null && age > live.status.stale_after_s ? "stale" : "live";
  }

  async function start(depotId = null) {
    stop();
    const mine = ++run;
    become("loading");
    try {
      const [me, depots] = await Promise.all([ask("GET", "me"), ask("GET", "depots")]);
      live.me = me;
      live.depots = depots.depots;
    } catch (error) {
      if (mine === run) unreachable(error, () => start(depotId));
      return;
    }
    if (mine !== run) return;
    const found = live.depots.find((depot) => depot.id === depotId) ?? live.depots[0];
    live.depotId = found?.id ?? null;
    if (!live.depotId) {
      become("refused", { status: 404, problems: [{ path: "", rule: "No depot is served.", fix: "Import one: busbar import DEPOT." }] });
      return;
    }
    emit("depot", {});
    await follow(mine);
  }

  /** The whole status, then the events after it. */
  async function follow(mine) {
    closeSource();
    clearTimeout(retryTimer);
    const path = `depots/${encodeURIComponent(live.depotId)}`;
    try {
      const isKnown = live.microgrid?.depot_id === live.depotId;
      const [microgrid, status] = await Promise.all([isKnown ? null : ask("GET", `${path}/microgrid`), ask("GET", `${path}/status`)]);
      if (mine !== run) return;
      if (microgrid) takeMicrogrid(microgrid);
      take(status);
    } catch (error) {
      if (mine === run) unreachable(error, () => follow(mine));
      return;
    }
    listen(mine, path);
  }

  function takeMicrogrid(microgrid) {
    live.microgrid = microgrid;
    live.wiring = new Map(microgrid.nodes.map((node) => [node.id, node]));
    useTimezone(microgrid.timezone);
  }

  function take(status) {
    const isOtherStart = live.status && live.status.epoch !== status.epoch;
    live.status = status;
    live.nodes = new Map(status.nodes.map((node) => [node.id, node]));
    live.connectors = new Map(status.connectors.map((connector) => [connector.id, connector]));
    clockOffsetMs = Date.now() - (Date.parse(status.at) + status.age_s * 1000);
    lastEvent = status.last_event;
    if (isOtherStart || status.nodes.some((node) => !live.wiring.has(node.id))) forgetWiring();
    emit("status", { nodes: [...live.nodes.keys()], connectors: [...live.connectors.keys()], isWhole: true });
  }

  /** After a restart the depot may be wired otherwise. */
  async function forgetWiring() {
    const mine = run;
    try {
      const microgrid = await ask("GET", `depots/${encodeURIComponent(live.depotId)}/microgrid`);
      if (mine !== run || microgrid.revision === live.microgrid?.revision) return;
      takeMicrogrid(microgrid);
      emit("wiring", {});
    } catch {
      // The next whole status asks again.
    }
  }

  function listen(mine, path) {
    const after = lastEvent ? `?after=${encodeURIComponent(lastEvent)}` : "";
    source = new EventSource(`/api/v1/${path}/events${after}`);
    source.onopen = () => {
      if (mine !== run) return;
      retries = 0;
      lastHeardMs = Date.now();
      become(freshness());
    };
    source.addEventListener("alive", () => {
      lastHeardMs = Date.now();
    });
    source.onerror = () => {
      if (mine !== run) return;
      closeSource();
      unreachable({ status: 0, problems: [] }, () => follow(mine));
    };
    for (const kind of ["status", "cycle", "breach", "mode", "alarm", "write"]) {
      source.addEventListener(kind, (event) => mine === run && hear(kind, event));
    }
    source.addEventListener("reset", () => mine === run && follow(mine));
  }

  function hear(kind, event) {
    lastHeardMs = Date.now();
    if (event.lastEventId) lastEvent = event.lastEventId;
    const document = JSON.parse(event.data);
    if (kind === "status") patch(document);
    else emit(kind, document);
  }

  function patch(document) {
    if (document.epoch !== undefined && document.epoch !== live.status.epoch) {
      follow(run);
      return;
    }
    const { nodes = [], connectors = [], age_s: age, ...others } = document;
    Object.assign(live.status, others);
    if (age !== undefined && age !== null) live.status.age_s = age;
    const isKnown = merge(live.nodes, nodes) && merge(live.connectors, connectors);
    if (!isKnown) {
      follow(run);
      return;
    }
    become(freshness());
    emit("status", { nodes: nodes.map((each) => each.id), connectors: connectors.map((each) => each.id), isWhole: false });
  }

  function merge(known, changed) {
    for (const each of changed) {
      const found = known.get(each.id);
      if (!found) return false;
      Object.assign(found, each);
    }
    return true;
  }

  function unreachable(error, again) {
    closeSource();
    if (error.status === 401 || error.status === 403) {
      become("refused", error);
      return;
    }
    become(live.status ? "lost" : "loading", error);
    emit("connection", { connection: live.connection, was: live.connection });
    const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** retries) * (0.8 + Math.random() * 0.4);
    retries += 1;
    live.retryAt = Date.now() + wait;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(again, wait);
    live.again = again;
  }

  function retryNow() {
    clearTimeout(retryTimer);
    retries = 0;
    live.again?.();
  }

  function closeSource() {
    source?.close();
    source = null;
  }

  function stop() {
    run += 1;
    clearTimeout(retryTimer);
    closeSource();
  }

  function tick() {
    const now = Date.now();
    const hasSlept = Math.abs(now - lastTickMs) > SLEPT_MS;
    lastTickMs = now;
    if (!live.status || live.connection === "refused") return;
    if (live.connection !== "lost") {
      if (source?.readyState === EventSource.OPEN && !hasSlept && now - lastHeardMs > SILENT_MS) {
        unreachable({ status: 0, problems: [] }, () => follow(run));
        return;
      }
      become(freshness());
      const isDue = live.connection === "stale" && now - lastAskedMs > ASK_WHEN_STALE_MS;
      if (source && (hasSlept || isDue)) {
        lastAskedMs = now;
        askAgain(run);
      }
    }
    emit("tick", {});
  }

  /** A stream that says nothing may be dead without anybody noticing. */
  async function askAgain(mine) {
    try {
      const status = await ask("GET", `depots/${encodeURIComponent(live.depotId)}/status`);
      if (mine !== run || !source) return;
      const isNews = status.epoch !== live.status.epoch || status.sequence > live.status.sequence;
      if (isNews) follow(mine);
    } catch (error) {
      if (mine === run && source) unreachable(error, () => follow(mine));
    }
  }

  setInterval(tick, TICK_MS);
  return live;
}
