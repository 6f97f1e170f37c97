"""Modbus TCP: one line per host and port, on which one meter after the other is asked."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from busbar.adapters.meters import sunspec
from busbar.adapters.meters.address import ModbusAddress
from busbar.adapters.meters.cancelling import is_cancelled
from busbar.adapters.meters.registers import Block, values_of
from busbar.adapters.meters.values import Values, event_of, fault, reversed_values
from busbar.engine.events import NodeMeasured

Emit = Callable[[NodeMeasured], None]
_LONGEST_PAUSE_S = 10.0
"""A meter that does not answer is asked again at least this often: it is wanted back soon."""


class MeterFaultError(Exception):
    """The meter gave no value; the message says why. (Never leaves this module.)"""


@dataclass(slots=True)
class _Asked:
    """One meter on a line. (Mutable: it remembers how it went.)"""

    node: str
    address: ModbusAddress
    emit: Emit
    due_s: float = 0.0
    failures: int = 0
    model: sunspec.Model | None = None
    """Its SunSpec model, once found."""
    given: set[str] = field(default_factory=set)
    """What it has given before: when that is missing, the sample is worth nothing."""


class ModbusLine:
    """One connection, kept open. A meter that does not answer costs the others its time-out, ever more rarely."""

    def __init__(self, host: str, port: int, *, clock_s: Callable[[], float]) -> None:
        self._host, self._port, self._clock_s = host, port, clock_s
        self._meters: dict[object, _Asked] = {}
        self._changed = asyncio.Event()
        self._client: AsyncModbusTcpClient | None = None

    def use(self, key: object, node: str, address: ModbusAddress, emit: Emit) -> None:
        """Ask this meter too, or ask it otherwise."""
        self._meters[key] = _Asked(node=node, address=address, emit=emit, due_s=self._clock_s())
        self._changed.set()

    def forget(self, key: object) -> bool:
        """Ask it no more; whether any is left."""
        self._meters.pop(key, None)
        self._changed.set()
        return bool(self._meters)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while not is_cancelled():
                self._changed.clear()
                meter = min(self._meters.values(), key=lambda meter: meter.due_s, default=None)
                wait_s = 60.0 if meter is None else meter.due_s - self._clock_s()
                if wait_s > 0:
                    await _wait(self._changed, wait_s)
                    continue
                assert meter is not None
                await self._ask(meter)
        finally:
            self._close()

    async def _ask(self, meter: _Asked) -> None:
        began_s = self._clock_s()
        try:
            async with asyncio.timeout(meter.address.timeout_s * 4 + 1):
                values = await self._read(meter)
            # As old as the oldest register in it may be.
            now_s = self._clock_s()
            event = event_of(meter.node, values, received_s=now_s, age_s=now_s - began_s)
        except Exception as error:  # Whatever a meter answers: one that nobody asks any more would be worse.
            event = fault(meter.node, _why(error, meter.address), received_s=self._clock_s())
        if event.fault:
            meter.failures += 1
            meter.model = None
            pause_s = min(_LONGEST_PAUSE_S, meter.address.every_s * 2 ** min(meter.failures - 1, 6))
            meter.due_s = self._clock_s() + max(pause_s, meter.address.every_s)
        else:
            meter.failures = 0
            # At its own pace; after a pause, not all that was missed.
            meter.due_s = max(meter.due_s + meter.address.every_s, began_s)
        # It may have been forgotten while it was asked.
        if any(each is meter for each in self._meters.values()):
            meter.emit(event)

    async def _read(self, meter: _Asked) -> Values:
        client = await self._connected(meter.address.timeout_s)
        address = meter.address
        if address.map is None:
            values = await self._read_sunspec(client, meter)
        else:
            read: dict[Block, Sequence[int]] = {}
            for block in address.map.blocks:
                read[block] = await self._registers(client, address, block.function, block.address, block.count)
            values = values_of(address.map, read)
        self._miss_nothing(meter, values)
        return reversed_values(values) if address.reversed else values

    async def _read_sunspec(self, client: AsyncModbusTcpClient, meter: _Asked) -> Values:
        async def read(start: int, count: int) -> Sequence[int] | None:
            return await self._holding_or_none(client, meter.address, start, count)

        if meter.model is None:
            meter.model = await sunspec.find_model(read)
        if meter.model is None:
            raise MeterFaultError("no SunSpec meter model (201-204, 211-214) at 40000, 50000 or 0")
        words = await self._registers(client, meter.address, 3, meter.model.address, meter.model.count)
        return sunspec.values_of(meter.model, words)

    async def _holding_or_none(
        self, client: AsyncModbusTcpClient, address: ModbusAddress, start: int, count: int
    ) -> Sequence[int] | None:
        """What the meter answers; None where it says that it has no such registers."""
        answer = await client.read_holding_registers(start, count=count, device_id=address.unit)
        return None if answer.isError() or len(answer.registers) != count else answer.registers

    async def _registers(
        self, client: AsyncModbusTcpClient, address: ModbusAddress, function: int, start: int, count: int
    ) -> Sequence[int]:
        ask = client.read_holding_registers if function == 3 else client.read_input_registers
        answer = await ask(start, count=count, device_id=address.unit)
        if answer.isError():
            code = getattr(answer, "exception_code", "?")
            raise MeterFaultError(f"it refuses registers {start} to {start + count - 1} (Modbus exception {code})")
        if len(answer.registers) != count:
            raise MeterFaultError(f"it gave {len(answer.registers)} registers instead of {count}")
        return answer.registers

    def _miss_nothing(self, meter: _Asked, values: Values) -> None:
        """Raises where something is missing that the meter has given before."""
        given = {name for name, value in _named(values) if value is not None}
        missing = sorted(meter.given - given)
        if missing:
            raise MeterFaultError(f"{', '.join(missing)} is missing, which it gave before")
        meter.given |= given

    async def _connected(self, timeout_s: float) -> AsyncModbusTcpClient:
        if self._client is not None and self._client.connected:
            self._client.comm_params.timeout_connect = timeout_s
            return self._client
        self._close()
        client = AsyncModbusTcpClient(
            self._host, port=self._port, framer=FramerType.SOCKET, timeout=timeout_s, retries=0, reconnect_delay=0
        )
        self._client = client
        if not await client.connect():
            self._close()
            raise MeterFaultError(f"no connection to {self._host}:{self._port}")
        return client

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


async def _wait(event: asyncio.Event, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        pass


def _named(values: Values) -> list[tuple[str, float | None]]:
    phases = ("L1", "L2", "L3")
    return [
        *((f"current {phase}", value) for phase, value in zip(phases, values.current_a, strict=True)),
        *((f"power {phase}", value) for phase, value in zip(phases, values.phase_power_w, strict=True)),
        ("power", values.power_w),
    ]


def _why(error: Exception, address: ModbusAddress) -> str:
    if isinstance(error, MeterFaultError):
        return str(error)
    if isinstance(error, TimeoutError) or "No response" in str(error):
        return f"no answer within {address.timeout_s:g} s"
    return f"no answer: {str(error)[:200] or type(error).__name__}"
