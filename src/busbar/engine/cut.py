"""The proportional cut: what becomes of the running setpoints when an allocation fails its audit.

Plain exact arithmetic, written apart from the fill on purpose: it is what is left when the fill cannot be trusted.
"""

from fractions import Fraction

import numpy as np

from busbar.core.projection import Projection
from busbar.core.release import stepped_down
from busbar.core.rooms import headroom, rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Ints, Snapshot


def cut_to_fit(projection: Projection, snapshot: Snapshot, running: Ints) -> Ints:
    """[n] the running setpoints, lowered in proportion below every node that could not carry them.

    Never raises one. Where fallbacks alone exceed what is available nothing beyond them is left. A vehicle that has
    gone gets 0. On lines with line-to-line loads currents are added as plain numbers, which is never too little.
    """
    idle = [
        max(int(fallback), int(committed)) if in_service else 0
        for fallback, committed, in_service in zip(
            projection.fallback, snapshot.committed, projection.in_service, strict=True
        )
    ]
    reachable = snapshot.present & projection.in_service & ~snapshot.out_of_reach
    setpoint = [int(value) if here else 0 for value, here in zip(running, reachable, strict=True)]
    found = rooms(projection, snapshot)
    # Children before parents; a later cut only lowers, so what was made to fit goes on fitting.
    for inner in reversed(range(len(projection.frame.nodes))):
        node = int(projection.frame.nodes[inner])
        leaves = range(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
        share = _share_that_fits(projection, headroom(projection, found, inner).available, leaves, idle, setpoint)
        if share < 1:
            for leaf in leaves:
                setpoint[leaf] = _lowered(projection, leaf, setpoint[leaf], idle[leaf], share)
    return np.array(setpoint, dtype=np.int64)


def _share_that_fits(
    projection: Projection,
    available: tuple[int | None, ...],
    leaves: range,
    idle: list[int],
    setpoint: list[int],
) -> Fraction:
    """How much of what is given beyond the fallbacks every one of the four rows can carry; 1: all of it."""
    share = Fraction(1)
    for row in range(TOTAL + 1):
        ticks = available[row]
        if ticks is None:
            continue
        weights = projection.weights[row]
        in_any_case = beyond = Fraction(0)
        for leaf in leaves:
            load = weights[projection.leaf_class[leaf]]
            in_any_case += load * idle[leaf]
            beyond += load * max(0, setpoint[leaf] - idle[leaf])
        room = Fraction(ticks, projection.frame.scale.per_unit(row)) - in_any_case
        if beyond > room:
            share = min(share, max(Fraction(0), room / beyond))
    return share


def _lowered(projection: Projection, leaf: int, setpoint: int, idle: int, share: Fraction) -> int:
    """A setpoint cut to its share, down to a value that the unit takes; 0 where that is below the minimum."""
    if setpoint <= idle:
        return setpoint
    most = idle + int((setpoint - idle) * share)
    return stepped_down(projection, leaf, most)
