"""What happens, told to whoever listens: numbered, and the last of it kept, so that a listener can resume."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

MOST_WEIGHT = 20_000
"""Of the happenings that a listener may have missed and still gets: most weigh 1, a cycle one more per vehicle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """One thing that happened in a depot."""

    number: int
    depot_id: str
    kind: str
    """`moment` (its sequence number), `cycle`, `breach`, `mode`, `alarm` or, where what was missed is gone, `reset`."""
    document: Any
    weight: int = 1


class Broadcast:
    """For one process and event loop. Telling never waits; a listener that falls behind is told to begin anew."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        """Random, one per start of the process: numbers of another epoch mean nothing here."""
        self._kept: deque[Happening] = deque()
        self._weight = 0
        self._number = 0
        self._told = asyncio.Event()
        self.listeners = 0

    @property
    def number(self) -> int:
        """Of the last happening."""
        return self._number

    def tell(self, depot_id: str, kind: str, document: Any, *, weight: int = 1) -> None:
        """Something happened. `weight`: how much memory the document takes, in small documents."""
        self._number += 1
        self._kept.append(
            Happening(number=self._number, depot_id=depot_id, kind=kind, document=document, weight=weight)
        )
        self._weight += weight
        while self._weight > MOST_WEIGHT and len(self._kept) > 1:
            self._weight -= self._kept.popleft().weight
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def listen(
        self, depot_id: str, *, after: int | None = None, idle_s: float = 5.0
    ) -> AsyncIterator[Happening | None]:
        """What happens in a depot from the first look on, or after that number; None after every `idle_s` without any.

        Where what came after `after` is not kept any more, the first is of kind `reset`.
        """
        self.listeners += 1
        try:
            last = self._number if after is None else after
            if after is not None and not self._reaches_back_to(after):
                last = self._number
                yield Happening(number=last, depot_id=depot_id, kind="reset", document={})
            while True:
                told = self._told
                if self._number > last and not self._reaches_back_to(last):
                    last = self._number
                    yield Happening(number=last, depot_id=depot_id, kind="reset", document={})
                missed = [each for each in self._kept if each.number > last]
                for happening in missed:
                    last = happening.number
                    if happening.depot_id == depot_id:
                        yield happening
                if missed:
                    continue
                try:
                    async with asyncio.timeout(idle_s):
                        await told.wait()
                except TimeoutError:
                    yield None
        finally:
            self.listeners -= 1

    def _reaches_back_to(self, number: int) -> bool:
        """Whether everything after that number is kept."""
        if number > self._number:
            return False
        return number == self._number or (bool(self._kept) and self._kept[0].number <= number + 1)
