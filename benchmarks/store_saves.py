"""How long ten thousand setpoints take to reach the disk, on an idle event loop and on one that is never idle.

`python benchmarks/store_saves.py [URL]`; by default a new SQLite file in a temporary folder. The store is tried in this
process (its threads share the interpreter with the event loop) and in a process of its own. On the busy loop every
message costs 100 us and a send and a receive, as with charge points that talk without a pause.
"""

import asyncio
import socket
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter, thread_time

from busbar.adapters.store.apart import open_store_apart
from busbar.adapters.store.store import open_store
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.ports import Store, StoredSetpoint

ROWS = 10_000
SAVES = 5


def setpoints(number: int, count: int) -> list[StoredSetpoint]:
    at = datetime.now(UTC)
    return [
        StoredSetpoint(
            connector=f"CP{unit:05}/1", value=unit + number, expiry_s=145.0, order_id=f"{number}-{unit}", at=at
        )
        for unit in range(count)
    ]


async def talk(until: asyncio.Event) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        while not until.is_set():
            for _ in range(20):
                done_at = perf_counter() + 100e-6
                while perf_counter() < done_at:
                    pass
                ours.send(b"x" * 400)
                theirs.recv(1000)
            await asyncio.sleep(0)


async def save(store: Store, count: int) -> tuple[list[float], list[float]]:
    """Wall time, and processor time of the loop's own thread, of each save in ms."""
    took, own = [], []
    for number in range(SAVES):
        given = setpoints(number, count)
        began, busy = perf_counter(), thread_time()
        try:
            await store.save_setpoints("depot", given)
        except BusbarError as error:
            print(f"  gave up: {error}")
        took.append((perf_counter() - began) * 1e3)
        own.append((thread_time() - busy) * 1e3)
    return took, own


def line(title: str, took: Sequence[float], own: Sequence[float] | None) -> None:
    middle, longest = statistics.median(took), max(took)
    of_loop = "" if own is None else f", of it the loop's own work {statistics.median(own):.0f} ms"
    print(f"  {title:<28} median {middle:6.0f} ms, longest {longest:6.0f} ms{of_loop}", flush=True)


async def measure(name: str, store: Store) -> None:
    print(name)
    await store.import_depot(Depot(id="depot", voltage_v=400), at=datetime.now(UTC))
    for count in (ROWS, 1):
        rows = f"{count} row{'s' if count > 1 else ''}"
        line(f"{rows}, idle loop", *await save(store, count))
        until = asyncio.Event()
        talking = asyncio.create_task(talk(until))
        took, _ = await save(store, count)
        until.set()
        await talking
        line(f"{rows}, busy loop", took, None)
    await store.close()


async def main(url: str) -> None:
    await measure("In this process", await open_store(url))
    await measure("In a process of its own", (await open_store_apart(url)).store)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/busbar.db"))
