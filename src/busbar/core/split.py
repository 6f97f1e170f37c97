"""From a charge point's setpoint to its connectors, by its sharing rule: what each of them may draw.

The only place that divides a charge point's setpoint, whether orders are sent to connectors or a charge point is
simulated. Plain exact arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from busbar.core.charger import on_busiest_line, sharing_of
from busbar.core.depot import Sharing
from busbar.core.projection import Projection
from busbar.core.release import stepped_down
from busbar.core.sharing import Wanting, charge_point_of, most_each, running, wanting_at
from busbar.core.snapshot import Ints, Snapshot


@dataclass(frozen=True, kw_only=True)
class Split:
    """[m] one value per connector (leaf of `Projection.connectors`), in its unit."""

    setpoint: Ints
    """What each is given: 0, or a value it takes; on no line more together than the charge point's setpoint."""
    committed: Ints
    """What each counts for where the charge point's setpoint is sent to it as one limit. Where its sharing is
    `unverified` it may apply that limit to every connector: the whole of it counts for each that runs."""


def split(projection: Projection, snapshot: Snapshot, setpoint: Ints) -> Split:
    """Divide what leaves are given ([n]) among their connectors ([m]); where the leaves are connectors, as it is.

    `parallel`: everybody served rises together from the minimum up to what it can use, whole modules where power comes
    in modules; what is left by rounding down to steps goes to who came first. `sequential`: who came first has
    everything. `unverified`: as `parallel`. Raises ValueError for a snapshot that does not know its connectors.
    """
    if projection.by_connector is None:
        return Split(setpoint=setpoint.copy(), committed=setpoint.copy())
    if snapshot.by_connector is None:
        raise ValueError("this snapshot says nothing of connectors; make it from sessions, or with on_charge_points")
    m = len(projection.connectors.leaf_ids)
    given, committed = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
    for leaf in np.flatnonzero(setpoint > 0).tolist():
        is_unverified = sharing_of(charge_point_of(projection, leaf)) is Sharing.UNVERIFIED
        for connector, share in split_one(projection, snapshot, leaf, int(setpoint[leaf])).items():
            given[connector] = share
            committed[connector] = setpoint[leaf] if is_unverified else share
    return Split(setpoint=given, committed=committed)


def split_one(projection: Projection, snapshot: Snapshot, leaf: int, setpoint: int) -> dict[int, int]:
    """The same for one charge point: connector -> its part, for those that it serves at once."""
    assert snapshot.by_connector is not None
    unit = charge_point_of(projection, leaf)
    served = running(unit, wanting_at(projection, vars(snapshot.by_connector), leaf))
    shares = (
        _shares(projection.connectors, served, most_each(unit, served), setpoint) if setpoint else [0] * len(served)
    )
    return {vehicle.connector: share for vehicle, share in zip(served, shares, strict=True)}


def _shares(by_connector: Projection, served: Sequence[Wanting], most: Sequence[int], together: int) -> list[int]:
    """What each of those served gets of a charge point's setpoint."""
    admitted: list[int] = []
    for place, vehicle in enumerate(served):
        parts = [(served[other].lines, served[other].minimum) for other in (*admitted, place)]
        if on_busiest_line(parts) <= together and vehicle.minimum <= most[place]:
            admitted.append(place)
    level = _raised([(served[place], most[place]) for place in admitted], together)
    found = [0] * len(served)
    for place, share in zip(admitted, level, strict=True):
        found[place] = stepped_down(by_connector, served[place].connector, share)
    for place in admitted:
        others = [(served[other].lines, found[other]) for other in admitted if other != place]
        room = min(
            together - on_busiest_line((tuple({line} & set(lines)), value) for lines, value in others)
            for line in served[place].lines
        )
        value = stepped_down(by_connector, served[place].connector, min(room, most[place]))
        found[place] = max(found[place], value)
    return found


def _raised(vehicles: Sequence[tuple[Wanting, int]], together: int) -> list[int]:
    """Progressive filling from the minima: one level rises, who is on a full line stays where it is. Whole levels."""
    found: dict[int, int] = {}
    while len(found) < len(vehicles):
        rising = [place for place in range(len(vehicles)) if place not in found]
        levels: dict[str, int] = {}
        for line in {line for place in rising for line in vehicles[place][0].lines}:
            taken = sum(value for place, value in found.items() if line in vehicles[place][0].lines)
            here = [vehicles[place] for place in rising if line in vehicles[place][0].lines]
            level = _level_when_full([(vehicle.minimum, most) for vehicle, most in here], together - taken)
            if level is not None:
                levels[line] = level
        lowest = min(levels.values(), default=None)
        if lowest is None:
            return [found.get(place, most) for place, (_, most) in enumerate(vehicles)]
        full = {line for line, level in levels.items() if level == lowest}
        for place in rising:
            vehicle, most = vehicles[place]
            if not full.isdisjoint(vehicle.lines):
                found[place] = min(most, max(vehicle.minimum, lowest))
    return [found[place] for place in range(len(vehicles))]


def _level_when_full(parts: Sequence[tuple[int, int]], room: int) -> int | None:
    """The highest whole level at which (floor, ceiling) pairs fit into the room; None where they fit at any."""
    if sum(most for _, most in parts) <= room:
        return None
    level, taken = 0, sum(least for least, _ in parts)
    # Between two corners as many rise as are past their floor and not at their ceiling.
    corners = sorted({value for part in parts for value in part})
    for corner in corners:
        rising = sum(1 for least, most in parts if least <= level < most)
        more = rising * (corner - level)
        if taken + more > room:
            return level + max(0, room - taken) // max(1, rising)
        level, taken = corner, taken + more
    return level
