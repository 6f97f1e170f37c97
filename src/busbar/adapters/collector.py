"""Python's collector of reference cycles, kept from holding up everything else.

A full collection looks at every object there is and stops the process meanwhile: for thousands of charge points a
second or more, and left to itself it comes every minute. Nearly all of those objects live as long as their connection
and die by reference count; only what hangs together in circles waits for the collector, and it can wait for an hour.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

COLLECTED_S = 3600.0
"""From one full collection to the next."""
YOUNG = (50_000, 20)
"""Objects and collections before the young ones are looked at, and those that survived once."""
_NEVER = 1_000_000_000


@asynccontextmanager
async def calm_collector() -> AsyncIterator[None]:
    """Within it full collections come once an hour; afterwards everything is as it was."""
    before = gc.get_threshold()
    _collect()
    gc.set_threshold(*YOUNG, _NEVER)
    hourly = asyncio.create_task(_collect_hourly())
    try:
        yield
    finally:
        hourly.cancel()
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect_hourly() -> None:
    while True:
        await asyncio.sleep(COLLECTED_S)
        _collect()


def _collect() -> None:
    """All of it now; what survives is not looked at again until the next time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
