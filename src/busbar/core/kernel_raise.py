"""Progressive filling over every row of every node, compiled.

One level rises; a leaf takes weight x (level - offset) from its floor up to its ceiling, and freezes when a row above
it is full. Instead of following the level event by event, every row of the tree is filled by itself (which for one
row is exact, and for several never puts the moment a row is full too late); whatever no other row can have disturbed
is final, what it takes is set aside, and the rest is filled again. Each pass settles at least the earliest moment.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

_CLOSE = 1e-12
"""Two levels this near, relatively, are one."""


def _level_when_full(start: Floats, end: Floats, rate: Floats, first: int, last: int, room: float) -> float:
    """The level at which the leaves first..last together take `room`; they would take more at their ends."""
    if last - first == 1 and rate[first] > 0.0:
        return float(start[first] + room / rate[first])
    low, high, total, reach = np.inf, -np.inf, 0.0, 0.0
    for leaf in range(first, last):
        if rate[leaf] > 0.0:
            low = min(low, start[leaf])
            high = max(high, end[leaf])
        total += rate[leaf]
        reach += rate[leaf] * start[leaf]
    if room <= 0.0 or total <= 0.0:
        return low
    level = min(max((room + reach) / total, low), high)
    for _ in range(200):
        taken, slope = 0.0, 0.0
        for leaf in range(first, last):
            begun = level >= start[leaf]
            taken += rate[leaf] * max(0.0, min(level, end[leaf]) - start[leaf])
            slope += rate[leaf] * (begun & (level < end[leaf]))
        error = room - taken
        if abs(error) <= 1e-13 * room:
            return level
        if error > 0.0:
            low = level
        else:
            high = level
        step = level + error / slope if slope > 0.0 else low
        if not low < step < high:
            step = 0.5 * (low + high)
            if not low < step < high:
                return low
        if abs(step - level) <= 1e-15 * abs(level):
            return step
        level = step
    return low


level_when_full: Any = njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})(_level_when_full)


def _touched(
    who: Indices,
    count: int,
    leaf_parent: Indices,
    parent: Indices,
    slot: Indices,
    nodes: Indices,
    first: Indices,
    last: Indices,
    stack: Indices,
    home: Indices,
) -> int:
    """The nodes above the leaves who[:count], parents first, each with its range of them; `slot` maps a node back.

    `slot` is -1 everywhere on entry; `home` [P] is the slot of the node right above each leaf.
    """
    found = 0
    for position in range(count):
        node, depth = leaf_parent[who[position]], 0
        while node >= 0 and slot[node] < 0:
            stack[depth] = node
            depth += 1
            slot[node] = 0
            node = parent[node]
        while depth > 0:
            depth -= 1
            slot[stack[depth]] = found
            nodes[found] = stack[depth]
            first[found] = position
            last[found] = position
            found += 1
        home[position] = slot[leaf_parent[who[position]]]
        last[home[position]] = position + 1
    for index in range(found - 1, 0, -1):
        above = parent[nodes[index]]
        if above >= 0:
            last[slot[above]] = max(last[slot[above]], last[index])
    return found


touched: Any = njit(cache=True, error_model="numpy")(_touched)


def _fill_rows(
    room: Floats,
    nodes: Indices,
    first: Indices,
    last: Indices,
    found: int,
    parent: Indices,
    slot: Indices,
    home: Indices,
    count: int,
    start: Floats,
    end: Floats,
    rate: Floats,
    settled: Floats,
    cap: Floats,
    by: Indices,
) -> None:
    """Fill each row by itself, bottom up: cap [G, P] is where it stops each leaf, by [G, P] the slot that does."""
    groups = rate.shape[0]
    most = np.zeros(found)
    for group in range(groups):
        for index in range(found):
            most[index] = 0.0
        for position in range(count):
            cap[group, position] = end[position]
            by[group, position] = -1
            most[home[position]] += rate[group, position] * (end[position] - start[position])
        for index in range(found - 1, -1, -1):
            node = nodes[index]
            limit = room[node, group]
            if most[index] > limit:
                most[index] = limit
                level = level_when_full(start, cap[group], rate[group], first[index], last[index], limit)
                level = max(level, settled[index, group])
                for position in range(first[index], last[index]):
                    stop = max(level, start[position])
                    if rate[group, position] > 0.0 and stop < cap[group, position]:
                        cap[group, position] = stop
                        by[group, position] = index
            if parent[node] >= 0:
                most[slot[parent[node]]] += most[index]


fill_rows: Any = njit(cache=True, error_model="numpy")(_fill_rows)


def _settle(
    cap: Floats,
    by: Indices,
    rate: Floats,
    nodes: Indices,
    found: int,
    parent: Indices,
    slot: Indices,
    home: Indices,
    count: int,
    level: Floats,
    final: npt.NDArray[np.bool_],
) -> None:
    """Per leaf the lowest of its rows' levels, and whether nothing can have disturbed it."""
    groups = rate.shape[0]
    disturbed = np.zeros((found, groups), dtype=np.bool_)
    for position in range(count):
        lowest = np.inf
        for group in range(groups):
            lowest = min(lowest, cap[group, position])
        level[position] = lowest
        for group in range(groups):
            if rate[group, position] > 0.0 and cap[group, position] > lowest + _CLOSE * abs(lowest):
                disturbed[home[position], group] = True
    for index in range(found - 1, 0, -1):
        above = parent[nodes[index]]
        if above >= 0:
            for group in range(groups):
                disturbed[slot[above], group] |= disturbed[index, group]
    any_final = False
    for position in range(count):
        final[position] = False
        for group in range(groups):
            if cap[group, position] <= level[position] + _CLOSE * abs(level[position]):
                cause = by[group, position]
                final[position] |= cause < 0 or not disturbed[cause, group]
        any_final |= final[position]
    if not any_final:
        # Rounding made two rows blame each other: the earliest moment is right in any case.
        earliest = np.inf
        for position in range(count):
            earliest = min(earliest, level[position])
        for position in range(count):
            final[position] = level[position] <= earliest + _CLOSE * abs(earliest)


settle: Any = njit(cache=True, error_model="numpy")(_settle)


def _raise_tier(
    who: Indices,
    count: int,
    floor: Floats,
    ceiling: Floats,
    weight: Floats,
    offset: Floats,
    load_weight: Floats,
    leaf_class: Indices,
    leaf_parent: Indices,
    parent: Indices,
    room: Floats,
    slot: Indices,
    nodes: Indices,
    first: Indices,
    last: Indices,
    stack: Indices,
    highest: Floats,
    value: Floats,
) -> None:
    """Raise the leaves who[:count] (in leaf order) together; writes `value` [n] and takes from `room` [M, G].

    floor, ceiling, weight (setpoint units per level) and offset (levels) are [n]; load_weight is [K, G]. Work space of
    M entries each: slot (-1), nodes, first, last, stack, and highest [M, G] (-inf); left as found.
    """
    groups = room.shape[1]
    who = who[:count].copy()
    reached = nodes[:0]
    start, end = np.empty(count), np.empty(count)
    rate, cap = np.empty((groups, count)), np.empty((groups, count))
    by = np.empty((groups, count), dtype=np.int32)
    level, final = np.empty(count), np.empty(count, dtype=np.bool_)
    home = np.empty(count, dtype=np.int32)
    for position in range(count):
        leaf = who[position]
        load, levels = leaf_class[leaf], 1.0 / weight[leaf]
        start[position] = offset[leaf] + floor[leaf] * levels
        end[position] = offset[leaf] + ceiling[leaf] * levels
        for group in range(groups):
            rate[group, position] = load_weight[load, group] * weight[leaf]
    while count > 0:
        found = touched(who, count, leaf_parent, parent, slot, nodes, first, last, stack, home)
        if len(reached) == 0:
            reached = nodes[:found].copy()
        settled = np.empty((found, groups))
        for index in range(found):
            for group in range(groups):
                settled[index, group] = highest[nodes[index], group]
        fill_rows(room, nodes, first, last, found, parent, slot, home, count, start, end, rate, settled, cap, by)
        settle(cap, by, rate, nodes, found, parent, slot, home, count, level, final)
        taken = np.zeros((found, groups))
        left = 0
        for position in range(count):
            leaf = who[position]
            if not final[position]:
                who[left], start[left], end[left] = leaf, start[position], end[position]
                for group in range(groups):
                    rate[group, left] = rate[group, position]
                left += 1
                continue
            if level[position] >= end[position]:
                value[leaf] = ceiling[leaf]
            else:
                value[leaf] = min(ceiling[leaf], max(floor[leaf], weight[leaf] * (level[position] - offset[leaf])))
            index = home[position]
            for group in range(groups):
                if rate[group, position] > 0.0:
                    taken[index, group] += load_weight[leaf_class[leaf], group] * (value[leaf] - floor[leaf])
                    # Who was stopped before it began never took part, whatever its level says.
                    if level[position] > start[position]:
                        node = nodes[index]
                        highest[node, group] = max(highest[node, group], level[position])
        for index in range(found - 1, -1, -1):
            node = nodes[index]
            above = parent[node]
            for group in range(groups):
                room[node, group] = max(0.0, room[node, group] - taken[index, group])
                if above >= 0:
                    taken[slot[above], group] += taken[index, group]
                    highest[above, group] = max(highest[above, group], highest[node, group])
            slot[node] = -1
        count = left
    for node in reached:
        for group in range(groups):
            highest[node, group] = -np.inf


raise_tier: Any = njit(cache=True, error_model="numpy")(_raise_tier)


def _raise_one(
    leaf: int,
    floor: Floats,
    ceiling: Floats,
    load_weight: Floats,
    leaf_class: Indices,
    leaf_parent: Indices,
    parent: Indices,
    room: Floats,
    value: Floats,
) -> None:
    """A tier of one leaf: it takes what its path leaves."""
    groups = room.shape[1]
    load = leaf_class[leaf]
    more = ceiling[leaf] - floor[leaf]
    node = leaf_parent[leaf]
    while node >= 0:
        for group in range(groups):
            if load_weight[load, group] > 0.0:
                more = min(more, room[node, group] / load_weight[load, group])
        node = parent[node]
    more = max(0.0, more)
    value[leaf] = floor[leaf] + more
    node = leaf_parent[leaf]
    while node >= 0:
        for group in range(groups):
            room[node, group] = max(0.0, room[node, group] - load_weight[load, group] * more)
        node = parent[node]


raise_one: Any = njit(cache=True, error_model="numpy")(_raise_one)
