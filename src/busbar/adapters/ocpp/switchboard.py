"""The central system but for its web sockets: sessions of charge points, whatever carries their frames."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from random import Random, SystemRandom
from typing import Any, Protocol

from busbar.adapters.clock import SystemClock
from busbar.adapters.ocpp.directory import Directory, Served
from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.greeting import booted, choose_quirk, greet, greet_again, tell_fallbacks
from busbar.adapters.ocpp.hearing import Hearing, found_again
from busbar.adapters.ocpp.kept_facts import KeptFacts
from busbar.adapters.ocpp.listening import Listening
from busbar.adapters.ocpp.measuring import measure
from busbar.adapters.ocpp.messages import Boot, Version
from busbar.adapters.ocpp.quirks import QuirkTable, load_quirks
from busbar.adapters.ocpp.session import Limits, Session
from busbar.adapters.ocpp.session import Wire as SessionWire
from busbar.adapters.ocpp.station import Outlet, Received, Station
from busbar.adapters.ocpp.telemetry import Telemetry, Told
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.clock import Clock
from busbar.engine.events import Answered, Connected, Event
from busbar.engine.orders import Answer, Order
from busbar.engine.ports import ChargePointRecords
from busbar.engine.timing import Timing

SWEEP_S = 0.25
"""How often what takes too long is looked for, in one sweep over all connections."""
_LOAD_AGAIN_S = 5.0


class Wire(SessionWire, Protocol):
    """What carries frames, and can be asked whether anybody is there."""

    heard_s: float
    """When anything came last."""
    pinged_s: float
    """When it was asked last."""

    def listen(self, listener: Session) -> None:
        """Hand messages to it from now on, and those that came before."""
        ...

    def knock(self) -> None:
        """Ask whether it is there; any sign of life is an answer."""
        ...

    def drop(self) -> None:
        """Close it without a word."""
        ...


class Switchboard:
    """Who is connected, and what is said (the port `ChargePoints`)."""

    def __init__(
        self,
        listening: Listening,
        *,
        wires: Collection[Wire],
        records: ChargePointRecords,
        inbox: Callable[[str, Event], None],
        timing: Timing | None = None,
        quirks: QuirkTable | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        log: Any = None,
    ) -> None:
        """`wires`: all that are open at any moment, looked at again and again; `inbox` takes a depot's id and an event,
        at once and without waiting; `random`: what ids are made of."""
        self._listening = listening
        self._wires = wires
        self.exchange = Exchange(
            inbox=inbox,
            records=records,
            timing=timing or Timing(),
            quirks=quirks or load_quirks(),
            ping_s=listening.ping_s,
            clock=clock or SystemClock(),
            random=random or SystemRandom(),
            log=log,
        )
        self.directory = Directory()
        self.exchange.on_step = self._clock_set
        self._kept_facts = KeptFacts(self.exchange)
        self.exchange.keep_facts = self._kept_facts.note
        self._telemetry = Telemetry(self._measure, now_s=self.exchange.clock.now_s)
        self._hearing = Hearing(self.exchange, self._booted)
        self._numbers = count(1)
        self._sessions: dict[Station, Session] = {}
        self._waiting: set[Session] = set()
        """Those with something in flight or due."""
        self._is_open = False

    # Life

    def start(self) -> None:
        """Charge points may be let in from now on."""
        self._is_open = True
        self.exchange.spawn(self._sweep())
        self.exchange.spawn(self._kept_facts.write())
        for served in self.directory.depots():
            self.exchange.spawn(self._load(served))

    def close(self) -> None:
        """Say goodbye to everybody; nobody is let in any more."""
        self._is_open = False
        for session in list(self._sessions.values()):
            session.end("going away", code=1001)

    async def finish(self, within_s: float) -> None:
        """What was being kept is kept, within so long; then nothing runs on the side any more."""
        busy = [station for station in self.directory.stations() if station.keeping.is_busy]
        await asyncio.gather(*(station.keeping.finish(within_s) for station in busy), self._kept_facts.finish(within_s))
        await self.exchange.close()

    # The port `ChargePoints`

    def serve_depot(self, depot: Depot) -> None:
        """These charge points are known from now on, in place of what was known of this depot before."""
        change = self.directory.serve(depot)
        for station in change.gone:
            if (session := self._sessions.get(station)) is not None:
                session.end("not in the depot any more")
        for station in change.to_greet:
            if (session := self._sessions.get(station)) is not None:
                session.end("to be told in another way")
        for station, outlets in change.told:
            session = self._sessions.get(station)
            if session is not None and session.is_ready:
                self.exchange.spawn(tell_fallbacks(self.exchange, session, outlets))
        served = self.directory.served(depot.id)
        if served is not None and self._is_open:
            self.exchange.spawn(self._load(served))

    def send(self, order: Order) -> None:
        """Send it now. Exactly one `Answered` follows, at the latest after the answer time."""
        station = self.directory.station(order.depot_id, order.charge_point)
        session = None if station is None else self._sessions.get(station)
        if session is not None:
            session.deliver(order)
            return
        answered = Answered(
            order_id=order.id,
            charge_point=order.charge_point,
            connection=0,
            answer=Answer.NOT_SENT,
            received_s=self.exchange.clock.now_s(),
            detail="no such charge point" if station is None else "not connected",
        )
        self.exchange.inbox(order.depot_id, answered)

    def disconnect(self, depot_id: str, charge_point: str, *, refuse_for_s: float = 0.0) -> None:
        """Close its connection; turn it away for so long."""
        station = self.directory.station(depot_id, charge_point)
        if station is None:
            return
        if refuse_for_s > 0:
            station.refused_until_s = self.exchange.clock.now_s() + refuse_for_s
        if (session := self._sessions.get(station)) is not None:
            session.end("disconnected on purpose")

    # For metrics

    def counts(self, depot_id: str) -> Mapping[str, Mapping[str, int]]:
        """Oddities, late answers, shed meter values: by charge point, by kind. Those with nothing to count are out."""
        served = self.directory.served(depot_id)
        stations = () if served is None else tuple(served.stations.values())
        return {station.id: tally for station in stations if (tally := station.counts.by_kind())}

    @property
    def connected(self) -> int:
        """How many charge points are connected."""
        return len(self._sessions)

    @property
    def shed(self) -> int:
        """How many messages with meter values were never looked at, because there was too much to do."""
        return self._telemetry.shed

    # Connections

    async def is_loaded(self, station: Station, timeout_s: float) -> bool:
        """Whether what was kept of its depot's charge points is known within so long; before, nobody is let in."""
        served = self.directory.served(station.depot_id)
        if served is None:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await served.is_loaded.wait()
        except TimeoutError:
            return False
        return True

    async def serve(self, station: Station, version: Version, wire: Wire) -> None:
        """Greet a charge point on a connection that was just made; from then on what it says is heard."""
        session = self._open_session(station, version, wire)
        if session is None:
            return
        try:
            await greet(self.exchange, self._hearing, session, self._listening.boot_wait_s)
        except Exception:
            self.exchange.log.exception("a charge point could not be greeted", **session.names)
            session.end("internal error", code=1011)

    def _open_session(self, station: Station, version: Version, wire: Wire) -> Session | None:
        """Put a new connection in the place of what the charge point had before; None: it is not known any more."""
        if not self._is_open or self.directory.station(station.depot_id, station.id) is not station:
            return None
        if (before := self._sessions.get(station)) is not None:
            before.end("replaced by a new connection")
        listening = self._listening
        session = Session(
            exchange=self.exchange,
            station=station,
            version=version,
            wire=wire,
            number=next(self._numbers),
            telemetry=self._telemetry,
            hear=self._hearing.hear,
            on_end=self._ended,
            limits=Limits(per_s=listening.messages_per_s, at_once=listening.messages_at_once),
            waiting_sessions=self._waiting,
        )
        self._sessions[station] = session
        now_s = self.exchange.clock.now_s()
        station.clock.connect(now_s)
        made = Connected(charge_point=station.id, connection=session.number, received_s=now_s)
        self.exchange.inbox(station.depot_id, made)
        self.exchange.log.info("connected", **session.names, connection=session.number, protocol=version.protocol)
        found_again(self.exchange, station, station.outlets.values())
        wire.listen(session)
        return session

    def _ended(self, session: Session) -> None:
        if self._sessions.get(session.station) is session:
            del self._sessions[session.station]

    def _booted(self, session: Session, boot: Boot) -> None:
        is_new = booted(self.exchange, session, boot)
        if is_new and session.is_ready:
            self.exchange.spawn(greet_again(self.exchange, session))

    def _measure(self, station: Station, outlet: Outlet, told: Told) -> None:
        try:
            running = measure(self.exchange, station, outlet, told)
        except Exception:
            station.counts.add("internal error")
            self.exchange.log.exception("meter values could not be handled", charge_point=station.id)
            return
        session = self._sessions.get(station)
        if running is not None and session is not None and session.version.numbers_transactions:
            received = Received(at=self.exchange.received().at, s=told.received_s)
            self._hearing.find(session, outlet, running.reference, running.at, received)

    def _clock_set(self, by_s: float) -> None:
        """All their clocks look as much slower than a moment ago; none of their samples is older for it."""
        for station in self.directory.stations():
            station.clock.shift(by_s)

    # On the side

    async def _sweep(self) -> None:
        """End what takes too long, and ask the silent whether they are there: one task for all connections."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self._sweep_over(self.exchange.clock.now_s())

    def _sweep_over(self, now_s: float) -> None:
        listening = self._listening
        for session in sorted(self._waiting, key=lambda session: session.number):
            session.check(now_s)
        for wire in tuple(self._wires):
            silent_s = now_s - wire.heard_s
            if silent_s >= listening.silent_s:
                wire.drop()
            elif silent_s >= listening.ping_s and now_s - wire.pinged_s >= listening.ping_s / 2:
                wire.pinged_s = now_s
                wire.knock()

    async def _load(self, served: Served) -> None:
        """Read what was kept of a depot's charge points; until then nobody of it is let in."""
        records = self.exchange.records
        while any(not station.is_loaded for station in served.stations.values()):
            try:
                facts = await self.exchange.in_time(records.facts(served.depot_id))
                transactions: Sequence[Any] = await self.exchange.in_time(records.open_transactions(served.depot_id))
            except BusbarError as error:
                self.exchange.log.error("what was kept cannot be read", depot=served.depot_id, reason=str(error))
                await asyncio.sleep(_LOAD_AGAIN_S)
                continue
            missing = {name: station for name, station in served.stations.items() if not station.is_loaded}
            for name, station in missing.items():
                station.facts = station.kept_facts = facts.get(name)
                choose_quirk(self.exchange, station)
                station.is_loaded = True
            for transaction in transactions:
                owner = missing.get(transaction.charge_point)
                outlet = None if owner is None else owner.outlet_of(transaction.connector)
                if outlet is not None:
                    outlet.transaction = transaction
        served.is_loaded.set()
