"""MQTT: one connection per broker and user, shared by its topics, opened again whenever it breaks."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import aiomqtt
import orjson

from busbar.adapters.meters.address import MqttAddress
from busbar.adapters.meters.cancelling import is_cancelled
from busbar.adapters.meters.push import age_of, as_instant, parse_push
from busbar.adapters.meters.values import Values, event_of, fault, reversed_values
from busbar.core.errors import RefusedError
from busbar.engine.events import NodeMeasured

Emit = Callable[[NodeMeasured], None]
MOST_BYTES = 65_536
_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 30.0
"""A connection that held so long was no failure."""
_KEEP_ALIVE_S = 15
_MOST_WAITING = 1000
"""Messages received and not looked at; beyond it the client drops."""
_CONNECT_S = 5.0
_SHORTEST_GAP_S = 0.05
"""Of messages of one meter that come closer, the later are dropped."""


class MqttBroker:
    """One connection and the topics wanted on it."""

    def __init__(
        self,
        address: MqttAddress,
        *,
        password: str | None,
        clock_s: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._address, self._password = address, password
        self._clock_s, self._now = clock_s, now
        self._topics: dict[object, tuple[str, MqttAddress, Emit]] = {}
        self._last_s: dict[object, float] = {}
        self._changed = asyncio.Event()

    def use(self, key: object, node: str, address: MqttAddress, emit: Emit) -> None:
        """Listen to this meter too, or otherwise."""
        self._topics[key] = (node, address, emit)
        self._changed.set()

    def forget(self, key: object) -> bool:
        """Listen to it no more; whether any is left."""
        self._topics.pop(key, None)
        self._last_s.pop(key, None)
        self._changed.set()
        return bool(self._topics)

    async def run(self) -> None:
        """Until it is cancelled."""
        pause_s = _SHORTEST_PAUSE_S
        while not is_cancelled():
            began_s = self._clock_s()
            try:
                await self._serve()
            except Exception as error:  # Whatever a broker sends: a meter nobody listens to any more would be worse.
                self._say_fault(f"no connection to {self._address.host}:{self._address.port}: {_why(error)}")
            if self._clock_s() - began_s > _STEADY_S:
                pause_s = _SHORTEST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _serve(self) -> None:
        """One connection, until it breaks."""
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.user,
            password=self._password,
            tls_context=ssl.create_default_context() if self._address.is_tls else None,
            timeout=_CONNECT_S,
            keepalive=_KEEP_ALIVE_S,
            max_queued_incoming_messages=_MOST_WAITING,
        )
        async with client, asyncio.TaskGroup() as group:
            group.create_task(self._subscribe(client))
            async for message in client.messages:
                self._hear(message)

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        """Keep what is subscribed to what is wanted."""
        subscribed: set[str] = set()
        while not is_cancelled():
            self._changed.clear()
            wanted = {address.topic for _, address, _ in self._topics.values()}
            for topic in sorted(subscribed - wanted):
                await client.unsubscribe(topic, timeout=_CONNECT_S)
            for topic in sorted(wanted - subscribed):
                await client.subscribe(topic, qos=0, timeout=_CONNECT_S)
            subscribed = wanted
            if not is_cancelled():
                await self._changed.wait()

    def _hear(self, message: aiomqtt.Message) -> None:
        topic, received_s = str(message.topic), self._clock_s()
        for key, (node, address, emit) in list(self._topics.items()):
            if address.topic != topic or received_s - self._last_s.get(key, -1.0) < _SHORTEST_GAP_S:
                continue
            self._last_s[key] = received_s
            emit(
                read_payload(
                    node,
                    address,
                    message.payload,
                    is_retained=bool(message.retain),
                    now=self._now(),
                    received_s=received_s,
                )
            )

    def _say_fault(self, why: str) -> None:
        for node, _, emit in list(self._topics.values()):
            emit(fault(node, why, received_s=self._clock_s()))


def _why(error: Exception) -> str:
    """The first of what went wrong; the tasks of one connection fail together."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return str(error)[:200] or type(error).__name__


def read_payload(
    node: str, address: MqttAddress, payload: object, *, is_retained: bool, now: datetime, received_s: float
) -> NodeMeasured:
    """One message as an event; a fault says what is wrong with it.

    A retained message is as old as it says, and worth nothing where it does not say.
    """
    if not isinstance(payload, bytes | bytearray) or len(payload) > MOST_BYTES:
        return fault(node, "the message is empty or too long", received_s=received_s)
    if address.number_w is not None:
        if is_retained:
            return fault(node, "the message was retained and does not say how old it is", received_s=received_s)
        return _plain(node, address, bytes(payload), received_s)
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return fault(node, "the message is not JSON", received_s=received_s)
    age_s = _age_s(address, body, is_retained=is_retained, now=now)
    if age_s is None:
        return fault(node, "the message is retained or says a time, and its age is not known", received_s=received_s)
    if address.keys:
        return _keyed(node, address, body, received_s=received_s, age_s=age_s)
    try:
        event = parse_push(node, body, now=now, received_s=received_s)
    except RefusedError as refusal:
        return fault(node, str(refusal.problems[0])[:300], received_s=received_s)
    if not address.reversed:
        return event
    phases = event.phases_ma or (None, None, None)
    first, second, third = (None if value is None else abs(value) / 1000 for value in phases)
    power_w = None if event.power_w is None else -float(event.power_w)
    values = Values(current_a=(first, second, third), power_w=power_w)
    return event_of(node, values, received_s=received_s, age_s=event.age_s)


def _plain(node: str, address: MqttAddress, payload: bytes, received_s: float) -> NodeMeasured:
    try:
        power_w = float(payload.decode("ascii").strip()) * (address.number_w or 1.0)
    except ValueError:
        return fault(node, "the message is not a number", received_s=received_s)
    power_w = -power_w if address.reversed else power_w
    return event_of(node, Values(power_w=power_w), received_s=received_s, age_s=0.0)


def _keyed(node: str, address: MqttAddress, body: object, *, received_s: float, age_s: float) -> NodeMeasured:
    found: dict[str, float] = {}
    for name in ("power", "l1", "l2", "l3"):
        if name not in address.keys:
            continue
        value = _at_key(body, address.keys[name])
        if isinstance(value, bool) or not isinstance(value, int | float):
            return fault(node, f"the message has no number at {address.keys[name]}", received_s=received_s)
        found[name] = float(value) * (address.power_w if name == "power" else address.current_a)
    values = Values(current_a=(found.get("l1"), found.get("l2"), found.get("l3")), power_w=found.get("power"))
    values = reversed_values(values) if address.reversed else values
    return event_of(node, values, received_s=received_s, age_s=age_s)


def _age_s(address: MqttAddress, body: object, *, is_retained: bool, now: datetime) -> float | None:
    """How old a message is by its own time; None where that is not known and should be."""
    key = address.keys.get("at") if address.keys else "at"
    said = None if key is None else _at_key(body, key)
    if said is None:
        return None if is_retained or "at" in address.keys else 0.0
    at = as_instant(said)
    return None if at is None else age_of(at, now)


def _at_key(body: object, key: str) -> Any:
    """What is at `meter.power.total` in nested objects; None where nothing is."""
    here: Any = body
    if isinstance(here, Mapping) and key in here:
        return here[key]
    for part in key.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here
