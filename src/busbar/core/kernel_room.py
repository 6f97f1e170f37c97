"""Exact room along a path, compiled: what is available, what fits, what is taken, which value comes next.

Each kernel is kept as the plain function it was compiled from (`_name`), for mutation tests and coverage. Exact numbers
are limbs of `bits` bits, lowest first, with an open, signed top limb (`frame.Frame`). Only rows that can refuse
something in this snapshot are kept: entries E, `first` [M + 1] of them per inner node; `up` [M] is the next node above
with any, -1 where there is none.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

OPEN_TOP = 1 << 61
"""A top limb above this: nothing limits the row."""


def _add_product(value: Ints, factor: Ints, amount: int, bits: int) -> None:
    """value += factor x amount, both [L]; a factor's limbs and the amount together stay within 62 bits.

    Two limbs are what nearly every depot has: they go without a loop.
    """
    top = len(value) - 1
    if top == 1:
        total = value[0] + factor[0] * amount
        value[0] = total & ((1 << bits) - 1)
        value[1] += (total >> bits) + factor[1] * amount
    else:
        carry = 0
        for limb in range(top):
            total = value[limb] + factor[limb] * amount + carry
            value[limb] = total & ((1 << bits) - 1)
            carry = total >> bits
        value[top] += carry + factor[top] * amount


add_product: Any = njit(cache=True, error_model="numpy", inline="always")(_add_product)


def _is_less(left: Ints, right: Ints) -> bool:
    """left < right, both [L]."""
    for limb in range(len(left) - 1, -1, -1):
        if left[limb] != right[limb]:
            return bool(left[limb] < right[limb])
    return False


is_less: Any = njit(cache=True, error_model="numpy")(_is_less)


def _base_up(
    parent: Indices,
    given: Bools,
    is_assumed: Bools,
    figure: Ints,
    declared: Ints,
    has_own: Bools,
    base: Ints,
    touched: Bools,
) -> None:
    """Base load [M, 4] of every node: its own figure, or else what is declared, risen by what its children rose.

    An assumed figure counts where it is more than that.
    """
    base[:] = declared
    for node in range(len(parent) - 1, -1, -1):
        if given[node]:
            for row in range(base.shape[1]):
                if not is_assumed[node] or figure[node, row] > base[node, row]:
                    base[node, row] = figure[node, row]
            touched[node] = True
        above = parent[node]
        if touched[node] and above >= 0 and not has_own[above] and (is_assumed[above] or not given[above]):
            base[above] += base[node] - declared[node]
            touched[above] = True


base_up: Any = njit(cache=True, error_model="numpy")(_base_up)


def _room_less_base(
    touched: Bools,
    base: Ints,
    most_base: Ints,
    limit: Ints,
    cap: Ints,
    per_unit: Ints,
    row_line: Indices,
    row_group: Indices,
    bits: int,
    room: Ints,
) -> None:
    """Room [M, G, L] of touched nodes: per group the least of limit - base, at most the cap, at least 0.

    base [M, 4] in mA or W, limit and cap [M, R, L] in group units, per_unit [R, L] group units per mA or W. Beyond
    most_base [M, R] a base load changes nothing any more; so bounded, products stay exact.
    """
    limbs = room.shape[2]
    left = np.zeros(limbs, dtype=np.int64)
    for node in range(len(touched)):
        if not touched[node]:
            continue
        for group in range(room.shape[1]):
            for limb in range(limbs - 1):
                room[node, group, limb] = 0
            room[node, group, limbs - 1] = OPEN_TOP << 1
        for row in range(len(row_group)):
            group = row_group[row]
            if group < 0 or limit[node, row, limbs - 1] > OPEN_TOP:
                continue
            left[:] = limit[node, row]
            most = most_base[node, row]
            add_product(left, per_unit[row], -max(-most, min(most, base[node, row_line[row]])), bits)
            if is_less(cap[node, row], left):
                left[:] = cap[node, row]
            if left[limbs - 1] < 0:
                left[:] = 0
            if is_less(left, room[node, group]):
                room[node, group] = left


room_less_base: Any = njit(cache=True, error_model="numpy")(_room_less_base)


def _sum_up(
    room: Ints,
    parent: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    values: Ints,
    bits: int,
    at_most: bool,
    least: Ints,
) -> tuple[Ints, Bools]:
    """What the leaves' values [n] add up to at every node [M, G, L], and where that is more than its room.

    Where `at_most`, a node passes on no more than its room, or than `least` [M, G, L] where that is more.
    """
    nodes, groups, limbs = room.shape
    top = limbs - 1
    mask = (1 << bits) - 1
    total = np.zeros_like(room)
    over = np.zeros((nodes, groups), dtype=np.bool_)
    for leaf in range(len(values)):
        value = values[leaf]
        if value <= 0:
            continue
        node, load = leaf_parent[leaf], leaf_class[leaf]
        for group in range(groups):
            if top == 1:
                term = total[node, group, 0] + weight[load, group, 0] * value
                total[node, group, 0] = term & mask
                total[node, group, 1] += (term >> bits) + weight[load, group, 1] * value
                continue
            carry = 0
            for limb in range(top):
                term = total[node, group, limb] + weight[load, group, limb] * value + carry
                total[node, group, limb] = term & mask
                carry = term >> bits
            total[node, group, top] += carry + weight[load, group, top] * value
    for node in range(nodes - 1, -1, -1):
        above = parent[node]
        for group in range(groups):
            if top == 1 and room[node, group, 1] > total[node, group, 1]:
                # Plainly room enough, so all of it goes through: what nearly every row comes to, without a comparison.
                if above >= 0:
                    term = total[above, group, 0] + total[node, group, 0]
                    total[above, group, 0] = term & mask
                    total[above, group, 1] += (term >> bits) + total[node, group, 1]
                continue
            through = total[node, group]
            if room[node, group, top] <= OPEN_TOP and is_less(room[node, group], through):
                over[node, group] = True
                if at_most:
                    through = room[node, group]
                    if len(least) > 0 and is_less(through, least[node, group]):
                        through = least[node, group]
            if above >= 0 and top == 1:
                term = total[above, group, 0] + through[0]
                total[above, group, 0] = term & mask
                total[above, group, 1] += (term >> bits) + through[1]
            elif above >= 0:
                carry = 0
                for limb in range(top):
                    term = total[above, group, limb] + through[limb] + carry
                    total[above, group, limb] = term & mask
                    carry = term >> bits
                total[above, group, top] += carry + through[top]
    return total, over


sum_up: Any = njit(cache=True, error_model="numpy")(_sum_up)


def _keep_what_can_refuse(
    room: Ints,
    parent: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    idle: Ints,
    most: Ints,
    bits: int,
) -> tuple[Indices, Indices, Ints, Indices]:
    """Entries for the rows that could overflow if every leaf took `most` [n]; -> first, group, left [E, L] and up.

    `left` is what remains when every leaf's `idle` [n] is taken. A node passes on at most what it lets through.
    """
    nodes, groups, limbs = room.shape
    any_idle = False
    for leaf in range(len(idle)):
        any_idle |= idle[leaf] > 0
    used = np.zeros((0, groups, limbs), dtype=np.int64)
    if any_idle:
        used, _ = sum_up(room, parent, leaf_parent, leaf_class, weight, idle, bits, False, used)
    _, kept = sum_up(room, parent, leaf_parent, leaf_class, weight, most, bits, True, used)
    count = 0
    for node in range(nodes):
        for group in range(groups):
            count += kept[node, group]
    first = np.zeros(nodes + 1, dtype=np.int32)
    of_group = np.empty(count, dtype=np.int32)
    left = np.empty((count, limbs), dtype=np.int64)
    up = np.full(nodes, -1, dtype=np.int32)
    found = 0
    for node in range(nodes):
        first[node] = found
        for group in range(groups):
            if kept[node, group]:
                of_group[found] = group
                left[found] = room[node, group]
                if any_idle:
                    add_product(left[found], used[node, group], -1, bits)
                found += 1
        above = parent[node]
        if above >= 0:
            up[node] = above if first[above + 1] > first[above] else up[above]
        first[node + 1] = found
    return first, of_group, left, up


keep_what_can_refuse: Any = njit(cache=True, error_model="numpy")(_keep_what_can_refuse)


def _refusing_entry(
    left: Ints, first: Indices, group: Indices, node: int, weight: Ints, load: int, amount: int, bits: int
) -> int:
    """The first entry of a node in which `amount` more of this load does not fit; -1 where it fits."""
    top = left.shape[1] - 1
    for entry in range(first[node], first[node + 1]):
        of_group = group[entry]
        weighs = weight[load, of_group, top] != 0
        carry = 0
        if top == 1:
            factor = weight[load, of_group, 0]
            weighs |= factor != 0
            carry = (left[entry, 0] - factor * amount) >> bits
        else:
            for limb in range(top):
                factor = weight[load, of_group, limb]
                weighs |= factor != 0
                carry = (left[entry, limb] - factor * amount + carry) >> bits
        # A row that is overfull in any case refuses only what weighs on it.
        if weighs and left[entry, top] - weight[load, of_group, top] * amount + carry < 0:
            return entry
    return -1


refusing_entry: Any = njit(cache=True, error_model="numpy")(_refusing_entry)


def _fits(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    node: int,
    weight: Ints,
    load: int,
    amount: int,
    bits: int,
) -> bool:
    """Whether `amount` more fits at the node and everywhere above it."""
    if amount <= 0:
        return True
    while node >= 0:
        if refusing_entry(left, first, group, node, weight, load, amount, bits) >= 0:
            return False
        node = up[node]
    return True


fits: Any = njit(cache=True, error_model="numpy")(_fits)


def _take(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    node: int,
    weight: Ints,
    load: int,
    amount: int,
    bits: int,
) -> None:
    """Take `amount` (or give it back, where negative) at the node and everywhere above it."""
    if amount == 0:
        return
    while node >= 0:
        for entry in range(first[node], first[node + 1]):
            add_product(left[entry], weight[load, group[entry]], -amount, bits)
        node = up[node]


take: Any = njit(cache=True, error_model="numpy")(_take)


def _next_value(value: int, minimum: int, step: int, first: int, last: int, allowed: Ints) -> int:
    """The next value a leaf takes above `value`; -1 where a list of steps has no more."""
    if first < last:
        for index in range(first, last):
            if allowed[index] > value:
                return int(allowed[index])
        return -1
    if value < minimum:
        return minimum
    return (value // step + 1) * step


next_value: Any = njit(cache=True, error_model="numpy")(_next_value)


def _value_at_most(bound: int, minimum: int, step: int, first: int, last: int, allowed: Ints) -> int:
    """The largest value a leaf takes that is not above `bound`; 0 where that is nothing."""
    if bound < minimum:
        return 0
    if first < last:
        found = 0
        for index in range(first, last):
            if allowed[index] <= bound:
                found = int(allowed[index])
        return found
    return max(minimum, bound // step * step)


value_at_most: Any = njit(cache=True, error_model="numpy")(_value_at_most)
