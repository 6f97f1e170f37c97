"""Delivery: which setpoints may leave now, so that no limit is broken whatever message gets lost (design section 6).

Synchronous and without input or output: events and times come in, orders come out. What is to be stored before an order
leaves is handed out with it; where it cannot be stored, `Answered(NOT_SENT)` takes the order back.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from busbar.core import commitment as ledgers
from busbar.core.commitment import Sent
from busbar.core.headroom import Rooms
from busbar.core.projection import Projection
from busbar.core.release import Gate, held_down, stepped_down
from busbar.core.snapshot import Bools, Floats, Ints
from busbar.engine import answers, whole
from busbar.engine.book import NEVER_S, Book
from busbar.engine.events import (
    Answered,
    ClockRead,
    Connected,
    ConnectorState,
    Disconnected,
    Event,
    Measured,
    Ready,
    StateChanged,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.lines import (
    MOST_UNANSWERED,
    STOP_AGAIN_S,
    Held,
    Line,
    Unit,
    doubt_leases,
    escalate,
    expiry_s,
    forget_session,
    in_effect,
    lowering_kind,
    ramp_s,
    trust_leases,
)
from busbar.engine.orders import Answer, Order, OrderKind
from busbar.engine.ports import StoredSetpoint
from busbar.engine.raising import Raise, Room, raises_that_fit
from busbar.engine.reserving import Reservations, reserve, watch_lowering
from busbar.engine.timing import Timing


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """What may leave now."""

    orders: tuple[Order, ...]
    to_store: tuple[StoredSetpoint, ...]
    """To be on disk before the orders leave."""
    to_disconnect: tuple[str, ...]
    """Charge points that do not answer: their connection is to be closed."""


class Dispatch:
    """The ledgers of one depot's connectors, and what is in flight. (Mutable: it follows events.)"""

    def __init__(self, projection: Projection, timing: Timing, *, order_ids: Callable[[], str]) -> None:
        self._timing = timing
        self._order_ids = order_ids
        self._book = Book(projection, timing)
        self._waiting: dict[str, None] = {}
        """Charge points with an order in flight."""
        self._to_disconnect: dict[str, None] = {}
        self._touched: dict[str, None] = {}
        self._is_aimed = False
        """A cycle has aimed since something was released last."""
        self._doubted: dict[str, None] = {}
        """Connectors that were stored as leased, and may not end by themselves after all."""
        self.use(projection)

    # The wiring

    def use(self, projection: Projection) -> None:
        """Lay the ledgers out for a projection; what is known of connectors that stay is carried over."""
        self._book.use(projection)
        self._rooms: Rooms | None = None
        self._frozen: Bools = np.zeros(len(projection.leaf_ids), dtype=np.bool_)
        self._waiting = {unit.id: None for unit in self._book.units.values() if unit.in_flight is not None}

    def believe(self, connector: str, fallback: int | None) -> None:
        """Count this as the connector's fallback from now on; None: nothing is believed, its rating counts."""
        self._book.believe(connector, fallback)

    def restore(self, stored: Iterable[StoredSetpoint], now_s: float) -> None:
        """After a restart: what was stored counts for a whole lease; nothing rises before it is acknowledged anew."""
        self._book.restore(stored, now_s)

    # What happened

    def take(self, event: Event, now_s: float) -> bool:
        """Follow an event; whether it may have made room or work for a release."""
        self._book.now_s = max(self._book.now_s, now_s)
        match event:
            case Connected() | Disconnected() | Ready():
                self._connection(event)
            case VehicleArrived():
                return self._arrived(event)
            case VehicleLeft():
                return self._left(event)
            case StateChanged(state=ConnectorState.FREE):
                return self._said_free(event)
            case Measured():
                return self._measured(event)
            case ClockRead():
                self._clock(event)
            case Answered():
                self._answered(event)
            case _:
                return False
        return True

    def _connection(self, event: Connected | Disconnected | Ready) -> None:
        unit = self._book.units.get(event.charge_point)
        if unit is None:
            return
        match event:
            case Connected():
                unit.connection, unit.is_ready, unit.in_flight, unit.unanswered = event.connection, False, None, 0
            case Disconnected() if unit.connection == event.connection:
                unit.connection, unit.is_ready, unit.in_flight = None, False, None
            case Ready() if unit.connection == event.connection:
                was_met = unit.ends_leases is not None
                unit.is_ready, unit.ends_leases = True, event.ends_leases
                unit.ramp_s, unit.shortest_interval_s = event.ramp_s, event.shortest_interval_s
                self._doubt(unit)
                if not was_met:
                    trust_leases(unit)
                was_whole = unit.is_whole or (event.was_whole and not event.is_whole)
                if was_whole is not event.is_whole:
                    ramp = ramp_s(unit, self._timing)
                    whole.change_way(unit, is_whole=event.is_whole, now_s=self._book.now_s, ramp_s=ramp)
                for line in unit.lines:
                    # What it knew before may be lost.
                    line.is_to_be_renewed = line.has_vehicle and line.value is not None
                    if not line.has_vehicle:
                        line.ledger = ledgers.when_found_empty(line.ledger)
            case _:
                return
        if unit.in_flight is None:
            self._waiting.pop(unit.id, None)
        self._book.look_at(unit)

    def _arrived(self, event: VehicleArrived) -> bool:
        line = self._book.line_of.get(event.connector)
        if line is None or line.has_vehicle:
            return False
        line.has_vehicle = True
        self._book.open.add(line.id)
        if line.unit.is_whole:
            if line.value is not None:
                self._book.renew_s[line.leaf] = line.sent_s + self._timing.renew_s
            for each in line.unit.lines:
                each.ledger = ledgers.when_somebody_came(each.ledger)
                self._book.refresh(each)
        return True

    def _left(self, event: VehicleLeft) -> bool:
        line = self._book.line_of.get(event.connector)
        if line is None:
            return False
        forget_session(line)
        self._book.renew_s[line.leaf] = NEVER_S
        if line.unit.is_whole:
            for each in line.unit.lines:
                each.ledger = ledgers.when_emptied(each.ledger) if line.unit.is_empty else each.ledger
            self._book.look_at(line.unit)
        self._book.refresh(line)
        return True

    def _said_free(self, event: StateChanged) -> bool:
        """After a restart nobody tells a connector without a vehicle anything that could take the place of what was
        stored for it."""
        line = self._book.line_of.get(event.connector)
        # What was said on an earlier connection may come late: somebody else may be there by now.
        if line is None or line.has_vehicle or not line.unit.is_ready or not line.ledger.on_the_way:
            return False
        line.ledger = ledgers.when_said_free(line.ledger)
        return self._book.refresh(line)

    def _measured(self, event: Measured) -> bool:
        line = self._book.line_of.get(event.connector)
        if line is None or event.draw is None:
            return False
        # What proves that a draw has come down was certainly taken after it was told to.
        sampled_s = event.received_s - event.age_s - event.doubt_s
        if not line.unit.is_whole:
            return self._sampled(line, event.draw, sampled_s)
        if sampled_s > line.drawn_s:
            line.drawn, line.drawn_s = event.draw, sampled_s
        if line.unit.is_empty:
            return False
        sampled_s = whole.sampled_s(line.unit)
        found = [self._sampled(each, draw, sampled_s) for each, draw in whole.draws(line.unit, self._book.now_s)]
        if any(each.ledger.disobeys for each in line.unit.lines):
            self._book.open |= {each.id for each in line.unit.lines}
        return any(found)

    def _sampled(self, line: Line, draw: int, sampled_s: float) -> bool:
        before = line.ledger
        line.ledger = ledgers.when_measured(
            before,
            draw,
            sampled_s=sampled_s,
            now_s=self._book.now_s,
            rating=line.rating,
            ramp_s=ramp_s(line.unit, self._timing),
        )
        if before.unsettled and not line.ledger.unsettled and line.state == "acknowledged":
            self._note(line, "settled")
        if not line.ledger.disobeys and line.ledger.over_since_s is None:
            line.step = 0
        if line.ledger.disobeys:
            self._book.open.add(line.id)
        freed = self._book.refresh(line)
        return freed or line.ledger.disobeys != before.disobeys

    def _clock(self, event: ClockRead) -> None:
        unit = self._book.units.get(event.charge_point)
        if unit is None:
            return
        unit.is_clock_near = abs(event.ahead_s) <= self._timing.skew_s
        unit.wall_s = event.at.timestamp() - event.read_s
        self._doubt(unit)
        trust_leases(unit)
        self._book.look_at(unit)

    def _doubt(self, unit: Unit) -> None:
        doubt_leases(unit)
        if not unit.is_leased:
            self._doubted |= {line.id: None for line in unit.lines if line.stored and line.is_stored_leased}

    def _answered(self, event: Answered) -> None:
        unit = self._book.units.get(event.charge_point)
        if unit is None:
            return
        order = unit.in_flight
        if order is None or order.id != event.order_id:
            if answers.answered_late(unit, event, self._book.now_s):
                self._book.look_at(unit)
            return
        unit.in_flight = None
        self._waiting.pop(unit.id, None)
        if event.answer is Answer.NO_ANSWER:
            unit.unanswered += 1
        elif event.answer is not Answer.NOT_SENT:
            unit.unanswered = 0
        if unit.unanswered >= MOST_UNANSWERED:
            # Nothing more leaves on this connection.
            unit.is_ready = False
            self._to_disconnect[unit.id] = None
        line = self._book.line_of.get(order.connector)
        if order.whole is not None:
            whole.answers_for(unit, order, event, self._book.now_s)
        elif line is not None:
            answers.answered(line, order, event, self._book.now_s)
        for each in unit.lines if order.whole is not None else ():
            if each.has_vehicle and each is not line:
                self._note(each, each.state)
        if line is not None:
            self._note(line, line.state)
        self._book.look_at(unit)

    # What is wanted

    def stop(self, connector: str) -> None:
        """End the vehicle's charging for good, as soon as its charge point can be told."""
        line = self._book.line_of.get(connector)
        if line is not None and line.has_vehicle:
            line.is_to_be_stopped = True
            self._book.open.add(line.id)

    def let_go_on(self, connector: str) -> None:
        """The word that its charging is to end was taken back before it ended."""
        line = self._book.line_of.get(connector)
        if line is not None:
            line.is_to_be_stopped = False

    def aim(self, targets: Ints, *, found: Rooms, frozen: Bools, now_s: float) -> None:
        """Aim at what a cycle gave, [n] setpoints, in the rooms of its snapshot; `frozen` [n] leaves are not raised."""
        self._rooms, self._frozen, self._is_aimed = found, frozen, True
        committed = self._book.committed.tolist()
        for line, target in zip(self._book.lines, targets.tolist(), strict=True):
            if not line.has_vehicle:
                line.target = None
                continue
            if not line.unit.is_reachable:
                # It is given nothing because it cannot be told anything: no reason to stop it when it comes back.
                line.target, line.lowering_since_s = line.value, None
                continue
            if line.wanted_since_s is None or (
                # Whoever begins to want more waits from now on.
                line.target is not None
                and target > line.target
                and line.value is not None
                and line.value >= line.target
            ):
                line.wanted_since_s = now_s
            line.target = target
            if target != line.value or line.ledger.disobeys or line.is_stopping:
                self._book.open.add(line.id)
            watch_lowering(line, committed[line.leaf], target, now_s)

    def freeze(self, leaves: slice) -> None:
        """Raise none of these leaves before the next cycle aims anew."""
        self._frozen[leaves] = True

    # What may leave

    def release(self, now_s: float, at: datetime) -> Release:
        """Everything that may leave now; it counts as sent. `at`: the same instant by the wall clock (aware)."""
        self._book.pass_time(now_s)
        self._give_up_waiting()
        lines = [self._book.line_of[each] for each in self._book.open if each in self._book.line_of]
        self._book.open = set()
        # Decreases first; then whoever was told something longest ago, so that no connector starves another.
        lowered: list[tuple[bool, float, int, int]] = []
        raised: list[Line] = []
        for line in sorted(lines, key=lambda line: line.leaf):
            line.held = None
            is_left_over = line.unit.is_whole and bool(line.value or line.is_to_be_renewed)
            if not line.has_vehicle and not is_left_over:
                continue
            escalate(line, now_s, self._timing)
            wanted, effect = line.wanted, in_effect(line, now_s)
            if self._has_to_be_told(line, wanted, effect):
                value = effect if wanted is None else min(effect, wanted)
                lowered.append((value == effect, line.sent_s, line.leaf, value))
            elif (wanted or 0) > (line.value or 0):
                raised.append(line)
        told = self._first_words([(self._book.lines[leaf], value) for _, _, leaf, value in sorted(lowered)])
        orders = [order for line, value in told if (order := self._tell(line, value, at)) is not None]
        orders += [self._send(line, OrderKind.SET, value, at) for line, value in self._raises(raised)]
        self._look_again([line for line, _ in told] + raised)
        gone, self._to_disconnect = tuple(self._to_disconnect), {}
        to_store = [
            self._stored(order.id, line, at)
            for order in orders
            if order.kind is not OrderKind.STOP
            for line in self._lines_of(order)
        ]
        return Release(orders=tuple(orders), to_store=(*to_store, *self._stored_anew(at)), to_disconnect=gone)

    def _stored_anew(self, at: datetime) -> list[StoredSetpoint]:
        """What was stored and is not so any more: leases that are doubted now; and, once a cycle, connectors that count
        for less: they came down, or their vehicles left.

        What is stored with an order still counts what that takes the place of; a restart before it is renewed would
        count all of that for a lease, and longer where the wall clock was set back meanwhile.
        """
        is_due, self._is_aimed = self._is_aimed, False
        committed = self._book.committed.tolist() if is_due else []
        doubted, self._doubted = self._doubted, {}
        lines = [line for each in doubted if (line := self._book.line_of.get(each)) is not None]
        for line, value in zip(self._book.lines if is_due else (), committed, strict=True):
            is_freed = line.ledger.in_force is not None or not line.has_vehicle
            if is_freed and ledgers.is_beyond(line.stored, value) and line.id not in doubted:
                lines.append(line)
        # What is out of service counts for nothing, and for what it was told when it is taken into service again.
        lines = [line for line in lines if line.unit.is_in_service]
        return [
            self._stored("" if line.ledger.in_force is None else line.ledger.in_force.order_id, line, at)
            for line in lines
        ]

    def next_due_s(self) -> float:
        """When time alone makes work: something is to be renewed, settles or ends."""
        return self._book.next_due_s()

    def _has_to_be_told(self, line: Line, wanted: int | None, effect: int) -> bool:
        """Something that raises nothing: a stop, a lower value, a renewal, the first word after a restart."""
        if line.is_to_be_renewed or (line.is_stopping and self._book.now_s >= line.stop_again_s):
            return True
        return wanted is not None and (wanted < effect or line.is_silent)

    def _first_words(self, told: list[tuple[Line, int]]) -> list[tuple[Line, int]]:
        """Where not all of it fits, whoever was told nothing yet, and may count for more than it was told before, is
        told no more at first than it draws or falls back to.

        Those are the ones that count at the rating because no fallback is believed, and after a restart all: what was
        stored may be from before it was lowered. More would raise nothing that is committed, but the draw.
        """
        found = self._rooms
        if found is None or all(line.value is not None for line, _ in told):
            return told
        book = self._book
        gate = Gate(book.projection, book.ratings, found, book.told, book.drawn)
        return [
            (line, value if line.value is not None or not gate.is_over(line.leaf) else min(value, _at_first(line)))
            for line, value in told
        ]

    def _look_again(self, lines: Iterable[Line]) -> None:
        """Whoever does not have what it is meant to have is looked at in the next release too."""
        self._book.open |= {
            line.id for line in lines if line.held is not None or (line.value or 0) != (line.wanted or 0)
        }

    def _tell(self, line: Line, value: int, at: datetime) -> Order | None:
        """Send a value that raises nothing, unless the charge point cannot take it just now."""
        unit, now_s = line.unit, self._book.now_s
        is_to_stop = line.is_stopping and now_s >= line.stop_again_s
        if not unit.is_reachable:
            line.held = Held.OUT_OF_REACH
        elif unit.in_flight is not None:
            line.held = Held.IN_FLIGHT
        elif not is_to_stop and now_s < line.lower_not_before_s:
            line.held = Held.REFUSED
        if line.held is not None:
            return None
        if is_to_stop:
            line.stop_again_s = now_s + STOP_AGAIN_S
            return self._send(line, OrderKind.STOP, 0, at)
        value = min(value, int(self._book.committed[line.leaf]), line.rating)
        return self._send(line, lowering_kind(line), stepped_down(self._book.projection, line.leaf, value), at)

    def _raises(self, lines: list[Line]) -> list[Raise]:
        if lines and self._rooms is None:
            for line in lines:
                line.held = Held.NO_ROOM
        if not lines or self._rooms is None:
            return []
        projection, ratings, found = self._book.projection, self._book.ratings, self._rooms
        room = Room(
            projection=projection,
            committed=self._book.committed,
            told=self._book.told,
            for_committed=Gate(projection, ratings, found, self._book.committed, self._book.drawn),
            for_told=Gate(projection, ratings, found, self._book.told, self._book.drawn),
            frozen=self._frozen,
        )
        return raises_that_fit(lines, room, self._timing, self._book.now_s)

    def _send(self, line: Line, kind: OrderKind, value: int, at: datetime) -> Order:
        timing, unit, now_s = self._timing, line.unit, self._book.now_s
        assert unit.connection is not None
        held = [(line, value)]
        is_whole = unit.is_whole and kind is not OrderKind.STOP
        if is_whole:
            held = whole.parts(self._book.projection, line, value, now_s)
        order = Order(
            id=self._order_ids(),
            depot_id=self._book.projection.depot.id,
            charge_point=unit.id,
            connector=line.id,
            kind=kind,
            limit=value,
            fallback=line.fallback,
            ends_at=at + timedelta(seconds=timing.lease_s),
            whole=whole.limit_of(unit, held) if is_whole else None,
        )
        unit.in_flight, unit.in_flight_s, unit.sent_s = order, now_s, now_s
        self._waiting[unit.id] = None
        self._note(line, "sent")
        if kind is OrderKind.STOP:
            return order
        for each, part in held:
            self._count_as_sent(each, part, order.id, at)
        return order

    def _count_as_sent(self, line: Line, value: int, order_id: str, at: datetime) -> None:
        timing, unit, now_s = self._timing, line.unit, self._book.now_s
        assert unit.connection is not None
        if value > (line.value or 0):
            line.raised_s = now_s
        sent = Sent(
            order_id=order_id,
            value=value,
            fallback=line.fallback,
            connection=unit.connection,
            sent_s=now_s,
            until_s=now_s + expiry_s(unit, timing),
            comes_by_s=now_s + expiry_s(unit, timing),
            over_at_s=at.timestamp() + expiry_s(unit, timing),
            is_leased=unit.is_leased,
        )
        line.ledger = ledgers.when_sent(line.ledger, sent)
        line.value, line.sent_s, line.is_to_be_renewed = value, now_s, False
        # A limit for a whole unit is renewed for as long as any vehicle is there.
        self._book.renew_s[line.leaf] = now_s + timing.renew_s if line.has_vehicle else NEVER_S
        self._book.refresh(line)

    def _lines_of(self, order: Order) -> list[Line]:
        """The connectors whose value an order sets."""
        line = self._book.line_of[order.connector]
        return [line] if order.whole is None else line.unit.lines

    def _stored(self, order_id: str, line: Line, at: datetime) -> StoredSetpoint:
        line.stored, line.is_stored_leased = int(self._book.committed[line.leaf]), ledgers.is_leased(line.ledger)
        lasts_s = max(expiry_s(line.unit, self._timing), ledgers.over_at_s(line.ledger) - at.timestamp())
        return StoredSetpoint(
            connector=line.id,
            value=line.stored,
            expiry_s=lasts_s if line.is_stored_leased else -lasts_s,
            order_id=order_id,
            at=at,
            fallback=max(line.fallback, line.former or 0, line.ledger.falls_to),
        )

    def _give_up_waiting(self) -> None:
        """Whoever delivers orders answers in time; where it does not, that is no answer."""
        for unit in [self._book.units[each] for each in self._waiting]:
            order = unit.in_flight
            if order is not None and self._book.now_s - unit.in_flight_s > 2 * self._timing.answer_s:
                self._answered(
                    Answered(
                        order_id=order.id,
                        charge_point=unit.id,
                        connection=-1 if unit.connection is None else unit.connection,
                        answer=Answer.NO_ANSWER,
                        received_s=self._book.now_s,
                    )
                )

    # What is known

    def commitments(self) -> Ints:
        """[n] the most each connector may still draw, by itself."""
        return self._book.committed.copy()

    def told(self) -> Ints:
        """[n] the most each connector draws if it keeps to what it was told, whatever it was seen to draw."""
        found = self._book.told.copy()
        for line in self._book.lines:
            if line.ledger.disobeys:
                found[line.leaf] = ledgers.obeyed(line.ledger, self._book.now_s)
        return self._as_drawn(found)

    def committed(self) -> Ints:
        """[n] what is committed, held down to the charge points' ratings."""
        return self._as_drawn(held_down(self._book.ratings, self._book.committed, self._book.drawn))

    def _as_drawn(self, values: Ints) -> Ints:
        """[n] with the parts of a limit for a whole unit where they are drawn."""
        for unit in self._book.units.values():
            if unit.is_whole and unit.lines:
                leaves = [line.leaf for line in unit.lines]
                values[leaves] = whole.as_drawn(unit, values[leaves].tolist())
        return values

    def committed_without(self, order_id: str) -> Ints:
        """[n] what would be committed, had that order not been sent."""
        counted = self._book.committed.copy()
        for line in self._book.lines:
            rest = tuple(sent for sent in line.ledger.on_the_way if sent.order_id != order_id)
            if len(rest) < len(line.ledger.on_the_way):
                # A draw that has not come down yet, or disobeys, counts with the order or without.
                counted[line.leaf] = ledgers.committed(replace(line.ledger, on_the_way=rest), self._book.now_s)
        return held_down(self._book.ratings, counted, self._book.drawn)

    def reservations(self, now_s: float) -> Reservations:
        """What the next snapshot has to know."""
        self._book.pass_time(now_s)
        return reserve(self._book, self._rooms)

    def given(self) -> dict[str, tuple[int, bool]]:
        """Connector with a vehicle -> the value that holds as far as it has acknowledged, and whether it settled."""
        in_force = [line.ledger.in_force for line in self._book.lines]
        values = self._as_drawn(
            np.array(
                [
                    line.ledger.fallback if sent is None else sent.value
                    for line, sent in zip(self._book.lines, in_force, strict=True)
                ],
                dtype=np.int64,
            )
        ).tolist()
        return {
            line.id: (values[line.leaf], not line.ledger.unsettled and not line.ledger.on_the_way)
            for line in self._book.lines
            if line.has_vehicle
        }

    def raises(self, now_s: float) -> Floats:
        """[n] when the last raise was acknowledged; now where one is on the way, minus infinity where none was."""
        found = np.full(len(self._book.lines), -np.inf)
        for line in self._book.lines:
            if line.has_vehicle:
                in_force = line.ledger.in_force
                value = 0 if in_force is None else in_force.value
                is_on_the_way = any(sent.value > value for sent in line.ledger.on_the_way)
                found[line.leaf] = now_s if is_on_the_way else line.raise_answered_s
        return found

    def troubled(self) -> Mapping[str, str]:
        """Connectors whose last order was refused or not answered, or that disobey -> which of it."""
        found = {line.id: line.state for line in self._book.lines if line.state in ("refused", "no_answer")}
        return found | {line.id: "disobeys" for line in self._book.lines if line.ledger.disobeys}

    def connected(self) -> int:
        """How many charge points can be told something now."""
        return len(self.reachable())

    def reachable(self) -> frozenset[str]:
        """Charge points that can be told something now."""
        return frozenset(unit.id for unit in self._book.units.values() if unit.is_reachable)

    def acknowledged(self) -> Ints:
        """[n] what each connector has acknowledged and holds; -1: nothing."""
        in_force = [line.ledger.in_force for line in self._book.lines]
        return np.array([-1 if sent is None else sent.value for sent in in_force], dtype=np.int64)

    def held(self) -> dict[str, str]:
        """Connector -> why what it is meant to have has not been sent; not of those that have it, and are renewed."""
        return {
            line.id: line.held.value
            for line in self._book.lines
            if line.held is not None and (line.is_stopping or line.value != line.wanted)
        }

    def news(self) -> tuple[dict[str, Any], ...]:
        """What became of setpoints since this was last asked, for the record."""
        touched, self._touched = self._touched, {}
        held = {line.id: None for line in self._book.lines if line.held is not None and line.held is not Held.IN_FLIGHT}
        found = []
        for connector in {**touched, **held}:
            line = self._book.line_of.get(connector)
            if line is not None:
                row: dict[str, Any] = {"connector": connector, "value": line.value, "state": line.state}
                if line.held is not None:
                    row |= {"held_back": line.held.value, "target": line.target}
                found.append(row)
        return tuple(found)

    def _note(self, line: Line, state: str) -> None:
        line.state = state
        self._touched[line.id] = None


def _at_first(line: Line) -> int:
    """What a connector is told at first where it is not known what it was told before."""
    ledger = line.ledger
    if ledger.may_rise:
        return line.fallback if ledger.fallback > line.fallback else line.rating
    drawn = 0 if ledger.draw is None else max(ledger.draw, line.minimum if ledger.draw else 0)
    return max(line.fallback, drawn)
