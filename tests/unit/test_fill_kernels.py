"""Each kernel of the fill against the same done by hand, on small sites; plain and compiled functions alike."""

from bisect import bisect_left
from functools import partial
from math import inf
from typing import Any

import numpy as np
import pytest
from fill_by_hand import (
    BOTH,
    LIMBS,
    Kernel,
    Site,
    Wants,
    indices,
    ints,
    kernel_of,
    limbs_of,
    numbers_of,
    sites,
    wants,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.core import kernel_room
from busbar.core.kernel_admit import ADMITTED, NO_ROOM, NOTHING_WANTED, RESTART_GAP
from busbar.core.kernel_fill import BOUND_BY_NOTHING, BOUND_BY_RATING, BOUND_BY_REQUEST, BOUND_BY_ROW

OFTEN = settings(max_examples=3 * settings().max_examples)
VERY_OFTEN = settings(max_examples=max(180, settings().max_examples))
"""These cases are small and quick."""


@pytest.fixture(params=BOTH, name="kernel")
def _kernel(request: pytest.FixtureRequest) -> Kernel:
    return partial(kernel_of, kind=request.param)


# Room


@st.composite
def values_at(draw: st.DrawFn, site: Site, most: int = 20) -> list[int]:
    return [draw(st.integers(0, most)) for _ in site.leaves]


def test_what_leaves_add_up_to_at_every_node_and_where_that_is_more_than_its_room(kernel: Kernel) -> None:
    sum_up = kernel("sum_up")

    @VERY_OFTEN
    @given(st.data(), sites(fewest=4), st.booleans(), st.booleans())
    def agree(data: st.DataObject, site: Site, at_most: bool, has_least: bool) -> None:
        values = data.draw(values_at(site, data.draw(st.sampled_from([3, 20, 100]))))
        nodes = range(len(site.parent))
        least = (
            [[data.draw(st.integers(0, 2 * (1 + site.room[node][0]))) for _ in range(2)] for node in nodes]
            if has_least
            else []
        )
        total = [[0, 0] for _ in nodes]
        over = [[False, False] for _ in nodes]
        for leaf in site.leaves:
            for group, each in enumerate(site.weight[site.leaf_class[leaf]]):
                total[site.leaf_parent[leaf]][group] += each * values[leaf]
        for node in reversed(nodes):
            for group in range(2):
                through, room = total[node][group], site.room[node][group]
                over[node][group] = through > room
                if at_most and through > room:
                    through = max(room, least[node][group]) if has_least else room
                if site.parent[node] >= 0:
                    total[site.parent[node]][group] += through
        room = limbs_of(site.room, site.limbs, site.bits)
        _, _, _, up, leaf_parent, leaf_class, weight, bits = site.arrays()
        found = sum_up(
            room, up, leaf_parent, leaf_class, weight, ints(values), bits, at_most,
            limbs_of(least, site.limbs, bits) if has_least else room[:0],
        )  # fmt: skip
        assert numbers_of(found[0], bits) == total
        assert found[1].tolist() == over

    agree()


def test_sums_that_take_every_limb_are_carried_up_the_tree(kernel: Kernel) -> None:
    """Three nodes in a row, two leaves below each; what the lower two carry is exactly their room, or far from it."""
    for limbs, bits in LIMBS:
        weight, values = 2 ** (bits - 5) - 1 if bits == 60 else 2**57 - 1, [100, 99, 98, 97, 96, 95]
        total = [weight * sum(values[begin:]) for begin in (0, 2, 4)]
        at, load = indices([0, 0, 1, 1, 2, 2]), indices([0] * 6)
        for room in ([2 * each for each in total], total, [2**70, total[1], 2**70], [1, total[1] - 1, total[2] + 1]):
            found, over = kernel("sum_up")(
                limbs_of([[each] for each in room], limbs, bits), indices([-1, 0, 1]), at, load,
                limbs_of([[weight]], limbs, bits), ints(values), bits, False, limbs_of([[0]], limbs, bits)[:0],
            )  # fmt: skip
            assert numbers_of(found, bits) == [[each] for each in total]
            assert over.ravel().tolist() == [each > most for each, most in zip(total, room, strict=True)]


def test_rows_without_a_limit_are_never_over(kernel: Kernel) -> None:
    for limbs, bits in LIMBS:
        room = limbs_of([[1 << 300]], limbs, bits)
        room[0, 0, -1] = kernel_room.OPEN_TOP << 1
        weight, at = limbs_of([[3]], limbs, bits), indices([0])
        total, over = kernel("sum_up")(room, indices([-1]), at, at, weight, ints([7]), bits, True, room[:0])
        assert (numbers_of(total, bits), over.tolist()) == ([[21]], [[False]])


def test_rows_are_kept_where_all_at_most_do_not_fit_and_what_is_idle_is_taken_from_them(kernel: Kernel) -> None:
    keep, sum_up = kernel("keep_what_can_refuse"), kernel("sum_up")

    @OFTEN
    @given(st.data(), sites(most_room=25))
    def agree(data: st.DataObject, site: Site) -> None:
        idle = data.draw(values_at(site, data.draw(st.sampled_from([0, 1, 4]))))
        most = [each + data.draw(st.integers(0, 6)) for each in idle]
        _, _, _, parent, leaf_parent, leaf_class, weight, bits = site.arrays()
        room = limbs_of(site.room, site.limbs, bits)
        for leaf in site.leaves:
            site.take(leaf, idle[leaf])
        where = (parent, leaf_parent, leaf_class, weight)
        used, _ = sum_up(room, *where, ints(idle), bits, False, room[:0])
        _, kept = sum_up(room, *where, ints(most), bits, True, used)
        first, group, left, up = keep(room, *where, ints(idle), ints(most), bits)
        rows = [(node, of) for node in range(len(site.parent)) for of in range(2) if kept[node, of]]
        assert numbers_of(left, bits) == [site.left[node][of] for node, of in rows] if rows else len(left) == 0
        assert group.tolist() == [of for _, of in rows]
        assert np.diff(first).tolist() == kept.sum(axis=1).tolist()
        for node, above in enumerate(site.parent):
            while above >= 0 and not kept[above].any():
                above = site.parent[above]
            assert up[node] == above

    agree()


def _base_by_hand(parent: list[int], **of: Any) -> list[list[int]]:
    """Base load of every node, children before parents."""
    base = [list(row) for row in of["declared"]]
    is_known = [False] * len(parent)
    for node in reversed(range(len(parent))):
        sums_children = not of["has_own"][node] and (of["is_assumed"][node] or not of["given"][node])
        for child in (each for each in range(len(parent)) if parent[each] == node and sums_children):
            if is_known[child]:
                is_known[node] = True
                base[node] = [a + b - c for a, b, c in zip(base[node], base[child], of["declared"][child], strict=True)]
        if of["given"][node]:
            is_known[node] = True
            both = zip(base[node], of["figure"][node], strict=True)
            base[node] = [max(pair) for pair in both] if of["is_assumed"][node] else list(of["figure"][node])
    return base


def test_a_node_carries_its_own_base_load_or_what_its_children_carry(kernel: Kernel) -> None:
    base_up = kernel("base_up")

    @OFTEN
    @given(st.data(), sites(most_room=25))
    def agree(data: st.DataObject, site: Site) -> None:
        nodes = range(len(site.parent))
        flags = {name: [data.draw(st.booleans()) for _ in nodes] for name in ("given", "is_assumed", "has_own")}
        rows = {
            name: [[data.draw(st.integers(-3, 9)) for _ in range(4)] for _ in nodes] for name in ("figure", "declared")
        }
        base, touched = np.full((len(nodes), 4), 99), np.zeros(len(nodes), dtype=np.bool_)
        base_up(
            indices(site.parent), np.array(flags["given"]), np.array(flags["is_assumed"]), ints(rows["figure"]),
            ints(rows["declared"]), np.array(flags["has_own"]), base, touched,
        )  # fmt: skip
        expected = _base_by_hand(site.parent, **flags, **rows)
        assert base.tolist() == expected
        unseen = [node for node in nodes if not touched[node]]
        assert [base[node].tolist() for node in unseen] == [rows["declared"][node] for node in unseen]

    agree()


def test_room_is_the_least_of_what_limits_leave_and_never_below_nothing(kernel: Kernel) -> None:
    room_less_base = kernel("room_less_base")

    @given(st.data(), st.sampled_from(LIMBS))
    def agree(data: st.DataObject, shape: tuple[int, int]) -> None:
        limbs, bits = shape
        small = st.integers(0, 40)
        limit = [data.draw(st.none() | small) for _ in range(3)]
        cap, most = [data.draw(small) for _ in range(3)], [data.draw(small) for _ in range(3)]
        per_unit, base = (
            [data.draw(st.integers(1, 3)) for _ in range(3)],
            [data.draw(st.integers(-50, 50)) for _ in range(4)],
        )
        line, group = (
            [data.draw(st.integers(0, 3)) for _ in range(3)],
            [data.draw(st.integers(-1, 1)) for _ in range(3)],
        )
        expected: list[float] = [inf, inf]
        for row in range(3):
            found = limit[row]
            if group[row] >= 0 and found is not None:
                counted = max(-most[row], min(most[row], base[line[row]]))
                left = max(0, min(cap[row], found - per_unit[row] * counted))
                expected[group[row]] = min(expected[group[row]], left)
        limits = limbs_of([[each or 0 for each in limit]], limbs, bits)
        for row in range(3):
            if limit[row] is None:
                limits[0, row, -1] = kernel_room.OPEN_TOP << 1
        room = limbs_of([[77, 77], [78, 78]], limbs, bits)
        room_less_base(
            np.array([True, False]), ints([base, base]), ints([most, most]), np.concatenate([limits, limits]),
            limbs_of([cap, cap], limbs, bits), limbs_of(per_unit, limbs, bits), indices(line), indices(group), bits,
            room,
        )  # fmt: skip
        assert [inf if row[-1] > kernel_room.OPEN_TOP else numbers_of(row, bits) for row in room[0]] == expected
        assert numbers_of(room[1], bits) == [78, 78]

    agree()


# Admit


def test_minima_are_admitted_in_order_where_they_and_the_margin_fit(kernel: Kernel) -> None:
    margins, fairly = kernel("margins"), kernel("admit_fairly")

    @OFTEN
    @given(st.data(), sites(most_room=25))
    def agree(data: st.DataObject, site: Site) -> None:
        want = data.draw(wants(len(site.leaf_parent)))
        needs = [data.draw(st.booleans()) for _ in site.leaves]
        idle = data.draw(values_at(site, 8))
        begin, end, allowed = want.listed()
        margin, any_margin = margins(
            ints(want.request), ints(want.minimum), ints(want.step), begin, end, allowed, np.array(needs)
        )
        spare = [
            (want.next(leaf, want.minimum[leaf]) or -1) if needs[leaf] and want.request[leaf] else 0
            for leaf in site.leaves
        ]
        assert margin.tolist() == spare
        assert any_margin == any(needs[leaf] and want.request[leaf] > 0 for leaf in site.leaves)
        for leaf in site.leaves:
            site.take(leaf, 0)
        reserved, verdict = list(idle), [NOTHING_WANTED] * len(idle)
        for leaf in (each for each in want.order if want.request[each] > 0):
            more = max(0, want.minimum[leaf] - idle[leaf])
            if not site.fits(leaf, more):
                verdict[leaf] = NO_ROOM
            elif not site.fits(leaf, max(more, spare[leaf] - idle[leaf])):
                verdict[leaf] = RESTART_GAP
            else:
                verdict[leaf] = ADMITTED
                site.take(leaf, more)
                reserved[leaf] += more
        left, first, group, up, *rest = site.arrays()
        found = fairly(
            left, first, group, up, *rest, indices(want.order), ints(want.request), ints(want.minimum), margin,
            any_margin, ints(idle),
        )  # fmt: skip
        assert site.read(found[0]) == site.left
        assert found[1].tolist() == reserved
        assert found[2].tolist() == verdict

    agree()


@pytest.mark.parametrize("any_margin", [False, True])
def test_verdicts_take_a_byte_each_in_order_or_not(kernel: Kernel, any_margin: bool) -> None:
    site = Site(limbs=2, bits=60, parent=[-1], room=[[9, 9]], weight=[[1, 1]], leaf_parent=[0], leaf_class=[0])
    one = ints([1])
    found = kernel("admit_fairly")(*site.arrays(), indices([0]), one, one, one, any_margin, ints([0]))
    assert [each.tolist() for each in found] == [limbs_of([8, 8], 2, 60).tolist(), [1], [ADMITTED]]
    assert [each.dtype.name for each in found] == ["int64", "int64", "int8"]


def test_who_wants_the_least_there_is_needs_its_margin_like_anybody(kernel: Kernel) -> None:
    one, none = ints([1, 1]), indices([0, 0])
    margin, any_margin = kernel("margins")(ints([1, 0]), one, one, none, none, ints([]), np.array([True, True]))
    assert (margin.tolist(), any_margin) == ([2, 0], True)


# Tiers


def test_tiers_too_far_apart_are_left_to_a_slower_way(kernel: Kernel) -> None:
    one = indices([0])
    for tier, is_close in ((4, True), (5, False), (-1, False)):
        dense, order, close = kernel("by_tier")(ints([tier]), one, ints([1]))
        assert (close, len(dense), len(order)) == (is_close, is_close, is_close)
        assert [dense.dtype.name, order.dtype.name] == ["int32", "int32"]


def test_who_wants_something_is_sorted_by_tier_and_order(kernel: Kernel) -> None:
    by_tier = kernel("by_tier")

    @given(st.data(), st.integers(1, 6))
    def agree(data: st.DataObject, leaves: int) -> None:
        tier = [data.draw(st.integers(-1, 4 * leaves + 1)) for _ in range(leaves)]
        request = [data.draw(st.integers(0, 1)) for _ in range(leaves)]
        order = data.draw(st.permutations(range(leaves)))
        dense, found, close = by_tier(ints(tier), indices(order), ints(request))
        assert close == all(0 <= each <= 4 * leaves for each in tier)
        if close:
            wanting = [leaf for leaf in order if request[leaf]]
            assert found.tolist() == sorted(wanting, key=lambda leaf: tier[leaf])
            numbers = sorted({tier[leaf] for leaf in wanting})
            assert [dense[leaf] for leaf in wanting] == [bisect_left(numbers, tier[leaf]) for leaf in wanting]

    agree()


def test_only_rows_that_can_refuse_something_are_raised_against(kernel: Kernel) -> None:
    place, columns = kernel("groups_that_refuse")(indices([2, 0, 2]), 4)
    assert (place.tolist(), columns, place.dtype.name) == ([0, -1, 1, -1], 2, "int32")
    weights = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    assert kernel("only")(weights, place, columns).tolist() == [[1.0, 3.0], [5.0, 7.0]]
    for limbs, bits in LIMBS:
        left = limbs_of([3 * 2**40 + 5, -7, 8], limbs, bits)
        room = kernel("room_as_floats")(
            left, indices([0, 2, 3, 3]), indices([2, 0, 2]), place, columns, np.array([0.5, 1.0, 0.25, 1.0]), bits
        )
        assert room.tolist() == [[0.0, (3 * 2**40 + 5) / 4], [inf, 2.0], [inf, inf]]


# Round


def test_the_steps_of_one_unit_are_not_those_of_the_units_before_it(kernel: Kernel) -> None:
    allowed = ints([30000, 50000, 8000, 16000, 32000])
    assert kernel("round_down")(9000.0, 32000, 8000, 1, 2, 4, allowed) == (8000, 8000)
    assert kernel("round_down")(16000.0, 32000, 8000, 1, 2, 4, allowed) == (8000, 16000)
    assert kernel("next_value")(0, 8000, 1, 2, 4, allowed) == 8000
    assert kernel("next_value")(16000, 8000, 1, 2, 4, allowed) == -1
    assert kernel("value_at_most")(40000, 8000, 1, 2, 4, allowed) == 16000
    assert kernel("value_at_most")(7000, 6000, 1, 1, 3, ints([5000, 8000, 16000])) == 0


def test_who_has_more_than_its_minimum_in_any_case_settles_on_a_value_within_that(kernel: Kernel) -> None:
    """Of 20 that are reserved anyway it takes 16: its next value is 32."""
    site = Site(limbs=2, bits=60, parent=[-1], room=[[5, 5]], weight=[[1, 1]], leaf_parent=[0], leaf_class=[0])
    left, *rest = site.arrays()
    idle, request = ints([20]), ints([32])
    found = kernel("settle_on_values")(
        left, *rest, np.array([ADMITTED], dtype=np.int8), np.array([20.0]), np.array([20.0]), request, ints([8]),
        ints([1]), indices([0]), indices([3]), ints([8, 16, 32]), idle, idle.copy(),
    )  # fmt: skip
    assert [each.tolist() for each in found] == [[16], [16], [16]]
    assert [each.dtype.name for each in found] == ["int64", "int64", "int64"]
    assert site.read(left) == [[5, 5]]


def test_a_row_that_is_full_is_not_overfull(kernel: Kernel) -> None:
    for room, expected in ((0, False), (-1, True)):
        site = Site(limbs=2, bits=60, parent=[-1], room=[[room]], weight=[[1]], leaf_parent=[0], leaf_class=[0])
        left, first, group, up, _, _, weight, bits = site.arrays()
        assert kernel("is_overfull")(left, first, group, up, 0, weight, 0, bits) == expected


def _placed(site: Site, want: Wants, data: st.DataObject, idle: list[int]) -> tuple[list[int], list[int]]:
    """Somebody's setpoints, values that the leaf takes, and what they reserve; taken from the site."""
    setpoint = []
    for leaf in site.leaves:
        value = 0
        for _ in range(data.draw(st.integers(0, 3)) if want.request[leaf] else 0):
            value = want.next(leaf, value) or value
        setpoint.append(value)
    reserved = [max(pair) for pair in zip(setpoint, idle, strict=True)]
    for leaf in site.leaves:
        site.take(leaf, reserved[leaf])
    return setpoint, reserved


def _taken(site: Site) -> tuple[Any, ...]:
    """The site's arrays with what is left now."""
    left, *rest = site.arrays()
    left[:] = limbs_of(site.left, site.limbs, site.bits).reshape(left.shape)
    return left, *rest


def test_steps_are_handed_out_in_order_until_nobody_can_take_one_more(kernel: Kernel) -> None:
    hand_out, who_may_hope, grant = kernel("hand_out"), kernel("who_may_hope"), kernel("grant_wishes")

    @VERY_OFTEN
    @given(st.data(), sites(most_room=15, fewest=4))
    def agree(data: st.DataObject, site: Site) -> None:
        want, idle = data.draw(wants(len(site.leaf_parent))), data.draw(values_at(site, 4))
        setpoint, reserved = _placed(site, want, data, idle)
        verdict = [data.draw(st.sampled_from([ADMITTED, ADMITTED, NO_ROOM])) for _ in site.leaves]
        wish = [
            data.draw(st.sampled_from([0, setpoint[leaf], want.next(leaf, setpoint[leaf]) or 0]))
            for leaf in site.leaves
        ]
        wish = [min(wish[leaf], want.request[leaf]) for leaf in site.leaves]
        arrays, begin_end = _taken(site), want.listed()
        mine, held = ints(setpoint), ints(reserved)
        taking = (ints(want.request), ints(want.minimum), ints(want.step), *begin_end, held, mine)

        def can(leaf: int) -> bool:
            value = want.next(leaf, setpoint[leaf])
            return value is not None and value <= want.request[leaf] and site.fits(leaf, value - reserved[leaf])

        def give(leaf: int, value: int) -> None:
            site.take(leaf, max(0, value - reserved[leaf]))
            setpoint[leaf], reserved[leaf] = value, max(value, reserved[leaf])

        hopeful = [leaf for leaf in want.order if verdict[leaf] == ADMITTED and can(leaf)]
        waiting = who_may_hope(*arrays, indices(want.order), np.array(verdict, dtype=np.int8), *taking)
        assert waiting.tolist() == hopeful
        for leaf in hopeful:
            if wish[leaf] > setpoint[leaf] and site.fits(leaf, wish[leaf] - reserved[leaf]):
                give(leaf, wish[leaf])
        grant(*arrays, waiting, ints(wish), held, mine)
        assert (mine.tolist(), held.tolist(), site.read(arrays[0])) == (setpoint, reserved, site.left)
        going_on = hopeful
        while going_on:
            still = []
            for leaf in going_on:
                if can(leaf):
                    give(leaf, want.next(leaf, setpoint[leaf]) or 0)
                    still.append(leaf)
            going_on = still
        hand_out(*arrays, waiting, *taking)
        assert (mine.tolist(), held.tolist(), site.read(arrays[0])) == (setpoint, reserved, site.left)

    agree()


def test_where_one_can_take_no_more_the_others_go_on(kernel: Kernel) -> None:
    site = Site(
        limbs=2, bits=60, parent=[-1, -1], room=[[2, 9], [5, 9]], weight=[[1, 0]], leaf_parent=[0, 1], leaf_class=[0, 0]
    )
    setpoint, nothing, steps = ints([0, 0]), ints([0, 0]), indices([0, 0])
    kernel("hand_out")(
        *site.arrays(), indices([0, 1]), ints([9, 9]), nothing, ints([1, 1]), steps, steps, ints([]), ints([0, 0]),
        setpoint,
    )  # fmt: skip
    assert setpoint.tolist() == [2, 5]


def test_what_is_overfull_is_taken_back_from_the_last_down_to_the_least(kernel: Kernel) -> None:
    take_back, any_overfull = kernel("take_back"), kernel("is_any_overfull")

    @VERY_OFTEN
    @given(st.data(), sites(most_room=10, fewest=4))
    def agree(data: st.DataObject, site: Site) -> None:
        want, idle = data.draw(wants(len(site.leaf_parent))), data.draw(values_at(site, 4))
        setpoint, reserved = _placed(site, want, data, idle)
        verdict = [data.draw(st.sampled_from([ADMITTED, ADMITTED, NO_ROOM])) for _ in site.leaves]
        least = [min(setpoint[leaf], want.minimum[leaf]) for leaf in site.leaves]
        arrays, (begin, end, _) = _taken(site), want.listed()
        mine, held = ints(setpoint), ints(reserved)
        assert any_overfull(arrays[0]) == any(each < 0 for row in site.left for each in row)
        for leaf in reversed(want.order):
            while (
                verdict[leaf] == ADMITTED and not want.steps[leaf] and setpoint[leaf] - want.step[leaf] >= least[leaf]
                and reserved[leaf] > idle[leaf] and site.is_overfull(leaf)
            ):  # fmt: skip
                setpoint[leaf] -= want.step[leaf]
                site.take(leaf, max(idle[leaf], setpoint[leaf]) - reserved[leaf])
                reserved[leaf] = max(idle[leaf], setpoint[leaf])
        take_back(
            *arrays, indices(want.order), np.array(verdict, dtype=np.int8), ints(least), ints(want.step), begin, end,
            ints(idle), held, mine,
        )  # fmt: skip
        assert (mine.tolist(), held.tolist(), site.read(arrays[0])) == (setpoint, reserved, site.left)

    agree()


# Bind


def test_what_stops_each_leaf_is_named_with_its_row_and_its_next_value(kernel: Kernel) -> None:
    """The root is full, and 1 is left at the node below it, where all the leaves are.

    The first would reach its rating with that 1, the second has reserved its minimum already, the third was stopped and
    waits for a listed step to spare, the others have what they want and what they are rated for, or want nothing.
    """
    leaves = 6
    site = Site(
        limbs=2, bits=60, parent=[-1, 0], room=[[0], [1]], weight=[[1]], leaf_parent=[1] * leaves,
        leaf_class=[0] * leaves,
    )  # fmt: skip
    verdict = [ADMITTED, NO_ROOM, RESTART_GAP, ADMITTED, ADMITTED, NOTHING_WANTED]
    found = kernel("bind")(
        *site.arrays(), ints([10, 9, 20, 5, 20, 0]), ints([10, 9, 20, 9, 9, 9]), ints([1, 5, 8, 1, 1, 1]),
        ints([1] * leaves), indices([0] * leaves), indices([0, 0, 2, 0, 0, 0]), ints([8, 16]),
        ints([9, 5, 0, 5, 9, 0]), ints([9, 0, 0, 5, 9, 0]), np.array(verdict, dtype=np.int8),
    )  # fmt: skip
    kind, at_node, at_group, target = (each.tolist() for each in found)
    assert kind == [
        BOUND_BY_ROW, BOUND_BY_NOTHING, BOUND_BY_ROW, BOUND_BY_REQUEST, BOUND_BY_RATING, BOUND_BY_NOTHING
    ]  # fmt: skip
    assert at_node == [0, -1, 1, -1, -1, -1]
    assert at_group == [0, -1, 0, -1, -1, -1]
    assert target == [10, 5, 16, 0, 10, 0]
    assert [each.dtype.name for each in found] == ["int8", "int32", "int32", "int64"]
