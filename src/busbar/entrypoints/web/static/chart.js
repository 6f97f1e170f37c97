// Lines over time: uPlot draws, the rest makes it readable without eyes, without colour and in the dark.

import uPlot from "./vendor/uplot-1.6.32/uPlot.esm.js";
import { h, s, write } from "./dom.js";
import { newId, show } from "./screens/parts/dom.js";

const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const MOST_TABLE_ROWS = 200;
const SHOWN_AS = { mA: ["A", 1000], W: ["kW", 1000], Wh: ["kWh", 1000] };

/**
 * Draws series over time into an element.
 *
 * `series`: [{label, values, className, unit}] with null where nothing is known; values in mA, W, Wh or any unit of
 * their own, and a series in another unit than the chart's gets the axis on the right. `className` picks the colour:
 * `.chart-series.NAME` in screens.css says which. `stepped: true` holds a value until the next one.
 * `times`: seconds since 1970. `timezone`: the depot's; without it the browser's.
 */
export function lineChart(element, options) {
  const chart = { ...options, unit: options.unit ?? options.series[0]?.unit ?? "" };
  const height = options.height ?? 220;
  const tableId = newId("chart-table");
  const probes = h("span", { class: "chart-probes", "aria-hidden": "true" });
  const plot = h("div", { class: "chart-plot", role: "img" });
  const legend = h("ul", { class: "chart-legend" });
  const nothing = h("p", { class: "chart-nothing", hidden: true }, "No values yet.");
  const tableBox = h("div", { class: "chart-table", id: tableId, hidden: true, tabindex: "0", role: "region" });
  const toggle = h(
    "button",
    { type: "button", class: "chart-toggle quiet", "aria-expanded": "false", "aria-controls": tableId, onclick: turn },
    "Show as table",
  );
  const figure = h("figure", { class: "chart" }, probes, plot, nothing, h("figcaption", {}, legend, toggle), tableBox);
  element.replaceChildren(figure);

  const colours = watchColours(probes, () => drawn?.redraw());
  let drawn = null;
  let labels = "";
  let values = [];
  const watched = new ResizeObserver(() => drawn?.setSize({ width: widthOf(plot), height }));
  watched.observe(plot);
  setData(options.times, options.series);
  return { setData, destroy };

  /** New values; the series must be the ones the chart was made with, or more. */
  function setData(times, series) {
    chart.times = times;
    chart.series = series;
    const sentence = summary(chart);
    plot.setAttribute("aria-label", sentence);
    nothing.hidden = times.length > 0;
    plot.hidden = times.length === 0;
    const named = series.map((each) => `${each.label}|${each.className}|${each.unit}`).join("\n");
    if (named !== labels || !drawn) remake(named);
    else drawn.setData(columns(chart));
    valuesAt(null);
    if (!tableBox.hidden) show(tableBox, table(chart));
  }

  function remake(named) {
    labels = named;
    drawn?.destroy();
    show(probes, chart.series.map((each) => h("i", { class: `chart-series ${each.className ?? ""}` })));
    values = chart.series.map(() => h("b", {}));
    show(legend, chart.series.map((each, index) => legendEntry(each, index, values[index])));
    const width = widthOf(plot);
    drawn = new uPlot(settings(chart, colours, { width, height }, valuesAt), columns(chart), plot);
  }

  function valuesAt(index) {
    chart.series.forEach((each, place) => {
      const value = index === null ? last(each.values) : each.values[index];
      if (values[place]) write(values[place], shown(value, each.unit ?? chart.unit));
    });
  }

  function turn() {
    tableBox.hidden = !tableBox.hidden;
    toggle.setAttribute("aria-expanded", String(!tableBox.hidden));
    write(toggle, tableBox.hidden ? "Show as table" : "Hide the table");
    tableBox.setAttribute("aria-label", `${chart.label ?? "Chart"} as a table`);
    show(tableBox, tableBox.hidden ? [] : table(chart));
  }

  function destroy() {
    watched.disconnect();
    colours.forget();
    drawn?.destroy();
    drawn = null;
    figure.remove();
  }
}

/** One sentence per series: least, most and last. */
export function summary({ label, series, times, unit }) {
  if (times.length === 0) return `${label ?? "Chart"}: no values yet.`;
  const parts = series.map((each) => {
    const known = each.values.filter((value) => value !== null && value !== undefined);
    const own = each.unit ?? unit;
    if (known.length === 0) return `${each.label} is not known.`;
    const [least, most] = known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [
      known[0],
      known[0],
    ]);
    return `${each.label} from ${shown(least, own)} to ${shown(most, own)}, last ${shown(last(each.values), own)}.`;
  });
  return [label ? `${label}.` : "", ...parts].filter(Boolean).join(" ");
}

function settings(chart, colours, size, valuesAt) {
  const units = [...new Set(chart.series.map((each) => each.unit ?? chart.unit))];
  const scaleOf = (each) => `y${units.indexOf(each.unit ?? chart.unit)}`;
  const scales = { x: { time: true } };
  units.forEach((unit, index) => (scales[`y${index}`] = { range: unit === "%" ? [0, 100] : rangeFromZero }));
  const axis = { stroke: () => colours.ink(), font: "12px system-ui, sans-serif", ticks: { show: false } };
  const axes = [
    { ...axis, grid: { show: false }, space: (plot, index, least, most, width) => (width < 400 ? 60 : 70), size: 32, values: (plot, splits) => clockTexts(splits, chart.timezone) },
    ...units.map((unit, index) => ({
      ...axis,
      scale: `y${index}`,
      side: index === 0 ? 3 : 1,
      size: 62,
      grid: { show: index === 0, stroke: () => colours.line(), width: 1 },
      values: (plot, splits) => splits.map((value) => shown(value, unit)),
    })),
  ];
  const series = chart.series.map((each, index) => ({
    label: each.label,
    scale: scaleOf(each),
    stroke: () => colours.of(index),
    width: 2,
    dash: DASHES[index % DASHES.length],
    paths: each.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    points: { show: chart.times.length < 3 },
    spanGaps: false,
  }));
  return {
    ...size,
    tzDate: chart.timezone ? (ts) => uPlot.tzDate(new Date(ts * 1000), chart.timezone) : undefined,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales,
    axes,
    series: [{}, ...series],
    hooks: { setCursor: [(plot) => valuesAt(plot.cursor.idx ?? null)] },
  };
}

/** Zero stays in the picture, so that a small change does not look like a large one. */
function rangeFromZero(plot, least, most) {
  if (least === null || most === null) return [0, 1];
  const low = Math.min(0, least);
  const high = Math.max(0, most);
  return [low < 0 ? low * 1.08 : 0, high > 0 ? high * 1.08 : low < 0 ? 0 : 1];
}

function columns(chart) {
  return [chart.times, ...chart.series.map((each) => each.values)];
}

function legendEntry(each, index, value) {
  const line = s("line", {
    x1: 1,
    y1: 5,
    x2: 27,
    y2: 5,
    "stroke-width": 2.5,
    "stroke-dasharray": DASHES[index % DASHES.length].join(" ") || null,
    stroke: "currentColor",
  });
  const swatch = s("svg", { class: `chart-series ${each.className ?? ""}`, width: 28, height: 10, "aria-hidden": "true" }, line);
  return h("li", {}, swatch, h("span", {}, each.label), value);
}

function table(chart) {
  const every = Math.ceil(chart.times.length / MOST_TABLE_ROWS) || 1;
  const kept = chart.times.map((_, index) => index).filter((index) => index % every === 0 || index === chart.times.length - 1);
  const head = h("tr", {}, h("th", { scope: "col" }, "Time"), chart.series.map((each) => h("th", { scope: "col" }, each.label)));
  const clock = clockOf(chart.timezone, true);
  const body = kept.reverse().map((index) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, clock.format(chart.times[index] * 1000)),
      chart.series.map((each) => h("td", {}, shown(each.values[index], each.unit ?? chart.unit))),
    ),
  );
  const note = every > 1 ? `, every ${every}th value` : "";
  return h("table", {}, h("caption", {}, `${chart.label ?? "Chart"}, newest first${note}`), h("thead", {}, head), h("tbody", {}, body));
}

function shown(value, unit) {
  if (value === null || value === undefined) return "–";
  const [name, per] = SHOWN_AS[unit] ?? [unit, 1];
  const figure = value / per;
  const digits = Math.abs(figure) >= 100 || Number.isInteger(figure) ? 0 : 1;
  return `${figure.toFixed(digits)} ${name}`.trim();
}

function last(values) {
  for (let index = values.length - 1; index >= 0; index -= 1) {
    if (values[index] !== null && values[index] !== undefined) return values[index];
  }
  return null;
}

function widthOf(plot) {
  return Math.max(220, Math.floor(plot.clientWidth || plot.parentElement?.clientWidth || 600));
}

function clockOf(timezone, withSeconds) {
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: timezone };
  return new Intl.DateTimeFormat("en-GB", withSeconds ? { ...parts, second: "2-digit" } : parts);
}

function clockTexts(splits, timezone) {
  const isFine = splits.length > 1 && splits[1] - splits[0] < 60;
  const clock = clockOf(timezone, isFine);
  return splits.map((seconds) => clock.format(seconds * 1000));
}

/** Colours as the style sheets say, read anew when light turns to dark. */
function watchColours(probes, changed) {
  const read = (element) => getComputedStyle(element).color;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const marked = new MutationObserver(changed);
  dark.addEventListener("change", changed);
  marked.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  return {
    of: (index) => read(probes.children[index]),
    ink: () => read(probes),
    line: () => getComputedStyle(probes).borderTopColor,
    forget: () => {
      dark.removeEventListener("change", changed);
      marked.disconnect();
    },
  };
}
