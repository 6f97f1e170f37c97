// Why one connector gets what it gets: the sentence, the chain up to the grid, what would help, and how it went.

import { connectorLink, h, s, set, write } from "../dom.js";
import { ROWS, rowOf } from "../format.js";
import { connectorCondition, connectorSentence, loadBar } from "../nodes.js";
import { searchBox } from "../wiring/search.js";

export const name = "why";
export const title = "Why is this one slow?";

const REASONS = { full: "full", minimum: "its minimum does not fit", restart_gap: "it starts again when there is a margin" };

export function mount(root, context, params) {
  const id = params.join("/");
  const search = searchBox(context.live, {
    label: "Connector or vehicle",
    onlyConnectors: true,
    choose: (chosen) => context.navigate(`#/why/${chosen}`),
  });
  const pick = h("div", { class: "bar" }, search.element);
  const place = h("div", {});
  root.replaceChildren(pick, place);
  const shown = context.live.connectors.has(id) ? connectorScreen(place, context, id) : slowest(place, context, id);
  return {
    update: shown.update,
    unmount() {
      search.destroy();
      shown.unmount();
    },
  };
}

/** Nobody chosen yet: those that get least of what they ask for. */
function slowest(place, context, asked) {
  const { live, format } = context;
  const share = (each) => (each.setpoint?.value ?? 0) / each.request.value;
  let drawn = "";

  function update() {
    const behind = [...live.connectors.values()].filter((each) => each.has_vehicle && each.request?.value > 0 && share(each) < 1);
    behind.sort((one, other) => share(one) - share(other));
    const lines = behind.slice(0, 25).map((each) => [each.id, connectorSentence(each, format), each.why]);
    const now = JSON.stringify(lines);
    if (now === drawn) return;
    drawn = now;
    const unknown = asked ? h("p", { class: "problems", role: "alert" }, `There is no connector ${asked} here. Search for it, or choose one below.`) : null;
    const list = lines.length
      ? [
          h("h2", {}, `${behind.length} ${behind.length === 1 ? "gets" : "get"} less than ${behind.length === 1 ? "it asks" : "they ask"} for`),
          h("ul", { class: "slowest" }, lines.map(([id, sentence, why]) => h("li", {}, connectorLink(id), " ", sentence, h("br", {}), h("span", { class: "soft" }, why)))),
        ]
      : h("div", { class: "empty" }, h("h2", {}, "Nobody is held back"), h("p", {}, "Every vehicle gets what it asks for. Search for a connector to see its chain."));
    place.replaceChildren(...[unknown].filter(Boolean), h("section", { class: "sheet" }, list));
  }

  update();
  return { update, unmount() {} };
}

function connectorScreen(place, context, id) {
  const { live, api, format } = context;
  const problems = h("div", { hidden: true });
  const heading = h("h2", {});
  const sentence = h("p", { class: "sentence" }, "…");
  const beside = h("ul", { class: "beside", hidden: true });
  const numbers = givenNumbers(format);
  const chain = h("ol", { class: "chain" });
  const options = h("div", {});
  const charge = h("div", {});
  const chartPlace = h("div", {});
  const chartNote = h("p", { class: "soft" });
  place.replaceChildren(
    problems,
    h(
      "div",
      { class: "why-grid" },
      h("div", { class: "stack" }, h("section", { class: "sheet" }, heading, sentence, beside, numbers.element), h("section", { class: "sheet" }, h("h2", {}, "What would change it"), options), h("section", { class: "sheet" }, h("h2", {}, "The last half hour"), chartPlace, chartNote)),
      h("div", { class: "stack" }, h("section", { class: "sheet" }, h("h2", {}, "From here up to the grid"), chain), h("section", { class: "sheet" }, h("h2", {}, "Charge and departure"), charge)),
    ),
  );
  let chart = null;
  let isAway = false;
  let cycle = -1;
  let isAsking = false;

  async function load() {
    if (isAsking || isAway || cycle === live.status.cycle) return;
    isAsking = true;
    let asked = live.status.cycle;
    try {
      const [explanation, history] = await Promise.all([api.get(`connectors/${id}/explanation`), api.get(`connectors/${id}/history`)]);
      if (isAway) return;
      cycle = asked;
      api.showProblems(problems, null);
      explain(explanation);
      await draw(history);
    } catch (error) {
      if (!isAway) api.showProblems(problems, error);
      asked = live.status.cycle;
    } finally {
      isAsking = false;
    }
    // A cycle that ended meanwhile is asked about now; after an error, with the next one.
    if (asked !== live.status.cycle) load();
  }

  function explain(explanation) {
    write(sentence, explanation.sentence);
    beside.hidden = explanation.beside.length === 0;
    beside.replaceChildren(...explanation.beside.map((text) => h("li", {}, text)));
    showChain(chain, explanation, context);
    showOptions(options, explanation, live.connectors.get(id));
  }

  async function draw(history) {
    const series = [
      { label: "Request", values: history.request, className: "request", unit: history.unit },
      { label: "Setpoint", values: history.setpoint, className: "setpoint", unit: history.unit, stepped: true },
      { label: "Committed", values: history.committed, className: "committed", unit: history.unit, stepped: true },
      { label: "Measured", values: history.draw, className: "measured", unit: history.unit },
    ];
    const times = history.at.map((at) => Date.parse(at) / 1000);
    write(chartNote, times.length < 2 ? "It fills with every cycle from the start of Busbar on." : "");
    if (chart) {
      chart.setData(times, series);
      return;
    }
    const { lineChart } = await import("../chart.js");
    if (isAway) return;
    chart = lineChart(chartPlace, { series, times, unit: history.unit, height: 240, label: `${id}: request, setpoint, committed and measured`, timezone: live.microgrid.timezone });
  }

  function update(change) {
    if (change?.isTheme && chart) return;
    const connector = live.connectors.get(id);
    if (!connector) return;
    const condition = connectorCondition(connector);
    write(heading, `${id}${connector.vehicle ? ` · ${connector.vehicle}` : ""} ${condition.glyph} ${condition.word}`);
    numbers.update(connector);
    showCharge(charge, connector, format);
    load();
  }

  update();
  return {
    update,
    unmount() {
      isAway = true;
      chart?.destroy();
    },
  };
}

function givenNumbers(format) {
  const names = [["request", "asks for"], ["setpoint", "is given"], ["committed", "may draw"], ["draw", "draws"]];
  const fields = new Map(names.map(([key]) => [key, h("dd", {})]));
  const element = h("dl", { class: "given" }, names.map(([key, word]) => h("div", {}, h("dt", {}, word), fields.get(key))));
  return { element, update: (connector) => fields.forEach((field, key) => write(field, format.value(connector[key]))) };
}

function showChain(list, explanation, { live, format }) {
  const binding = [explanation.bound_by, ...explanation.also_bound_by].filter((each) => each && each.row);
  list.replaceChildren(
    ...explanation.chain.map((node) => {
      const binds = binding.filter((each) => each.node === node.id);
      const bar = loadBar();
      // The chain says what was balanced: what flows or may flow, against the limit.
      bar.update({ ...node, measured: null, committed: node.reserved });
      const worst = nearest(node);
      const wired = live.wiring.get(node.id);
      const beside = wired?.name && wired.name !== node.id ? ` ${wired.name}` : "";
      const what = bindingWords(binds, format);
      return h(
        "li",
        { class: binds.length ? "binds" : "" },
        h("div", { class: "step" }, h("span", {}, h("a", { href: `#/wiring/${node.id}` }, node.id), h("small", {}, `${beside} · ${format.kindWord(node.kind).toLowerCase()}`)), h("span", {}, worst ? `${format.row(worst.row, worst.flow)} of ${format.row(worst.row, worst.limit)}` : "not limited")),
        worst ? bar.element : null,
        what.length ? h("div", { class: "binds-note" }, `Binds: ${what.join("; ")}`) : null,
        node.mode === "SAFE" ? h("div", {}, `${format.stateGlyph("SAFE")} In SAFE: its safe capacity applies`) : null,
      );
    }),
  );
}

/** "default capacity on L1, L2, L3: full": rows that bind for the same reason are said together. */
function bindingWords(binds, format) {
  const rowsBy = new Map();
  for (const each of binds) {
    const key = `${each.limit} ${each.reason}`;
    if (!rowsBy.has(key)) rowsBy.set(key, { ...each, rows: [] });
    if (each.row !== "total") rowsBy.get(key).rows.push(each.row);
  }
  return [...rowsBy.values()].map(({ limit, reason, rows }) => {
    const where = rows.length ? ` on ${rows.sort().join(", ")}` : "";
    return `${format.limitWord(limit)}${where}${reason ? `: ${REASONS[reason] ?? reason}` : ""}`;
  });
}

/** The row of a chain node that is nearest its limit, and what flows or may flow there. */
function nearest(node) {
  let found = null;
  for (const row of ROWS) {
    const limit = rowOf(node.limit, row);
    const flow = rowOf(node.flow, row);
    if (limit === null || flow === null) continue;
    const used = limit > 0 ? flow / limit : flow > 0 ? Infinity : 0;
    if (!found || used > found.used + 0.002) found = { row, limit, flow, used };
  }
  return found;
}

function showOptions(place, explanation, connector) {
  if (explanation.counterfactuals.length) {
    place.replaceChildren(h("ul", { class: "options" }, explanation.counterfactuals.map((each) => h("li", {}, each.sentence))));
    return;
  }
  const isFull = connector?.has_vehicle && explanation.setpoint.value >= explanation.request.value;
  const text = !connector?.has_vehicle ? "There is no vehicle." : isFull ? "Nothing on our side: it gets all that it asks for." : "No larger limit alone would give it more.";
  place.replaceChildren(h("p", { class: "soft" }, text));
}

/** State of charge now, against when it departs and when it will be ready. */
function showCharge(place, connector, format) {
  const made = JSON.stringify([connector.soc, connector.departs, connector.readiness, connector.energy_needed_wh, connector.charged_wh]);
  if (place.dataset.made === made) return;
  place.dataset.made = made;
  if (!connector.has_vehicle) {
    place.replaceChildren(h("p", { class: "soft" }, "No vehicle is plugged in."));
    return;
  }
  const { readiness } = connector;
  const pairs = [
    ["State of charge", connector.soc === null ? "not told" : format.share(connector.soc)],
    ["Still needed", connector.energy_needed_wh === null ? "not known" : format.energy(connector.energy_needed_wh)],
    ["Charged here", format.energy(connector.charged_wh)],
    ["Departs", connector.departs ? format.time(connector.departs) : "not known"],
    ["Ready", readiness?.ready_at ? format.time(readiness.ready_at) : "not known"],
  ];
  place.replaceChildren(
    ...[
      readiness ? h("p", { class: `readiness readiness-${readiness.state}` }, readiness.text) : null,
      timeline(connector, format),
      h("dl", { class: "pairs" }, pairs.map(([word, text]) => [h("dt", {}, word), h("dd", {}, text)])),
    ].filter(Boolean),
  );
}

function timeline(connector, format) {
  const departs = connector.departs ? Date.parse(connector.departs) : null;
  const arrived = connector.arrived ? Date.parse(connector.arrived) : null;
  if (departs === null || arrived === null || departs <= arrived) return null;
  const ready = connector.readiness?.ready_at ? Date.parse(connector.readiness.ready_at) : null;
  const end = Math.max(departs, ready && ready < departs + 6 * 3600e3 ? ready : departs);
  const x = (ms) => 6 + (Math.min(1, Math.max(0, (ms - arrived) / (end - arrived))) * 388);
  const now = Math.min(end, Date.now());
  const label = `Arrived ${format.time(connector.arrived)}, departs ${format.time(connector.departs)}${ready ? `, ready ${format.time(connector.readiness.ready_at)}` : ""}`;
  const drawing = s(
    "svg",
    { class: "soc", viewBox: "0 0 400 92", role: "img", "aria-label": label },
    s("rect", { class: "soc-track", x: 6, y: 36, width: 388, height: 14, rx: 3 }),
    s("rect", { class: "soc-now", x: 6, y: 36, width: Math.max(0, x(now) - 6), height: 14, rx: 3 }),
    ready ? s("rect", { class: "soc-then", x: x(now), y: 36, width: Math.max(0, x(ready) - x(now)), height: 14 }) : null,
    s("line", { class: "soc-depart", x1: x(departs), x2: x(departs), y1: 26, y2: 60 }),
    ready ? s("line", { class: "soc-ready", x1: x(ready), x2: x(ready), y1: 26, y2: 60 }) : null,
    s("text", { x: 6, y: 20 }, `arrived ${format.time(connector.arrived)}`),
    s("text", { x: x(departs), y: 20, "text-anchor": x(departs) > 300 ? "end" : "middle" }, `departs ${format.time(connector.departs)}`),
    ready ? s("text", { x: x(ready), y: 78, "text-anchor": x(ready) > 300 ? "end" : x(ready) < 80 ? "start" : "middle" }, `ready ${format.time(connector.readiness.ready_at)}`) : null,
  );
  set(drawing, "preserveAspectRatio", "xMidYMid meet");
  return drawing;
}
