"""Base load: what Busbar does not control, as it really is and as meters show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from random import Random
from types import MappingProxyType

import numpy as np

from busbar.core.depot import ChargePoint, Circuit
from busbar.core.projection import Projection
from busbar.core.units import ActivePower, Amount, Current
from busbar.simulator.physics import Flow, Phasors, base_flow
from busbar.simulator.scenario import Load, Scenario
from busbar.simulator.times import DAY_S, Calendar


@dataclass(frozen=True, kw_only=True)
class BaseLoad:
    """One moment's base load."""

    flow: Flow
    """At every inner node, everything below included."""
    figures: Mapping[str, Amount]
    """What the meter of each metered node shows; loads rounded up."""


class BaseLoads:
    """A scenario's base loads; to be asked once per cycle, in order, because noise is drawn as time goes by."""

    def __init__(self, scenario: Scenario, projection: Projection, seed: int) -> None:
        self._scenario = scenario
        self._projection = projection
        self._calendar = Calendar(start=scenario.start, timezone=projection.depot.timezone)
        self._noise = [Random(f"{seed}/base_load/{index}") for index in range(len(scenario.loads))]

    def at(self, at_s: int, more: Mapping[str, Sequence[Amount]] = MappingProxyType({})) -> BaseLoad:
        """What flows at this second of the scenario; `more`: what comes on top, by circuit."""
        own: dict[str, list[Amount]] = {circuit: list(amounts) for circuit, amounts in more.items()}
        for load, random in zip(self._scenario.loads, self._noise, strict=True):
            amount = _now(load, at_s, self._calendar)
            if load.noise:
                amount = _scaled(amount, 1 + load.noise * random.uniform(-1, 1))
            own.setdefault(load.circuit, []).append(amount)
        return _added_up(self._projection, own, self._scenario.voltage_permille)


def _now(load: Load, at_s: int, calendar: Calendar) -> Amount:
    second = calendar.second_of_day(at_s) if load.is_daily else at_s
    before = [point for point in load.points if point[0] <= second]
    after = [point for point in load.points if point[0] > second]
    if not load.is_curve:
        # Before its first point a series has its first value already.
        return (before[-1] if before else load.points[0])[1]
    from_s, begin = before[-1] if before else (load.points[-1][0] - DAY_S, load.points[-1][1])
    until_s, end = after[0] if after else (load.points[0][0] + DAY_S, load.points[0][1])
    assert isinstance(begin, ActivePower)
    assert isinstance(end, ActivePower)
    return ActivePower(w=begin.w + (end.w - begin.w) * (second - from_s) // (until_s - from_s))


def _scaled(amount: Amount, by: float) -> Amount:
    match amount:
        case ActivePower(w=w):
            return ActivePower(w=round(w * by))
        case Current():
            each = [None if value is None else round(value * by) for value in amount.per_phase_ma()]
            return Current(l1_ma=each[0], l2_ma=each[1], l3_ma=each[2])
        case _:
            return replace(amount, va=round(amount.va * by))


def _added_up(projection: Projection, own: Mapping[str, Sequence[Amount]], voltage_permille: int) -> BaseLoad:
    """From the ends of the tree to its root."""
    depot, nodes = projection.depot, projection.frame.nodes.tolist()
    line, total = np.zeros((len(nodes), 3), complex), np.zeros(len(nodes))
    is_balanced_power = [True] * len(nodes)
    figures: dict[str, Amount] = {}

    def put(inner: int, node: int, amount: Amount) -> None:
        phasors, power_w = base_flow(
            amount,
            depot,
            nominal_v=int(projection.voltage_v[node]),
            phases=projection.phases[node],
            voltage_permille=voltage_permille,
        )
        line[inner] += phasors
        total[inner] += power_w
        is_balanced_power[inner] &= isinstance(amount, ActivePower)

    for inner in reversed(range(len(nodes))):
        node, above = nodes[inner], int(projection.frame.parent[inner])
        subject = projection.subjects[node]
        if isinstance(subject, ChargePoint):
            # What a charge point draws by itself is its circuit's to carry.
            if subject.in_service and subject.idle_load_w:
                put(above, nodes[above], ActivePower(w=subject.idle_load_w))
            continue
        if isinstance(subject, Circuit) and subject.base_load is not None:
            # Declared for everything below it; a scenario adds nothing there.
            line[inner], total[inner], is_balanced_power[inner] = 0, 0, True
            put(inner, node, subject.base_load)
        for amount in own.get(projection.node_ids[node], ()):
            put(inner, node, amount)
        if isinstance(subject, Circuit) and subject.meter:
            turn = depot.voltage_v / int(projection.voltage_v[node])
            figures[subject.id] = _figure(line[inner] * turn, total[inner], is_balanced_power[inner])
        if above >= 0:
            line[above] += line[inner]
            total[above] += total[inner]
            same_phases = projection.phases[node] == projection.phases[nodes[above]]
            is_balanced_power[above] &= is_balanced_power[inner] and (same_phases or not total[inner])
    return BaseLoad(flow=Flow(line_ma=line, total_w=total), figures=figures)


def _figure(line_ma: Phasors, total_w: float, is_balanced_power: bool) -> Amount:
    """A meter's reading: kW where everything below is balanced kW, amperes per phase otherwise."""
    if is_balanced_power:
        return ActivePower(w=ceil(round(total_w, 6)))
    each = [ceil(round(abs(value), 6)) if value.real > 0 else 0 for value in line_ma]
    return Current(l1_ma=each[0], l2_ma=each[1], l3_ma=each[2])
