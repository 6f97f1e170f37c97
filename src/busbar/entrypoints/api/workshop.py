"""Answers that take long to make: in a thread, one at a time, and made once for everybody who asks the same."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from busbar.entrypoints.api.refusals import refuse

MOST_WAITING = 16
MOST_KEPT = 32
"""Answers; each is good for one cycle of one depot."""


class Workshop:
    """A what-if of ten thousand connectors takes seconds: cycles must not wait for people who wonder."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._waiting = 0
        self._kept: OrderedDict[Hashable, dict[str, Any]] = OrderedDict()

    async def made(self, key: Hashable, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `make` gives, or gave for the same key. Raises NotServedError (503) where too many wait."""
        if key in self._kept:
            return self._kept[key]
        if self._waiting >= MOST_WAITING:
            rule = f"{self._waiting} others wait for answers that take long."
            refuse(503, "busbar", rule, "Come back a little later.", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._free:
                # Whoever waited behind the same question finds it here.
                if key not in self._kept:
                    self._kept[key] = await asyncio.to_thread(make)
        finally:
            self._waiting -= 1
        document = self._kept[key]
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return document
