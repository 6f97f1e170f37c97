"""A depot in made-up time: real balance and real delivery, charge points as automata, and a network that fails.

One seed, one story: where nobody says among what, an even one shares among connectors, an odd one among charge points.
Everything that design section 6 promises is looked at in every second.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from delivery_depots import amperes, charge_points_share, made_depot
from delivery_promises import BrokenError, Promises, Violation
from delivery_stations import Plug, Station

from busbar.core.balance import balance
from busbar.core.charger import times_taken
from busbar.core.depot import Leaves
from busbar.core.fallbacks import fallbacks_that_do_not_fit
from busbar.core.projection import project
from busbar.core.rooms import rooms
from busbar.core.snapshot import Mode, on_charge_points, snapshot_from_arrays
from busbar.core.spread import spread
from busbar.core.units import Amount
from busbar.engine.dispatch import Dispatch
from busbar.engine.events import (
    Answered,
    ClockRead,
    Connected,
    Disconnected,
    Event,
    FallbackAnswered,
    Measured,
    Ready,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.orders import Answer, Order
from busbar.engine.ports import StoredSetpoint
from busbar.engine.timing import Timing

BEGIN = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
CHAOS_S, CALM_S = 300, 330
TIMING = Timing()


@dataclass(kw_only=True)
class Message:
    """An order on its way to a charge point."""

    arrives_s: float
    order: Order
    session: int | None
    connection: int


@dataclass(kw_only=True)
class Link:
    """A charge point's connection, as both sides see it."""

    connection: int | None = None
    """Theirs; None: it has none."""
    believed: int | None = None
    """Ours: half open where it is not theirs."""
    back_s: float = 0.0
    """When it connects again."""
    down: list[Message] = field(default_factory=list)
    up: list[tuple[float, Event]] = field(default_factory=list)
    known: dict[str, int | None] = field(default_factory=dict)
    """Connector -> the session that the adapter knows of."""
    awaited: tuple[Order, float] | None = None
    """What the adapter waits for an answer to, until when."""
    last_down_s: float = 0.0
    last_up_s: float = 0.0


class World:
    """One story. (Mutable: it goes on second by second.)"""

    def __init__(self, seed: int, leaves: Leaves | None = None) -> None:
        self.rng = rng = random.Random(seed)
        depot = made_depot(rng)
        while fallbacks_that_do_not_fit(project(depot)):
            depot = made_depot(rng)
        self.whole_rng = random.Random(f"whole {seed}")
        self.clock_rng = random.Random(f"clocks {seed}")
        self.leaves = leaves or (Leaves.CHARGE_POINT if seed % 2 else Leaves.CONNECTOR)
        if self.leaves is Leaves.CHARGE_POINT:
            depot = charge_points_share(self.whole_rng, depot)
        self.now_s = 0
        self.depot = depot
        self.projection = project(depot)
        self.stations = self._made_stations()
        self.links = {station.id: Link(back_s=rng.randint(0, 20)) for station in self.stations.values()}
        self.trusted = {
            plug.id: plug.can_fall_back for station in self.stations.values() for plug in station.plugs.values()
        }
        self.evidence: dict[str, int] = {}
        self.stored: dict[str, StoredSetpoint] = {}
        self.base: dict[str, Amount] = {}
        self.modes: dict[str, Mode] = {}
        self.envelopes: dict[str, Amount] = {}
        self.orders = self.connections = self.sessions = 0
        self.is_calm = False
        self.is_edited_s = -1000
        self.trouble = rng.choice((0.2, 1.0, 2.0))
        """How much goes wrong in this story."""
        self.slowest_s = rng.choice((0, 2, 8, 20))
        self.counts: dict[str, int] = {}
        self.targets = np.zeros(len(self.projection.leaf_ids), dtype=np.int64)
        self.lapsed: set[str] = set()
        self.born_s = 0
        self.dispatch: Dispatch | None = None
        self.back_s = 0
        self.promises = Promises(self.projection, self.stations, self.trusted, TIMING)
        self._start()

    def _made_stations(self) -> dict[str, Station]:
        rng = self.rng
        found = {}
        has_untrusted, has_deaf = rng.random() < 0.2, rng.random() < 0.25
        for unit in self.depot.charge_points:
            can_fall_back = not (has_untrusted and rng.random() < 0.3)
            plugs = {
                f"{unit.id}/{each.id}": Plug(
                    id=f"{unit.id}/{each.id}",
                    rating=each.max_rating,
                    fallback=each.fallback,
                    can_fall_back=can_fall_back,
                )
                for each in unit.connectors
            }
            found[unit.id] = Station(
                id=unit.id,
                plugs=plugs,
                ahead_s=rng.uniform(-15, 15) if rng.random() < 0.9 else rng.choice((-60.0, -90.0, 60.0)),
                is_deaf=has_deaf and rng.random() < 0.3,
                extra_s=rng.choice((8, 25)) if rng.random() < 0.08 else 0,
                refuses=rng.choice((0.0, 0.0, 0.0, 0.3)),
                max_rating=unit.max_rating,
            )
        if self.depot.leaves is Leaves.CHARGE_POINT:
            for unit in self.depot.charge_points:
                station = found[unit.id]
                station.is_whole = self.whole_rng.random() < 0.7
                station.is_verified = times_taken(unit) == 1
                station.takes_each = not station.is_verified and self.whole_rng.random() < 0.7
        return found

    # The story

    def live(self) -> None:
        """Chaos, then calm, then Busbar dies. Raises BrokenError at the first violation."""
        while self.now_s < CHAOS_S:
            self._chaos()
            self._second()
        self._heal()
        while self.now_s < CHAOS_S + CALM_S:
            self._second()
        self.promises.check_given(self.targets)
        self._die(back_s=10**9)
        for _ in range(int(TIMING.expiry_s) + 1):
            self._second()
        self.promises.check_without_busbar(self._at())

    def _second(self) -> None:
        self.now_s += 1
        self.promises.now_s = self.now_s
        for station in self.stations.values():
            self._arrivals(station)
            self._flow(station)
        if self.dispatch is None and self.now_s >= self.back_s:
            self._start()
        for station in self.stations.values():
            self._connect(station)
            self._deliver(station)
        if self.dispatch is not None:
            if self.now_s % TIMING.cycle_s == 0:
                self._cycle(self.dispatch)
            self._release(self.dispatch)
        if self.dispatch is not None:
            self.promises.check_now(self.dispatch)
        if self.is_calm and self.dispatch is not None and self.now_s > CHAOS_S + 60:
            self.promises.check_leases(self.lapsed)
        self.lapsed.clear()

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _chance(self, per_minute: float) -> bool:
        return self.rng.random() < per_minute * self.trouble / 60

    def _chaos(self) -> None:
        rng = self.rng
        for station in self.stations.values():
            link = self.links[station.id]
            if link.connection is not None and self._chance(1.0):
                self._drop(station, is_half_open=rng.random() < 0.4, late=rng.choice((0.0, 0.5, 1.0)))
            if self._chance(0.15):
                self._count("reboot")
                station.reboot()
                if link.connection is not None:
                    self._drop(station, is_half_open=rng.random() < 0.5, late=0.0)
            if link.connection is not None and self.clock_rng.random() < 0.2 * self.trouble / 60:
                self._count("clock set")
                station.ahead_s = self.clock_rng.choice((0.0, -15.0, 15.0, -90.0, 60.0))
                self._read_clock(station)
            for plug in station.plugs.values():
                if plug.session is None and rng.random() < 1 / 20:
                    self._arrive(station, plug)
                elif plug.session is not None and rng.random() < 1 / 150:
                    self._leave(station, plug)
                elif plug.session is not None and rng.random() < 1 / 90:
                    plug.demand = rng.randint(0, plug.rating)
        if rng.random() < 1 / 30:
            self._change_limits()
        if self._chance(0.1) and self.dispatch is not None and self.now_s > self.is_edited_s + 100:
            self._die(back_s=self.now_s + rng.randint(0, 40))
        if self._chance(0.1) and self.dispatch is not None:
            self._edit(self.dispatch)

    def _change_limits(self) -> None:
        rng = self.rng
        circuits = list(self.depot.circuits)
        circuit = rng.choice(circuits)
        default = circuit.default_operating_capacity
        ma = default.l1_ma or 0  # type: ignore[union-attr]
        match rng.choice(("base", "base", "envelope", "mode", "clear")):
            case "base":
                self.base[circuit.id] = amperes(int(ma * rng.uniform(-0.1, 0.5)))
            case "envelope":
                self.envelopes[circuit.id] = amperes(int(ma * rng.uniform(0.3, 1.0)))
            case "mode" if circuit.meter:
                self.modes[circuit.id] = rng.choice((Mode.SAFE, Mode.NORMAL))
            case _:
                self.base.pop(circuit.id, None)
                self.envelopes.pop(circuit.id, None)

    def _edit(self, dispatch: Dispatch) -> None:
        """A connector gets another fallback; charge points that are there are told at once."""
        rng, units = self.rng, list(self.depot.charge_points)
        index = rng.randrange(len(units))
        unit = units[index]
        fallback = rng.choice((0, unit.connectors[0].minimum))
        edited = replace(unit.connectors[0], fallback=fallback)
        if edited == unit.connectors[0]:
            return
        units[index] = replace(unit, connectors=(edited, *unit.connectors[1:]))
        depot = replace(self.depot, charge_points=tuple(units))
        if fallbacks_that_do_not_fit(project(depot)):
            return
        self._count("edit")
        self.is_edited_s = self.now_s
        self.depot, self.projection = depot, project(depot)
        self.promises.use(self.projection)
        dispatch.use(self.projection)
        station, link = self.stations[unit.id], self.links[unit.id]
        self.evidence.pop(f"{unit.id}/{edited.id}", None)
        if link.connection is not None and link.connection == link.believed:
            plug = station.plugs[f"{unit.id}/{edited.id}"]
            plug.fallback = fallback
            # In order after everything that it has said before.
            self._say(link, FallbackAnswered(connector=plug.id, fallback=fallback, is_accepted=plug.can_fall_back))

    def _heal(self) -> None:
        """From now on everything works."""
        self.is_calm, self.slowest_s = True, 1
        for station in self.stations.values():
            station.is_deaf, station.extra_s, station.refuses = False, 0, 0.0
            for plug in station.plugs.values():
                if plug.session is not None:
                    plug.demand = plug.rating
            link = self.links[station.id]
            link.down = [message for message in link.down if message.connection == link.connection]
            if link.connection is None:
                link.back_s = self.now_s + 1
        self.back_s = min(self.back_s, self.now_s + 1)

    # Vehicles

    def _arrive(self, station: Station, plug: Plug) -> None:
        self.sessions += 1
        plug.session, plug.demand = self.sessions, self.rng.choice((plug.rating, self.rng.randint(1, plug.rating)))
        plug.follows_within_s = self.rng.randint(0, int(TIMING.ramp_s))
        link = self.links[station.id]
        if link.connection is not None:
            self._say(link, VehicleArrived(connector=plug.id, at=self._at()))

    def _leave(self, station: Station, plug: Plug) -> None:
        plug.leave()
        link = self.links[station.id]
        if link.connection is not None:
            self._say(link, VehicleLeft(connector=plug.id, at=self._at(), received_s=0.0))

    def _flow(self, station: Station) -> None:
        clock_s = station.clock_s(self.now_s)
        for plug in station.plugs.values():
            lease = station.lease if station.is_whole else plug.lease
            is_there = plug.session is not None or not station.is_whole
            if is_there and lease is not None and lease.ends_s <= clock_s < lease.ends_s + 1:
                self.lapsed.add(plug.id)
        station.flow(clock_s)
        for plug in station.plugs.values():
            self._sample(station, plug)

    def _sample(self, station: Station, plug: Plug) -> None:
        link = self.links[station.id]
        is_sampled = plug.session is not None and (self.now_s + sum(map(ord, plug.id)) % 7) % TIMING.sample_s == 0
        if is_sampled and link.connection is not None and link.connection == link.believed:
            # When it was received and how old it was then is filled in when it is received.
            sample = Measured(
                connector=plug.id, sampled_at=self._at(), received_s=self.now_s, age_s=0.0, draw=plug.draw
            )
            self._say(link, sample)

    # The network

    def _at(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)

    def _delay_s(self) -> int:
        return self.rng.randint(0, self.slowest_s) if self.rng.random() < 0.3 else 0

    def _say(self, link: Link, event: Event) -> None:
        """From a charge point to us, in order."""
        link.last_up_s = max(link.last_up_s, self.now_s + self._delay_s())
        link.up.append((link.last_up_s, event))

    def _drop(self, station: Station, *, is_half_open: bool, late: float) -> None:
        """Its connection is gone; orders on the way are lost, or processed later all the same."""
        self._count("half open" if is_half_open else "drop")
        link = self.links[station.id]
        link.connection = None
        link.back_s = self.now_s + (1 if self.is_calm else self.rng.choice((1, 3, 10, 60, 150)))
        link.up.clear()
        self._strand(link, late)
        if not is_half_open:
            self._hear_of_drop(station)

    def _strand(self, link: Link, late: float) -> None:
        kept = sorted(self.rng.sample(range(1, 100), len(link.down)))
        link.down = [
            replace(message, arrives_s=max(message.arrives_s, self.now_s + after_s))
            for message, after_s in zip(link.down, kept, strict=True)
            if self.rng.random() < late
        ]

    def _hear_of_drop(self, station: Station) -> None:
        link = self.links[station.id]
        if link.believed is None:
            return
        before, link.believed = link.believed, None
        self._take(Disconnected(charge_point=station.id, connection=before, received_s=self._own_s()))
        self._no_answer(station, before)

    def _no_answer(self, station: Station, connection: int) -> None:
        link = self.links[station.id]
        if link.awaited is not None:
            order, _ = link.awaited
            link.awaited = None
            self._take(self._answer(order, station, connection, Answer.NO_ANSWER))

    def _answer(self, order: Order, station: Station, connection: int, answer: Answer) -> Answered:
        return Answered(
            order_id=order.id,
            charge_point=station.id,
            connection=connection,
            answer=answer,
            received_s=self._own_s(),
        )

    def _connect(self, station: Station) -> None:
        link = self.links[station.id]
        if self.dispatch is None or link.connection is not None or self.now_s < link.back_s:
            return
        self.connections += 1
        was_whole = station.is_whole
        if len(station.plugs) > 1 and self.depot.leaves is Leaves.CHARGE_POINT and self.whole_rng.random() < 0.25:
            self._count("other way")
            station.change_way()
        stale = link.believed
        link.connection = link.believed = self.connections
        link.up.clear()
        link.last_up_s = link.last_down_s = self.now_s
        if stale is not None:
            # What was sent into a half open connection may be processed late all the same.
            self._strand(link, 0.5)
        self._take(Connected(charge_point=station.id, connection=link.connection, received_s=self._own_s()))
        if stale is not None:
            self._no_answer(station, stale)
        self._read_clock(station)
        self._install_fallbacks(station, self.dispatch)
        for plug in station.plugs.values():
            known = link.known.get(plug.id)
            if known is not None and known != plug.session:
                self._take(VehicleLeft(connector=plug.id, at=self._at(), received_s=self._own_s()))
            if plug.session is not None and known != plug.session:
                self._take(VehicleArrived(connector=plug.id, at=self._at()))
            link.known[plug.id] = plug.session
        ready = Ready(
            charge_point=station.id,
            connection=link.connection,
            received_s=self._own_s(),
            is_whole=station.is_whole,
            was_whole=was_whole,
        )
        self._take(ready)

    def _install_fallbacks(self, station: Station, dispatch: Dispatch) -> None:
        for plug in station.plugs.values():
            leaf = self.projection.leaf_index[plug.id]
            plug.fallback = int(self.projection.fallback[leaf])
            if self.trusted[plug.id]:
                self.evidence[plug.id] = plug.fallback
                dispatch.believe(plug.id, plug.fallback)

    def _arrivals(self, station: Station) -> None:
        """Orders that arrive now, on whatever connection they were sent."""
        link = self.links[station.id]
        arrived = [message for message in link.down if message.arrives_s <= self.now_s]
        link.down = [message for message in link.down if message.arrives_s > self.now_s]
        for message in arrived:
            order = message.order
            ends_s = (order.ends_at - BEGIN).total_seconds()
            answer, has_ended = station.take(order, message.session, ends_s, self.rng)
            self._count(answer.value)
            if message.connection != link.connection:
                self._count("late effect")
                continue
            self._say(link, self._answer(order, station, message.connection, answer))
            if has_ended:
                self._count("stopped")
                self._say(link, VehicleLeft(connector=order.connector, at=self._at(), received_s=0.0))
            if self.rng.random() < 0.05:
                self._say(link, self._answer(order, station, message.connection, answer))

    def _deliver(self, station: Station) -> None:
        """What the adapter hears now."""
        link = self.links[station.id]
        if self.dispatch is None:
            return
        if link.awaited is not None and self.now_s >= link.awaited[1] and link.believed is not None:
            self._count("time-out")
            self._no_answer(station, link.believed)
        due = [event for arrives_s, event in link.up if arrives_s <= self.now_s]
        link.up = [each for each in link.up if each[0] > self.now_s]
        for event in due:
            self._hear(link, event)

    def _hear(self, link: Link, event: Event) -> None:
        match event:
            case Measured():
                age_s = self.now_s - event.received_s
                self._take(replace(event, received_s=self._own_s(), age_s=age_s))
            case Answered():
                if link.awaited is not None and link.awaited[0].id == event.order_id:
                    link.awaited = None
                self._take(replace(event, received_s=self._own_s()))
            case FallbackAnswered() if self.dispatch is not None and event.is_accepted:
                self.evidence[event.connector] = event.fallback
                self.dispatch.believe(event.connector, event.fallback)
            case VehicleArrived():
                station = self.stations[event.connector.split("/")[0]]
                link.known[event.connector] = station.plugs[event.connector].session
                self._take(event)
            case VehicleLeft():
                link.known[event.connector] = None
                self._take(replace(event, received_s=self._own_s()))
            case _:
                self._take(event)

    def _take(self, event: Event) -> None:
        if self.dispatch is not None:
            self.dispatch.take(event, self._own_s())

    # Busbar

    def _read_clock(self, station: Station) -> None:
        now_s = self._own_s()
        self._take(ClockRead(charge_point=station.id, ahead_s=station.ahead_s, at=self._at(), read_s=now_s))

    def _own_s(self) -> float:
        """The monotonic clock of the process that runs now."""
        return float(self.now_s - self.born_s)

    def _order_id(self) -> str:
        self.orders += 1
        return f"order-{self.orders}"

    def _start(self) -> None:
        self.born_s = self.now_s - self.rng.randint(0, 1000)
        self.dispatch = Dispatch(self.projection, TIMING, order_ids=self._order_id)
        for connector, fallback in self.evidence.items():
            self.dispatch.believe(connector, fallback)
        self.dispatch.restore(self.stored.values(), self._own_s())

    def _die(self, *, back_s: int) -> None:
        """Kill -9: what is stored remains."""
        self._count("killed")
        self.dispatch, self.back_s = None, back_s
        for link in self.links.values():
            link.connection = link.believed = link.awaited = None
            link.back_s = max(self.now_s, min(back_s, 10**6)) + self.rng.choice(
                (0, 2, 10, 200 if not self.is_calm else 2)
            )
            link.up.clear()
            link.known.clear()
            self._strand(link, 0.5)

    def _cycle(self, dispatch: Dispatch) -> None:
        projection, reserved = self.projection, dispatch.reservations(self._own_s())
        present = np.zeros(len(projection.leaf_ids), dtype=np.bool_)
        for connector in dispatch.given():
            present[projection.leaf_index[connector]] = True
        snapshot = snapshot_from_arrays(
            projection,
            at=self._at(),
            request=np.where(present, np.minimum(projection.max_rating, reserved.at_most), 0),
            present=present,
            out_of_reach=reserved.out_of_reach,
            committed=reserved.committed,
            base_load=self.base,
            modes=self.modes,
            envelopes=self.envelopes,
        )
        # As the loop does it: what is sent and leased is by connector in any case.
        shared = project(self.depot, leaves=self.leaves)
        wanted = snapshot if shared.by_connector is None else on_charge_points(shared, snapshot)
        self.targets = spread(shared, wanted, balance(shared, wanted)).setpoint
        frozen = np.full(len(projection.leaf_ids), self.rng.random() < 0.05 and not self.is_calm)
        dispatch.aim(self.targets, found=rooms(projection, snapshot), frozen=frozen, now_s=self._own_s())
        self.promises.see(snapshot)

    def _release(self, dispatch: Dispatch) -> None:
        before = dispatch.committed().tolist()
        released = dispatch.release(self._own_s(), self._at())
        after = dispatch.committed().tolist()
        if released.orders:
            self.promises.check_orders(released.orders)
            self.promises.check_release(before, after)
        self.stored |= {setpoint.connector: setpoint for setpoint in released.to_store}
        if not self.is_calm and self._chance(0.1) and released.orders and self.now_s > self.is_edited_s + 100:
            # Stored, and not sent.
            self._die(back_s=self.now_s + self.rng.randint(0, 40))
            return
        for order in released.orders:
            self._send(order)
        for charge_point in released.to_disconnect:
            self._count("closed")
            self._drop(self.stations[charge_point], is_half_open=False, late=0.0 if self.is_calm else 0.5)

    def _send(self, order: Order) -> None:
        link = self.links[order.charge_point]
        assert link.awaited is None, "two orders in flight at one charge point"
        assert link.believed is not None
        self._count(order.kind.value)
        if order.whole is not None:
            self._count("whole")
        link.last_down_s = max(link.last_down_s, self.now_s + self._delay_s())
        link.down.append(
            Message(
                arrives_s=link.last_down_s + 0.5,
                order=order,
                session=link.known.get(order.connector),
                connection=link.believed,
            )
        )
        link.awaited = (order, self.now_s + TIMING.answer_s)


def first_violation(seed: int, leaves: Leaves | None = None) -> Violation | None:
    """What goes wrong first in a story; None: nothing does."""
    try:
        World(seed, leaves).live()
    except BrokenError as broken:
        return broken.violation
    return None
