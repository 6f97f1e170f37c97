"""All charge points of a depot as OCPP clients in one event loop, and what they really draw.

What is drawn is worked out from vehicles, profiles and ramps, never from what a central system thinks; a test adds it
up with the simulator's own wiring (`simulator/physics.py`).
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import Self

import numpy as np

from busbar.core.projection import Projection
from busbar.simulator.physics import Flow, Ints, add_up, leaf_loads
from busbar.simulator.scenario import VehicleType
from busbar.simulator.stations.behaviours import Behaviour
from busbar.simulator.stations.building import Cast, make_stations
from busbar.simulator.stations.conditions import Conditions, OrderSeen
from busbar.simulator.stations.link import Link, Way
from busbar.simulator.stations.outlets import Outlet, Plugged
from busbar.simulator.stations.speech import Reason
from busbar.simulator.stations.station import Station

OPENINGS_AT_A_TIME = 50
PROTOCOLS = ("1.6", "2.0.1", "mixed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How things stand."""

    charge_points: int
    connected: int
    ready: int
    """Connected, and accepted by the central system."""
    vehicles: int
    charging: int
    """Outlets that draw something."""
    power_w: int
    """On the supply side."""
    connections: int
    """Opened so far, those that came back included."""
    orders: int
    """Seen so far."""
    calls: int
    """Made so far."""
    errors: int
    """Calls that were answered with an error, and answers to nothing that was asked."""
    dropped: int
    """Calls that found no room while they waited for a connection."""


class SimulatedDepot:
    """A depot's charge points, living. `async with` starts and stops them; it must run inside one event loop.

    Charge points that are out of service are not there.
    """

    def __init__(
        self,
        projection: Projection,
        *,
        url: str,
        cast: Cast | None = None,
        conditions: Conditions | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.projection = projection
        self._clock = clock
        self._conditions = conditions or Conditions()
        self._load = leaf_loads(projection, self._conditions.voltage_permille)
        way = Way(url=url, tls=tls, openings=asyncio.Semaphore(OPENINGS_AT_A_TIME), clock=clock)
        self._links: dict[str, Link] = {}
        self._places: list[tuple[int, Outlet]] = []
        for station, leaves in make_stations(projection, self._load, cast or Cast(), self._conditions, now_s=clock()):
            self._links[station.id] = Link(station, way, self._conditions, station.random)
            self._places += zip(leaves, station.outlets, strict=True)

    # Running

    async def __aenter__(self) -> Self:
        for link in self._links.values():
            link.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(link.stop() for link in self._links.values()))

    # What is true

    @property
    def charge_points(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(self._links)

    def draws(self, now_s: float | None = None) -> Ints:
        """[n leaves] what is drawn at this moment, in the connector's unit, rounded up."""
        now_s = self._clock() if now_s is None else now_s
        for link in self._links.values():
            link.station.charger.advance(now_s)
        found = np.zeros(len(self.projection.leaf_ids), dtype=np.int64)
        for leaf, outlet in self._places:
            found[leaf] = outlet.drawn
        return found

    def wires(self) -> Ints:
        """[n leaves] how many of its connector's wires each vehicle uses; 0: all of them."""
        found = np.zeros(len(self.projection.leaf_ids), dtype=np.int64)
        for leaf, outlet in self._places:
            found[leaf] = outlet.wires_used
        return found

    def flow(self, now_s: float | None = None) -> Flow:
        """What the charge points draw at every inner node, at the true voltage."""
        return add_up(self.projection, self._load, self.draws(now_s), self.wires())

    def orders(self, charge_point: str) -> tuple[OrderSeen, ...]:
        """What it was told, oldest first; the last two hundred. Raises KeyError where it is not there."""
        return tuple(self._links[charge_point].station.orders)

    def station(self, charge_point: str) -> Station:
        """One charge point, to look into. Raises KeyError where it is not there."""
        return self._links[charge_point].station

    def trouble(self) -> dict[str, str]:
        """By charge point, why the last attempt to connect failed; those that are connected are not named."""
        return {name: link.trouble for name, link in self._links.items() if link.trouble}

    def count(self) -> Count:
        """How things stand now."""
        flow = self.flow()
        stations = [link.station for link in self._links.values()]
        outlets = [outlet for _, outlet in self._places]
        return Count(
            charge_points=len(stations),
            connected=sum(each.is_open for each in stations),
            ready=sum(each.is_ready for each in stations),
            vehicles=sum(outlet.vehicle is not None for outlet in outlets),
            charging=sum(outlet.draw > 0 for outlet in outlets),
            power_w=round(float(flow.total_w[0])),
            connections=sum(link.connections for link in self._links.values()),
            orders=sum(each.orders_count for each in stations),
            calls=sum(each.dialogue.sent for each in stations),
            errors=sum(each.dialogue.errors for each in stations),
            dropped=sum(each.dialogue.dropped for each in stations),
        )

    # What may be done to them

    def disconnect(self, charge_point: str) -> None:
        """Its network is gone: nothing passes any more, nobody says goodbye; it goes on charging."""
        self._links[charge_point].disconnect()

    def connect(self, charge_point: str) -> None:
        """Its network, and its power, are back."""
        link = self._links[charge_point]
        if not link.station.charger.is_powered:
            link.station.restore_power(self._clock())
        link.connect()
        link.poke()

    def kill(self, charge_point: str) -> None:
        """It loses power, until `connect`: it draws nothing and is gone without a word."""
        link = self._links[charge_point]
        link.station.lose_power(self._clock(), for_s=inf, reason=Reason.POWER_LOST)
        link.disconnect()

    def behave(self, charge_point: str, behaviour: Behaviour) -> None:
        """From now on it behaves like that."""
        link = self._links[charge_point]
        link.station.behave(behaviour, self._clock())
        link.poke()

    def plug_in(self, connector: str, kind: VehicleType, *, soc: float = 0.3, id: str | None = None) -> None:
        """A vehicle comes to `CP1/1`, and stays until it is unplugged."""
        link, place = self._find(connector)
        now_s = self._clock()
        name = connector if id is None else id
        stored_ws = kind.battery_wh * 3600 * soc
        link.station.plug_in(place, Plugged(id=name, kind=kind, stored_ws=stored_ws, since_s=now_s), now_s)
        link.poke()

    def unplug(self, connector: str) -> None:
        """The vehicle at `CP1/1` leaves."""
        link, place = self._find(connector)
        link.station.unplug(place, self._clock())
        link.poke()

    def _find(self, connector: str) -> tuple[Link, int]:
        link = self._links[connector.rpartition("/")[0]]
        return link, next(place for place, outlet in enumerate(link.station.outlets) if outlet.id == connector)
