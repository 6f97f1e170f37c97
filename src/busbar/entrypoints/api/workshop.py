"""Answers that take long to make: in a thread, one at a time, and made once for everybody who asks the same."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from busbar.entrypoints.api.refusals import refuse

MOST_WAITING = 16
MOST_KEPT = 32
"""Answers about one cycle of one depot; with its next cycle they are forgotten, for each may take tens of megabytes."""


class Workshop:
    """A what-if of ten thousand connectors takes seconds: cycles must not wait for people who wonder."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._waiting = 0
        self._kept: dict[str, tuple[Hashable, OrderedDict[Hashable, dict[str, Any]]]] = {}
        """By depot, the cycle that was asked about last, and the answers about it."""

    async def made(
        self, depot_id: str, cycle: Hashable, question: Hashable, make: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """What `make` gives, or gave for the same question. Raises NotServedError (503) where too many wait."""
        if question in (kept := self._about(depot_id, cycle)):
            return kept[question]
        if self._waiting >= MOST_WAITING:
            rule = f"{self._waiting} others wait for answers that take long."
            refuse(503, "busbar", rule, "Come back a little later.", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._free:
                # Whoever waited behind the same question finds it here.
                if question not in kept:
                    kept[question] = await asyncio.to_thread(make)
                document = kept[question]
        finally:
            self._waiting -= 1
        while len(kept) > MOST_KEPT:
            kept.popitem(last=False)
        return document

    def _about(self, depot_id: str, cycle: Hashable) -> OrderedDict[Hashable, dict[str, Any]]:
        """Answers about that cycle. Those about another one live on only with whoever still waits for them."""
        found = self._kept.get(depot_id)
        if found is None or found[0] != cycle:
            found = self._kept[depot_id] = (cycle, OrderedDict())
        return found[1]
