"""Vehicles that come and go: where each plugs in, and what the depot's people write down about it beforehand."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from busbar.core.projection import Projection
from busbar.engine.ports import Plan
from busbar.simulator.battery import target_ws
from busbar.simulator.scenario import Vehicle
from busbar.simulator.stations.outlets import Outlet, Plugged
from busbar.simulator.world import leaves_below


@dataclass(slots=True)
class Visit:
    """One vehicle's stay. (Mutable.)"""

    vehicle: Vehicle
    allowed: tuple[int, ...]
    leaf: int | None = None
    plugged: Plugged | None = None


class Visits:
    """All of them, in order of arrival."""

    def __init__(self, projection: Projection, vehicles: Sequence[Vehicle], *, start: datetime) -> None:
        self._projection, self._start = projection, start
        self._unit = projection.parent[projection.leaf_node].tolist()
        self.all = [Visit(vehicle, leaves_below(projection, vehicle.at)) for vehicle in vehicles]
        self.there: list[Visit] = []
        """Those that have come, whether or not they found a connector, and not gone."""
        self._yet_to_come = deque(sorted(self.all, key=lambda visit: visit.vehicle.arrives_s))

    def leaving(self, at_s: int) -> Iterable[int]:
        """Leaves whose vehicles leave now."""
        gone = [visit for visit in self.there if visit.vehicle.departs_s <= at_s]
        if gone:
            self.there = [visit for visit in self.there if visit.vehicle.departs_s > at_s]
        for visit in gone:
            leaf, visit.leaf = visit.leaf, None
            if leaf is not None:
                yield leaf

    def coming(self, at_s: int, outlets: Sequence[Outlet | None], true_s: Callable[[], float]) -> Iterable[Visit]:
        """Those that plug in now: at the first free connector of the charge point with the fewest vehicles."""
        while self._yet_to_come and self._yet_to_come[0].vehicle.arrives_s <= at_s:
            come = self._yet_to_come.popleft()
            if come.vehicle.departs_s > at_s:
                self.there.append(come)
        for visit in self.there:
            if visit.leaf is not None:
                continue
            free = [leaf for leaf in visit.allowed if (outlet := outlets[leaf]) is not None and outlet.vehicle is None]
            if not free:
                continue
            busy: dict[int, int] = {}
            for leaf, outlet in enumerate(outlets):
                if outlet is not None and outlet.vehicle is not None:
                    busy[self._unit[leaf]] = busy.get(self._unit[leaf], 0) + 1
            visit.leaf = min(free, key=lambda leaf: (busy.get(self._unit[leaf], 0), leaf))
            if visit.plugged is None:
                kind = visit.vehicle.type
                stored_ws = kind.battery_wh * 3600 * visit.vehicle.soc
                visit.plugged = Plugged(id=visit.vehicle.id, kind=kind, stored_ws=stored_ws, since_s=true_s())
            yield visit

    def plan(self, visit: Visit, at: datetime) -> Plan:
        """What is known of it: when it leaves, and what it needs."""
        assert visit.leaf is not None
        vehicle = visit.vehicle
        needed_ws = max(0.0, target_ws(vehicle.type) - vehicle.type.battery_wh * 3600 * vehicle.soc)
        return Plan(
            key=f"connector:{self._projection.leaf_ids[visit.leaf]}",
            departs=self._start + timedelta(seconds=vehicle.departs_s),
            energy_needed_wh=ceil(needed_ws / 3600),
            priority=vehicle.priority,
            by="timetable",
            at=at,
        )
