"""What charge points say they are is kept on the side, one after the other.

Thousands that connect at once would otherwise fill the store's queue, and setpoints that have to be stored before they
leave would wait behind them.
"""

import asyncio

from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.station import Station
from busbar.core.errors import BusbarError

_AGAIN_S = 5.0


class KeptFacts:
    """Writes down the facts of charge points that said something new. Bounded by how many there are."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._due: dict[Station, None] = {}
        self._woken = asyncio.Event()
        self._is_done = asyncio.Event()
        self._is_done.set()

    def note(self, station: Station) -> None:
        """Write its facts down soon."""
        self._due[station] = None
        self._is_done.clear()
        self._woken.set()

    async def write(self) -> None:
        """Write until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._due:
                station = next(iter(self._due))
                del self._due[station]
                if not await self._keep(station):
                    self._due[station] = None
                    await asyncio.sleep(_AGAIN_S)
            self._is_done.set()

    async def finish(self, timeout_s: float) -> None:
        """Wait until all is written, or so long and then leave it."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_done.wait()
        except TimeoutError:
            self._exchange.log.warning("facts not kept in time", charge_points=len(self._due))

    async def _keep(self, station: Station) -> bool:
        exchange, facts = self._exchange, station.facts
        if facts is None:
            return True
        at = exchange.received().at
        try:
            await exchange.in_time(exchange.records.save_facts(station.depot_id, station.id, facts, at=at))
        except BusbarError as error:
            station.counts.add("could not be kept")
            names = {"depot": station.depot_id, "charge_point": station.id}
            exchange.log.error("facts could not be kept yet", **names, reason=str(error))
            return False
        station.kept_facts = facts
        return True
