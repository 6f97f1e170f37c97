"""Raising tier by tier, compiled: who takes part, in which units, and one raise per tier."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from busbar.core.kernel_admit import ADMITTED
from busbar.core.kernel_raise import raise_one, raise_tier

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


def _by_tier(tier: Ints, order: Indices, request: Ints) -> tuple[Indices, Indices, bool]:
    """Tiers [n] renumbered from 0 without gaps, and who wants something in (tier, order); False: tiers too far apart.

    A counting sort: it takes tiers from 0 up to a few times the number of leaves, as strategies number them.
    """
    leaves = len(tier)
    highest = 0
    for leaf in range(leaves):
        if tier[leaf] < 0 or tier[leaf] > 4 * leaves:
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), False
        highest = max(highest, tier[leaf])
    begin = np.zeros(highest + 2, dtype=np.int32)
    count = 0
    for leaf in order:
        if request[leaf] > 0:
            begin[tier[leaf] + 1] += 1
            count += 1
    number = np.empty(highest + 1, dtype=np.int32)
    found = 0
    for index in range(highest + 1):
        number[index] = found
        found += begin[index + 1] > 0
        begin[index + 1] += begin[index]
    dense = np.zeros(leaves, dtype=np.int32)
    sorted_order = np.empty(count, dtype=np.int32)
    for leaf in order:
        if request[leaf] > 0:
            dense[leaf] = number[tier[leaf]]
            sorted_order[begin[tier[leaf]]] = leaf
            begin[tier[leaf]] += 1
    return dense, sorted_order, True


by_tier: Any = njit(cache=True, error_model="numpy")(_by_tier)


def _groups_that_refuse(group: Indices, groups: int) -> tuple[Indices, int]:
    """The place of each row group [G] among those that entries [E] are of, -1 for the others; and how many they are."""
    place = np.full(groups, -1, dtype=np.int32)
    for entry in range(len(group)):
        place[group[entry]] = 0
    count = 0
    for index in range(groups):
        if place[index] == 0:
            place[index] = count
            count += 1
    return place, count


groups_that_refuse: Any = njit(cache=True, error_model="numpy")(_groups_that_refuse)


def _only(load_weight: Floats, place: Indices, columns: int) -> Floats:
    """[K, columns] the weights on the groups that have a place."""
    found = np.empty((load_weight.shape[0], columns))
    for load in range(load_weight.shape[0]):
        for index in range(len(place)):
            if place[index] >= 0:
                found[load, place[index]] = load_weight[load, index]
    return found


only: Any = njit(cache=True, error_model="numpy")(_only)


def _room_as_floats(
    left: Ints, first: Indices, group: Indices, place: Indices, columns: int, unit: Floats, bits: int
) -> Floats:
    """[M, columns] what is left, in the units of the raising; inf where nothing can refuse."""
    nodes = len(first) - 1
    limbs = left.shape[1]
    room = np.full((nodes, columns), np.inf)
    for node in range(nodes):
        for entry in range(first[node], first[node + 1]):
            value = float(left[entry, limbs - 1])
            for limb in range(limbs - 2, -1, -1):
                value = value * float(1 << bits) + float(left[entry, limb])
            room[node, place[group[entry]]] = max(0.0, value * unit[group[entry]])
    return room


room_as_floats: Any = njit(cache=True, error_model="numpy")(_room_as_floats)


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


raise_all: Any = njit(cache=True, error_model="numpy")(_raise_all)
