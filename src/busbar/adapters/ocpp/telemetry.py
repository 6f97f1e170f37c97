"""Meter values wait here, behind everything that controls: coalesced per connector, and shed when there is too much."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from busbar.adapters.ocpp.station import Outlet, Station

CALM = 512
"""With fewer connectors waiting, all they said is kept; with more, only the newest message of each."""
MOST_KEPT = 8
"""Messages of one connector that may wait."""
SLICE_S = 0.004
"""How long telemetry may hold the loop before control has its turn."""


class Told(NamedTuple):
    """One message with meter values: as it came, or its `meterValue` where it was read already."""

    raw: bytes | bytearray | None
    values: list[Any] | None
    reference: str | None
    received_s: float


class Telemetry:
    """The backlog. Bounded: a connector has one place in it, and a place holds a few messages."""

    def __init__(self, measure: Callable[[Station, Outlet, Told], None], *, now_s: Callable[[], float]) -> None:
        self._measure = measure
        self._now_s = now_s
        self._backlog: dict[Outlet, tuple[Station, list[Told]]] = {}
        self._is_due = False
        self.shed = 0
        """Messages that were never looked at."""

    def __len__(self) -> int:
        return len(self._backlog)

    def put(self, station: Station, outlet: Outlet, told: Told) -> None:
        """Look at it when there is time."""
        waiting = self._backlog.get(outlet)
        if waiting is None:
            self._backlog[outlet] = (station, [told])
            self._arrange()
            return
        messages = waiting[1]
        if len(self._backlog) > CALM:
            self._count(station, len(messages))
            messages[:] = (told,)
            return
        if len(messages) >= MOST_KEPT:
            self._count(station, 1)
            del messages[0]
        messages.append(told)

    def forget(self, station: Station) -> None:
        """Its connection is gone; what it said is still measured only if it has been already."""
        for outlet in station.outlets.values():
            self._backlog.pop(outlet, None)

    def _count(self, station: Station, messages: int) -> None:
        self.shed += messages
        station.counts.add("shed meter values", messages)

    def _arrange(self) -> None:
        # One turn of the loop later, so that answers and orders that are due now come first.
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_due = False
        until_s = self._now_s() + SLICE_S
        while self._backlog:
            outlet = next(iter(self._backlog))
            station, messages = self._backlog.pop(outlet)
            for told in messages:
                self._measure(station, outlet, told)
            if self._now_s() >= until_s:
                break
        if self._backlog:
            self._arrange()
