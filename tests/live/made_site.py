"""A running loop of one depot in its world of made-up charge points: real time, short leases, no sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

import structlog
from made_charge_points import QUICK, MadeChargePoints, SystemClock

from busbar.adapters.memory import MemoryStore
from busbar.core.depot import Depot
from busbar.engine.broadcast import Broadcast
from busbar.engine.events import Event
from busbar.engine.loop import DepotLoop
from busbar.engine.timing import Timing

PATIENCE_S = 20.0


@dataclass
class Site:
    """A running loop and its world."""

    loop: DepotLoop
    points: MadeChargePoints
    store: MemoryStore
    most_w: int = 0
    """The most that was ever drawn."""

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.02)
        assert holds(), what


_ids = count(1)


@asynccontextmanager
async def site(
    at: Depot,
    *,
    store: MemoryStore | None = None,
    points: MadeChargePoints | None = None,
    timing: Timing = QUICK,
    broadcast: Broadcast | None = None,
) -> AsyncIterator[Site]:
    """A loop that runs until the story is told."""
    store = store or MemoryStore()
    if at.id not in await store.depot_ids():
        await store.import_depot(at, at=datetime.now(UTC))
    inbox: list[Callable[[Event], None]] = []
    points = points or MadeChargePoints(lambda event: inbox[0](event))
    loop = DepotLoop(
        at,
        store=store,
        charge_points=points,
        clock=SystemClock(),
        timing=timing,
        order_ids=lambda: f"order-{next(_ids)}",
        log=structlog.get_logger("test"),
        broadcast=broadcast,
    )
    points.inbox = loop.put
    inbox.append(loop.put)
    here = Site(loop=loop, points=points, store=store)

    async def world() -> None:
        while True:
            points.sample()
            here.most_w = max(here.most_w, points.total_w())
            await asyncio.sleep(0.05)

    running = asyncio.create_task(loop.run())
    await here.until(lambda: bool(points.served), "it serves")
    moving = asyncio.create_task(world())
    try:
        yield here
    finally:
        moving.cancel()
        loop.stop()
        await asyncio.wait_for(running, PATIENCE_S)


def tell(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]
