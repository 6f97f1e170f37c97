"""Shares raised together, by hand: the level of a row, what is settled in a pass, tiers; plain and compiled alike."""

from functools import partial
from math import inf
from typing import Any

import numpy as np
import pytest
from fill_by_hand import BOTH, Kernel, Site, indices, kernel_of, sites
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from busbar.core.kernel_admit import ADMITTED, NO_ROOM

OFTEN = settings(max_examples=3 * settings().max_examples)


@pytest.fixture(params=BOTH, name="kernel")
def _kernel(request: pytest.FixtureRequest) -> Kernel:
    return partial(kernel_of, kind=request.param)


def test_the_level_at_which_a_row_is_full_is_where_its_leaves_take_all_of_it(kernel: Kernel) -> None:
    level_when_full = kernel("level_when_full")
    leaf = st.tuples(st.integers(0, 20), st.integers(0, 20), st.sampled_from([0.0, 0.5, 1.0, 3.0]))

    @given(st.lists(leaf, min_size=1, max_size=6), st.floats(0.01, 0.99), st.integers(0, 2))
    def agree(leaves: list[tuple[int, int, float]], part: float, before: int) -> None:
        start = np.array([float(each[0]) for each in leaves])
        end = start + np.array([float(each[1]) for each in leaves])
        rate = np.array([each[2] for each in leaves])
        assume(before < len(leaves))
        start[:before] = end[:before] = 1000.0
        mine = slice(before, len(leaves))
        room = part * float((rate * (end - start))[mine].sum())
        assume(room > 0)
        level = level_when_full(start, end, rate, before, len(leaves), room)
        taken = float((rate * np.clip(level - start, 0, end - start))[mine].sum())
        assert taken == pytest.approx(room, rel=1e-9)

    agree()


def test_a_row_without_room_is_full_where_the_first_of_its_leaves_begins(kernel: Kernel) -> None:
    start, end, rate = np.array([1.0, 5.0, 3.0]), np.array([9.0, 9.0, 9.0]), np.array([0.0, 1.0, 1.0])
    assert kernel("level_when_full")(start, end, rate, 0, 3, 0.0) == 3.0
    assert kernel("level_when_full")(start, end, np.zeros(3), 0, 3, 1.0) == inf
    assert kernel("level_when_full")(start, end, np.zeros(3), 0, 1, 0.0) == inf
    assert kernel("level_when_full")(start, end, np.ones(3), 1, 3, 0.0) == 3.0


@pytest.mark.parametrize("per", [1.0, 1e-3, 1e3])
@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
@pytest.mark.parametrize(
    ("start", "end", "rate", "room", "expected"),
    [
        # The others, which begin later, take nothing yet.
        ((0, 10), (20, 20), (1, 1), 5, 5),
        ((0, 10), (20, 20), (1, 1000), 5, 5),
        ((10, 0, 0), (20, 20, 20), (1, 1, 1.02), 10.1, 5),
        # The others have all they want: 2, then 1 and 6.
        ((0, 0), (2, 20), (1, 1), 12, 10),
        ((0, 0, 0), (1, 6, 20), (1, 1, 1), 17, 10),
    ],
)
def test_the_level_is_found_however_large_or_small_levels_and_rates_are(
    kernel: Kernel, start: Any, end: Any, rate: Any, room: float, expected: float, scale: float, per: float
) -> None:
    level = kernel("level_when_full")(
        np.array(start) * scale, np.array(end) * scale, np.array(rate) * per, 0, len(start), room * scale * per
    )
    assert level == pytest.approx(expected * scale, rel=1e-9)


def _raised_by_hand(site: Site, floor: Any, ceiling: Any, share: Any, offset: Any) -> list[float]:
    """Progressive filling in many small rises: the level of all goes up until the row of somebody is full."""
    value = [float(each) for each in floor]
    frozen = [ceiling[leaf] <= floor[leaf] for leaf in site.leaves]
    stops = sorted({offset[leaf] + each / share[leaf] for leaf in site.leaves for each in (floor[leaf], ceiling[leaf])})
    level = stops[0]
    while not all(frozen):
        rising = [
            leaf for leaf in site.leaves
            if not frozen[leaf] and offset[leaf] + floor[leaf] / share[leaf] <= level
        ]  # fmt: skip
        following = [each for each in stops if each > level]
        step = following[0] - level if following else 0.0
        speed = [[0.0, 0.0] for _ in site.parent]
        for leaf in rising:
            for node in site.path(leaf):
                for group, each in enumerate(site.weight[site.leaf_class[leaf]]):
                    speed[node][group] += each * share[leaf]
        room = [
            [site.room[node][group] - sum(
                site.weight[site.leaf_class[leaf]][group] * (value[leaf] - floor[leaf])
                for leaf in site.leaves if node in site.path(leaf)
            ) for group in range(2)]
            for node in range(len(site.parent))
        ]  # fmt: skip
        for node in range(len(site.parent)):
            for group in range(2):
                if speed[node][group] > 0:
                    step = min(step, max(0.0, room[node][group]) / speed[node][group])
        level += step
        for leaf in rising:
            value[leaf] += step * share[leaf]
            full = any(
                each and room[node][group] - step * speed[node][group] <= 1e-9
                for node in site.path(leaf) for group, each in enumerate(site.weight[site.leaf_class[leaf]])
            )  # fmt: skip
            frozen[leaf] = full or value[leaf] >= ceiling[leaf] - 1e-9
        later = [leaf for leaf in site.leaves if not frozen[leaf] and leaf not in rising]
        if not any(not frozen[leaf] for leaf in rising) and later:
            level = max(level, min(offset[leaf] + floor[leaf] / share[leaf] for leaf in later))
    return value


def test_shares_rise_together_until_a_row_above_is_full(kernel: Kernel) -> None:
    raise_all = kernel("raise_all")

    @OFTEN
    @given(st.data(), sites(least_room=1, most_room=30, fewest=4, is_large=False), st.booleans())
    def agree(data: st.DataObject, site: Site, in_tiers: bool) -> None:
        leaves = len(site.leaf_parent)
        floor = np.array([float(data.draw(st.integers(0, 4))) for _ in site.leaves])
        ceiling = floor + np.array([float(data.draw(st.integers(0, 30))) for _ in site.leaves])
        share = np.array([data.draw(st.sampled_from([0.5, 1.0, 2.0, 3.0])) for _ in site.leaves])
        offset = np.array([float(data.draw(st.integers(-3, 3))) for _ in site.leaves])
        tier = [data.draw(st.integers(0, 1)) if in_tiers else 0 for _ in site.leaves]
        tier = [each - min(tier) for each in tier]
        expected = [float(each) for each in floor]
        for number in sorted(set(tier)):
            here = [leaf for leaf in site.leaves if tier[leaf] == number]
            top = np.where(np.array([leaf in here for leaf in site.leaves]), ceiling, floor)
            found = _raised_by_hand(site, floor, top, share, offset)
            for leaf in here:
                expected[leaf] = found[leaf]
                for node in site.path(leaf):
                    for group, each in enumerate(site.weight[site.leaf_class[leaf]]):
                        site.room[node][group] -= each * (found[leaf] - floor[leaf])
        room = np.array(site.left, dtype=np.float64)
        value = raise_all(
            indices(tier), np.full(leaves, ADMITTED, dtype=np.int8), floor, ceiling, share, offset,
            np.array(site.weight, dtype=np.float64), indices(site.leaf_class), indices(site.leaf_parent),
            indices(site.parent), room,
        )  # fmt: skip
        assert value.tolist() == pytest.approx(expected, abs=1e-6)
        assert room.ravel().tolist() == pytest.approx([max(0.0, each) for row in site.room for each in row], abs=1e-6)

    agree()


def _settled(
    kernel: Kernel, *, parent: list[int], home: list[int], cap: Any, by: Any, rate: Any = None
) -> tuple[list[float], list[bool]]:
    """Level and final of each leaf; slots are nodes."""
    level, final, slots = np.empty(len(home)), np.zeros(len(home), dtype=np.bool_), indices(range(len(parent)))
    kernel("settle")(
        np.array(cap), np.array(by, dtype=np.int32), np.ones((len(cap), len(home))) if rate is None else np.array(rate),
        slots, len(parent), indices(parent), slots, indices(home), len(home), level, final,
    )  # fmt: skip
    return level.tolist(), final.tolist()


def test_what_is_disturbed_below_one_grid_connection_holds_up_nobody_below_another(kernel: Kernel) -> None:
    """Three roots with a leaf below each, and a fourth: who stops the third is not in doubt because of the second."""
    level, final = np.empty(3), np.zeros(3, dtype=np.bool_)
    cap = np.array([[2.0, 3.0, 9.0], [2.0, 5.0, 4.0]])
    by = np.array([[0, 1, -1], [-1, 1, 2]], dtype=np.int32)
    kernel("settle")(
        cap, by, np.ones((2, 3)), indices([0, 1, 2]), 3, indices([-1, -1, -1, -1]), indices([0, 1, 2, -1]),
        indices([0, 1, 2]), 3, level, final,
    )  # fmt: skip
    assert level.tolist() == [2.0, 3.0, 4.0]
    assert final.tolist() == [True, True, True]


@pytest.mark.parametrize("disturber", [1, 2])
def test_what_is_disturbed_at_a_node_is_disturbed_everywhere_above(kernel: Kernel, disturber: int) -> None:
    """The first leaf takes less of the root's second row than that row reckons with, so the other one may rise on."""
    assert _settled(
        kernel, parent=[-1, 0, 0], home=[disturber, 0], cap=[[1.0, 9.0], [4.0, 4.0]], by=[[disturber, -1], [0, 0]],
        rate=[[1.0, 0.0], [1.0, 1.0]],
    ) == ([1.0, 4.0], [True, False])  # fmt: skip


def test_a_row_that_a_leaf_does_not_weigh_on_is_not_disturbed_by_it(kernel: Kernel) -> None:
    assert _settled(
        kernel, parent=[-1], home=[0, 0], cap=[[2.0, 9.0], [9.0, 5.0]], by=[[0, -1], [-1, 0]],
        rate=[[1.0, 0.0], [0.0, 1.0]],
    ) == ([2.0, 5.0], [True, True])  # fmt: skip


def test_a_leaf_is_final_where_one_of_the_rows_that_stop_it_is_undisturbed(kernel: Kernel) -> None:
    """Both rows of the root stop the first leaf at 2; the second leaf disturbs one of them."""
    assert _settled(
        kernel, parent=[-1, 0], home=[0, 1], cap=[[2.0, 1.0], [2.0, 2.0]], by=[[0, 1], [0, 0]]
    ) == ([2.0, 1.0], [True, True])  # fmt: skip


def test_whoever_is_final_is_so_whatever_the_last_leaf_is(kernel: Kernel) -> None:
    """The first leaf disturbs the row that stops the last; the second rises to its end, later than both."""
    assert _settled(
        kernel, parent=[-1, 0], home=[1, 0, 0], cap=[[1.0, 3.0, 9.0], [2.0, 9.0, 2.0]], by=[[1, -1, -1], [0, -1, 0]],
        rate=[[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]],
    ) == ([1.0, 3.0, 2.0], [True, True, False])  # fmt: skip


def test_a_level_of_zero_is_one_like_any_other(kernel: Kernel) -> None:
    assert _settled(kernel, parent=[-1], home=[0, 0], cap=[[0.0, 3.0]], by=[[0, 0]]) == ([0.0, 3.0], [True, True])


def test_small_levels_are_told_apart_as_large_ones_are(kernel: Kernel) -> None:
    """What is near is so relative to the level: with 1e-9 at 1e-9, a millionth would be the same."""
    assert _settled(
        kernel, parent=[-1], home=[0, 0], cap=[[1e-9, 1.5e-6], [1e-6, 1e-6]], by=[[0, -1], [0, 0]],
        rate=[[1.0, 0.0], [1.0, 1.0]],
    ) == ([1e-9, 1e-6], [True, False])  # fmt: skip


@pytest.mark.parametrize(("less", "scale"), [(0.0, 1.0), (2.0, 1.0), (0.0, 1e-9)])
def test_where_two_rows_hold_each_other_up_the_earliest_to_stop_stops(
    kernel: Kernel, less: float, scale: float
) -> None:
    """Each row would rise further, were it not for the leaf that the other one stops."""
    cap = (np.array([[2.0, 3.0, 2.0], [3.0, 2.5, 4.0]]) - less) * scale
    level, final = _settled(kernel, parent=[-1], home=[0, 0, 0], cap=cap, by=[[0, 0, 0], [0, 0, 0]])
    assert level == pytest.approx([(2.0 - less) * scale, (2.5 - less) * scale, (2.0 - less) * scale], abs=1e-15)
    assert final == [True, False, True]


def test_a_leaf_that_reaches_its_end_just_as_its_row_is_full_is_stopped_by_its_end(kernel: Kernel) -> None:
    cap, by = np.empty((1, 2)), np.empty((1, 2), dtype=np.int32)
    one = indices([0])
    kernel("fill_rows")(
        np.array([[4.0]]), one, one, indices([2]), 1, indices([-1]), one, indices([0, 0]), 2, np.zeros(2),
        np.array([2.0, 10.0]), np.ones((1, 2)), np.full((1, 1), -inf), cap, by,
    )  # fmt: skip
    assert (cap.tolist(), by.tolist()) == ([[2.0, 2.0]], [[-1, 0]])


def _raised(kernel: Kernel, *, parent: list[int], at: list[int], room: Any, ceiling: Any, **of: Any) -> list[float]:
    """What each leaf gets; of a tier, a load class, an offset and a share where these are said."""
    leaves = range(len(at))
    verdict = np.array(of.get("verdict", [ADMITTED for _ in leaves]), dtype=np.int8)
    value: Any = kernel("raise_all")(
        indices(of.get("tier", [0 for _ in leaves])), verdict, np.zeros(len(at)), np.array(ceiling),
        np.full(len(at), of.get("share", 1.0)),
        np.array(of.get("offset", [0.0 for _ in leaves])), np.array(of.get("weight", [[1.0]])),
        indices(of.get("load", [0 for _ in leaves])), indices(at), indices(parent), np.array(room),
    )  # fmt: skip
    found: list[float] = value.tolist()
    return found


def test_what_one_tier_rose_to_holds_nothing_up_in_the_next(kernel: Kernel) -> None:
    """Two leaves take 5 each of the 13 below the root, and two more share what that leaves."""
    assert _raised(
        kernel, parent=[-1, 0], at=[1, 1, 1, 1], room=[[100.0], [13.0]], ceiling=[5.0, 5.0, 9.0, 9.0], tier=[0, 0, 1, 1]
    ) == [5.0, 5.0, 1.5, 1.5]


def test_who_does_not_weigh_on_a_row_does_not_say_how_high_it_has_risen(kernel: Kernel) -> None:
    """The first weighs on the other row alone. The last leaves the second 5 of 6 once its own node stops it at 1."""
    assert _raised(
        kernel, parent=[-1, 0], at=[0, 0, 1], room=[[100.0, 6.0], [1.0, 100.0]], ceiling=[10.0, 20.0, 20.0],
        weight=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], load=[0, 1, 2],
    ) == [10.0, 5.0, 1.0]  # fmt: skip


def test_who_was_stopped_where_it_begins_does_not_say_how_high_a_row_has_risen(kernel: Kernel) -> None:
    """As above, but the third would begin at 10, and its node has no room for it at all."""
    assert _raised(
        kernel, parent=[-1, 0, 0], at=[0, 1, 2], room=[[100.0, 6.0], [1.0, 100.0], [0.0, 100.0]],
        ceiling=[20.0, 20.0, 10.0], weight=[[0.0, 1.0], [1.0, 1.0]], load=[0, 1, 1], offset=[0.0, 0.0, 10.0],
    ) == [5.0, 1.0, 0.0]  # fmt: skip


def test_who_is_stopped_by_nothing_gets_its_ceiling_to_the_last_digit(kernel: Kernel) -> None:
    """3 x (0.1 + 7 / 3 - 0.1) is a little less than 7."""
    assert _raised(
        kernel, parent=[-1], at=[0, 0], room=[[100.0]], ceiling=[7.0, 7.0], share=3.0, offset=[0.1, 0.1]
    ) == [7.0, 7.0]  # fmt: skip


def test_a_full_row_that_a_leaf_does_not_weigh_on_is_not_asked(kernel: Kernel) -> None:
    with np.errstate(all="raise"):
        assert _raised(kernel, parent=[-1], at=[0], room=[[4.0, 0.0]], ceiling=[9.0], weight=[[1.0, 0.0]]) == [4.0]


def test_who_is_not_admitted_is_not_raised_and_who_has_no_row_above_gets_all(kernel: Kernel) -> None:
    assert _raised(
        kernel, parent=[-1], at=[0, 0, -1], room=[[4.0]], ceiling=[10.0, 10.0, 10.0],
        verdict=[NO_ROOM, ADMITTED, ADMITTED],
    ) == [0.0, 4.0, 10.0]  # fmt: skip
