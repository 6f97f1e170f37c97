"""The fill, compiled: admit, raise, round, hand out, and say what binds. Exact wherever a limit is compared."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from busbar.core.kernel_raise import raise_one, raise_tier
from busbar.core.kernel_room import (
    fits,
    keep_what_can_refuse,
    next_value,
    refusing_entry,
    take,
    value_at_most,
)

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NOTHING_WANTED, ADMITTED, NO_ROOM, RESTART_GAP = 0, 1, 2, 3
"""Verdicts of the admission."""
BOUND_BY_NOTHING, BOUND_BY_REQUEST, BOUND_BY_RATING, BOUND_BY_ROW = 0, 1, 2, 3
"""What stopped a leaf."""
SNAP = 1e-6
"""A share within this fraction of a step of a step counts as that step, where it fits exactly."""


def _admit(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    order: Indices,
    request: Ints,
    minimum: Ints,
    margin: Ints,
    reserved: Ints,
    verdict: Bytes,
) -> None:
    """In order, reserve each minimum along its path where it fits; updates left, reserved and verdict.

    `margin` [n] is what has to fit for a leaf to start again; 0 where the minimum is enough.
    """
    for leaf in order:
        if request[leaf] <= 0:
            continue
        node, load = leaf_parent[leaf], leaf_class[leaf]
        more = max(0, minimum[leaf] - reserved[leaf])
        if not fits(left, first, group, up, node, weight, load, more, bits):
            verdict[leaf] = NO_ROOM
            continue
        spare = margin[leaf] - reserved[leaf]
        if spare > more and not fits(left, first, group, up, node, weight, load, spare, bits):
            verdict[leaf] = RESTART_GAP
            continue
        take(left, first, group, up, node, weight, load, more, bits)
        reserved[leaf] += more
        verdict[leaf] = ADMITTED


admit: Any = njit(cache=True)(_admit)


def _is_any_overfull(left: Ints) -> bool:
    """Whether any row holds more than is available."""
    top = left.shape[1] - 1
    for entry in range(left.shape[0]):  # noqa: SIM110 (compiled)
        if left[entry, top] < 0:
            return True
    return False


is_any_overfull: Any = njit(cache=True)(_is_any_overfull)


def _admit_all(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    request: Ints,
    minimum: Ints,
    reserved: Ints,
    verdict: Bytes,
) -> bool:
    """Reserve every minimum; False where they do not all fit, and then left and reserved are of no use."""
    for leaf in range(len(request)):
        if request[leaf] > 0:
            more = max(0, minimum[leaf] - reserved[leaf])
            take(left, first, group, up, leaf_parent[leaf], weight, leaf_class[leaf], more, bits)
            reserved[leaf] += more
            verdict[leaf] = ADMITTED
    return not is_any_overfull(left)


admit_all: Any = njit(cache=True)(_admit_all)


def _groups_that_refuse(group: Indices, groups: int) -> tuple[Indices, Indices]:
    """The row groups that entries [E] are of, and the place of each group [G] among them."""
    place = np.full(groups, -1, dtype=np.int32)
    for entry in range(len(group)):
        place[group[entry]] = 0
    active = np.empty(groups, dtype=np.int32)
    count = 0
    for index in range(groups):
        if place[index] == 0:
            place[index] = count
            active[count] = index
            count += 1
    return active[:count], place


groups_that_refuse: Any = njit(cache=True)(_groups_that_refuse)


def _room_as_floats(left: Ints, first: Indices, group: Indices, place: Indices, unit: Floats, bits: int) -> Floats:
    """[M, active groups] what is left, in the units of the raising; inf where nothing can refuse."""
    nodes = len(first) - 1
    limbs = left.shape[1]
    room = np.full((nodes, len(unit)), np.inf)
    for node in range(nodes):
        for entry in range(first[node], first[node + 1]):
            value = float(left[entry, limbs - 1])
            for limb in range(limbs - 2, -1, -1):
                value = value * float(1 << bits) + float(left[entry, limb])
            column = place[group[entry]]
            room[node, column] = max(0.0, value * unit[column])
    return room


room_as_floats: Any = njit(cache=True)(_room_as_floats)


def _raise_all(
    tier: Indices,
    verdict: Bytes,
    floor: Floats,
    ceiling: Floats,
    share: Floats,
    offset: Floats,
    load_weight: Floats,
    leaf_class: Indices,
    leaf_parent: Indices,
    parent: Indices,
    left: Floats,
) -> Floats:
    """Tier by tier (dense numbers from 0), raise the admitted; -> the exact-as-floats-are share of each leaf [n]."""
    value = floor.copy()
    tiers = 0
    for leaf in range(len(tier)):
        tiers = max(tiers, tier[leaf] + 1)
    begin = np.zeros(tiers + 1, dtype=np.int32)
    rises = np.zeros(len(tier), dtype=np.bool_)
    for leaf in range(len(tier)):
        if verdict[leaf] == ADMITTED and ceiling[leaf] > floor[leaf]:
            # With nothing above that could refuse, there is nothing to share.
            rises[leaf] = leaf_parent[leaf] >= 0
            if rises[leaf]:
                begin[tier[leaf] + 1] += 1
            else:
                value[leaf] = ceiling[leaf]
    for index in range(tiers):
        begin[index + 1] += begin[index]
    who = np.empty(begin[tiers], dtype=np.int32)
    place = begin[:tiers].copy()
    for leaf in range(len(tier)):
        if rises[leaf]:
            who[place[tier[leaf]]] = leaf
            place[tier[leaf]] += 1
    size = len(parent)
    slot = np.full(size, -1, dtype=np.int32)
    nodes, first = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    last, stack = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    highest = np.full(left.shape, -np.inf)
    for index in range(tiers):
        count = begin[index + 1] - begin[index]
        if count == 1:
            leaf = who[begin[index]]
            raise_one(leaf, floor, ceiling, load_weight, leaf_class, leaf_parent, parent, left, value)
        elif count > 1:
            raise_tier(
                who[begin[index] : begin[index + 1]],
                count,
                floor,
                ceiling,
                share,
                offset,
                load_weight,
                leaf_class,
                leaf_parent,
                parent,
                left,
                slot,
                nodes,
                first,
                last,
                stack,
                highest,
                value,
            )
    return value


raise_all: Any = njit(cache=True)(_raise_all)


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


round_down: Any = njit(cache=True)(_round_down)


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


hand_out: Any = njit(cache=True)(_hand_out)


def _is_overfull(
    left: Ints, first: Indices, group: Indices, up: Indices, node: int, weight: Ints, load: int, bits: int
) -> bool:
    """Whether some row that this load weighs on, here or above, holds more than is available."""
    while node >= 0:
        if refusing_entry(left, first, group, node, weight, load, 0, bits) >= 0:
            return True
        node = up[node]
    return False


is_overfull: Any = njit(cache=True)(_is_overfull)


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


take_back: Any = njit(cache=True)(_take_back)


def _fill(
    room: Ints,
    parent: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    load_weight: Floats,
    unit: Floats,
    bits: int,
    order: Indices,
    tier: Indices,
    share: Floats,
    offset: Floats,
    request: Ints,
    minimum: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    allowed: Ints,
    idle: Ints,
    needs_margin: Bools,
) -> tuple[Ints, Ints, Bytes, Indices, Indices, Ints, Indices]:
    """Setpoints, reservations and verdicts [n], and the rows that can refuse, with what is left of them.

    `request` [n] is 0 where nothing can be given, and else lies from `minimum` up; `idle` [n] is reserved for it in any
    case; `order` lists the leaves with a request, first served first; `tier` is dense from 0; `share` is in setpoint
    units per level.
    """
    leaves = len(request)
    margin = np.zeros(leaves, dtype=np.int64)
    most = np.maximum(request, idle)
    any_margin = False
    for leaf in range(leaves):
        if needs_margin[leaf] and request[leaf] > 0:
            any_margin = True
            margin[leaf] = next_value(
                minimum[leaf], minimum[leaf], step[leaf], steps_first[leaf], steps_last[leaf], allowed
            )
            most[leaf] = max(most[leaf], margin[leaf])
    first, group, left, up = keep_what_can_refuse(room, parent, leaf_parent, leaf_class, weight, idle, most, bits)
    at = np.empty(leaves, dtype=np.int32)
    for leaf in range(leaves):
        node = leaf_parent[leaf]
        at[leaf] = node if first[node + 1] > first[node] else up[node]

    verdict = np.zeros(leaves, dtype=np.int8)
    reserved = idle.copy()
    before = left.copy()
    # Where everything fits, nobody has to be asked in order.
    if any_margin or not admit_all(
        left, first, group, up, at, leaf_class, weight, bits, request, minimum, reserved, verdict
    ):
        left, reserved = before, idle.copy()
        verdict[:] = NOTHING_WANTED
        admit(left, first, group, up, at, leaf_class, weight, bits, order, request, minimum, margin, reserved, verdict)
    floor = np.zeros(leaves)
    ceiling = np.zeros(leaves)
    for leaf in range(leaves):
        if verdict[leaf] == ADMITTED:
            # Up to what is reserved for it anyway, a leaf takes nothing from anybody.
            floor[leaf] = max(minimum[leaf], min(request[leaf], idle[leaf]))
            ceiling[leaf] = request[leaf]
    active, place = groups_that_refuse(group, room.shape[1])
    value = raise_all(
        tier, verdict, floor, ceiling, share, offset, load_weight[:, active], leaf_class, at, up,
        room_as_floats(left, first, group, place, unit[active], bits),
    )  # fmt: skip

    setpoint = np.zeros(leaves, dtype=np.int64)
    wish = np.zeros(leaves, dtype=np.int64)
    least = np.zeros(leaves, dtype=np.int64)
    for leaf in range(leaves):
        if verdict[leaf] != ADMITTED:
            continue
        begin, end = steps_first[leaf], steps_last[leaf]
        least[leaf] = value_at_most(np.int64(floor[leaf]), minimum[leaf], step[leaf], begin, end, allowed)
        sure, near = round_down(value[leaf], request[leaf], minimum[leaf], step[leaf], begin, end, allowed)
        setpoint[leaf] = max(sure, least[leaf])
        wish[leaf] = near
        more = max(idle[leaf], setpoint[leaf]) - reserved[leaf]
        take(left, first, group, up, at[leaf], weight, leaf_class[leaf], more, bits)
        reserved[leaf] += more
    if is_any_overfull(left):
        take_back(
            left, first, group, up, at, leaf_class, weight, bits, order, verdict, least, step, steps_first,
            steps_last, idle, reserved, setpoint,
        )  # fmt: skip
    # Room only shrinks from here: who cannot take one more step now never will.
    hopeful = np.zeros(leaves, dtype=np.bool_)
    for leaf in range(leaves):
        if verdict[leaf] == ADMITTED:
            value_up = next_value(
                setpoint[leaf], minimum[leaf], step[leaf], steps_first[leaf], steps_last[leaf], allowed
            )
            hopeful[leaf] = 0 <= value_up <= request[leaf] and fits(
                left, first, group, up, at[leaf], weight, leaf_class[leaf], max(0, value_up - reserved[leaf]), bits
            )
    waiting = np.empty(len(order), dtype=np.int32)
    count = 0
    for leaf in order:
        if hopeful[leaf]:
            waiting[count] = leaf
            count += 1
    waiting = waiting[:count]
    for leaf in waiting:
        more = max(0, wish[leaf] - reserved[leaf])
        node, load = at[leaf], leaf_class[leaf]
        if wish[leaf] > setpoint[leaf] and fits(left, first, group, up, node, weight, load, more, bits):
            take(left, first, group, up, node, weight, load, more, bits)
            reserved[leaf] += more
            setpoint[leaf] = wish[leaf]
    hand_out(
        left, first, group, up, at, leaf_class, weight, bits, waiting, request, minimum, step, steps_first,
        steps_last, allowed, reserved, setpoint,
    )  # fmt: skip
    return setpoint, reserved, verdict, first, group, left, up


fill: Any = njit(cache=True)(_fill)


def _bind(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    wanted: Ints,
    max_rating: Ints,
    minimum: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    allowed: Ints,
    reserved: Ints,
    setpoint: Ints,
    verdict: Bytes,
) -> tuple[Bytes, Indices, Indices, Ints]:
    """What kind of thing stopped each leaf, at which inner node and row group, and its next value; all [n]."""
    leaves = len(setpoint)
    kind = np.zeros(leaves, dtype=np.int8)
    at_node = np.full(leaves, -1, dtype=np.int32)
    at_group = np.full(leaves, -1, dtype=np.int32)
    target = np.zeros(leaves, dtype=np.int64)
    for leaf in range(leaves):
        if wanted[leaf] <= 0:
            continue
        # Nothing can be given to a connector rated zero, whatever its vehicle wants.
        admitted = verdict[leaf] == ADMITTED or verdict[leaf] == NOTHING_WANTED
        begin, end = steps_first[leaf], steps_last[leaf]
        value = next_value(setpoint[leaf], minimum[leaf], step[leaf], begin, end, allowed)
        if verdict[leaf] == RESTART_GAP:
            value = next_value(minimum[leaf], minimum[leaf], step[leaf], begin, end, allowed)
        elif admitted and (value < 0 or value > wanted[leaf]):
            kind[leaf] = BOUND_BY_REQUEST
            continue
        elif admitted and value > max_rating[leaf]:
            kind[leaf] = BOUND_BY_RATING
            target[leaf] = value
            continue
        target[leaf] = value
        more = max(0, value - reserved[leaf])
        node = leaf_parent[leaf]
        while node >= 0:
            entry = np.int64(refusing_entry(left, first, group, node, weight, leaf_class[leaf], more, bits))
            if entry >= 0:
                kind[leaf] = BOUND_BY_ROW
                at_node[leaf] = node
                at_group[leaf] = group[entry]
                break
            node = up[node]
    return kind, at_node, at_group, target


bind: Any = njit(cache=True)(_bind)
