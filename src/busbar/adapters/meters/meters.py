"""The meters of all depots: who is asked or listened to, started and stopped as depots are edited."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from busbar.adapters.meters.address import Address, ModbusAddress, MqttAddress, check_addresses, parse_address
from busbar.adapters.meters.modbus import ModbusLine
from busbar.adapters.meters.mqtt import MqttBroker
from busbar.core.depot import Depot
from busbar.core.errors import RefusedError
from busbar.engine.events import NodeMeasured

_STOP_S = 10.0
Key = tuple[str, str]
"""Depot and node."""
_Line = ModbusLine | MqttBroker


class Meters:
    """Reads every meter that has an address. Events go to `inbox(depot_id, event)`, which never waits.

    `passwords` are those of MQTT users, by `USER@HOST:PORT`; `maps` is a folder of register maps of the operator's own.
    """

    def __init__(
        self,
        inbox: Callable[[str, NodeMeasured], None],
        *,
        passwords: Mapping[str, str] | None = None,
        maps: Path | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._inbox, self._maps, self._passwords = inbox, maps, dict(passwords or {})
        self._clock_s, self._now = clock_s, now
        self._wanted: dict[Key, Address] = {}
        self._lines: dict[object, tuple[_Line, asyncio.Task[None]]] = {}
        self._is_running = False

    async def start(self) -> None:
        """Begin to read what is wanted, and whatever `use` names from now on."""
        self._is_running = True
        for key, address in self._wanted.items():
            self._add(key, address)

    async def stop(self) -> None:
        """Read nothing any more; returns when every connection is closed, within some seconds."""
        self._is_running = False
        tasks = [task for _, task in self._lines.values()]
        self._lines.clear()
        until_s = self._clock_s() + _STOP_S
        left = set(tasks)
        while left and self._clock_s() < until_s:
            # Said again until it is heard: a library may swallow it once.
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.5)

    def use(self, depot: Depot) -> None:
        """These are the depot's meters from now on; those that stay as they are go on undisturbed.

        Raises RefusedError, changing nothing, where an address cannot be used.
        """
        problems = check_addresses(depot, maps=self._maps)
        if problems:
            raise RefusedError(problems)
        wanted = {
            (depot.id, circuit.id): parse_address(circuit.meter, maps=self._maps)
            for circuit in depot.circuits
            if isinstance(circuit.meter, str)
        }
        for key in [key for key in self._wanted if key[0] == depot.id and wanted.get(key) != self._wanted[key]]:
            self._remove(key, self._wanted.pop(key))
        for key, address in wanted.items():
            if key not in self._wanted:
                self._wanted[key] = address
                self._add(key, address)

    def forget(self, depot_id: str) -> None:
        """Read no meter of this depot any more."""
        for key in [key for key in self._wanted if key[0] == depot_id]:
            self._remove(key, self._wanted.pop(key))

    def _add(self, key: Key, address: Address) -> None:
        if not self._is_running:
            return
        place = _place(address)
        if place not in self._lines:
            line = self._line(address)
            self._lines[place] = (line, asyncio.create_task(line.run(), name=f"meters at {place}"))
        line, _ = self._lines[place]
        depot_id, node = key

        def emit(event: NodeMeasured) -> None:
            self._inbox(depot_id, event)

        match line, address:
            case ModbusLine(), ModbusAddress():
                line.use(key, node, address, emit)
            case MqttBroker(), MqttAddress():
                line.use(key, node, address, emit)

    def _line(self, address: Address) -> _Line:
        if isinstance(address, ModbusAddress):
            return ModbusLine(address.host, address.port, clock_s=self._clock_s)
        password = self._passwords.get(f"{address.user}@{address.host}:{address.port}")
        return MqttBroker(address, password=password, clock_s=self._clock_s, now=self._now)

    def _remove(self, key: Key, address: Address) -> None:
        found = self._lines.get(_place(address))
        if found is not None and not found[0].forget(key):
            found[1].cancel()
            del self._lines[_place(address)]


def _place(address: Address) -> object:
    """What one connection serves."""
    if isinstance(address, ModbusAddress):
        return ("modbus", address.host, address.port)
    return ("mqtts" if address.is_tls else "mqtt", address.user, address.host, address.port)
