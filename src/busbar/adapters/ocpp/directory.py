"""Who may connect: the charge points of the depots that are served."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from busbar.adapters.ocpp.station import Outlet, Station
from busbar.adapters.ocpp.whole import is_wanted
from busbar.adapters.ocpp.wiring import Wired, whole_fallbacks, wired_connectors
from busbar.core.depot import Depot


@dataclass(kw_only=True, slots=True)
class Served:
    """One depot."""

    depot_id: str
    stations: dict[str, Station] = field(default_factory=dict)
    is_loaded: asyncio.Event = field(default_factory=asyncio.Event)
    """What was kept of all its charge points is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What serving a depot anew changed."""

    gone: tuple[Station, ...]
    told: tuple[tuple[Station, list[Outlet]], ...]
    """Charge points with connectors that are new or have another fallback."""
    to_greet: tuple[Station, ...]
    """Charge points that are told in another way from now on: one limit for all connectors, or one for each."""


class Directory:
    """Finds charge points by what they call themselves."""

    def __init__(self) -> None:
        self._depots: dict[str, Served] = {}
        self._by_identity: dict[str, list[Station]] = {}

    def serve(self, depot: Depot) -> Change:
        """Know these charge points, in place of those that this depot had before; who stays keeps what it has."""
        served = self._depots.setdefault(depot.id, Served(depot_id=depot.id))
        wired = wired_connectors(depot)
        gone = tuple(station for name, station in served.stations.items() if name not in wired)
        told: list[tuple[Station, list[Outlet]]] = []
        to_greet: list[Station] = []
        as_a_whole = whole_fallbacks(depot)
        stations: dict[str, Station] = {}
        for name, connectors in wired.items():
            station = served.stations.get(name)
            if station is None:
                station = Station(depot_id=depot.id, charge_point=name, wired=connectors)
                station.whole_fallback = as_a_whole.get(name)
            else:
                is_told_otherwise, changed = _rewired(station, connectors, as_a_whole.get(name))
                if is_told_otherwise:
                    to_greet.append(station)
                elif changed:
                    told.append((station, changed))
            stations[name] = station
        served.stations = stations
        if any(not station.is_loaded for station in stations.values()):
            served.is_loaded.clear()
        self._index()
        return Change(gone=gone, told=tuple(told), to_greet=tuple(to_greet))

    def served(self, depot_id: str) -> Served | None:
        """That depot; None: it is not served."""
        return self._depots.get(depot_id)

    def depots(self) -> tuple[Served, ...]:
        """All of them."""
        return tuple(self._depots.values())

    def station(self, depot_id: str, charge_point: str) -> Station | None:
        """That charge point; None: it is not known."""
        served = self._depots.get(depot_id)
        return None if served is None else served.stations.get(charge_point)

    def stations(self) -> Iterator[Station]:
        """All of them."""
        for served in self._depots.values():
            yield from served.stations.values()

    def find(self, depot_id: str | None, identity: str) -> Station | str:
        """By the last two segments of its path; or why there is none, in words.

        The segment before the identity counts only where it names a depot that is served.
        """
        if depot_id is not None and depot_id in self._depots:
            found = self._depots[depot_id].stations.get(identity)
            return found if found is not None else f"not in depot {depot_id}"
        named = self._by_identity.get(identity, [])
        if len(named) == 1:
            return named[0]
        if not named:
            return "not known"
        depots = ", ".join(sorted(station.depot_id for station in named))
        return f"in several depots ({depots}): the path has to end in DEPOT/{identity}"

    def _index(self) -> None:
        self._by_identity = {}
        for station in self.stations():
            self._by_identity.setdefault(station.id, []).append(station)


def _rewired(station: Station, connectors: tuple[Wired, ...], whole_fallback: int | None) -> tuple[bool, list[Outlet]]:
    """Take what the depot has now; whether its charge point is to be told in another way than before, and otherwise
    the connectors that it has to be told a fallback for."""
    was_wanted, evses, before = is_wanted(station), set(station.outlets), station.whole_fallback
    station.whole_fallback = whole_fallback
    changed = station.rewire(connectors)
    if is_wanted(station) is not was_wanted or (station.is_whole and set(station.outlets) != evses):
        return True, []
    if station.is_whole and whole_fallback != before:
        return False, list(station.outlets.values())
    return False, changed
