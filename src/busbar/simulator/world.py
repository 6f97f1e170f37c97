"""The made-up depot: vehicles that come and go, their batteries, and what they really draw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from busbar.core.depot import Connector
from busbar.core.projection import Projection
from busbar.core.snapshot import Session
from busbar.simulator.battery import acceptable_w, full_ws, target_ws
from busbar.simulator.physics import Flow, Ints, add_up, leaf_loads
from busbar.simulator.scenario import Scenario, Vehicle
from busbar.simulator.times import Calendar


@dataclass(slots=True)
class Stay:
    """One vehicle as it is now. (Mutable: the world moves.)"""

    vehicle: Vehicle
    stored_ws: int
    leaf: int | None = None
    """Where it is plugged in; None: it has not come, waits for a free connector, or has gone."""
    plugged_s: int | None = None
    """When it was first plugged in."""
    has_gone: bool = False
    ready_s: int | None = None
    """When it first had what it needs."""
    session: Session | None = None
    """What the engine remembers of it while it is plugged in."""

    @property
    def is_ready(self) -> bool:
        """Whether it has what it needs."""
        return self.stored_ws >= target_ws(self.vehicle.type)


class World:
    """Moves in cycles: within one, what each vehicle draws stays the same."""

    def __init__(self, scenario: Scenario, projection: Projection, vehicles: Sequence[Vehicle]) -> None:
        self.projection = projection
        self.calendar = Calendar(start=scenario.start, timezone=projection.depot.timezone)
        self.stays = [Stay(vehicle=vehicle, stored_ws=_arriving_ws(vehicle)) for vehicle in vehicles]
        self._load = leaf_loads(projection, scenario.voltage_permille)
        self._allowed = [leaves_below(projection, vehicle.at) for vehicle in vehicles]
        self._unit = projection.parent[projection.leaf_node].tolist()
        self._taken: dict[int, Stay] = {}
        self._is_dc = [not is_ac for is_ac in projection.is_ac.tolist()]

    # Vehicles

    def move(self, at_s: int) -> None:
        """Vehicles whose time has come leave; those that have arrived take free connectors, in order of arrival."""
        for stay in self.stays:
            if stay.vehicle.departs_s <= at_s and not stay.has_gone:
                stay.has_gone = True
                if stay.leaf is not None:
                    del self._taken[stay.leaf]
                stay.leaf, stay.session = None, None
        for stay, allowed in zip(self.stays, self._allowed, strict=True):
            if stay.leaf is None and stay.vehicle.arrives_s <= at_s and not stay.has_gone:
                self._plug_in(stay, allowed, at_s)

    def _plug_in(self, stay: Stay, allowed: Sequence[int], at_s: int) -> None:
        """The first free connector of the charge point with the fewest vehicles."""
        free = [leaf for leaf in allowed if leaf not in self._taken]
        if not free:
            return
        busy: dict[int, int] = {}
        for leaf in self._taken:
            busy[self._unit[leaf]] = busy.get(self._unit[leaf], 0) + 1
        leaf = min(free, key=lambda leaf: (busy.get(self._unit[leaf], 0), leaf))
        stay.leaf, stay.plugged_s = leaf, at_s
        self._taken[leaf] = stay
        stay.session = Session(
            connector=self.projection.leaf_ids[leaf],
            arrived=self.calendar.instant(stay.vehicle.arrives_s),
            departs=self.calendar.instant(stay.vehicle.departs_s),
            priority=stay.vehicle.priority,
            weight=stay.vehicle.weight,
        )

    def sessions(self) -> tuple[Session, ...]:
        """What the engine would be told: request, state of charge and energy needed as they are now."""
        found = []
        for leaf in sorted(self._taken):
            stay = self._taken[leaf]
            assert stay.session is not None
            kind = stay.vehicle.type
            needed_ws = max(0, target_ws(kind) - stay.stored_ws)
            stay.session = replace(
                stay.session,
                request=self._usable(stay),
                soc=stay.stored_ws / (kind.battery_wh * 3600),
                energy_needed_wh=ceil(needed_ws / 3600),
            )
            found.append(stay.session)
        return tuple(found)

    def remember(self, sessions: Sequence[Session]) -> None:
        """What the engine wants to find again in the next cycle."""
        for session in sessions:
            stay = self._taken.get(self.projection.leaf_index[session.connector])
            if stay is not None:
                stay.session = session

    def _usable(self, stay: Stay) -> int:
        """The most that vehicle and connector could use now, in the connector's unit."""
        assert stay.leaf is not None
        battery_w = acceptable_w(stay.vehicle.type, stay.stored_ws)
        rating = int(self.projection.max_rating[stay.leaf])
        if self._is_dc[stay.leaf]:
            return min(rating, battery_w)
        per_ma = self._battery_w_per_ma(stay)
        return min(rating, ceil(battery_w / per_ma)) if per_ma > 0 else 0

    def _battery_w_per_ma(self, stay: Stay) -> float:
        assert stay.leaf is not None
        wires = len(self.projection.phases[int(self.projection.leaf_node[stay.leaf])])
        used = min(wires, self._wires_used(stay) or wires)
        return float(self._load.wire_w[stay.leaf]) * used * stay.vehicle.type.onboard_efficiency

    def _wires_used(self, stay: Stay) -> int:
        """How many of its connector's wires the vehicle uses; 0: all of them."""
        assert stay.leaf is not None
        node = int(self.projection.leaf_node[stay.leaf])
        connector = self.projection.subjects[node]
        assert isinstance(connector, Connector)
        if self._is_dc[stay.leaf] or connector.line_to_line:
            return 0
        return stay.vehicle.type.phases if stay.vehicle.type.phases < len(connector.phases) else 0

    # What flows

    def draw(self, setpoint: Ints, for_s: int) -> Ints:
        """[n] what is really drawn under these setpoints, in mA or W at the vehicle: never more, often less."""
        drawn = np.zeros(len(setpoint), dtype=np.int64)
        for leaf, stay in self._taken.items():
            kind = stay.vehicle.type
            per_unit_w = 1.0 if self._is_dc[leaf] else self._battery_w_per_ma(stay)
            left_ws = max(0, full_ws(kind) - stay.stored_ws)
            most = int(min(int(setpoint[leaf]), self._usable(stay)) * kind.uses)
            drawn[leaf] = min(most, ceil(left_ws / (for_s * per_unit_w))) if most else 0
        return drawn

    def flow(self, drawn: Ints) -> Flow:
        """What the charge points draw at every inner node."""
        wires = np.zeros(len(drawn), dtype=np.int64)
        for leaf, stay in self._taken.items():
            wires[leaf] = self._wires_used(stay)
        return add_up(self.projection, self._load, drawn, wires)

    def charge(self, drawn: Ints, for_s: int, at_s: int) -> dict[str, int]:
        """Put what is drawn into the batteries; vehicle id -> W s stored in this time."""
        stored = {}
        for leaf in sorted(self._taken):
            stay = self._taken[leaf]
            kind = stay.vehicle.type
            power_w = float(drawn[leaf])
            if not self._is_dc[leaf]:
                power_w *= self._battery_w_per_ma(stay)
            gained_ws = min(int(power_w * for_s), max(0, full_ws(kind) - stay.stored_ws))
            stay.stored_ws += gained_ws
            stored[stay.vehicle.id] = gained_ws
            if stay.ready_s is None and stay.is_ready:
                stay.ready_s = at_s + for_s
        return stored


def _arriving_ws(vehicle: Vehicle) -> int:
    return round(vehicle.type.battery_wh * 3600 * vehicle.soc)


def leaves_below(projection: Projection, names: Sequence[str]) -> tuple[int, ...]:
    """The leaves at or below any of these nodes, in order; all where none is named."""
    if not names:
        return tuple(range(len(projection.leaf_ids)))
    leaves: set[int] = set()
    for name in names:
        node = projection.node_index[name]
        leaves |= set(range(int(projection.first_leaf[node]), int(projection.last_leaf[node])))
    return tuple(sorted(leaves))
