"""Where the contract suites keep their data."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from store_examples import NOON, TWO_FEEDERS

from busbar.adapters.memory import MemoryStore
from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.store.apart import open_store_apart
from busbar.adapters.store.store import open_store
from busbar.engine.access import AccessRecords
from busbar.engine.ports import ChargePointRecords, Store


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place to keep things in, empty when a test starts."""

    url: str | None
    """The database; None: memory."""
    is_apart: bool = False
    """In a process of its own."""

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The store there, closed afterwards."""
        store, *_ = await self._open()
        try:
            yield store
        finally:
            await store.close()

    async def _open(self) -> tuple[Store, ChargePointRecords, AccessRecords]:
        if self.url is None:
            memory = MemoryStore()
            return memory, MemoryRecords(), memory.access()
        if self.is_apart:
            apart = await open_store_apart(self.url)
            return apart.store, apart.records, apart.access
        store = await open_store(self.url)
        return store, store.records(), store.access()

    @asynccontextmanager
    async def records(self) -> AsyncIterator[ChargePointRecords]:
        """The records there, of depot elizabeth, closed afterwards."""
        store, records, _ = await self._open()
        try:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            yield records
        finally:
            await store.close()

    @asynccontextmanager
    async def access(self) -> AsyncIterator[tuple[Store, AccessRecords]]:
        """The store with depot elizabeth and what is kept of access to it, closed afterwards."""
        store, _, access = await self._open()
        try:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            yield store, access
        finally:
            await store.close()


def on(place: Place, story: Callable[[Store], Awaitable[None]]) -> None:
    """Let a story happen in a store at this place."""

    async def happen() -> None:
        async with place.store() as store:
            await story(store)

    asyncio.run(happen())


def in_depot(place: Place, story: Callable[[Store], Awaitable[None]]) -> None:
    """The same, with depot elizabeth imported before."""

    async def imported(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        await story(store)

    on(place, imported)


def with_records(place: Place, story: Callable[[ChargePointRecords], Awaitable[None]]) -> None:
    """Let a story happen in the records at this place."""

    async def happen() -> None:
        async with place.records() as records:
            await story(records)

    asyncio.run(happen())


def with_access(place: Place, story: Callable[[Store, AccessRecords], Awaitable[None]]) -> None:
    """Let a story happen in depot elizabeth and what is kept of access to it."""

    async def happen() -> None:
        async with place.access() as (store, access):
            await story(store, access)

    asyncio.run(happen())
