"""Notes of those who were turned away, kept on the side and never many at a time."""

import asyncio
from typing import Any

from busbar.adapters.ocpp.exchange import Exchange
from busbar.core.errors import BusbarError

_MOST_WAITING = 256
_AGAIN_S = 5.0
_MOST_RECENT = 1000


class TurnedAway:
    """Writes down who could not connect and why. Whoever tries every second is written down every few seconds."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waiting: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(_MOST_WAITING)
        self._recent: dict[tuple[str, str], float] = {}
        self.dropped = 0
        """Not written down, because too many waited."""

    def note(self, identity: str, address: str, reason: str) -> None:
        """Write it down soon."""
        now_s = self._exchange.clock.now_s()
        last_s = self._recent.pop((identity, reason), None)
        if last_s is not None and now_s - last_s < _AGAIN_S:
            self._recent[identity, reason] = last_s
            return
        self._recent[identity, reason] = now_s
        while len(self._recent) > _MOST_RECENT:
            self._recent.pop(next(iter(self._recent)))
        try:
            self._waiting.put_nowait((identity, address, reason))
        except asyncio.QueueFull:
            self.dropped += 1

    async def write(self) -> None:
        """Write until cancelled."""
        records: Any = self._exchange.records
        while True:
            identity, address, reason = await self._waiting.get()
            at = self._exchange.received().at
            try:
                await self._exchange.in_time(records.note_pending(identity, address=address, reason=reason, at=at))
            except BusbarError as error:
                self._exchange.log.error("could not be noted", identity=identity, reason=str(error))
