"""A small central system that takes nothing for granted: every message is held against the schemas of OCPP."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import Any, TypeVar

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from busbar.adapters.files.depot_file import parse_depot
from busbar.adapters.files.document import parse_document
from busbar.core.projection import Projection, project
from busbar.simulator.stations.simulated_depot import SimulatedDepot

Value = TypeVar("Value")
Payload = dict[str, Any]

# The package brings no types.
_ocpp: Any = importlib.import_module("ocpp.messages")
LONGEST_S = 25.0
"""No test runs longer."""

DEPOT = """\
schema: busbar/depot/1
depot: {id: yard, voltage: 400 V, voltage_margin: 0 %}
circuits:
  - {id: GC1, default_operating_capacity: 500 kVA, safe_operating_capacity: 200 kVA, meter: true}
  - {id: C1, parent: GC1, default_operating_capacity: 200 A}
charge_points:
  - {id: AC1, circuit: C1, current: AC, max_rating: 32 A, power_factor: 1,
     connectors: [{id: 1, max_rating: 32 A, min: 6 A, step: 1 A, fallback: 6 A}]}
  - {id: DC1, circuit: GC1, current: DC, max_rating: 150 kW, efficiency: 0.95, power_factor: 1,
     connectors: [{id: 1, max_rating: 100 kW, min: 10 kW, step: 1 kW},
                  {id: 2, max_rating: 100 kW, min: 10 kW, step: 1 kW}]}
"""


def yard(text: str = DEPOT) -> Projection:
    return project(parse_depot(parse_document(text.encode(), file="depot.yaml")))


def run(work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
    """Run a test's coroutine; it ends by itself."""

    async def bounded() -> Value:
        async with asyncio.timeout(LONGEST_S):
            return await work()

    return asyncio.run(bounded())


def draw(depot: SimulatedDepot, connector: str) -> int:
    """What it really draws now."""
    return int(depot.draws()[depot.projection.leaf_index[connector]])


async def until(is_true: Callable[[], object], *, for_s: float = 12.0) -> None:
    """Wait until something is true; fails where that takes too long."""
    end = time() + for_s
    while not is_true():
        assert time() < end, "it did not come true in time"
        await asyncio.sleep(0.01)


def what_is_wrong(message: Any, version: str) -> str:
    """Held against the schema of OCPP; empty: nothing is wrong."""
    try:
        _ocpp._validate_payload(message, version)
    except Exception as error:
        return f"{message.action}: {error}"
    return ""


def call_of(action: str, payload: Payload) -> Any:
    return _ocpp.Call("1", action, payload)


def answer_of(action: str, payload: Payload) -> Any:
    return _ocpp.CallResult("1", payload, action)


def usual_answer(action: str, payload: Payload, next_transaction: Callable[[], int]) -> Payload:
    """What a central system that agrees to everything answers."""
    now = datetime.now(UTC).isoformat()
    match action:
        case "BootNotification":
            return {"status": "Accepted", "currentTime": now, "interval": 60}
        case "Heartbeat":
            return {"currentTime": now}
        case "Authorize" if "idToken" in payload:
            return {"idTokenInfo": {"status": "Accepted"}}
        case "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        case "StartTransaction":
            return {"transactionId": next_transaction(), "idTagInfo": {"status": "Accepted"}}
        case _:
            return {}


@dataclass
class Heard:
    """One call of a charge point."""

    charge_point: str
    connection: int
    action: str
    payload: Payload
    at_s: float


@dataclass
class StrictCentral:
    """What it heard, and what was wrong with it."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    sockets: dict[str, ServerConnection] = field(default_factory=dict)
    headers: dict[str, str | None] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)
    answers: dict[str, Payload] = field(default_factory=dict)
    """By action, in place of the usual answer."""
    mute: set[str] = field(default_factory=set)
    """Actions that are never answered."""
    _waiting: dict[str, asyncio.Future[Payload]] = field(default_factory=dict)
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    _number: int = 0
    _transactions: int = 100
    _server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def of(self, charge_point: str, action: str) -> list[Payload]:
        """What a charge point said, in order."""
        return [each.payload for each in self.heard if (each.charge_point, each.action) == (charge_point, action)]

    async def start(self) -> None:
        self._server = await serve(
            self._talk,
            "127.0.0.1",
            self.port,
            subprotocols=[Subprotocol("ocpp1.6"), Subprotocol("ocpp2.0.1")],
            compression=None,
            close_timeout=0.5,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def die(self) -> None:
        """As a killed process: nobody is told."""
        assert self._server is not None
        for socket in list(self._server.connections):
            socket.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        name = socket.request.path.rpartition("/")[2]
        self.headers[name] = socket.request.headers.get("Authorization")
        self.connections[name] = number = self.connections.get(name, 0) + 1
        self.sockets[name] = socket
        version = "1.6" if socket.subprotocol == "ocpp1.6" else "2.0.1"
        under_way: set[str] = set()
        try:
            async for frame in socket:
                message = orjson.loads(frame)
                if message[0] != 2:
                    self._answered(message, version)
                    continue
                _, id, action, payload = message
                if id in under_way:
                    self.violations.append(f"{name}: the id {id} is used twice")
                under_way.add(id)
                self.heard.append(
                    Heard(charge_point=name, connection=number, action=action, payload=payload, at_s=time())
                )
                self._check_call(action, payload, version, name)
                if action in self.mute:
                    continue
                answer = self.answers.get(action) or usual_answer(action, payload, self._next_transaction)
                self._check_answer(action, answer, version, "our own answer")
                await socket.send(orjson.dumps([3, id, answer]), text=True)
        except ConnectionClosed:
            pass

    def _next_transaction(self) -> int:
        self._transactions += 1
        return self._transactions

    def _check_call(self, action: str, payload: Payload, version: str, who: str) -> None:
        if wrong := what_is_wrong(call_of(action, payload), version):
            self.violations.append(f"{who}: {wrong}")

    def _check_answer(self, action: str, payload: Payload, version: str, who: str) -> None:
        if wrong := what_is_wrong(answer_of(action, payload), version):
            self.violations.append(f"{who}: {wrong}")

    def _answered(self, message: list[Any], version: str) -> None:
        future = self._waiting.pop(message[1], None)
        if future is None or future.done():
            self.violations.append(f"an answer to nothing: {message}")
            return
        action, name = self._asked.pop(message[1])
        if message[0] == 3:
            self._check_answer(action, message[2], version, name)
            future.set_result(message[2])
        else:
            future.set_result({"error": message[2]})

    async def ask(self, charge_point: str, action: str, payload: Payload | None = None) -> Payload:
        """Send an order; its answer, `{"error": code}` where it was one."""
        self._number += 1
        id = f"s{self._number}"
        future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting[id], self._asked[id] = future, (action, charge_point)
        await self.sockets[charge_point].send(orjson.dumps([2, id, action, payload or {}]), text=True)
        return await asyncio.wait_for(future, 15)


@asynccontextmanager
async def strict_central(**answers: Payload) -> AsyncIterator[StrictCentral]:
    central = StrictCentral(answers=answers)
    await central.start()
    try:
        yield central
        assert central.violations == []
    finally:
        await central.die()


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def profile_of(
    version: str,
    *periods: tuple[int, float],
    id: int = 1,
    purpose: str = "TxProfile",
    unit: str = "A",
    level: int = 5,
    transaction: str | None = None,
    start_s: float | None = None,
    duration_s: int | None = None,
) -> Payload:
    """A charging profile in the words of that version; absolute, from a minute ago."""
    schedule: Payload = {
        "startSchedule": iso(time() - 60 if start_s is None else start_s),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    if duration_s is not None:
        schedule["duration"] = duration_s
    profile: Payload = {
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
    }
    if version == "1.6":
        named: Payload = {} if transaction is None else {"transactionId": int(transaction)}
        return {"chargingProfileId": id, **profile, **named, "chargingSchedule": schedule}
    named = {} if transaction is None else {"transactionId": transaction}
    return {"id": id, **profile, **named, "chargingSchedule": [{"id": id, **schedule}]}


def order_of(version: str, connector: int, profile: Payload) -> Payload:
    """The content of SetChargingProfile."""
    if version == "1.6":
        return {"connectorId": connector, "csChargingProfiles": profile}
    return {"evseId": connector, "chargingProfile": profile}
