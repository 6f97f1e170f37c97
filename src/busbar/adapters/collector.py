"""Python's collector of reference cycles, kept from holding up everything else, and from being forgotten.

A full collection looks at every object there is and stops the process meanwhile: for thousands of charge points a
second or more, and left to itself it comes every minute. Nearly all of those objects live as long as their connection
and die by reference count; only what hangs together in circles waits for the collector: what is left of a page that
went away without a word may hold half a megabyte. So it comes at a pace of its own, the slower the longer it takes.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SOONEST_S, LATEST_S = 300.0, 3600.0
"""From one full collection to the next: 5 minutes for hundreds of charge points, an hour for thousands."""
REST = 5_000
"""It rests so many times as long as it took: 60 ms in 5 minutes."""
YOUNG = (50_000, 20)
"""Objects and collections before the young ones are looked at, and those that survived once."""
_NEVER = 1_000_000_000


@asynccontextmanager
async def calm_collector(*, soonest_s: float = SOONEST_S) -> AsyncIterator[None]:
    """Within it full collections come at that pace and leave out what was there before; afterwards all is as it was."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG, _NEVER)
    collecting = asyncio.create_task(_collect(soonest_s))
    try:
        yield
    finally:
        collecting.cancel()
        gc.set_threshold(*before)
        gc.unfreeze()


async def _collect(soonest_s: float) -> None:
    rest_s = soonest_s
    while True:
        await asyncio.sleep(rest_s)
        began_s = time.thread_time()
        gc.collect()
        rest_s = rest_after_s(time.thread_time() - began_s, soonest_s=soonest_s)


def rest_after_s(took_s: float, *, soonest_s: float = SOONEST_S) -> float:
    """How long to rest after a full collection that took so much time of the processor."""
    return min(LATEST_S, max(soonest_s, REST * took_s))
