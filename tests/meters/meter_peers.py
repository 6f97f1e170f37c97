"""Real peers in processes of their own: a Modbus meter, an MQTT broker; and an inbox to wait at."""

import asyncio
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from busbar.core.depot import Circuit, Depot
from busbar.core.units import Current
from busbar.engine.events import NodeMeasured

LONGEST_S = 20.0
"""No wait in these tests is longer; most take a fraction of a second."""


def depot_with(meters: Mapping[str, str | bool]) -> Depot:
    """One circuit for each meter, by its name."""
    limit = Current(l1_ma=100_000, l2_ma=100_000, l3_ma=100_000)
    circuits = tuple(
        Circuit(id=name, default_operating_capacity=limit, safe_operating_capacity=limit, meter=meter)
        for name, meter in meters.items()
    )
    return Depot(id="yard", voltage_v=400, circuits=circuits)


class Events:
    """An inbox that can be waited at. (Mutable: events arrive.)"""

    def __init__(self) -> None:
        self.all: list[NodeMeasured] = []
        self._arrived = asyncio.Event()

    def put(self, depot_id: str, event: NodeMeasured) -> None:
        assert depot_id == "yard"
        self.all.append(event)
        self._arrived.set()

    async def next(self, is_wanted: Callable[[NodeMeasured], bool]) -> NodeMeasured:
        """The next event from now on that is wanted."""
        begin = len(self.all)
        async with asyncio.timeout(LONGEST_S):
            while True:
                for event in self.all[begin:]:
                    if is_wanted(event):
                        return event
                begin = len(self.all)
                self._arrived.clear()
                await self._arrived.wait()


class ModbusPeer:
    """A running Modbus meter."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._process = process
        self.port = int(process.stdout.readline())

    def tell(self, command: str) -> None:
        """`set ADDRESS VALUE`, `mute`, `refuse` or `obey`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@contextmanager
def modbus_peer(registers: Mapping[int, Mapping[int, Sequence[int]]]) -> Iterator[ModbusPeer]:
    """A Modbus meter with these registers, by function and address."""
    given = json.dumps({str(f): {str(a): list(words) for a, words in block.items()} for f, block in registers.items()})
    script = Path(__file__).with_name("modbus_peer.py")
    process = subprocess.Popen(
        [sys.executable, str(script), given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield ModbusPeer(process)
    finally:
        process.kill()
        process.communicate(timeout=LONGEST_S)


def floats(*values: float) -> list[int]:
    """Two registers each, the high word first."""
    return [word for value in values for word in struct.unpack(">2H", struct.pack(">f", value))]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Broker:
    """A Mosquitto of our own, which can be stopped and started again on its port."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder, self.port = program, folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self._folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._process = subprocess.Popen(
            [self._program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end_s = time.monotonic() + LONGEST_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, "Mosquitto ended by itself"
                assert time.monotonic() < end_s, "Mosquitto does not listen"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=LONGEST_S)
            self._process = None
