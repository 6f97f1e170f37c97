"""What is promised in the delivery world, added up exactly and apart from what delivery itself counts with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import lcm

import numpy as np
from delivery_stations import Plug, Station

from busbar.core.fallbacks import fallbacks_that_do_not_fit
from busbar.core.projection import Projection
from busbar.core.snapshot import Ints, Mode, Snapshot, snapshot_from_arrays
from busbar.core.twin_limits import Exact, twin_available
from busbar.engine.dispatch import Dispatch
from busbar.engine.orders import Order, OrderKind
from busbar.engine.timing import Timing

HOPES = ("not given what it was to have", "a lease ended")
"""Whoever is disappointed is still safe."""
Place = tuple[str, int]
"""(node, row)"""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    rule: str
    at_s: int
    detail: str

    @property
    def is_safety(self) -> bool:
        """Whether more may flow than may; and not only less than could."""
        return self.rule not in HOPES


class BrokenError(Exception):
    """Ends a story at its first violation."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.violation = violation


class Promises:
    """Looks at everything that is promised. (Mutable: it knows the time, the depot and the last snapshot.)"""

    def __init__(
        self, projection: Projection, stations: Mapping[str, Station], trusted: Mapping[str, bool], timing: Timing
    ) -> None:
        self.stations, self.trusted, self.timing = stations, trusted, timing
        self.now_s = 0
        self.use(projection)

    def use(self, projection: Projection) -> None:
        """The depot was edited."""
        self.projection, self.sums = projection, Sums(projection)
        self.available: list[tuple[Place, Fraction | float]] | None = None

    def see(self, snapshot: Snapshot) -> None:
        """What is available from now on, as far as Busbar can know."""
        self.available = self.sums.available(snapshot)

    def plug(self, connector: str) -> tuple[Station, Plug]:
        """A connector and its charge point, in truth."""
        station = self.stations[connector.split("/")[0]]
        return station, station.plugs[connector]

    def check_orders(self, orders: Iterable[Order]) -> None:
        """Every value is one that the connector takes: 0, or at least its minimum."""
        for order in orders:
            leaf = self.projection.leaf_index[order.connector]
            if order.kind is not OrderKind.STOP and not _takes(self.projection, leaf, order.limit):
                self._broken("a value it does not take", f"{order.connector} {order.limit}")

    def check_release(self, before: Sequence[int], after: Sequence[int]) -> None:
        """No release makes what is committed more than what is available."""
        flows = zip(
            self.available or (), self.sums.flows(before), self.sums.flows(after), strict=self.available is not None
        )
        for (place, available), was, now in flows:
            if now > max(available, was):
                self._broken("more committed than is available", f"{place}: {now} > {available}, was {was}")

    def check_now(self, dispatch: Dispatch) -> None:
        """Nobody can draw more than is committed for it; and where that fits, what flows fits."""
        committed, drawn = dispatch.commitments().tolist(), []
        self._check_whole(committed)
        for leaf, connector in enumerate(self.projection.leaf_ids):
            station, plug = self.plug(connector)
            drawn.append(plug.obedient)
            if station.is_summed:
                continue
            possible = max(plug.limit(station.clock_s(self.now_s)), plug.obedient)
            if possible > committed[leaf]:
                self._broken("may draw more than is committed", f"{connector}: {possible} > {committed[leaf]}")
        if self.available is None:
            return
        counted, flowing = self.sums.flows(dispatch.committed().tolist()), self.sums.flows(self._rated(drawn))
        for (place, available), most, flow in zip(self.available, counted, flowing, strict=True):
            if most <= available < flow:
                self._broken("more flows than is available", f"{place}: {flow} > {available}, counted {most}")

    def _check_whole(self, committed: Sequence[int]) -> None:
        """Where a charge point is told one limit for all of its connectors, the same is promised of their sum."""
        for station in self.stations.values():
            if not station.is_summed:
                continue
            drawn = sum(plug.obedient for plug in station.plugs.values())
            possible = max(station.possible(station.clock_s(self.now_s)), drawn)
            counted = sum(committed[self.projection.leaf_index[name]] for name in station.plugs)
            if possible > counted:
                self._broken("may draw more than is committed", f"{station.id}: {possible} > {counted}")

    def check_leases(self, ended: Iterable[str]) -> None:
        """While everything works no lease ends: it was renewed."""
        for connector in ended:
            if self.trusted[connector] and self._is_leased(connector):
                self._broken("a lease ended", connector)

    def check_given(self, targets: Ints) -> None:
        """When everything has worked for long enough, everybody has what the balance gave it."""
        counted = self._left_alone()
        if fallbacks_that_do_not_fit(self.projection, counted):
            return
        flows = self.sums.flows(counted.tolist())
        if any(flow > most for (_, most), flow in zip(self.available or (), flows, strict=True)):
            # Below circuits where what happens without us does not fit, nothing is raised.
            return
        for station in self.stations.values():
            if station.is_whole:
                there = [name for name, plug in station.plugs.items() if plug.session is not None]
                wanted = sum(int(targets[self.projection.leaf_index[name]]) for name in there)
                times = 1 if station.is_verified else len(station.plugs)
                limit = station.limit(station.clock_s(self.now_s)) * times + times
                if limit < min(wanted, station.max_rating) * 0.98:
                    self._broken("not given what it was to have", f"{station.id}: {limit} < {wanted}")
        for leaf, connector in enumerate(self.projection.leaf_ids):
            station, plug = self.plug(connector)
            if station.is_whole:
                continue
            has, target = plug.limit(station.clock_s(self.now_s)), int(targets[leaf])
            if plug.session is not None and has < target * 0.98:
                self._broken("not given what it was to have", f"{connector}: {has} < {target}")

    def check_without_busbar(self, at: datetime) -> None:
        """One lease, skew and ramp after it died: every circuit whose fallbacks fit is within its safe capacity."""
        projection = self.projection
        unproven = {excess.node for excess in fallbacks_that_do_not_fit(projection, self._left_alone())}
        drawn = []
        for connector in projection.leaf_ids:
            _, plug = self.plug(connector)
            # Whose clock is off is not trusted with leases, and ends them when it ends them.
            drawn.append(plug.obedient if self._is_leased(connector) else min(plug.obedient, plug.fallback))
        flows = self.sums.flows(self._rated(drawn))
        nothing = np.zeros(len(projection.leaf_ids), dtype=np.int64)
        for circuit in projection.depot.circuits:
            seen = snapshot_from_arrays(projection, at=at, request=nothing, modes={circuit.id: Mode.SAFE})
            for (place, available), flow in zip(self.sums.available(seen), flows, strict=True):
                if place[0] == circuit.id and circuit.id not in unproven and flow > available:
                    self._broken("above the safe capacity without Busbar", f"{place}: {flow} > {available}")

    def _is_leased(self, connector: str) -> bool:
        return abs(self.plug(connector)[0].ahead_s) <= self.timing.skew_s

    def _left_alone(self) -> Ints:
        is_trusted = [self.trusted[each] for each in self.projection.leaf_ids]
        return np.where(is_trusted, self.projection.fallback, self.projection.max_rating)

    def _rated(self, drawn: Sequence[int]) -> list[int]:
        """A charge point draws no more than its rating, whatever its connectors are told."""
        found = list(drawn)
        for unit in self.projection.depot.charge_points:
            left = unit.max_rating
            for each in unit.connectors:
                leaf = self.projection.leaf_index[f"{unit.id}/{each.id}"]
                found[leaf] = min(drawn[leaf], left)
                left -= found[leaf]
        return found

    def _broken(self, rule: str, detail: str) -> None:
        raise BrokenError(Violation(rule, self.now_s, detail))


class Sums:
    """What leaves put on every row of every node, exactly, straight from the weights."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.scale = [lcm(1, *(weight.denominator for weight in weights)) for weights in projection.weights]
        self.puts: list[list[tuple[int, int]]] = []
        self.places: list[tuple[str, int, int]] = []
        for node, name in enumerate(projection.node_ids):
            leaves = range(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
            for row, weights in enumerate(projection.weights):
                puts = [
                    (leaf, int(weights[projection.leaf_class[leaf]] * self.scale[row]))
                    for leaf in leaves
                    if weights[projection.leaf_class[leaf]]
                ]
                if puts:
                    self.places.append((name, row, node))
                    self.puts.append(puts)

    def flows(self, values: Sequence[int]) -> list[int]:
        """Per place, in whole parts of its row."""
        return [sum(values[leaf] * weight for leaf, weight in puts) for puts in self.puts]

    def available(self, snapshot: Snapshot) -> list[tuple[Place, Fraction | float]]:
        """Per place what charge points together may draw, in the same parts."""
        found = twin_available(self.projection, snapshot)
        return [((name, row), self._parts(found[node][row], row)) for name, row, node in self.places]

    def _parts(self, limit: Exact | None, row: int) -> Fraction | float:
        return float("inf") if limit is None else limit * self.scale[row]


def _takes(projection: Projection, leaf: int, value: int) -> bool:
    steps = projection.allowed_steps[projection.steps_first[leaf] : projection.steps_last[leaf]].tolist()
    minimum = int(projection.minimum[leaf])
    if value == 0:
        return True
    if steps:
        return value in steps
    return value == minimum or (value > minimum and value % int(projection.step[leaf]) == 0)
