"""Thousands of charge points in one process, as lean as can be: a load for `live.py`, not a model of anything.

OCPP 1.6 on plain sockets. Web socket frames are written and read here (masked with zeros, which costs nothing), and
JSON is found by slicing: what the load itself takes is missing from the machine that it loads. Commands come as JSON
lines on standard input, answers leave on standard output, one for each. It ends with its input.
"""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import uvloop

AGAIN_S = 2.0
"""Somebody who was turned away, or whose start was refused, tries again after that."""
TICK_S = 0.02
"""How often meter values are due."""
MOST_AT_ONCE = 2_000
"""Meter values that are sent in one tick; a load that cannot keep up says so by what it has sent."""
AC_V = 230

_KEYS = {
    "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
    "ChargeProfileMaxStackLevel": "8",
    "ChargingScheduleMaxPeriods": "24",
    "MaxChargingProfilesInstalled": "20",
    "NumberOfConnectors": "1",
    "MeterValueSampleInterval": "10",
    "MeterValuesSampledData": "Power.Active.Import,Current.Import,Voltage,Energy.Active.Import.Register,SoC",
    "ClockAlignedDataInterval": "60",
    "MeterValuesAlignedData": "Power.Active.Import,Current.Import,Voltage,Energy.Active.Import.Register,SoC",
    "WebSocketPingInterval": "30",
}
_UPGRADE = (
    "GET /bench/{name} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
_BOOT = b'[2,"b","BootNotification",{"chargePointVendor":"Lean","chargePointModel":"Load"}]'
_VALUE = '{"value":"%s","measurand":"%s","unit":"%s"}'
_PHASES = ",".join(
    f'{{"value":"%.1f","measurand":"Current.Import","phase":"{phase}","unit":"A"}}' for phase in ("L1", "L2", "L3")
)


def _configuration(rate_unit: str) -> bytes:
    keys = {**_KEYS, "ChargingScheduleAllowedChargingRateUnit": rate_unit}
    rows = [{"key": key, "readonly": False, "value": value} for key, value in keys.items()]
    return json.dumps({"configurationKey": rows}, separators=(",", ":")).encode()


_CONFIGURATION = {True: _configuration("Current"), False: _configuration("Power")}


def frame(payload: bytes) -> bytes:
    """A text message in one frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, 0x80 | size, 0, 0, 0, 0)) + payload
    return b"\x81\xfe" + size.to_bytes(2, "big") + b"\0\0\0\0" + payload


@dataclass(slots=True)
class Tally:
    """What the load counts. (Mutable.)"""

    booted: int = 0
    started: int = 0
    lost: int = 0
    """Connections that ended without being asked to."""
    turned_away: int = 0
    samples_sent: int = 0
    samples_answered: int = 0
    orders: int = 0
    """Setpoints of a running transaction that were answered."""


class Station(asyncio.Protocol):
    """One charge point with one connector."""

    __slots__ = ("_buffer", "_is_open", "_load", "_transport", "index", "is_ac", "limit", "register_wh", "transaction")

    def __init__(self, load: "Load", index: int) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._is_open = False
        self.index = index
        self.is_ac = index % 2 == 0
        self.limit = 0.0
        self.register_wh = 0.0
        self.transaction: bytes | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but name.
        self._transport = cast(asyncio.Transport, transport)
        load = self._load
        self._transport.write(_UPGRADE.format(name=f"P{self.index}", host=load.host, port=load.port).encode())

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._is_open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            assert self._transport is not None
            if b" 101 " not in buffer[:20]:
                self._transport.close()
                return
            self._is_open, buffer = True, buffer[end + 4 :]
            self._transport.write(frame(_BOOT))
        self._buffer = self._frames(buffer)

    def _frames(self, buffer: bytes) -> bytes:
        """Hear every whole frame; what is left."""
        begin, length = 0, len(buffer)
        while length - begin >= 2:
            size, start = buffer[begin + 1], begin + 2
            if size == 126:
                size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
            if start + size > length:
                break
            self._hear(buffer[begin] & 15, buffer[start : start + size])
            begin = start + size
        return buffer[begin:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self, was_open=self._is_open)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Messages

    def _hear(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        if opcode == 9:
            self._transport.write(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
        elif opcode == 8:
            self._transport.close()
        elif opcode == 1 and payload[1] == 50:
            self._asked(payload)
        elif opcode == 1:
            self._answered(payload)

    def _asked(self, payload: bytes) -> None:
        """`[2,"id","Action",{...}]`, written without spaces."""
        assert self._transport is not None
        after_id = payload.index(b'"', 4)
        action = payload[after_id + 3 : payload.index(b'"', after_id + 3)]
        answer = _CONFIGURATION[self.is_ac] if action == b"GetConfiguration" else b'{"status":"Accepted"}'
        self._transport.write(frame(b"[3," + payload[3 : after_id + 1] + b"," + answer + b"]"))
        if action == b"SetChargingProfile" and b'"TxProfile"' in payload:
            start = payload.index(b'"limit":') + 8
            end = min(place for place in (payload.find(b",", start), payload.find(b"}", start)) if place > 0)
            self.limit = float(payload[start:end])
            self._load.tally.orders += 1

    def _answered(self, payload: bytes) -> None:
        kind, load = payload[4:5], self._load
        if kind == b"m":
            load.tally.samples_answered += 1
        elif kind == b"b":
            load.booted(self)
        elif kind == b"t" and self.transaction is None:
            if payload[1:2] == b"3":
                start = payload.index(b'"transactionId":') + 16
                end = min(place for place in (payload.find(b",", start), payload.find(b"}", start)) if place > 0)
                self.transaction = payload[start:end]
                self._say(b'"s2","StatusNotification",' + _status("Charging"))
                load.tally.started += 1
            else:
                asyncio.get_running_loop().call_later(AGAIN_S, self.start)

    def start(self) -> None:
        """Plug a vehicle in."""
        if self._transport is None or self._transport.is_closing() or self.transaction is not None:
            return
        stamp = self._load.stamp.encode()
        self._say(b'"s1","StatusNotification",' + _status("Preparing"))
        self._say(
            b'"t","StartTransaction",{"connectorId":1,"idTag":"LEAN","meterStart":0,"timestamp":"' + stamp + b'"}'
        )

    def sample(self, number: int, elapsed_s: float) -> None:
        """Say what the vehicle draws: as much as it may."""
        assert self._transport is not None
        if self.transaction is None or self._transport.is_closing():
            return
        limit, w = self.limit, round(self.limit * 3 * AC_V) if self.is_ac else round(self.limit)
        self.register_wh += w * elapsed_s / 3600
        values = [
            _VALUE % (w, "Power.Active.Import", "W"),
            _VALUE % (round(self.register_wh), "Energy.Active.Import.Register", "Wh"),
            _PHASES % (limit, limit, limit) if self.is_ac else _VALUE % ("40", "SoC", "Percent"),
        ]
        self._say(
            b'"m%d","MeterValues",{"connectorId":1,"transactionId":%b,"meterValue":[{"timestamp":"%b",'
            b'"sampledValue":[%b]}]}' % (number, self.transaction, self._load.stamp.encode(), ",".join(values).encode())
        )
        self._load.tally.samples_sent += 1

    def _say(self, words: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame(b"[2," + words + b"]"))

    @property
    def unsent_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()


def _status(status: str) -> bytes:
    return json.dumps({"connectorId": 1, "errorCode": "NoError", "status": status}).encode()


class Load:
    """All charge points, and how much they say."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.stations: list[Station] = []
        self.tally = Tally()
        self.stamp = ""
        self._to_connect: deque[int] = deque()
        self._is_ending = False
        self._samples_per_s = 0.0
        self._metering: asyncio.Task[None] | None = None

    async def connect(self, count: int, per_s: float, within_s: float) -> None:
        """Connect so many charge points and boot them; those that are turned away come again."""
        self._to_connect.extend(range(count))
        self.stations = [Station(self, index) for index in range(count)]
        async with asyncio.timeout(within_s):
            pace = Pace(per_s)
            while self.tally.booted < count:
                for _ in range(min(await pace.turn(), len(self._to_connect))):
                    index = self._to_connect.popleft()
                    await self._open(index)

    async def _open(self, index: int) -> None:
        station = self.stations[index] = Station(self, index)
        try:
            await asyncio.get_running_loop().create_connection(lambda: station, self.host, self.port)
        except OSError:
            self._again(index)

    def _again(self, index: int) -> None:
        self.tally.turned_away += 1
        asyncio.get_running_loop().call_later(AGAIN_S, self._to_connect.append, index)

    def booted(self, station: Station) -> None:
        self.tally.booted += 1

    def lost(self, station: Station, *, was_open: bool) -> None:
        if self._is_ending:
            return
        if was_open:
            self.tally.lost += 1
        else:
            self._again(station.index)

    async def start(self, per_s: float, within_s: float) -> None:
        """Plug a vehicle in everywhere; back when all have a transaction."""
        self._tick_stamp()
        async with asyncio.timeout(within_s):
            pace, waiting = Pace(per_s), deque(self.stations)
            while self.tally.started < len(self.stations):
                self._tick_stamp()
                for _ in range(min(await pace.turn(), len(waiting))):
                    waiting.popleft().start()

    async def rest(self) -> None:
        """Nothing: the counts are asked for."""

    async def meter(self, per_s: float) -> None:
        """Send so many meter values a second from now on, spread over all charge points."""
        self._samples_per_s = per_s
        if self._metering is None and per_s > 0:
            self._metering = asyncio.get_running_loop().create_task(self._meter())

    async def _meter(self) -> None:
        index = number = 0
        pace = Pace(self._samples_per_s)
        while True:
            pace.per_s = self._samples_per_s
            self._tick_stamp()
            due = await pace.turn()
            elapsed_s = len(self.stations) / max(1.0, self._samples_per_s)
            for _ in range(due):
                number += 1
                self.stations[index].sample(number, elapsed_s)
                index = (index + 1) % len(self.stations)

    def _tick_stamp(self) -> None:
        self.stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def counts(self) -> dict[str, Any]:
        """Everything that is counted."""
        tally = self.tally
        return {
            "samples_sent": tally.samples_sent,
            "samples_answered": tally.samples_answered,
            "orders": tally.orders,
            "lost": tally.lost,
            "turned_away": tally.turned_away,
            "unsent_bytes": sum(station.unsent_bytes for station in self.stations),
            "cpu_s": time.process_time(),
        }

    def end(self) -> None:
        """Hang up."""
        self._is_ending = True
        if self._metering is not None:
            self._metering.cancel()
        for station in self.stations:
            station.close()


class Pace:
    """So many a second, a few at a time."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._credit = 0.0
        self._last_s = time.monotonic()

    async def turn(self) -> int:
        """Wait a tick; how many are due."""
        await asyncio.sleep(TICK_S)
        now_s = time.monotonic()
        self._credit = min(MOST_AT_ONCE, self._credit + (now_s - self._last_s) * self.per_s)
        self._last_s = now_s
        due = int(self._credit)
        self._credit -= due
        return due


async def follow(load: Load) -> None:
    """Do what standard input says, line by line."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)

    actions: dict[str, Callable[..., Awaitable[None]]] = {
        "connect": load.connect,
        "start": load.start,
        "meter": load.meter,
        "counts": load.rest,
    }
    while line := await commands.readline():
        command = json.loads(line)
        try:
            await actions[command.pop("do")](**command)
            answer = load.counts()
        except TimeoutError:
            answer = {**load.counts(), "fault": f"not within its time: {load.tally}"}
        print(json.dumps(answer), flush=True)
    load.end()


def main() -> None:
    """`lean_stations.py HOST PORT`"""
    uvloop.run(follow(Load(sys.argv[1], int(sys.argv[2]))))


if __name__ == "__main__":
    main()
