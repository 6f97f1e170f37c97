"""A central system on loopback, and charge points that play a script against it."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.ocpp.listening import Listening, Proof
from busbar.adapters.ocpp.quirks import QuirkTable, read_quirks
from busbar.adapters.ocpp.schemas import request_validators, response_validators
from busbar.adapters.ocpp.server import CentralSystem
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.units import PHASES, ActivePower, Phase
from busbar.engine.events import Answered, Event, Ready
from busbar.engine.orders import Order, OrderKind
from busbar.engine.timing import Timing

PATIENCE_S = 20.0
"""No test waits longer for anything; what it waits for takes milliseconds."""
OPEN = Listening(port=0, proof=Proof.NOTHING, boot_wait_s=5.0)
TOUCHED = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)

Found = TypeVar("Found", bound=Event)
Script = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an async test to its end, or for a while."""

    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(3 * PATIENCE_S):
                await test(*args, **more)

        asyncio.run(bounded())

    return run


def connector(name: str = "1", *, fallback: int = 6000, phases: tuple[Phase, ...] = PHASES, **more: Any) -> Connector:
    return Connector(id=name, max_rating=32_000, minimum=6000, step=100, fallback=fallback, phases=phases, **more)


def ac_point(name: str = "CP1", *connectors: Connector) -> ChargePoint:
    return ChargePoint(
        id=name, circuit="C1", current=CurrentKind.AC, max_rating=32_000, connectors=connectors or (connector(),)
    )


def dc_point(name: str = "CP1", *, fallback: int = 0) -> ChargePoint:
    plug = Connector(id="1", max_rating=150_000, minimum=10_000, step=1000, fallback=fallback)
    return ChargePoint(
        id=name, circuit="C1", current=CurrentKind.DC, max_rating=150_000, connectors=(plug,), efficiency_permille=940
    )


def depot(*charge_points: ChargePoint, name: str = "north", **more: Any) -> Depot:
    circuit = Circuit(id="C1", default_operating_capacity=ActivePower(w=100_000))
    return Depot(id=name, voltage_v=400, circuits=(circuit,), charge_points=charge_points or (ac_point(),), **more)


_order_ids = count(1)


def order(
    limit: int = 10_000,
    *,
    kind: OrderKind = OrderKind.SET,
    connector: str = "CP1/1",
    fallback: int = 6000,
    lasts_s: float = 120,
    depot_id: str = "north",
) -> Order:
    return Order(
        id=f"order-{next(_order_ids)}",
        depot_id=depot_id,
        charge_point=connector.rpartition("/")[0],
        connector=connector,
        kind=kind,
        limit=limit,
        fallback=fallback,
        ends_at=datetime.now(UTC) + timedelta(seconds=lasts_s),
    )


def stamped(seconds: float = 0) -> str:
    """Now, or so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@dataclass
class Inbox:
    """Every event, in order, with its depot."""

    events: list[tuple[str, Event]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, depot_id: str, event: Event) -> None:
        self.events.append((depot_id, event))
        self._changed.set()

    def of(self, kind: type[Found]) -> list[Found]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        return [type(event).__name__ for _, event in self.events]

    async def until(self, kind: type[Found], number: int = 1) -> Found:
        """The so-manieth event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.of(kind)) < number:
                self._changed.clear()
                await self._changed.wait()
        return found[number - 1]

    async def answer_to(self, sent: Order) -> Answered:
        """What became of an order."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [event for event in self.of(Answered) if event.order_id == sent.id]):
                self._changed.clear()
                await self._changed.wait()
        return found[0]


@dataclass
class Central:
    """A running central system and what it told."""

    system: CentralSystem
    inbox: Inbox
    records: MemoryRecords
    scheme: str = "ws"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.system.port}/ocpp"

    def oddities(self, charge_point: str = "CP1") -> Mapping[str, int]:
        return self.system.counts("north").get(charge_point, {})

    async def until_counted(self, kind: str, charge_point: str = "CP1") -> int:
        async with asyncio.timeout(PATIENCE_S):
            while not (times := self.oddities(charge_point).get(kind, 0)):
                await asyncio.sleep(0.01)
        return times


NO_QUIRKS = QuirkTable(entries=())


def quirks(text: str) -> QuirkTable:
    """One entry for everybody."""
    return QuirkTable(entries=read_quirks(f"- name: Test\n  match: {{vendor: .}}\n{text}", "test"))


@asynccontextmanager
async def central(
    *depots: Depot,
    listening: Listening = OPEN,
    records: MemoryRecords | None = None,
    timing: Timing | None = None,
    table: QuirkTable = NO_QUIRKS,
) -> AsyncIterator[Central]:
    inbox, records = Inbox(), records or MemoryRecords()
    system = CentralSystem(listening, records=records, inbox=inbox, timing=timing, quirks=table)
    for one in depots or (depot(),):
        system.serve_depot(one)
    await system.start()
    try:
        yield Central(system, inbox, records, "ws" if listening.certificate_file is None else "wss")
    finally:
        await system.stop()


@dataclass
class Peer:
    """A charge point that answers by its script. `None` in the script: it does not answer."""

    socket: ClientConnection
    protocol: str
    script: dict[str, Mapping[str, Any] | Script | None]
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """What it was told, in order."""
    held: list[tuple[str, str]] = field(default_factory=list)
    """Action and id of what it did not answer."""
    strays: list[list[Any]] = field(default_factory=list)
    """Answers to what was sent by hand."""
    is_closed: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: Any = field(default_factory=lambda: count(1))

    async def run(self) -> None:
        try:
            async for raw in self.socket:
                await self._heard(orjson.loads(raw))
        except ConnectionClosed:
            pass
        finally:
            self.is_closed.set()

    async def _heard(self, frame: list[Any]) -> None:
        if frame[0] != 2:
            asked = self._answers.pop(str(frame[1]), None)
            if asked is None:
                self.strays.append(frame)
            else:
                asked.set_result(frame)
            return
        _, message_id, action, payload = frame
        request_validators(self.protocol)[action].validate(payload)
        self.calls.append((action, payload))
        said = self.script.get(action, {"status": "Accepted"})
        answer = said(payload) if callable(said) else said
        if answer is None:
            self.held.append((action, message_id))
        elif "CALLERROR" in answer:
            await self.say([4, message_id, answer["CALLERROR"], "because", {}])
        else:
            await self.say([3, message_id, answer])
        self._changed.set()

    async def say(self, frame: Any) -> None:
        """Any frame, right or wrong."""
        await self.socket.send(frame if isinstance(frame, str | bytes) else orjson.dumps(frame).decode())

    async def ask(self, action: str, payload: Any, message_id: Any = None) -> Any:
        """A CALL; the answer's payload, which has to keep its schema, or the whole CALLERROR."""
        message_id = f"ask-{next(self._ids)}" if message_id is None else message_id
        future = self._answers[str(message_id)] = asyncio.get_running_loop().create_future()
        await self.say([2, message_id, action, payload])
        async with asyncio.timeout(PATIENCE_S):
            frame = await future
        assert frame[1] == message_id
        if frame[0] == 4:
            return frame
        if action in response_validators(self.protocol):
            response_validators(self.protocol)[action].validate(frame[2])
        return frame[2]

    def told(self, action: str) -> list[Mapping[str, Any]]:
        return [payload for name, payload in self.calls if name == action]

    async def until_told(self, action: str, number: int = 1) -> Mapping[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.told(action)) < number:
                self._changed.clear()
                await self._changed.wait()
        return found[number - 1]

    async def boot(self, **more: Any) -> None:
        if self.protocol == "ocpp1.6":
            station = {"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.0", **more}
            await self.ask("BootNotification", station)
        else:
            station = {"vendorName": "Acme", "model": "One", "firmwareVersion": "1.0", **more}
            await self.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})

    async def start(self, *, evse: int = 1, tag: str = "T1", at: str | None = None, name: str = "tx-1") -> Any:
        """Begin a transaction; its id for 1.6."""
        if self.protocol == "ocpp1.6":
            told = {"connectorId": evse, "idTag": tag, "meterStart": 100, "timestamp": at or stamped()}
            return (await self.ask("StartTransaction", told))["transactionId"]
        await self.event("Started", evse=evse, tag=tag, at=at, name=name)
        return name

    async def event(
        self,
        kind: str,
        *,
        evse: int | None = 1,
        tag: str | None = None,
        at: str | None = None,
        name: str = "tx-1",
        state: str | None = "Charging",
        **more: Any,
    ) -> Any:
        """A TransactionEvent of 2.0.1."""
        told: dict[str, Any] = {
            "eventType": kind,
            "timestamp": at or stamped(),
            "triggerReason": "CablePluggedIn",
            "seqNo": 0,
            "transactionInfo": {"transactionId": name, **({"chargingState": state} if state else {})},
            **more,
        }
        if evse is not None:
            told["evse"] = {"id": evse, "connectorId": 1}
        if tag is not None:
            told["idToken"] = {"idToken": tag, "type": "ISO14443"}
        return await self.ask("TransactionEvent", told)

    async def stop(self, reference: Any, *, at: str | None = None) -> Any:
        if self.protocol == "ocpp1.6":
            told = {"transactionId": reference, "meterStop": 200, "timestamp": at or stamped(), "reason": "Local"}
            return await self.ask("StopTransaction", told)
        return await self.event("Ended", name=reference, at=at, state=None)

    async def status(self, state: str, *, evse: int = 1, at: str | None = None) -> Any:
        if self.protocol == "ocpp1.6":
            told = {"connectorId": evse, "errorCode": "NoError", "status": state, "timestamp": at or stamped()}
            return await self.ask("StatusNotification", told)
        told = {"evseId": evse, "connectorId": 1, "connectorStatus": state, "timestamp": at or stamped()}
        return await self.ask("StatusNotification", told)

    async def meter(self, power_w: float, *, evse: int = 1, at: str | None = None, **more: Any) -> Any:
        sample = {"measurand": "Power.Active.Import", "context": "Sample.Periodic"}
        if self.protocol == "ocpp1.6":
            values = [{"timestamp": at or stamped(), "sampledValue": [{"value": str(power_w), "unit": "W", **sample}]}]
            return await self.ask("MeterValues", {"connectorId": evse, "meterValue": values, **more})
        values = [{"timestamp": at or stamped(), "sampledValue": [{"value": power_w, **sample}]}]
        return await self.ask("MeterValues", {"evseId": evse, "meterValue": values, **more})

    async def answer_held(self, answer: Mapping[str, Any]) -> None:
        """Answer at last what was left without an answer."""
        _, message_id = self.held.pop(0)
        await self.say([3, message_id, answer])


QUIET: dict[str, Mapping[str, Any] | Script | None] = {
    "GetConfiguration": {"configurationKey": []},
    "GetVariables": {"getVariableResult": []},
    "SetVariables": {"setVariableResult": []},
}
"""Says nothing of itself."""


@asynccontextmanager
async def peer(
    to: Central | str,
    protocol: str = "ocpp1.6",
    *,
    path: str = "/CP1",
    script: Mapping[str, Mapping[str, Any] | Script | None] | None = None,
    **more: Any,
) -> AsyncIterator[Peer]:
    url = to if isinstance(to, str) else to.url
    async with connect(
        url + path,
        subprotocols=[Subprotocol(protocol)],
        compression=None,
        proxy=None,
        open_timeout=PATIENCE_S,
        close_timeout=1,
        **more,
    ) as socket:
        one = Peer(socket, protocol, {**QUIET, **(script or {})})
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            # On a busy machine the closing handshake may take longer than its second: closed it is all the same.
            with suppress(ConnectionClosed):
                await socket.close()
            await task


@asynccontextmanager
async def ready_peer(
    to: Central,
    protocol: str = "ocpp1.6",
    *,
    path: str = "/CP1",
    script: Mapping[str, Mapping[str, Any] | Script | None] | None = None,
    **station: Any,
) -> AsyncIterator[Peer]:
    """One that booted and was greeted."""
    number = len(to.inbox.of(Ready)) + 1
    async with peer(to, protocol, path=path, script=script) as one:
        await one.boot(**station)
        await to.inbox.until(Ready, number)
        one.calls.clear()
        yield one
