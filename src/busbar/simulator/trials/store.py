"""A store that may be slow, may fail, and whose process may be killed: what stands between Busbar and what it keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from busbar.core.errors import BusbarError


@dataclass(slots=True)
class Disk:
    """How the disk does. (Mutable: it gets worse and better.) Survives processes."""

    random: Random
    fails: float = 0.0
    """The share of writes that fail."""
    slow_s: float = 0.0
    """How long a call takes."""
    failed: int = 0
    slowed: int = 0


class DiskStore:
    """Passes every call of a port on to what keeps it, as well as the disk can; nothing that a dead process asked."""

    def __init__(self, kept: Any, disk: Disk, *, touched: Callable[[], bool]) -> None:
        """`kept`: a store in memory; `touched` is called before and after every call, and says whether the process that
        asks is alive."""
        self._kept, self._disk, self._touched = kept, disk, touched

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        work = getattr(self._kept, name)

        async def ask(*given: Any, **named: Any) -> Any:
            return await self._ask(work, name, given, named)

        return ask

    async def _ask(self, work: Callable[..., Awaitable[Any]], name: str, given: Any, named: Any) -> Any:
        disk = self._disk
        await self._die_if_dead()
        if disk.slow_s:
            disk.slowed += 1
            await asyncio.sleep(disk.slow_s)
        fails = disk.fails > 0 and _writes(name) and disk.random.random() < disk.fails
        if fails and disk.random.random() < 0.5:
            disk.failed += 1
            raise BusbarError("The disk is full (made up).")
        await self._die_if_dead()
        found = await work(*given, **named)
        await self._die_if_dead()
        if fails:
            # It was written, and the answer was lost.
            disk.failed += 1
            raise BusbarError("The database went away (made up).")
        return found

    async def _die_if_dead(self) -> None:
        """A process that was killed does nothing any more, least of all tidy up."""
        if not self._touched():
            await asyncio.get_running_loop().create_future()


def _writes(name: str) -> bool:
    return name.startswith(("save", "record", "begin", "end", "update", "prune", "note", "add"))
