"""The report: a folder with one self-contained page, the series as CSV and the summary as JSON."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from busbar.core.depot import ChargePoint
from busbar.core.projection import NodeKind
from busbar.core.units import format_amount
from busbar.simulator.charts import (
    LIMIT_WORDS,
    holding_chart,
    name_of,
    stack_chart,
    stacks_of,
    vehicle_chart,
)
from busbar.simulator.played import Played
from busbar.simulator.results import (
    Peak,
    all_met,
    bound_s,
    calendar_of,
    holdings,
    minutes,
    node_names,
    peaks,
    summary,
    totals,
    verdicts,
    write_series,
)
from busbar.simulator.scenario import (
    FOREVER_S,
    CapacityEvent,
    EnvelopeEvent,
    Event,
    ModeEvent,
    OutOfReachEvent,
)

PAGE, SUMMARY, SERIES = "report.html", "summary.json", "series"
MOST_LANES = 200
MOST_TREE_ROWS = 120
_TOP = (NodeKind.MICROGRID, NodeKind.GRID_CONNECTION)
_KIND_WORDS = {
    NodeKind.MICROGRID: "whole site",
    NodeKind.GRID_CONNECTION: "grid connection",
    NodeKind.CIRCUIT: "circuit",
    NodeKind.CHARGE_POINT: "charge point",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeRow:
    """One node in the tree of the page."""

    depth: int
    name: str
    kind: str
    peak: str
    """In words; empty where nothing is limited."""
    percent: float | None
    tone: str
    """ok, near or over."""
    held: str


def write_report(played: Played, directory: Path) -> Path:
    """Write the page, `summary.json` and `series/*.csv`; returns the page. Same scenario and seed, same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    write_series(played, directory / SERIES)
    text = json.dumps(summary(played), indent=2, ensure_ascii=False) + "\n"
    (directory / SUMMARY).write_text(text, encoding="utf-8")
    page = directory / PAGE
    page.write_text(page_of(played), encoding="utf-8")
    return page


def page_of(played: Played) -> str:
    """The page as text. It asks for nothing from anywhere: styles and pictures are in it."""
    return page_templates().get_template("report.html.j2").render(_content(played)) + "\n"


def page_templates() -> Environment:
    """What pages are made from."""
    return Environment(
        loader=PackageLoader("busbar.simulator"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _content(played: Played) -> dict[str, Any]:
    calendar, scenario = calendar_of(played), played.scenario
    found, kept = holdings(played), totals(played)
    lanes = lanes_of(played)
    return {
        "scenario": scenario,
        "seed": played.seed,
        "when": calendar.instant(0).strftime("%A %d %B %Y, %H:%M"),
        "hours": minutes(scenario.duration_s),
        "cycle_s": played.cycle_s,
        "met": all_met(played),
        "verdicts": verdicts(played),
        "cards": cards_of(played, kept),
        "tree": _tree(played),
        "charts": charts_of(played),
        "holdings": found,
        "holding_chart": holding_chart(played, found) if found else None,
        "held_total": minutes(bound_s(played)),
        "events": [event_words(played, event) for event in scenario.events],
        "lane_count": len(lanes),
        "vehicle_count": len(played.outings),
        "vehicle_chart": vehicle_chart(played, lanes) if lanes else None,
        "excesses": played.excesses[:20],
        "excess_count": len(played.excesses),
        "clock": calendar.label,
        "name_of": lambda node: name_of(played, node) if node in node_names(played) else node,
        "outcomes": played.outcomes,
        "limit_words": LIMIT_WORDS,
    }


def cards_of(played: Played, kept: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Title, figure, and a line below it."""
    found = peaks(played)
    top = [name for name, kind in zip(node_names(played), _kinds(played), strict=True) if kind in _TOP]
    site = max((found[name] for name in top if name in found), key=lambda peak: peak.use, default=None)
    delivered, needed = kept["energy_delivered_wh"] / 1000, kept["energy_needed_wh"] / 1000
    changed = len(played.at_s) - played.outcomes.get("UNCHANGED", 0)
    return [
        ("Vehicles ready", f"{kept['vehicles_ready']} of {kept['vehicles']}", "left with what they needed"),
        (
            "Energy delivered",
            f"{delivered / 1000:,.1f} MWh" if delivered >= 10_000 else f"{delivered:,.0f} kWh",
            f"needed {needed:,.0f} kWh, short {kept['energy_short_wh'] / 1000:,.0f} kWh",
        ),
        ("Limits broken", f"{len(played.excesses)}", "checked at every node in every cycle"),
        ("Fullest grid connection", *_fullest(played, site)),
        ("Fairness", f"{kept['fairness']:.3f}", "Jain's index; 1 is equal"),
        ("Cycles", f"{len(played.at_s):,}", f"{changed:,} changed something"),
    ]


def _fullest(played: Played, site: Peak | None) -> tuple[str, str]:
    if site is None:
        return "–", "nothing limits it"
    return f"{100 * site.use:.1f} %", f"{name_of(played, site.node)} at {calendar_of(played).label(site.at_s)}"


def _kinds(played: Played) -> list[NodeKind]:
    """[M]"""
    return [played.projection.kinds[node] for node in played.projection.frame.nodes.tolist()]


def _tree(played: Played) -> list[TreeRow]:
    """Every inner node, parents first; charge points only where there is room for them."""
    found, names, frame = peaks(played), node_names(played), played.projection.frame
    kinds = _kinds(played)
    rows = []
    depth: list[int] = []
    for inner, name in enumerate(names):
        above = int(frame.parent[inner])
        depth.append(0 if above < 0 else depth[above] + 1)
        if len(names) > MOST_TREE_ROWS and kinds[inner] is NodeKind.CHARGE_POINT:
            continue
        peak, held_s = found.get(name), bound_s(played, name)
        rows.append(
            TreeRow(
                depth=depth[inner],
                name=name_of(played, name),
                kind=_KIND_WORDS[kinds[inner]],
                peak="" if peak is None else _peak_words(played, peak),
                percent=None if peak is None else 100 * peak.use,
                tone="ok" if peak is None or peak.use < 0.95 else "near" if peak.use <= 1 else "over",
                held=minutes(held_s) if held_s else "",
            )
        )
    return rows


def _peak_words(played: Played, peak: Peak) -> str:
    at = calendar_of(played).label(peak.at_s)
    if peak.row == "total":
        # A DC rating is read at the vehicle.
        subject = played.projection.subjects[played.projection.node_index[peak.node]]
        per_w = subject.efficiency_permille / 1000 if isinstance(subject, ChargePoint) else 1.0
        return f"{peak.flow * per_w / 1000:,.0f} of {peak.limit * per_w / 1000:,.0f} kW at {at}"
    return f"{peak.flow / 1000:,.0f} of {peak.limit / 1000:,.0f} A on {peak.row} at {at}"


def charts_of(played: Played, also: Collection[str] = ()) -> list[dict[str, Any]]:
    """The site where it has a limit of its own, every grid connection, and what else is asked for."""
    return [
        {
            "title": f"{name_of(played, stack.node)}{' on ' + stack.line if stack.line else ''}, {stack.unit}",
            "parts": stack.parts,
            "svg": stack_chart(played, stack),
        }
        for inner, (name, kind) in enumerate(zip(node_names(played), _kinds(played), strict=True))
        if kind in _TOP or name in also
        for stack in stacks_of(played, inner)
    ]


def event_words(played: Played, event: Event) -> tuple[str, str, str]:
    """When, what, why."""
    calendar, span = calendar_of(played), event.span
    end = "the end" if span.until_s >= min(FOREVER_S, played.scenario.duration_s) else calendar.label(span.until_s)
    where = name_of(played, event.node)
    match event:
        case EnvelopeEvent(limit=limit):
            what = f"{where}: envelope of {_amount_words(format_amount(limit))}"
        case CapacityEvent(limit=limit):
            what = f"{where}: capacity set to {_amount_words(format_amount(limit))}"
        case ModeEvent(mode=mode):
            what = f"{where}: mode {mode.value}"
        case OutOfReachEvent():
            what = f"{where}: out of reach"
    return f"{calendar.label(span.from_s)} to {end}", what, event.note


def _amount_words(text: str | dict[str, str]) -> str:
    return text if isinstance(text, str) else ", ".join(f"{phase} {value}" for phase, value in text.items())


def lanes_of(played: Played) -> list[int]:
    """Vehicles by departure; of too many, those that are not ready come first."""
    order = sorted(
        range(len(played.outings)),
        key=lambda index: (played.outings[index].vehicle.departs_s, played.outings[index].vehicle.id),
    )
    if len(order) > MOST_LANES:
        order = sorted(sorted(order, key=lambda index: played.outings[index].is_ready)[:MOST_LANES], key=order.index)
    return order
