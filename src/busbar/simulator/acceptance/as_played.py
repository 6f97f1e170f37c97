"""A trail as a played night, a cycle a second, so that both are judged and drawn by the same functions."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from busbar.core.breach import BreachRules
from busbar.simulator.acceptance.observed import Observed
from busbar.simulator.battery import target_ws
from busbar.simulator.draw import draw_vehicles
from busbar.simulator.physics import NO_LIMIT
from busbar.simulator.played import NOT_HELD, ROWS, Bools, Constraint, Excess, Floats, Ints, Outing, Played, Shorts
from busbar.simulator.scenario import Vehicle
from busbar.simulator.trail import Trail

REACTION_S = 15
"""So long what flows may be above a limit that fell, or above one that a rising base load has filled."""
_TOTAL = ROWS.index("total")
_RULES = BreachRules()


def tolerated(limit: Ints) -> Ints:
    """[..., 4] what may flow by the tolerance of breaches; nothing is added where nothing limits."""
    least = np.array([_RULES.least_ma] * _TOTAL + [_RULES.least_w])
    share = limit // 1000 * _RULES.tolerance_permille
    found: Ints = np.where(limit == NO_LIMIT, limit, limit + np.maximum(share, least))
    return found


def played_of(trail: Trail, observed: Observed, *, speed: int = 1) -> Played:
    """The same night. What is above a limit for no longer than the reaction time is no excess.

    `speed`: so many of the scenario's seconds pass in a real one, and from look to look.
    """
    vehicles = [vehicle for vehicle in draw_vehicles(trail.scenario, trail.seed) if vehicle.id in trail.soc]
    soc = np.column_stack([trail.soc[vehicle.id] for vehicle in vehicles]) if vehicles else _nothing(trail)
    held, constraints = _held(trail, observed, vehicles, soc)
    charging = trail.flow - trail.base
    return Played(
        # What is counted in cycles is counted in looks.
        scenario=replace(trail.scenario, cycle_s=speed),
        seed=trail.seed,
        projection=trail.projection,
        at_s=trail.at_s,
        charging=charging,
        base=trail.base,
        flow=trail.flow,
        limit=trail.limit,
        safe=_safe(trail),
        setpoint=_setpoint(trail),
        drawn=trail.draw,
        soc=soc,
        power_w=_power_w(vehicles, soc, speed),
        held=held,
        constraints=constraints,
        excesses=tuple(_excesses(trail, speed)),
        outings=tuple(
            _outing(trail, observed, vehicle, soc[:, index], speed * int((held[:, index] != NOT_HELD).sum()))
            for index, vehicle in enumerate(vehicles)
        ),
        supplied_wh=round(float(charging[:, 0, _TOTAL].sum()) * speed / 3600),
        outcomes=dict(sorted(Counter(cycle.outcome for cycle in trail.cycles).items())),
        violations=(),
    )


def _nothing(trail: Trail) -> Floats:
    return np.zeros((len(trail.at_s), 0))


def _spans(trail: Trail, from_s: list[float]) -> Iterator[slice]:
    """Of things that hold until the next: the looks that each covers."""
    begins = np.searchsorted(trail.at_s, from_s).tolist()
    for begin, end in zip(begins, [*begins[1:], len(trail.at_s)], strict=True):
        yield slice(begin, end)


def _held(
    trail: Trail, observed: Observed, vehicles: list[Vehicle], soc: Floats
) -> tuple[Shorts, tuple[Constraint, ...]]:
    """[T, V] what held each vehicle back while it was there."""
    held = np.full(soc.shape, NOT_HELD, dtype=np.int16)
    constraints: dict[Constraint, int] = {}
    places = [observed.joined.get(vehicle.id, ("", 0))[0] for vehicle in vehicles]
    spans = _spans(trail, [float(from_s) for from_s, _ in observed.held])
    for span, (_, by) in zip(spans, observed.held, strict=True):
        for index, place in enumerate(places):
            if place in by:
                held[span, index] = constraints.setdefault(by[place], len(constraints))
    held[np.isnan(soc)] = NOT_HELD
    return held, tuple(constraints)


def _safe(trail: Trail) -> Bools:
    names = [trail.projection.node_ids[node] for node in trail.projection.frame.nodes.tolist()]
    safe = np.zeros(trail.flow.shape[:2], dtype=np.bool_)
    for span, cycle in zip(_spans(trail, [cycle.at_s for cycle in trail.cycles]), trail.cycles, strict=True):
        for inner, name in enumerate(names):
            mode = cycle.modes.get(name)
            if mode is not None and mode.value == "SAFE":
                safe[span, inner] = True
    return safe


def _setpoint(trail: Trail) -> Ints:
    found = np.zeros_like(trail.draw)
    for span, cycle in zip(_spans(trail, [cycle.at_s for cycle in trail.cycles]), trail.cycles, strict=True):
        found[span] = cycle.setpoint
    return found


def _power_w(vehicles: list[Vehicle], soc: Floats, speed: int) -> Ints:
    """Into each battery until the next look."""
    battery_ws = np.array([3600 * vehicle.type.battery_wh for vehicle in vehicles])
    gained = np.diff(soc, axis=0, append=soc[-1:]) * battery_ws
    power_w: Ints = np.nan_to_num(gained / speed).round().astype(np.int64)
    return power_w


def _excesses(trail: Trail, speed: int) -> Iterator[Excess]:
    """One for each time in which more flowed than is tolerated for longer than the reaction time."""
    over = trail.flow > tolerated(trail.limit)
    for inner, row in np.argwhere(over.any(axis=0)).tolist():
        name = trail.projection.node_ids[int(trail.projection.frame.nodes[inner])]
        for run in _runs(over[:, inner, row]):
            flow, limit = trail.flow[run, inner, row], trail.limit[run, inner, row]
            if trail.at_s[run.stop - 1] - trail.at_s[run.start] < REACTION_S * speed:
                continue
            worst = int(np.argmax(flow - limit))
            yield Excess(
                at_s=int(trail.at_s[run.start]),
                node=name,
                row=ROWS[row],
                flow=int(flow[worst]),
                limit=int(limit[worst]),
                by_base_load=bool(trail.base[run.start + worst, inner, row] > limit[worst]),
            )


def _runs(true: Bools) -> Iterator[slice]:
    """Where it is true in a row."""
    edges = np.flatnonzero(np.diff(true.astype(np.int8), prepend=0, append=0)).tolist()
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        yield slice(begin, end)


def _outing(trail: Trail, observed: Observed, vehicle: Vehicle, soc: Floats, held_s: int) -> Outing:
    connector, plugged_s = observed.joined.get(vehicle.id, (None, None))
    battery_ws, wanted_ws = vehicle.type.battery_wh * 3600, target_ws(vehicle.type)
    needed_ws = max(0, wanted_ws - round(battery_ws * vehicle.soc))
    there = np.flatnonzero(~np.isnan(soc))
    left_soc = float(soc[there[-1]]) if len(there) else vehicle.soc
    # A battery that stops by itself at its target comes within rounding of it.
    full = there[soc[there] * battery_ws >= wanted_ws - 1]
    ready_s = int(trail.at_s[full[0]]) if len(full) else None
    return Outing(
        vehicle=vehicle,
        connector=connector,
        plugged_s=plugged_s,
        left_soc=left_soc,
        needed_wh=round(needed_ws / 3600),
        delivered_wh=round((left_soc - vehicle.soc) * vehicle.type.battery_wh),
        ready_s=ready_s if needed_ws else vehicle.arrives_s,
        held_s=held_s,
    )
