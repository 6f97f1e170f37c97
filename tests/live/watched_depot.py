"""A depot that is looked at ten times a second: what really flows, by its wiring and its charge points alone."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.projection import Projection
from busbar.simulator.physics import NO_LIMIT, Ints, add_up, leaf_loads, limit_rows, physical_limits, whole_flow
from busbar.simulator.stations.conditions import OrderSeen
from busbar.simulator.stations.meter_push import MeterPush
from busbar.simulator.stations.meters import CircuitMeters
from busbar.simulator.stations.profiles import Purpose
from busbar.simulator.stations.simulated_depot import SimulatedDepot

LOOK_S = 0.1
PUSH_S = 0.5
ROUNDING = 50
"""mA or W that rounding every load to whole numbers may come to."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The depot at one instant."""

    at_s: float
    """POSIX seconds."""
    draws: Ints
    """[n] in the connectors' units."""
    controlled: Ints
    """[M, 4] what the charge points put on every inner node: mA on L1, L2, L3 and W."""
    flow: Ints
    """[M, 4] the same with the base load."""
    disobeyed: Ints
    """[M, 4] the part of it that was drawn by those who disobey, beyond what they were told."""

    @property
    def power_w(self) -> int:
        """All charge points together, on the supply side."""
        return int(self.controlled[0, 3])


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A time in which the flow at a node was above a limit without a break."""

    node: str
    row: int
    from_s: float
    to_s: float
    most: int
    """mA or W above it."""

    @property
    def lasted_s(self) -> float:
        """From the first look above it to the first one that is not."""
        return self.to_s - self.from_s


@dataclass(frozen=True, kw_only=True)
class Setpoint:
    """What a connector was told, as its charge point heard it."""

    at_s: float
    limit: int
    is_accepted: bool


@dataclass
class Watched:
    """Charge points, the meters of their circuits, and everything that was seen. (Mutable: time passes.)"""

    projection: Projection
    depot: SimulatedDepot
    meters: CircuitMeters
    pushes: Mapping[str, MeterPush]
    """By metered node."""
    voltage_permille: int
    rogues: Sequence[str] = ()
    """Charge points that do not do what they are told."""
    silent: set[str] = field(default_factory=set)
    """Metered nodes whose meters have fallen silent."""
    looks: list[Look] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    """When what happened, in POSIX seconds."""

    def __post_init__(self) -> None:
        self.nodes = [self.projection.node_ids[node] for node in self.projection.frame.nodes.tolist()]
        self.limits = physical_limits(self.projection, {})
        self._load = leaf_loads(self.projection, self.voltage_permille)

    # What is true

    def look(self) -> Look:
        """What flows now."""
        now_s = time.time()
        draws, wires = self.depot.draws(now_s), self.depot.wires()
        beyond = np.zeros_like(draws)
        for rogue in self.rogues:
            orders = self.depot.orders(rogue)
            for outlet in self.depot.station(rogue).outlets:
                leaf = self.projection.leaf_index[outlet.id]
                told = told_at(orders, outlet.id, now_s, fallback=int(self.projection.fallback[leaf]))
                beyond[leaf] = max(0, int(draws[leaf]) - told)
        return Look(
            at_s=now_s,
            draws=draws,
            controlled=whole_flow(add_up(self.projection, self._load, draws, wires)),
            flow=whole_flow(self.meters.flow(draws, wires, now_s)),
            disobeyed=whole_flow(add_up(self.projection, self._load, beyond, wires)),
        )

    @property
    def power_w(self) -> int:
        """What all charge points drew at the last look."""
        return self.looks[-1].power_w if self.looks else 0

    def draw_of(self, connector: str) -> int:
        """What a connector drew at the last look."""
        return int(self.looks[-1].draws[self.projection.leaf_index[connector]]) if self.looks else 0

    def between(self, first: str, last: str | None = None) -> list[Look]:
        """The looks from one mark to another; to the end where none is named."""
        until_s = self.marks[last] if last is not None else float("inf")
        return [look for look in self.looks if self.marks[first] <= look.at_s < until_s]

    def safe_limits(self) -> Ints:
        """[M, 4] the safe operating capacity of every circuit; NO_LIMIT for all else."""
        rows = []
        for node in self.projection.frame.nodes.tolist():
            subject = self.projection.subjects[node]
            if not isinstance(subject, Circuit):
                rows.append([NO_LIMIT] * 4)
                continue
            rows.append(
                limit_rows(
                    subject.safe_operating_capacity or subject.default_operating_capacity,
                    self.projection.depot,
                    nominal_v=int(self.projection.voltage_v[node]),
                    phases=self.projection.phases[node],
                )
            )
        return np.array(rows, dtype=np.int64)

    def stretches(self, times_s: Sequence[float], flows: Iterable[Ints], limits: Ints) -> list[Stretch]:
        """Every stretch of looks above a limit."""
        found: list[Stretch] = []
        above: dict[tuple[int, int], tuple[float, int]] = {}
        last_s = 0.0
        for at_s, flow in zip(times_s, flows, strict=True):
            excess = flow - ROUNDING - np.minimum(limits, NO_LIMIT // 2)
            over = {(int(node), int(row)) for node, row in np.argwhere(excess > 0)}
            for place in [place for place in above if place not in over]:
                found.append(self._stretch(place, above.pop(place), at_s))
            for place in over:
                from_s, most = above.get(place, (at_s, 0))
                above[place] = (from_s, max(most, int(excess[place])))
            last_s = at_s
        return found + [self._stretch(place, since, last_s) for place, since in above.items()]

    def _stretch(self, place: tuple[int, int], since: tuple[float, int], to_s: float) -> Stretch:
        return Stretch(node=self.nodes[place[0]], row=place[1], from_s=since[0], to_s=to_s, most=since[1])

    def setpoints(self) -> dict[str, list[Setpoint]]:
        """What every connector was told so far, oldest first."""
        found: dict[str, list[Setpoint]] = {connector: [] for connector in self.projection.leaf_ids}
        for charge_point in self.depot.charge_points:
            for order in self.depot.orders(charge_point):
                profile = order.profile
                if profile is not None and profile.purpose is Purpose.TX and order.connector is not None:
                    told = Setpoint(
                        at_s=order.at_s, limit=profile.periods[0].limit, is_accepted=order.status == "Accepted"
                    )
                    found[order.connector].append(told)
        return found

    def above_limits(self, looks: Sequence[Look]) -> list[Stretch]:
        """Every stretch in which more flowed than physically may."""
        return self.stretches([look.at_s for look in looks], (look.flow for look in looks), self.limits)

    # What goes on

    def mark(self, name: str) -> float:
        """Remember when something happened."""
        self.marks[name] = time.time()
        return self.marks[name]

    async def watch(self) -> None:
        """Look, for ever."""
        while True:
            self.looks.append(self.look())
            await asyncio.sleep(LOOK_S)

    async def push(self) -> None:
        """Push what the meters show, for ever; one connection for each meter."""
        while True:
            readings = self.meters.readings(self.depot.draws(), self.depot.wires(), time.time())
            await asyncio.gather(
                *(
                    asyncio.to_thread(self.pushes[reading.node].push, [reading])
                    for reading in readings
                    if reading.node in self.pushes and reading.node not in self.silent
                )
            )
            await asyncio.sleep(PUSH_S)

    async def until(self, holds: Callable[[], bool], what: str, *, within_s: float) -> float:
        """Wait for something; how long it took."""
        began_s = time.monotonic()
        while not holds():
            assert time.monotonic() - began_s < within_s, f"not within {within_s} s: {what}"
            await asyncio.sleep(LOOK_S / 2)
        return time.monotonic() - began_s

    async def until_steady(self, *, charging: int, for_s: float, within_s: float) -> None:
        """Wait until so many connectors charge, and their power has hardly changed for a while."""
        since_s = time.time()

        def is_steady() -> bool:
            lately = [look for look in self.looks if look.at_s >= time.time() - for_s]
            if time.time() - since_s < for_s or not lately:
                return False
            powers = [look.power_w for look in lately]
            is_enough = min(int(np.count_nonzero(look.draws)) for look in lately) >= charging
            return is_enough and max(powers) - min(powers) <= 0.05 * max(powers)

        await self.until(is_steady, f"{charging} connectors charge steadily", within_s=within_s)


def told_at(orders: Sequence[OrderSeen], connector: str, at_s: float, *, fallback: int) -> int:
    """What a charge point was told that holds at an instant, whatever it does: the last setpoint it accepted, and its
    fallback where that is over."""
    for order in reversed(orders):
        profile = order.profile
        if profile is None or profile.purpose is not Purpose.TX or order.connector != connector:
            continue
        if order.status == "Accepted" and order.at_s <= at_s:
            began_s = order.at_s if profile.start_s is None else profile.start_s
            started = [period for period in profile.periods if began_s + period.start_s <= at_s]
            is_over = profile.duration_s is not None and at_s >= began_s + profile.duration_s
            return started[-1].limit if started and not is_over else fallback
    return fallback
