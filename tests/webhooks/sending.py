"""A sender at work in the tests: quick, on a store of either kind, with a clock that the test turns."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from busbar.adapters.files.depot_file import load_depot
from busbar.adapters.memory import MemoryStore
from busbar.adapters.store.store import open_store
from busbar.adapters.webhooks import Pace, WebhookSender
from busbar.engine.access import AccessRecords, Delivery, Notice, NoticeKind

DEPOT_FILE = Path(__file__).parents[2] / "scenarios" / "examples" / "depot.yaml"
DEPOT = "elizabeth"
SECRET = "a secret that signs"
PATIENCE_S = 20.0
QUICK = Pace(timeout_s=8.0, first_retry_s=0.05, longest_retry_s=0.4, looked_s=0.02)


@dataclass
class Clock:
    """The real time and what the test adds to it."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@asynccontextmanager
async def kept(folder: Path, kind: str) -> AsyncIterator[AccessRecords]:
    """What a store keeps, with the example depot in it."""
    if kind == "memory":
        store = MemoryStore()
        await store.import_depot(load_depot(DEPOT_FILE), at=datetime.now(UTC))
        yield store.access()
        return
    kept_store = await open_store(f"sqlite:///{folder / 'busbar.db'}")
    try:
        if not await kept_store.depot_ids():
            await kept_store.import_depot(load_depot(DEPOT_FILE), at=datetime.now(UTC))
        yield kept_store.access()
    finally:
        await kept_store.close()


@asynccontextmanager
async def sending(
    access: AccessRecords, *, clock: Clock | None = None, pace: Pace = QUICK
) -> AsyncIterator[WebhookSender]:
    """A sender that runs meanwhile."""
    sender = WebhookSender(access, now=(clock or Clock()).now, pace=pace, random=Random(1))
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        sender.stop()
        await task


async def told(access: AccessRecords, url: str) -> int:
    """A webhook of everything; its id."""
    webhook = await access.add_webhook(url=url, secret=SECRET, depot_id=None, kinds=(), at=datetime.now(UTC))
    return webhook.id


def notices(node: str, count: int, *, first: int = 0, at: datetime | None = None) -> list[Notice]:
    """Numbered ones about one node."""
    at = at or datetime.now(UTC)
    return [
        Notice(kind=NoticeKind.BREACH_UPDATED, node=node, at=at, document={"count": number})
        for number in range(first, first + count)
    ]


async def until(is_so: Callable[[], bool], what: str, *, within_s: float = PATIENCE_S) -> None:
    """Wait for it. Fails where it does not come."""
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s, what
        await asyncio.sleep(0.01)


async def first_waiting(access: AccessRecords) -> Delivery:
    """The oldest that has not arrived, whenever it is due."""
    (first, *_) = await access.due_deliveries(now=datetime.now(UTC) + timedelta(days=30))
    return first


async def until_tried(access: AccessRecords, attempts: int) -> Delivery:
    """The oldest that has not arrived, after so many attempts."""
    until_s = time.monotonic() + PATIENCE_S
    while (first := await first_waiting(access)).attempts < attempts:
        assert time.monotonic() < until_s, first
        await asyncio.sleep(0.01)
    return first


async def until_nothing_waits(access: AccessRecords) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while await access.deliveries_waiting():
        assert time.monotonic() < until_s, await access.deliveries_waiting()
        await asyncio.sleep(0.01)
