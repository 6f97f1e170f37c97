"""A real SQLite file for a trial in made-up time: asked from another thread's event loop, and waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar, cast

from busbar.adapters.store.store import open_store
from busbar.engine.ports import ChargePointRecords, Store
from busbar.simulator.trials.trial import Kept

WITHIN_S = 120.0
"""Real seconds: a database that takes longer has failed."""
Value = TypeVar("Value")


class _Waited:
    """Whoever asks it has the answer at once, as from a store in memory: made-up time stands still meanwhile."""

    def __init__(self, kept: Any, ask: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._kept, self._ask = kept, ask

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        work = getattr(self._kept, name)

        async def waited(*given: Any, **named: Any) -> Any:
            return self._ask(work(*given, **named))

        return waited


@contextmanager
def sqlite_kept(path: Path) -> Iterator[Kept]:
    """A new database in this file, for one trial."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def ask(work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, loop).result(WITHIN_S)

    store = ask(open_store(f"sqlite:///{path}"))
    try:
        yield Kept(
            store=cast(Store, _Waited(store, ask)), records=cast(ChargePointRecords, _Waited(store.records(), ask))
        )
    finally:
        ask(store.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
