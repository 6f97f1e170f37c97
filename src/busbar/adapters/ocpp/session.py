"""One connection of a charge point: what it hears goes to `hearing`, what it sends waits its turn here."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from busbar.adapters.ocpp import frames
from busbar.adapters.ocpp.calls import Calls, Fate, Outcome, into
from busbar.adapters.ocpp.delivery import Plan, plan, verdict
from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.messages import Call, Heard, Version
from busbar.adapters.ocpp.schemas import fault, request_validators
from busbar.adapters.ocpp.station import Outlet, Received, Station
from busbar.adapters.ocpp.telemetry import Telemetry, Told
from busbar.engine.events import Answered, Disconnected, VehicleLeft
from busbar.engine.orders import Answer, Order

_DETAILED = 50
"""Faults of one action by one charge point that are looked at closely; more are only counted."""
FLOOD = 50
"""Who is so many times ahead of what it may send in one go does not merely send what it kept while offline."""


class Wire(Protocol):
    """What carries frames."""

    def write(self, frame: bytes) -> bool:
        """Send it now; False: not a byte of it left."""
        ...

    def shut(self, code: int, reason: str) -> None:
        """Close it without waiting."""
        ...


class _Due(NamedTuple):
    order: Order
    since_s: float


Hear = Callable[["Session", Heard, frames.Asked, Received], None]


class Session:
    """Lives from the handshake to the end of the connection."""

    __slots__ = (
        "_calls",
        "_exchange",
        "_hear",
        "_on_end",
        "_orders",
        "_telemetry",
        "_tokens",
        "_tokens_at_s",
        "_waiting_sessions",
        "_wire",
        "asked_boot_s",
        "boots",
        "first_word",
        "is_over",
        "is_ready",
        "limits",
        "number",
        "station",
        "version",
    )

    def __init__(
        self,
        *,
        exchange: Exchange,
        station: Station,
        version: Version,
        wire: Wire,
        number: int,
        telemetry: Telemetry,
        hear: Hear,
        on_end: Callable[["Session"], None],
        limits: "Limits",
        waiting_sessions: set["Session"],
    ) -> None:
        self._exchange = exchange
        self._wire = wire
        self._telemetry = telemetry
        self._hear = hear
        self._on_end = on_end
        self._waiting_sessions = waiting_sessions
        self._calls = Calls(write=wire.write, validators=request_validators(version.protocol), counts=station.counts)
        self._orders: dict[str, _Due] | None = None
        self._tokens = float(limits.at_once)
        self._tokens_at_s = 0.0
        self.station = station
        self.version = version
        self.number = number
        self.limits = limits
        self.is_ready = False
        self.is_over = False
        self.boots = 0
        """How often it said on this connection that it booted."""
        self.asked_boot_s: float | None = None
        """When it was asked to say so, without having booted."""
        self.first_word: asyncio.Future[None] | None = None
        """Whoever waits for its first message."""

    # What it hears

    def receive(self, raw: bytes | bytearray) -> None:
        """One message, whole. Meter values are answered at once and looked at later, everything else now."""
        if self.is_over:
            return
        received = self._exchange.received()
        if not self._may(received.s):
            return
        samples_id = frames.samples_id(raw)
        if samples_id is not None and self._put_samples(samples_id, raw, received):
            return
        message = frames.read(raw, self.station.counts)
        match message:
            case frames.Asked():
                self._asked(message, received)
            case frames.Result(id, payload):
                self._tokens += 1
                if self._calls.answered(id, Outcome(Fate.ANSWERED, payload)):
                    self._next()
            case frames.Refusal(id, words):
                self._tokens += 1
                if self._calls.answered(id, Outcome(Fate.REFUSED, words=words)):
                    self._next()

    def _may(self, now_s: float) -> bool:
        """Whether it may say more just now; who goes far beyond what it may is disconnected."""
        limits = self.limits
        self._tokens = min(limits.at_once, self._tokens + (now_s - self._tokens_at_s) * limits.per_s) - 1
        self._tokens_at_s = now_s
        if self._tokens < -FLOOD * limits.at_once:
            self.station.counts.add("disconnected: too many messages")
            self.end("too many messages", code=1008)
            return False
        return True

    def _put_samples(self, samples_id: bytes, raw: bytes | bytearray, received: Received) -> bool:
        place = frames.samples_place(raw)
        if place is None:
            return False
        self._wire.write(b'[3,"' + samples_id + b'",' + self.version.samples_answer + b"]")
        self.speak_up()
        outlet = self.station.outlets.get(place)
        if outlet is None:
            # Place 0 is the unit's own meter; others are not in the depot.
            if place:
                self.station.counts.add("meter values of a connector that is not in the depot")
        elif self._tokens < 0:
            self.station.counts.add("shed meter values: too many messages")
        else:
            self._telemetry.put(self.station, outlet, Told(raw, None, None, received.s))
        return True

    def _asked(self, asked: frames.Asked, received: Received) -> None:
        counts = self.station.counts
        try:
            heard = self.version.hear(asked.action, asked.payload, received.at, counts)
            if heard is None:
                counts.add("unknown action")
                self._wire.write(frames.write_error(asked.id, "NotImplemented", "This action is not known here."))
                return
            self._note_faults(asked.action, asked.payload)
            self._hear(self, heard, asked, received)
        except Exception:
            # A mistake of ours in reading one message must not cost the connection that setpoints go through.
            counts.add("internal error")
            self._exchange.log.exception("a message could not be handled", **self.names, action=asked.action)
            self._wire.write(frames.write_error(asked.id, "InternalError", "This could not be handled."))
        self.speak_up()

    def _note_faults(self, action: str, payload: Mapping[str, Any]) -> None:
        """Count what breaks the schema; it was understood all the same."""
        validator = request_validators(self.version.protocol).get(action)
        if validator is None or validator.is_valid(payload):
            return
        counts = self.station.counts
        kind = f"odd {action}"
        counts.add(kind)
        if counts.of(kind) <= _DETAILED:
            counts.add(f"{kind}: {fault(validator, payload)}")

    def speak_up(self) -> None:
        """It said something: whoever waits for that goes on."""
        if self.first_word is not None and not self.first_word.done():
            self.first_word.set_result(None)

    def answer(self, message_id: Any, payload: Mapping[str, Any]) -> None:
        """Answer what it asked."""
        self._wire.write(frames.write_result(message_id, payload))

    def refuse(self, message_id: Any, code: str, words: str) -> None:
        """Answer what it asked with a CALLERROR."""
        self._wire.write(frames.write_error(message_id, code, words))

    def put_samples(self, outlet: Outlet, values: list[Any], reference: str | None, received: Received) -> None:
        """Meter values that were read already: they wait behind everything that controls, like the others."""
        if self._tokens < 0:
            self.station.counts.add("shed meter values: too many messages")
            return
        self._telemetry.put(self.station, outlet, Told(None, values, reference, received.s))

    # What it says

    async def ask(self, call: Call, within_s: float | None = None) -> Outcome:
        """Send a call when its turn comes, after all orders; what became of it within the answer time, or that."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.say(call, into(future), within_s)
        return await future

    def say(self, call: Call, on_outcome: Callable[[Outcome], None], within_s: float | None = None) -> None:
        """As `ask`, for whoever does not wait."""
        if self.is_over:
            on_outcome(Outcome(Fate.NOT_SENT, words="not connected"))
            return
        self._calls.enqueue(call, on_outcome, self._exchange.timing.answer_s if within_s is None else within_s)
        self._next()

    def deliver(self, order: Order) -> None:
        """Send an order when its turn comes; a later one for the same connector takes its place until then."""
        if not self.is_ready or self.is_over:
            self._answer(order, Answer.NOT_SENT, "not ready")
            return
        if self._orders is None:
            self._orders = {}
        before = self._orders.pop(order.connector, None)
        self._orders[order.connector] = _Due(order, self._exchange.received().s)
        if before is not None:
            self._answer(before.order, Answer.NOT_SENT, "a later order took its place")
        self._next()

    def check(self, now_s: float) -> None:
        """End what has waited too long."""
        if self._calls.expire(now_s):
            self._next()
        half_s = self._exchange.timing.answer_s / 2
        for connector, due in list((self._orders or {}).items()):
            if now_s - due.since_s >= half_s and self._orders is not None:
                # Sent now, it would have less than half the answer time: rather say for certain that it was not.
                self._orders.pop(connector, None)
                self._answer(due.order, Answer.NOT_SENT, "its turn did not come in time")
        self._watch()

    def end(self, reason: str, *, code: int = 1000) -> None:
        """Close the connection; what waits on it is answered, then that it is gone is told. Ending twice is fine."""
        if self.is_over:
            return
        self.is_over = True
        orders, self._orders = self._orders, None
        self._calls.end()
        for due in (orders or {}).values():
            self._answer(due.order, Answer.NOT_SENT, "not connected")
        self._waiting_sessions.discard(self)
        self.speak_up()
        self._telemetry.forget(self.station)
        self._on_end(self)
        self._wire.shut(code, reason)
        received_s = self._exchange.received().s
        gone = Disconnected(charge_point=self.station.id, connection=self.number, received_s=received_s)
        self._exchange.inbox(self.station.depot_id, gone)
        self._exchange.log.info("disconnected", **self.names, connection=self.number, reason=reason)

    @property
    def names(self) -> Mapping[str, str]:
        """For logs."""
        return {"depot": self.station.depot_id, "charge_point": self.station.id}

    def _next(self) -> None:
        """Send what is due, as long as nothing is in flight: orders first."""
        while self._calls.is_free and not self.is_over:
            if self._orders:
                connector = next(iter(self._orders))
                self._begin(self._orders.pop(connector))
            elif self._calls.has_waiting:
                self._calls.send_waiting(self._exchange.next_id(), self._exchange.received().s)
            else:
                break
        self._watch()

    def _watch(self) -> None:
        if not self.is_over and (self._orders or not self._calls.is_free):
            self._waiting_sessions.add(self)
        else:
            self._waiting_sessions.discard(self)

    def _begin(self, due: _Due) -> None:
        order = due.order
        outlet = self.station.outlet_of(order.connector)
        if outlet is None:
            self._answer(order, Answer.NOT_SENT, "no such connector")
            return
        now = self._exchange.received().at
        steps = plan(order, self.station, outlet, self.version, now=now, start_id=self._exchange.next_number())
        if steps.answer is not None:
            if steps.leaves:
                self.leave(outlet, now)
            self._answer(order, steps.answer, steps.detail)
            return
        # Before it is sent: some end the transaction first and answer then.
        if outlet.transaction is not None:
            outlet.is_parked = steps.parks
        self._step(due, outlet, steps, 0)

    def _step(self, due: _Due, outlet: Outlet, steps: Plan, index: int) -> None:
        def on_outcome(outcome: Outcome) -> None:
            self._stepped(due, outlet, steps, index, outcome)

        until_s = due.since_s + self._exchange.timing.answer_s
        self._calls.send(self._exchange.next_id(), steps.calls[index], until_s, on_outcome)

    def _stepped(self, due: _Due, outlet: Outlet, steps: Plan, index: int, outcome: Outcome) -> None:
        order = due.order
        is_last = index == len(steps.calls) - 1
        match outcome.fate:
            case Fate.ANSWERED | Fate.REFUSED if not is_last:
                # Whatever clearing was answered: there was nothing to clear, or the profile is replaced all the same.
                if order.ends_at <= self._exchange.received().at:
                    self._answer(order, Answer.NO_ANSWER, "its lease is over")
                else:
                    self._step(due, outlet, steps, index + 1)
            case Fate.ANSWERED:
                answer, detail = verdict(outcome.payload)
                self._unpark(outlet, steps, answer)
                self._answer(order, answer, detail)
            case Fate.REFUSED:
                self._unpark(outlet, steps, Answer.REFUSED)
                self._answer(order, Answer.REFUSED, outcome.words)
            case Fate.NOT_SENT | Fate.UNFIT if index == 0:
                if outcome.fate is Fate.UNFIT:
                    self._exchange.log.error("an order could not be written", **self.names, reason=outcome.words)
                self._unpark(outlet, steps, Answer.NOT_SENT)
                self._answer(order, Answer.NOT_SENT, outcome.words)
            case _:
                # A part of it may have arrived.
                self._answer(order, Answer.NO_ANSWER, outcome.words)

    @staticmethod
    def _unpark(outlet: Outlet, steps: Plan, answer: Answer) -> None:
        """The transaction was not ended after all."""
        if steps.parks and answer in (Answer.REFUSED, Answer.NOT_SENT) and outlet.transaction is not None:
            outlet.is_parked = False

    def _answer(self, order: Order, answer: Answer, detail: str) -> None:
        answered = Answered(
            order_id=order.id,
            charge_point=self.station.id,
            connection=self.number,
            answer=answer,
            received_s=self._exchange.received().s,
            detail=detail,
        )
        self._exchange.inbox(self.station.depot_id, answered)

    def leave(self, outlet: Outlet, at: datetime) -> None:
        """Tell that a connector's vehicle does not charge any more."""
        outlet.is_parked = False
        left = VehicleLeft(connector=outlet.wired.connector, at=at, received_s=self._exchange.received().s)
        self._exchange.inbox(self.station.depot_id, left)


class Limits(NamedTuple):
    """How many messages a connection may send."""

    per_s: float
    at_once: int
