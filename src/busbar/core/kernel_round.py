"""Shares into values that charge points take, compiled: round down, hand the remainder out in order."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from busbar.core.kernel_admit import ADMITTED
from busbar.core.kernel_room import fits, next_value, refusing_entry, take, value_at_most

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SNAP = 1e-6
"""A share within this fraction of a step of a step counts as that step, where it fits exactly."""


def _round_down(
    share: float, most: int, minimum: int, step: int, first: int, last: int, allowed: Ints
) -> tuple[int, int]:
    """The value a share surely covers, and the next one where the share is within a millionth of its step.

    Both are values the leaf takes, the second at most `most`.
    """
    if first < last:
        sure, below = minimum, minimum
        for index in range(first, last):
            value = allowed[index]
            gap = max(1, value - below)
            if value > most or value > share + SNAP * gap:
                break
            if value >= share - SNAP * gap:
                return sure, value
            sure, below = value, value
        return sure, sure
    count = share / step
    near = np.rint(count)
    if abs(count - near) > SNAP:
        sure = max(minimum, int(np.floor(count)) * step)
        return sure, sure
    wish = int(near) * step
    if wish <= minimum or wish > most:
        return max(minimum, wish - step), max(minimum, wish - step)
    return max(minimum, wish - step), wish


round_down: Any = njit(cache=True, error_model="numpy")(_round_down)


def _hand_out(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    order: Indices,
    most: Ints,
    minimum: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    allowed: Ints,
    reserved: Ints,
    setpoint: Ints,
) -> None:
    """One step each, in order, again and again until nobody in `order` can take one more."""
    waiting = order.copy()
    count = len(waiting)
    while count > 0:
        going_on = 0
        for index in range(count):
            leaf = waiting[index]
            value = next_value(setpoint[leaf], minimum[leaf], step[leaf], steps_first[leaf], steps_last[leaf], allowed)
            if value < 0 or value > most[leaf]:
                continue
            more = max(0, value - reserved[leaf])
            node, load = leaf_parent[leaf], leaf_class[leaf]
            if not fits(left, first, group, up, node, weight, load, more, bits):
                continue
            take(left, first, group, up, node, weight, load, more, bits)
            reserved[leaf] += more
            setpoint[leaf] = value
            waiting[going_on] = leaf
            going_on += 1
        count = going_on


hand_out: Any = njit(cache=True, error_model="numpy")(_hand_out)


def _is_overfull(
    left: Ints, first: Indices, group: Indices, up: Indices, node: int, weight: Ints, load: int, bits: int
) -> bool:
    """Whether some row that this load weighs on, here or above, holds more than is available."""
    while node >= 0:
        if refusing_entry(left, first, group, node, weight, load, 0, bits) >= 0:
            return True
        node = up[node]
    return False


is_overfull: Any = njit(cache=True, error_model="numpy")(_is_overfull)


def _take_back(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    order: Indices,
    verdict: Bytes,
    least: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    idle: Ints,
    reserved: Ints,
    setpoint: Ints,
) -> None:
    """Last to first, step down who is above its admitted floor while a row above it is overfull.

    The floats of the raising stay well within a millionth of a step, so this finds nothing to do unless steps are
    finer than floats are (a watt in a gigawatt).
    """
    for index in range(len(order) - 1, -1, -1):
        leaf = order[index]
        node, load = leaf_parent[leaf], leaf_class[leaf]
        if verdict[leaf] != ADMITTED:
            continue
        while steps_first[leaf] == steps_last[leaf] and setpoint[leaf] - step[leaf] >= least[leaf]:
            if reserved[leaf] <= idle[leaf] or not is_overfull(left, first, group, up, node, weight, load, bits):
                break
            less = reserved[leaf] - max(idle[leaf], setpoint[leaf] - step[leaf])
            take(left, first, group, up, node, weight, load, -less, bits)
            reserved[leaf] -= less
            setpoint[leaf] -= step[leaf]


take_back: Any = njit(cache=True, error_model="numpy")(_take_back)


def _settle_on_values(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    verdict: Bytes,
    floor: Floats,
    value: Floats,
    request: Ints,
    minimum: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    allowed: Ints,
    idle: Ints,
    reserved: Ints,
) -> tuple[Ints, Ints, Ints]:
    """[n] the value each share surely covers (taken from what is left), the one it nearly reaches, and the least."""
    leaves = len(verdict)
    setpoint, wish = np.zeros(leaves, dtype=np.int64), np.zeros(leaves, dtype=np.int64)
    least = np.zeros(leaves, dtype=np.int64)
    for leaf in range(leaves):
        if verdict[leaf] != ADMITTED:
            continue
        begin, end = steps_first[leaf], steps_last[leaf]
        least[leaf] = minimum[leaf]
        if floor[leaf] > minimum[leaf]:
            least[leaf] = value_at_most(np.int64(floor[leaf]), minimum[leaf], step[leaf], begin, end, allowed)
        sure, near = round_down(value[leaf], request[leaf], minimum[leaf], step[leaf], begin, end, allowed)
        setpoint[leaf] = max(sure, least[leaf])
        wish[leaf] = near
        more = max(idle[leaf], setpoint[leaf]) - reserved[leaf]
        take(left, first, group, up, leaf_parent[leaf], weight, leaf_class[leaf], more, bits)
        reserved[leaf] += more
    return setpoint, wish, least


settle_on_values: Any = njit(cache=True, error_model="numpy")(_settle_on_values)


def _who_may_hope(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    order: Indices,
    verdict: Bytes,
    request: Ints,
    minimum: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    allowed: Ints,
    reserved: Ints,
    setpoint: Ints,
) -> Indices:
    """In order, the admitted leaves that could take one more step now. Room only shrinks: the others never will."""
    hopeful = np.zeros(len(verdict), dtype=np.bool_)
    for leaf in range(len(verdict)):
        if verdict[leaf] == ADMITTED:
            value = next_value(setpoint[leaf], minimum[leaf], step[leaf], steps_first[leaf], steps_last[leaf], allowed)
            more = max(0, value - reserved[leaf])
            hopeful[leaf] = 0 <= value <= request[leaf] and fits(
                left, first, group, up, leaf_parent[leaf], weight, leaf_class[leaf], more, bits
            )
    waiting = np.empty(len(order), dtype=np.int32)
    count = 0
    for leaf in order:
        if hopeful[leaf]:
            waiting[count] = leaf
            count += 1
    return waiting[:count]


who_may_hope: Any = njit(cache=True, error_model="numpy")(_who_may_hope)


def _grant_wishes(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    waiting: Indices,
    wish: Ints,
    reserved: Ints,
    setpoint: Ints,
) -> None:
    """In order, whose share nearly reached the next value gets it where it fits exactly."""
    for index in range(len(waiting)):
        leaf = waiting[index]
        more = max(0, wish[leaf] - reserved[leaf])
        node, load = leaf_parent[leaf], leaf_class[leaf]
        if wish[leaf] > setpoint[leaf] and fits(left, first, group, up, node, weight, load, more, bits):
            take(left, first, group, up, node, weight, load, more, bits)
            reserved[leaf] += more
            setpoint[leaf] = wish[leaf]


grant_wishes: Any = njit(cache=True, error_model="numpy")(_grant_wishes)
