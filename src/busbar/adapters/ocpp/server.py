"""The central system: charge points connect here, orders leave from here, events come from here."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from itertools import count
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from busbar.adapters.ocpp.admission import Admission, Denial
from busbar.adapters.ocpp.directory import Directory, Served
from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.greeting import booted, choose_quirk, greet, greet_again, tell_fallbacks
from busbar.adapters.ocpp.hearing import Hearing, found_again
from busbar.adapters.ocpp.kept_facts import KeptFacts
from busbar.adapters.ocpp.listening import Listening, check_listening, tls_context
from busbar.adapters.ocpp.measuring import measure
from busbar.adapters.ocpp.messages import Boot
from busbar.adapters.ocpp.quirks import QuirkTable, load_quirks
from busbar.adapters.ocpp.session import Limits, Session
from busbar.adapters.ocpp.station import Outlet, Received, Station
from busbar.adapters.ocpp.telemetry import Telemetry, Told
from busbar.adapters.ocpp.turned_away import TurnedAway
from busbar.adapters.ocpp.wire import Gate, StationWire
from busbar.adapters.secrets import SecretChecker
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.events import Answered, Connected, Event
from busbar.engine.orders import Answer, Order
from busbar.engine.ports import ChargePointRecords
from busbar.engine.timing import Timing

SWEEP_S = 0.25
"""How often what takes too long is looked for, in one sweep over all connections."""
_LOAD_AGAIN_S = 5.0
_STOP_S = 10.0


class CentralSystem:
    """OCPP 1.6J, 2.0.1 and 2.1 on one port (the port `ChargePoints`)."""

    def __init__(
        self,
        listening: Listening,
        *,
        records: ChargePointRecords,
        inbox: Callable[[str, Event], None],
        timing: Timing | None = None,
        quirks: QuirkTable | None = None,
    ) -> None:
        """`inbox` takes a depot's id and an event, at once and without waiting.

        Raises BusbarError where what is to be listened to is unfit.
        """
        check_listening(listening)
        self._listening = listening
        self._exchange = Exchange(
            inbox=inbox,
            records=records,
            timing=timing or Timing(),
            quirks=quirks or load_quirks(),
            ping_s=listening.ping_s,
        )
        self._directory = Directory()
        self._admission = Admission(
            listening=listening, directory=self._directory, records=records, checker=SecretChecker()
        )
        self._turned_away = TurnedAway(self._exchange)
        self._kept_facts = KeptFacts(self._exchange)
        self._exchange.keep_facts = self._kept_facts.note
        self._telemetry = Telemetry(self._measure)
        self._hearing = Hearing(self._exchange, self._booted)
        self._gate = Gate(most=listening.most_connections, most_unread_bytes=listening.most_unanswered_bytes)
        self._numbers = count(1)
        self._sessions: dict[Station, Session] = {}
        self._waiting: set[Session] = set()
        """Those with something in flight or due."""
        self._server: Server | None = None

    # Life

    async def start(self) -> None:
        """Listen. Raises BusbarError where that is not possible."""
        listening = self._listening
        tls = tls_context(listening)
        try:
            self._server = await serve(
                self._connected,
                listening.host,
                listening.port,
                create_connection=self._make_wire,  # type: ignore[arg-type]
                process_request=self._decide,
                select_subprotocol=_agreed,
                compression=None,
                server_header=None,
                logger=_silent(),
                ping_interval=None,
                open_timeout=15,
                close_timeout=2,
                max_size=listening.most_message_bytes,
                ssl=tls,
                backlog=1024,
            )
        except OSError as error:
            place = f"{listening.host} port {listening.port}"
            raise BusbarError(f"Charge points cannot connect at {place}: {error}.") from error
        self._exchange.spawn(self._sweep())
        self._exchange.spawn(self._turned_away.write())
        self._exchange.spawn(self._kept_facts.write())
        for served in self._directory.depots():
            self._exchange.spawn(self._load(served))
        self._exchange.log.info("charge points may connect", host=listening.host, port=self.port, tls=tls is not None)

    async def stop(self) -> None:
        """Say goodbye to everybody; what was being kept is kept, within some seconds."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for session in list(self._sessions.values()):
            session.end("going away", code=1001)
        try:
            async with asyncio.timeout(_STOP_S):
                await server.wait_closed()
        except TimeoutError:
            for wire in list(self._gate.wires):
                wire.transport.abort()
        busy = [station for station in self._directory.stations() if station.keeping.is_busy]
        await asyncio.gather(*(station.keeping.finish(_STOP_S) for station in busy), self._kept_facts.finish(_STOP_S))
        await self._exchange.close()

    @property
    def port(self) -> int:
        """The port that charge points connect to, once started."""
        if self._server is None:
            return self._listening.port
        return int(next(iter(self._server.sockets)).getsockname()[1])

    # The port `ChargePoints`

    def serve_depot(self, depot: Depot) -> None:
        """These charge points are known from now on, in place of what was known of this depot before."""
        change = self._directory.serve(depot)
        for station in change.gone:
            if (session := self._sessions.get(station)) is not None:
                session.end("not in the depot any more")
        for station, outlets in change.told:
            session = self._sessions.get(station)
            if session is not None and session.is_ready:
                self._exchange.spawn(tell_fallbacks(self._exchange, session, outlets))
        served = self._directory.served(depot.id)
        if served is not None and self._server is not None:
            self._exchange.spawn(self._load(served))

    def send(self, order: Order) -> None:
        """Send it now. Exactly one `Answered` follows, at the latest after the answer time."""
        station = self._directory.station(order.depot_id, order.charge_point)
        session = None if station is None else self._sessions.get(station)
        if session is not None:
            session.deliver(order)
            return
        answered = Answered(
            order_id=order.id,
            charge_point=order.charge_point,
            connection=0,
            answer=Answer.NOT_SENT,
            received_s=time.monotonic(),
            detail="no such charge point" if station is None else "not connected",
        )
        self._exchange.inbox(order.depot_id, answered)

    def disconnect(self, depot_id: str, charge_point: str, *, refuse_for_s: float = 0.0) -> None:
        """Close its connection; turn it away for so long."""
        station = self._directory.station(depot_id, charge_point)
        if station is None:
            return
        if refuse_for_s > 0:
            station.refused_until_s = time.monotonic() + refuse_for_s
        if (session := self._sessions.get(station)) is not None:
            session.end("disconnected on purpose")

    # For metrics

    def counts(self, depot_id: str) -> Mapping[str, Mapping[str, int]]:
        """Oddities, late answers, shed meter values: by charge point, by kind. Those with nothing to count are out."""
        served = self._directory.served(depot_id)
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

    def _make_wire(self, *args: Any, **more: Any) -> StationWire:
        return StationWire(*args, gate=self._gate, **more)

    async def _decide(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a connection in, or say why not."""
        assert isinstance(connection, StationWire)
        verdict = await self._admission.decide(connection, request)
        if not isinstance(verdict, Denial):
            served = self._directory.served(verdict.station.depot_id)
            if served is None or not await _is_loaded(served, self._exchange.timing.answer_s / 2):
                verdict = Denial(HTTPStatus.SERVICE_UNAVAILABLE, "not ready yet", retry_s=5)
        if isinstance(verdict, Denial):
            return self._deny(connection, verdict)
        connection.station, connection.version = verdict
        return None

    def _deny(self, wire: StationWire, denial: Denial) -> Response:
        peer = wire.transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        if denial.is_noted:
            self._turned_away.note(denial.identity, address, denial.reason)
        self._exchange.log.debug("turned away", identity=denial.identity, address=address, reason=denial.reason)
        response = wire.respond(denial.status, f"{denial.status.phrase}\n")
        if denial.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="charge points"'
        if denial.retry_s is not None:
            response.headers["Retry-After"] = str(denial.retry_s)
        return response

    async def _connected(self, connection: ServerConnection) -> None:
        """One connection, from the handshake to its end."""
        assert isinstance(connection, StationWire)
        session = self._open_session(connection)
        if session is None:
            return
        try:
            await greet(self._exchange, self._hearing, session, self._listening.boot_wait_s)
        except Exception:
            self._exchange.log.exception("a charge point could not be greeted", **session.names)
            session.end("internal error", code=1011)
        await connection.wait_closed()

    def _open_session(self, wire: StationWire) -> Session | None:
        """Put a new connection in the place of what the charge point had before; None: it is not known any more."""
        station, version = wire.station, wire.version
        assert station is not None
        assert version is not None
        if self._server is None or self._directory.station(station.depot_id, station.id) is not station:
            return None
        if (before := self._sessions.get(station)) is not None:
            before.end("replaced by a new connection")
        listening = self._listening
        session = Session(
            exchange=self._exchange,
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
        now_s = time.monotonic()
        station.clock.connect(now_s)
        made = Connected(charge_point=station.id, connection=session.number, received_s=now_s)
        self._exchange.inbox(station.depot_id, made)
        self._exchange.log.info("connected", **session.names, connection=session.number, protocol=version.protocol)
        found_again(self._exchange, station, station.outlets.values())
        wire.listen(session)
        return session

    def _ended(self, session: Session) -> None:
        if self._sessions.get(session.station) is session:
            del self._sessions[session.station]

    def _booted(self, session: Session, boot: Boot) -> None:
        is_new = booted(self._exchange, session, boot)
        if is_new and session.is_ready:
            self._exchange.spawn(greet_again(self._exchange, session))

    def _measure(self, station: Station, outlet: Outlet, told: Told) -> None:
        try:
            running = measure(self._exchange, station, outlet, told)
        except Exception:
            station.counts.add("internal error")
            self._exchange.log.exception("meter values could not be handled", charge_point=station.id)
            return
        session = self._sessions.get(station)
        if running is not None and session is not None and session.version.numbers_transactions:
            received = Received(at=self._exchange.received().at, s=told.received_s)
            self._hearing.find(session, outlet, running.reference, running.at, received)

    # On the side

    async def _sweep(self) -> None:
        """End what takes too long, and ask the silent whether they are there: one task for all connections."""
        listening = self._listening
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = time.monotonic()
            for session in tuple(self._waiting):
                session.check(now_s)
            for wire in tuple(self._gate.wires):
                silent_s = now_s - wire.heard_s
                if silent_s >= listening.silent_s:
                    wire.transport.abort()
                elif silent_s >= listening.ping_s and now_s - wire.pinged_s >= listening.ping_s / 2:
                    wire.pinged_s = now_s
                    wire.knock()

    async def _load(self, served: Served) -> None:
        """Read what was kept of a depot's charge points; until then nobody of it is let in."""
        records = self._exchange.records
        while any(not station.is_loaded for station in served.stations.values()):
            try:
                facts = await self._exchange.in_time(records.facts(served.depot_id))
                transactions: Sequence[Any] = await self._exchange.in_time(records.open_transactions(served.depot_id))
            except BusbarError as error:
                self._exchange.log.error("what was kept cannot be read", depot=served.depot_id, reason=str(error))
                await asyncio.sleep(_LOAD_AGAIN_S)
                continue
            missing = {name: station for name, station in served.stations.items() if not station.is_loaded}
            for name, station in missing.items():
                station.facts = station.kept_facts = facts.get(name)
                choose_quirk(self._exchange, station)
                station.is_loaded = True
            for transaction in transactions:
                owner = missing.get(transaction.charge_point)
                outlet = None if owner is None else owner.outlet_of(transaction.connector)
                if outlet is not None:
                    outlet.transaction = transaction
        served.is_loaded.set()


def _silent() -> logging.Logger:
    """Whoever scans ports fails a handshake a second; what matters of a connection is logged here."""
    logger = logging.Logger("websockets")
    logger.disabled = True
    return logger


def _agreed(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    assert isinstance(connection, StationWire)
    return None if connection.version is None else Subprotocol(connection.version.protocol)


async def _is_loaded(served: Served, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await served.is_loaded.wait()
    except TimeoutError:
        return False
    return True
