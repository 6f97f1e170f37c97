"""Where the contract suites keep their data."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from busbar.adapters.memory import MemoryStore
from busbar.adapters.store.store import open_store
from busbar.engine.ports import Store


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place to keep things in, empty when a test starts."""

    url: str | None
    """The database; None: memory."""

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The store there, closed afterwards."""
        store: Store = MemoryStore() if self.url is None else await open_store(self.url)
        try:
            yield store
        finally:
            await store.close()
