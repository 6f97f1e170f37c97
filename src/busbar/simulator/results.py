"""What a played scenario comes to: expectations, figures per node, limit and vehicle, a summary, and series as CSV."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from busbar.core.units import PHASES
from busbar.simulator.expectation import Holds
from busbar.simulator.expectation_words import NightExpectation, duration_words, night_words
from busbar.simulator.judge import judge
from busbar.simulator.physics import NO_LIMIT, Ints, limit_rows
from busbar.simulator.played import ROWS, Outing, Played
from busbar.simulator.played_trail import trail_of
from busbar.simulator.scenario import (
    Binds,
    EnergyAtLeast,
    Expectation,
    FairnessAtLeast,
    NoLimitBroken,
    PeakAtMost,
    ReadyBy,
    VehiclesReady,
)
from busbar.simulator.times import Calendar


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether one expectation was met."""

    expectation: str
    """As a sentence."""
    found: str
    is_met: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The moment at which a node came closest to one of its limits."""

    node: str
    at_s: int
    row: str
    flow: int
    """mA (referred) or W."""
    limit: int
    use: float
    """Flow per limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """How much one limit held back."""

    node: str
    limit: str
    seconds: int
    """How long it held somebody back."""
    vehicle_s: int
    """The same, counted for each vehicle."""
    vehicles: int
    """How many different ones."""
    first_s: int
    last_s: int


def calendar_of(played: Played) -> Calendar:
    """The scenario's times, in the depot's time zone."""
    return Calendar(start=played.scenario.start, timezone=played.scenario.depot.timezone)


def node_names(played: Played) -> list[str]:
    """[M] ids of the inner nodes."""
    return [played.projection.node_ids[node] for node in played.projection.frame.nodes.tolist()]


def peaks(played: Played) -> dict[str, Peak]:
    """Node id -> its peak use; nodes without any limit are left out."""
    found = {}
    for inner, name in enumerate(node_names(played)):
        limited = played.limit[:, inner, :] != NO_LIMIT
        if not limited.any():
            continue
        bound = np.where(limited, np.maximum(1, played.limit[:, inner, :]), 1)
        use = np.where(limited, played.flow[:, inner, :] / bound, -1.0)
        step, row = divmod(int(np.argmax(use)), len(ROWS))
        found[name] = Peak(
            node=name,
            at_s=int(played.at_s[step]),
            row=ROWS[row],
            flow=int(played.flow[step, inner, row]),
            limit=int(played.limit[step, inner, row]),
            use=float(use[step, row]),
        )
    return found


def holdings(played: Played) -> tuple[Holding, ...]:
    """What held vehicles back, the longest first."""
    found = []
    for index, constraint in enumerate(played.constraints):
        held = played.held == index
        steps = np.flatnonzero(held.any(axis=1))
        if len(steps):
            found.append(
                Holding(
                    node=constraint.node,
                    limit=constraint.limit,
                    seconds=len(steps) * played.cycle_s,
                    vehicle_s=int(held.sum()) * played.cycle_s,
                    vehicles=int(held.any(axis=0).sum()),
                    first_s=int(played.at_s[steps[0]]),
                    last_s=int(played.at_s[steps[-1]]) + played.cycle_s,
                )
            )
    return tuple(sorted(found, key=lambda one: (-one.vehicle_s, one.node, one.limit)))


def bound_s(played: Played, node: str | None = None) -> int:
    """How long a node's limits, or any limit, held somebody back."""
    wanted = [i for i, one in enumerate(played.constraints) if node is None or one.node == node]
    return int(np.isin(played.held, wanted).any(axis=1).sum()) * played.cycle_s


def fairness(outings: Sequence[Outing]) -> float:
    """Jain's index of what each vehicle got of what it needed; 1 where nobody needed anything.

    R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness (DEC-TR-301, 1984).
    """
    shares = [outing.satisfied for outing in outings if outing.needed_wh > 0]
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares > 0 else 1.0


def verdicts(played: Played) -> tuple[Verdict, ...]:
    """One per expectation, in the order of the scenario."""
    return tuple(verdict(played, expectation) for expectation in played.scenario.expectations)


def all_met(played: Played) -> bool:
    """Whether the scenario went as expected, and no audit found anything."""
    return not played.violations and all(each.is_met for each in verdicts(played))


def verdict(played: Played, expectation: Expectation) -> Verdict:
    """Whether one of them was met."""
    if isinstance(expectation, Holds):
        judged = judge(trail_of(played), expectation)
        return Verdict(expectation=judged.expectation, found=judged.seen, is_met=judged.is_met)
    found, is_met = _found(played, expectation)
    return Verdict(expectation=night_words(calendar_of(played), expectation), found=found, is_met=is_met)


def _found(played: Played, expectation: NightExpectation) -> tuple[str, bool]:
    calendar = calendar_of(played)
    match expectation:
        case NoLimitBroken():
            return "never" if not played.excesses else _worst(played), not played.excesses
        case VehiclesReady(at_least=least):
            ready, count = sum(outing.is_ready for outing in played.outings), len(played.outings)
            return f"{ready} of {count} ({_percent(ready / count if count else 1.0)})", ready >= least * count
        case PeakAtMost():
            return _peak(played, expectation)
        case ReadyBy(at_s=by_s, vehicle=None):
            there = [outing for outing in played.outings if outing.vehicle.arrives_s < by_s]
            late = [outing.vehicle.id for outing in there if outing.ready_s is None or outing.ready_s > by_s]
            found = "all" if not late else f"not {', '.join(late[:5])}" + (" and more" if len(late) > 5 else "")
            return found, not late
        case ReadyBy(at_s=by_s, vehicle=name):
            ready_s = next((outing.ready_s for outing in played.outings if outing.vehicle.id == name), None)
            found = "never" if ready_s is None else f"at {calendar.label(ready_s)}"
            return found, ready_s is not None and ready_s <= by_s
        case EnergyAtLeast(at_least_wh=least_wh):
            delivered = sum(outing.delivered_wh for outing in played.outings)
            return f"{delivered / 1000:,.0f} kWh", delivered >= least_wh
        case FairnessAtLeast(at_least=least):
            index = fairness(played.outings)
            return f"{index:.4f}", index >= least
        case Binds(node=node, for_s=least_s):
            seconds = bound_s(played, node)
            # Whole minutes, and not one more than there were.
            return duration_words(seconds - seconds % 60 if seconds > 60 else seconds), seconds >= least_s


def _worst(played: Played) -> str:
    worst = max(played.excesses, key=lambda excess: excess.flow / max(1, excess.limit))
    unit = "W" if worst.row == "total" else "mA"
    return (
        f"{len(played.excesses)} times, worst at {worst.node} {worst.row}, "
        f"{calendar_of(played).label(worst.at_s)}: {worst.flow} of {worst.limit} {unit}"
    )


def _peak(played: Played, expectation: PeakAtMost) -> tuple[str, bool]:
    node = played.projection.node_index[expectation.node]
    inner = int(played.projection.frame.inner_of[node])
    bounds = limit_rows(
        expectation.at_most,
        played.scenario.depot,
        nominal_v=int(played.projection.voltage_v[node]),
        phases=played.projection.phases[node],
    )
    rows = [row for row, bound in enumerate(bounds) if bound != NO_LIMIT]
    most = max(rows, key=lambda row: int(played.flow[:, inner, row].max()) / max(1, bounds[row]))
    step = int(played.flow[:, inner, most].argmax())
    flow = int(played.flow[step, inner, most])
    at = calendar_of(played).label(int(played.at_s[step]))
    return f"{100 * flow / max(1, bounds[most]):.1f} % of it at {at}", flow <= bounds[most]


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def minutes(seconds: int) -> str:
    """`45 min`, `3 h 05 min`."""
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"


def summary(played: Played) -> dict[str, Any]:
    """The night in figures (`busbar/simulation/1`); the same bytes for the same scenario and seed."""
    calendar = calendar_of(played)

    def when(at_s: int | None) -> str | None:
        return None if at_s is None else calendar.instant(at_s).isoformat()

    scenario, outings = played.scenario, played.outings
    return {
        "schema": "busbar/simulation/1",
        "scenario": scenario.id,
        "name": scenario.name,
        "depot": scenario.depot.id,
        "seed": played.seed,
        "strategy": scenario.strategy,
        "leaves": scenario.depot.leaves.value,
        "fair_in": scenario.fair_in.value,
        "start": when(0),
        "duration_s": scenario.duration_s,
        "cycle_s": played.cycle_s,
        "ok": all_met(played),
        "expectations": [
            {"expectation": each.expectation, "found": each.found, "met": each.is_met} for each in verdicts(played)
        ],
        "totals": totals(played),
        "cycles": {"total": len(played.at_s), **played.outcomes},
        "audit_violations": list(played.violations[:100]),
        "limits_broken": [
            {
                "at": when(excess.at_s),
                "node": excess.node,
                "row": excess.row,
                "flow": excess.flow,
                "limit": excess.limit,
                "by_base_load": excess.by_base_load,
            }
            for excess in played.excesses[:100]
        ],
        "peaks": [
            {
                "node": peak.node,
                "at": when(peak.at_s),
                "row": peak.row,
                "flow": peak.flow,
                "limit": peak.limit,
                "use": round(peak.use, 4),
            }
            for peak in peaks(played).values()
        ],
        "held_back_by": [
            {
                "node": one.node,
                "limit": one.limit,
                "minutes": round(one.seconds / 60, 1),
                "vehicle_minutes": round(one.vehicle_s / 60, 1),
                "vehicles": one.vehicles,
                "first": when(one.first_s),
                "last": when(one.last_s),
            }
            for one in holdings(played)
        ],
        "vehicles": [
            {
                "id": outing.vehicle.id,
                "connector": outing.connector,
                "arrives": when(outing.vehicle.arrives_s),
                "departs": when(outing.vehicle.departs_s),
                "ready_at": when(outing.ready_s),
                "ready": outing.is_ready,
                "soc_on_arrival": outing.vehicle.soc,
                "soc_on_departure": round(outing.left_soc, 4),
                "needed_wh": outing.needed_wh,
                "delivered_wh": outing.delivered_wh,
                "short_wh": outing.short_wh,
                "held_back_minutes": round(outing.held_s / 60, 1),
            }
            for outing in outings
        ],
    }


def totals(played: Played) -> dict[str, Any]:
    """The night in ten numbers."""
    outings = played.outings
    return {
        "vehicles": len(outings),
        "vehicles_ready": sum(outing.is_ready for outing in outings),
        "vehicles_without_connector": sum(outing.connector is None for outing in outings),
        "energy_needed_wh": sum(outing.needed_wh for outing in outings),
        "energy_delivered_wh": sum(outing.delivered_wh for outing in outings),
        "energy_short_wh": sum(outing.short_wh for outing in outings),
        "energy_supplied_wh": played.supplied_wh,
        "fairness": round(fairness(outings), 4),
        "minutes_bound": round(bound_s(played) / 60, 1),
        "vehicle_minutes_bound": round(sum(outing.held_s for outing in outings) / 60, 1),
    }


def write_series(played: Played, folder: Path) -> tuple[Path, ...]:
    """One CSV per series, a line per cycle, times with their offset; returns the files, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    names, leaves = node_names(played), list(played.projection.leaf_ids)
    vehicles = [outing.vehicle.id for outing in played.outings]
    setpoints = [
        f"{leaf} ({'mA' if is_ac else 'W'})"
        for leaf, is_ac in zip(leaves, played.projection.is_ac.tolist(), strict=True)
    ]
    written = [
        _write(played, folder / "setpoint.csv", setpoints, played.setpoint.tolist()),
        _write(played, folder / "drawn.csv", setpoints, played.drawn.tolist()),
        _write(
            played,
            folder / "vehicle_soc.csv",
            vehicles,
            ([None if value != value else f"{value:.4f}" for value in row] for row in played.soc.tolist()),
        ),
        _write(played, folder / "vehicle_power_w.csv", vehicles, played.power_w.tolist()),
        _write(played, folder / "vehicle_held_back_by.csv", vehicles, _held_words(played)),
    ]
    for title, series in (("flow", played.flow), ("base_load", played.base), ("limit", played.limit)):
        for row, label in enumerate(ROWS):
            unit = f"{label.lower()}_ma" if label in PHASES else "total_w"
            values = _open_as_none(series[:, :, row])
            written.append(_write(played, folder / f"node_{title}_{unit}.csv", names, values))
    return tuple(sorted(written))


def _open_as_none(values: Ints) -> Iterable[Sequence[Any]]:
    return ([None if value == NO_LIMIT else value for value in row] for row in values.tolist())


def _held_words(played: Played) -> Iterable[Sequence[Any]]:
    words = [f"{one.node} {one.limit}" for one in played.constraints]
    return ([None if index < 0 else words[index] for index in row] for row in played.held.tolist())


def _write(played: Played, path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    calendar = calendar_of(played)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["time", *columns])
        for at_s, row in zip(played.at_s.tolist(), rows, strict=True):
            writer.writerow([calendar.instant(at_s).isoformat(), *row])
    return path
