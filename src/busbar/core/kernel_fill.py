"""The fill, compiled: admit, raise, round, hand out, and say what binds. Exact wherever a limit is compared."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from busbar.core.kernel_admit import (
    ADMITTED,
    NOTHING_WANTED,
    RESTART_GAP,
    admit_fairly,
    is_any_overfull,
    margins,
)
from busbar.core.kernel_room import keep_what_can_refuse, next_value, refusing_entry
from busbar.core.kernel_round import grant_wishes, hand_out, settle_on_values, take_back, who_may_hope
from busbar.core.kernel_tiers import groups_that_refuse, only, raise_all, room_as_floats

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BOUND_BY_NOTHING, BOUND_BY_REQUEST, BOUND_BY_RATING, BOUND_BY_ROW = 0, 1, 2, 3
"""What stopped a leaf (`allocation.Stop`)."""


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
    # fmt: off
    leaves = len(request)
    margin, any_margin = margins(request, minimum, step, steps_first, steps_last, allowed, needs_margin)
    most = np.empty(leaves, dtype=np.int64)
    for leaf in range(leaves):
        most[leaf] = max(request[leaf], idle[leaf], margin[leaf])
    first, group, left, up = keep_what_can_refuse(room, parent, leaf_parent, leaf_class, weight, idle, most, bits)
    at = np.empty(leaves, dtype=np.int32)
    for leaf in range(leaves):
        node = leaf_parent[leaf]
        at[leaf] = node if first[node + 1] > first[node] else up[node]

    left, reserved, verdict = admit_fairly(
        left, first, group, up, at, leaf_class, weight, bits, order, request, minimum, margin, any_margin, idle,
    )
    floor, ceiling = np.zeros(leaves), np.zeros(leaves)
    for leaf in range(leaves):
        if verdict[leaf] == ADMITTED:
            # Up to what is reserved for it anyway, a leaf takes nothing from anybody.
            floor[leaf] = max(minimum[leaf], min(request[leaf], idle[leaf]))
            ceiling[leaf] = request[leaf]
    place, columns = groups_that_refuse(group, room.shape[1])
    value = raise_all(
        tier, verdict, floor, ceiling, share, offset, only(load_weight, place, columns), leaf_class, at, up,
        room_as_floats(left, first, group, place, columns, unit, bits),
    )
    setpoint, wish, least = settle_on_values(
        left, first, group, up, at, leaf_class, weight, bits, verdict, floor, value, request, minimum, step,
        steps_first, steps_last, allowed, idle, reserved,
    )
    if is_any_overfull(left):
        take_back(
            left, first, group, up, at, leaf_class, weight, bits, order, verdict, least, step, steps_first,
            steps_last, idle, reserved, setpoint,
        )
    waiting = who_may_hope(
        left, first, group, up, at, leaf_class, weight, bits, order, verdict, request, minimum, step, steps_first,
        steps_last, allowed, reserved, setpoint,
    )
    grant_wishes(left, first, group, up, at, leaf_class, weight, bits, waiting, wish, reserved, setpoint)
    hand_out(
        left, first, group, up, at, leaf_class, weight, bits, waiting, request, minimum, step, steps_first,
        steps_last, allowed, reserved, setpoint,
    )
    # fmt: on
    return setpoint, reserved, verdict, first, group, left, up


fill: Any = njit(cache=True, error_model="numpy")(_fill)


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


bind: Any = njit(cache=True, error_model="numpy")(_bind)
