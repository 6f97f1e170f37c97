// What a breach was decided from, and the moments before and after it.

import { lineChart } from "../../chart.js";
import { h } from "../../dom.js";
import * as format from "../../format.js";
import { show } from "./dom.js";
import { fact } from "./marks.js";

/** The chart and the evidence below a breach's card. */
export function breachEvidence(first, { timezone }) {
  const place = h("div", {});
  const evidence = h("dl", { class: "fact-list" });
  const charge_points = h("p", {});
  const element = h(
    "div",
    { class: "sections" },
    h("section", { class: "sheet" }, h("h3", {}, "The moments before and after"), place),
    h("section", { class: "sheet" }, h("h3", {}, "What it was decided from"), evidence, charge_points),
  );
  const chart = lineChart(place, { ...drawn(first), unit: first.unit, height: 260, label: `Flow at ${first.node}, ${first.row}`, timezone });
  return { element, set, destroy: () => chart.destroy() };

  function set(breach) {
    const { times, series } = drawn(breach);
    chart.setData(times, series);
    show(
      evidence,
      fact("Over the limit since", format.time(breach.started_at, { seconds: true })),
      fact("Opened", format.time(breach.opened_at, { seconds: true })),
      fact("Ended", breach.ended_at ? format.time(breach.ended_at, { seconds: true }) : "it goes on"),
      fact("Limit then", format.value({ value: breach.limit, unit: breach.unit }), ", ", format.limitWord(breach.limit_name)),
      fact("Severity", breach.severity === "critical" ? "critical: our own fault" : "major"),
      fact("Record", h("code", {}, breach.id)),
    );
    const found = breach.charge_points.map((id, index) => [index ? ", " : "", h("a", { href: `#/wiring/${id}` }, id)]);
    show(charge_points, found.length ? ["Charge points that drew more than they may: ", found] : "No charge point below was found to draw more than it may.");
  }
}

function drawn(breach) {
  const { series, unit } = breach;
  return {
    times: series.map((sample) => Date.parse(sample.at) / 1000),
    series: [
      { label: "Flow", values: series.map((sample) => sample.flow), className: "flow", unit },
      { label: "Limit", values: series.map((sample) => sample.limit), className: "limit", unit, stepped: true },
    ],
  };
}
