"""The central system: charge points connect here over web sockets; what they say goes to the switchboard."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from busbar.adapters.ocpp.admission import Admission, Denial
from busbar.adapters.ocpp.listening import Listening, check_listening, tls_context
from busbar.adapters.ocpp.quirks import QuirkTable
from busbar.adapters.ocpp.switchboard import Switchboard
from busbar.adapters.ocpp.turned_away import TurnedAway
from busbar.adapters.ocpp.wire import Gate, StationWire
from busbar.adapters.secrets import SecretChecker
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.events import Event
from busbar.engine.orders import Order
from busbar.engine.ports import ChargePointRecords
from busbar.engine.timing import Timing

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
        self._gate = Gate(most=listening.most_connections, most_unread_bytes=listening.most_unanswered_bytes)
        self._switchboard = Switchboard(
            listening, wires=self._gate.wires, records=records, inbox=inbox, timing=timing, quirks=quirks
        )
        self._exchange = self._switchboard.exchange
        self._admission = Admission(
            listening=listening, directory=self._switchboard.directory, records=records, checker=SecretChecker()
        )
        self._turned_away = TurnedAway(self._exchange)
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
        self._switchboard.start()
        self._exchange.spawn(self._turned_away.write())
        self._exchange.log.info("charge points may connect", host=listening.host, port=self.port, tls=tls is not None)

    async def stop(self) -> None:
        """Say goodbye to everybody; what was being kept is kept, within some seconds."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self._switchboard.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await server.wait_closed()
        except TimeoutError:
            for wire in list(self._gate.wires):
                wire.transport.abort()
        await self._switchboard.finish(_STOP_S)

    @property
    def port(self) -> int:
        """The port that charge points connect to, once started."""
        if self._server is None:
            return self._listening.port
        return int(next(iter(self._server.sockets)).getsockname()[1])

    # The port `ChargePoints`

    def serve_depot(self, depot: Depot) -> None:
        """These charge points are known from now on, in place of what was known of this depot before."""
        self._switchboard.serve_depot(depot)

    def send(self, order: Order) -> None:
        """Send it now. Exactly one `Answered` follows, at the latest after the answer time."""
        self._switchboard.send(order)

    def disconnect(self, depot_id: str, charge_point: str, *, refuse_for_s: float = 0.0) -> None:
        """Close its connection; turn it away for so long."""
        self._switchboard.disconnect(depot_id, charge_point, refuse_for_s=refuse_for_s)

    # For metrics

    def counts(self, depot_id: str) -> Mapping[str, Mapping[str, int]]:
        """Oddities, late answers, shed meter values: by charge point, by kind. Those with nothing to count are out."""
        return self._switchboard.counts(depot_id)

    @property
    def connected(self) -> int:
        """How many charge points are connected."""
        return self._switchboard.connected

    @property
    def shed(self) -> int:
        """How many messages with meter values were never looked at, because there was too much to do."""
        return self._switchboard.shed

    # Connections

    def _make_wire(self, *args: Any, **more: Any) -> StationWire:
        return StationWire(*args, gate=self._gate, **more)

    async def _decide(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a connection in, or say why not."""
        assert isinstance(connection, StationWire)
        verdict = await self._admission.decide(connection, request)
        if not isinstance(verdict, Denial) and not await self._switchboard.is_loaded(
            verdict.station, self._exchange.timing.answer_s / 2
        ):
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
        assert connection.station is not None
        assert connection.version is not None
        await self._switchboard.serve(connection.station, connection.version, connection)
        await connection.wait_closed()


def _silent() -> logging.Logger:
    """Whoever scans ports fails a handshake a second; what matters of a connection is logged here."""
    logger = logging.Logger("websockets")
    logger.disabled = True
    return logger


def _agreed(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    assert isinstance(connection, StationWire)
    return None if connection.version is None else Subprotocol(connection.version.protocol)
