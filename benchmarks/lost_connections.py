"""What a lost connection of a charge point leaves behind while Python's collector does not look.

Connections are opened and cut one after the other, with the collector switched off: memory that each one keeps,
and how many objects the collector finds in the end. The events that tell of them are thrown away.
"""

import argparse
import asyncio
import base64
import gc
import logging
import os
import sys
from pathlib import Path

import structlog
import uvloop

from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.ocpp.listening import Listening, Proof
from busbar.adapters.ocpp.quirks import QuirkTable
from busbar.adapters.ocpp.server import CentralSystem
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.units import ActivePower

WARM_UP = 100
_SETTLED_S = 7.0
"""A connection that is shut is cut after some seconds in any case."""
_BETWEEN_S = 0.002


def main() -> int:
    """Do it and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1500, metavar="N")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(_lose(chosen.connections))
    return 0


async def _lose(count: int) -> None:
    listening = Listening(port=0, proof=Proof.NOTHING)
    system = CentralSystem(
        listening, records=MemoryRecords(), inbox=lambda depot_id, event: None, quirks=QuirkTable(entries=())
    )
    system.serve_depot(_depot())
    await system.start()
    for _ in range(WARM_UP):
        await _connect_and_cut(system.port)
    await asyncio.sleep(_SETTLED_S)
    gc.collect()
    gc.disable()
    blocks, own_kb = sys.getallocatedblocks(), _own_kb()
    for _ in range(count):
        await _connect_and_cut(system.port)
    await asyncio.sleep(_SETTLED_S)
    kept_kb, kept_blocks = (_own_kb() - own_kb) / count, (sys.getallocatedblocks() - blocks) / count
    print(
        f"{count} connections: {kept_kb:.1f} kB and {kept_blocks:.1f} blocks each; the collector finds {gc.collect()}"
    )
    gc.enable()
    await system.stop()


def _depot() -> Depot:
    plug = Connector(id="1", max_rating=32_000, minimum=6000, step=100, fallback=6000)
    point = ChargePoint(id="CP1", circuit="C1", current=CurrentKind.AC, max_rating=32_000, connectors=(plug,))
    circuit = Circuit(id="C1", default_operating_capacity=ActivePower(w=100_000))
    return Depot(id="north", voltage_v=400, circuits=(circuit,), charge_points=(point,))


async def _connect_and_cut(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        *("GET /CP1 HTTP/1.1", "Host: here", "Upgrade: websocket", "Connection: Upgrade"),
        *(f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: ocpp1.6", "", ""),
    ]
    writer.write("\r\n".join(lines).encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    await asyncio.sleep(_BETWEEN_S)


def _own_kb() -> int:
    """What of this process's memory is its own (Linux)."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous:"))


if __name__ == "__main__":
    sys.exit(main())
