"""The compiled kernels' exact arithmetic against Python's whole numbers; plain and compiled functions agree."""

from typing import Any

import numpy as np
import pytest
from fill_by_hand import BOTH, kernel_of
from hypothesis import given
from hypothesis import strategies as st

from busbar.core.frame import from_limbs, to_limbs
from busbar.core.kernel_room import OPEN_TOP

LIMBS = ((1, 60), (2, 60), (3, 30), (4, 30), (6, 30))
"""Limbs and their bits, as a frame has them."""


def _array(values: list[int], limbs: int, bits: int) -> Any:
    return np.array([to_limbs(value, limbs, bits) for value in values], dtype=np.int64)


@st.composite
def numbers(draw: st.DrawFn, *, amount: int = 10**9) -> tuple[int, int, int, int, int]:
    """limbs, bits, a room, a weight and an amount, as large as a frame allows them."""
    limbs, bits = draw(st.sampled_from(LIMBS))
    span = 60 + bits * (limbs - 1)
    most = draw(st.integers(0, amount))
    # As in `frame._limbs_needed`: a weight's limb and the amount together stay within 62 bits.
    widest = min(61 - most.bit_length(), bits) if bits == 60 else 30 * (limbs - 1)
    weight = draw(st.integers(0, 2 ** min(widest, span - most.bit_length()) - 1))
    left = draw(st.one_of(st.integers(-(2 ** (span - 1)), 2 ** (span - 1)), st.just(weight * most)))
    return limbs, bits, left + draw(st.integers(-1, 1)), weight, most


@given(numbers())
def test_limbs_are_read_back_as_they_were_written(drawn: tuple[int, int, int, int, int]) -> None:
    limbs, bits, value, _, _ = drawn
    assert from_limbs(to_limbs(value, limbs, bits), bits) == value


def test_a_value_beyond_all_limbs_is_held_at_the_end_of_the_top_one() -> None:
    assert to_limbs(1 << 200, 1, 60) == [1 << 61]
    assert to_limbs(-(1 << 200), 3, 30)[-1] == -(1 << 61)


@pytest.mark.parametrize("kind", BOTH)
def test_a_product_is_added_as_whole_numbers_are(kind: str) -> None:
    add_product = kernel_of("add_product", kind)

    @given(numbers(), st.sampled_from((1, -1)))
    def agree(drawn: tuple[int, int, int, int, int], sign: int) -> None:
        limbs, bits, left, weight, amount = drawn
        value, factor = _array([left], limbs, bits)[0], _array([weight], limbs, bits)[0]
        add_product(value, factor, sign * amount, bits)
        assert from_limbs(value, bits) == left + sign * weight * amount
        assert all(0 <= limb < 1 << bits for limb in value[:-1])

    agree()


@pytest.mark.parametrize("kind", BOTH)
def test_a_factor_of_two_limbs_counts_with_both(kind: str) -> None:
    """No frame of two limbs has such weights; what adds and compares them need not know that."""
    weight, amount = 3 * 2**60 + 5, 7
    value, factor = _array([2**50], 2, 60)[0], _array([weight], 2, 60)[0]
    kernel_of("add_product", kind)(value, factor, amount, 60)
    assert from_limbs(value, 60) == 2**50 + weight * amount
    at = np.array([0], dtype=np.int32)
    room, high = _array([2**100], 2, 60).reshape(1, 1, 2), _array([2**60], 2, 60).reshape(1, 1, 2)
    total, _ = kernel_of("sum_up", kind)(
        room, at - 1, at, at, factor.reshape(1, 1, 2), np.array([amount]), 60, False, room[:0]
    )
    assert from_limbs(total[0, 0], 60) == weight * amount
    left, first, group, _ = _path([2**60 - 1], 2, 60)
    assert kernel_of("refusing_entry", kind)(left, first, group, 0, high, 0, 1, 60) == 0


@pytest.mark.parametrize("kind", BOTH)
def test_a_room_as_large_as_its_top_limb_may_hold_is_a_limit_and_only_more_is_none(kind: str) -> None:
    at, weight = np.array([0], dtype=np.int32), np.array([[[2**31]]])
    for top, expected in ((OPEN_TOP, True), (OPEN_TOP + 1, False)):
        room = np.array([[[top]]])
        _, over = kernel_of("sum_up", kind)(room, at - 1, at, at, weight, np.array([2**31]), 60, False, room[:0])
        assert over.tolist() == [[expected]]
    one, limits = np.array([[1]]), np.array([[[OPEN_TOP]]])
    room = np.zeros((1, 1, 1), dtype=np.int64)
    kernel_of("room_less_base", kind)(
        np.array([True]), one - 1, one, limits, np.array([[[5]]]), one, at, at, 60, room
    )  # fmt: skip
    assert room.tolist() == [[[5]]]


@pytest.mark.parametrize("kind", BOTH)
def test_what_limits_nothing_is_written_alike_whatever_stood_there(kind: str) -> None:
    """The second of two nodes is touched; of its two groups the first has a limit, the other has none."""
    for limbs, bits in LIMBS[1:]:
        room = np.full((2, 2, limbs), 9, dtype=np.int64)
        row, none = np.array([0], dtype=np.int32), np.zeros((2, 4), dtype=np.int64)
        limit = _array([6, 6], limbs, bits).reshape(2, 1, limbs)
        kernel_of("room_less_base", kind)(
            np.array([False, True]), none, np.array([[3], [3]]), limit, limit, _array([1], limbs, bits), row, row, bits,
            room,
        )  # fmt: skip
        nothing = [0] * (limbs - 1)
        assert room.tolist() == [[[9] * limbs] * 2, [[6, *nothing], [*nothing, OPEN_TOP << 1]]]


@pytest.mark.parametrize("kind", BOTH)
def test_long_numbers_compare_as_whole_numbers_do(kind: str) -> None:
    is_less = kernel_of("is_less", kind)

    @given(numbers(), st.integers(-2, 2))
    def agree(drawn: tuple[int, int, int, int, int], apart: int) -> None:
        limbs, bits, left, weight, _ = drawn
        for other in (left + apart, weight):
            one, two = _array([left, other], limbs, bits)
            assert is_less(one, two) == (left < other)

    agree()


def _path(lefts: list[int], limbs: int, bits: int) -> tuple[Any, Any, Any, Any]:
    """A chain of nodes with one kept row each: left, first, group, up."""
    count = len(lefts)
    return (
        _array(lefts, limbs, bits),
        np.arange(count + 1, dtype=np.int32),
        np.zeros(count, dtype=np.int32),
        np.arange(-1, count - 1, dtype=np.int32),
    )


@pytest.mark.parametrize("kind", BOTH)
def test_what_fits_and_what_is_taken_is_exact_along_the_path(kind: str) -> None:
    fits, take = kernel_of("fits", kind), kernel_of("take", kind)

    @given(numbers(), st.integers(-1, 1))
    def agree(drawn: tuple[int, int, int, int, int], apart: int) -> None:
        limbs, bits, _, weight, amount = drawn
        lefts = [weight * amount + 5, weight * amount + apart, 3 + weight * amount]
        left, first, group, up = _path(lefts, limbs, bits)
        factor = _array([weight], limbs, bits).reshape(1, 1, limbs)
        expected = amount == 0 or weight == 0 or apart >= 0
        assert fits(left, first, group, up, 2, factor, 0, amount, bits) == expected
        take(left, first, group, up, 2, factor, 0, amount, bits)
        assert [from_limbs(row, bits) for row in left] == [value - weight * amount for value in lefts]
        take(left, first, group, up, 2, factor, 0, -amount, bits)
        assert [from_limbs(row, bits) for row in left] == lefts

    agree()


@pytest.mark.parametrize("kind", BOTH)
def test_a_row_that_a_load_does_not_weigh_on_refuses_nothing_however_overfull(kind: str) -> None:
    refusing_entry = kernel_of("refusing_entry", kind)
    for limbs, bits in LIMBS:
        left, first, group, _ = _path([-5], limbs, bits)
        weights = _array([0, 1], limbs, bits).reshape(2, 1, limbs)
        assert refusing_entry(left, first, group, 0, weights, 0, 7, bits) == -1
        assert refusing_entry(left, first, group, 0, weights, 1, 0, bits) == 0


@pytest.mark.parametrize("kind", BOTH)
def test_only_rows_that_can_overflow_are_kept_and_what_is_idle_is_taken(kind: str) -> None:
    """Root 100, below it one node of 30 and one of 1000; leaves of 50 below each, 10 of the first idle."""
    keep = kernel_of("keep_what_can_refuse", kind)
    room = _array([100, 30, 1000], 1, 60).reshape(3, 1, 1)
    parent = np.array([-1, 0, 0], dtype=np.int32)
    first, group, left, up = keep(
        room,
        parent,
        np.array([1, 2], dtype=np.int32),
        np.zeros(2, dtype=np.int32),
        _array([1], 1, 60).reshape(1, 1, 1),
        np.array([10, 0]),
        np.array([50, 50]),
        60,
    )
    # What the first node lets through (30) and the second leaf's 50 fit the root.
    assert first.tolist() == [0, 0, 1, 1]
    assert group.tolist() == [0]
    assert left.tolist() == [[20]]
    assert up.tolist() == [-1, -1, -1]
    assert [each.dtype.name for each in (first, group, left, up)] == ["int32", "int32", "int64", "int32"]


@pytest.mark.parametrize("kind", BOTH)
def test_the_least_that_can_be_idle_is_taken_too(kind: str) -> None:
    at = np.array([0], dtype=np.int32)
    room, weight = np.array([[[8]]]), np.array([[[1]]])
    _, _, left, _ = kernel_of("keep_what_can_refuse", kind)(
        room, at - 1, at, at, weight, np.array([1]), np.array([9]), 60
    )
    assert left.tolist() == [[7]]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("value", "minimum", "step", "steps", "following"),
    [
        (0, 6000, 1000, [], 6000),
        (6000, 6000, 1000, [], 7000),
        (6500, 6500, 1000, [], 7000),
        (0, 0, 1000, [], 1000),
        (6000, 6000, 10**9, [], 10**9),
        (0, 8000, 1, [8000, 16000], 8000),
        (8000, 8000, 1, [8000, 16000], 16000),
        (16000, 8000, 1, [8000, 16000], -1),
    ],
)
def test_the_next_value_a_unit_takes(
    kind: str, value: int, minimum: int, step: int, steps: list[int], following: int
) -> None:
    allowed = np.array(steps, dtype=np.int64)
    assert kernel_of("next_value", kind)(value, minimum, step, 0, len(steps), allowed) == following


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("bound", "minimum", "step", "steps", "largest"),
    [
        (5999, 6000, 1000, [], 0),
        (6000, 6000, 1000, [], 6000),
        (6999, 6500, 1000, [], 6500),
        (7001, 6500, 1000, [], 7000),
        (900, 0, 1000, [], 0),
        (15999, 8000, 1, [8000, 16000], 8000),
        (16000, 8000, 1, [8000, 16000], 16000),
        (7999, 8000, 1, [8000, 16000], 0),
        (7000, 6000, 1, [8000, 16000], 0),
    ],
)
def test_the_largest_value_within_a_bound(
    kind: str, bound: int, minimum: int, step: int, steps: list[int], largest: int
) -> None:
    allowed = np.array(steps, dtype=np.int64)
    assert kernel_of("value_at_most", kind)(bound, minimum, step, 0, len(steps), allowed) == largest


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("share", "most", "sure", "wish"),
    [
        (10_500.0, 32_000, 10_000, 10_000),
        (11_000.0, 32_000, 10_000, 11_000),
        (10_999.9995, 32_000, 10_000, 11_000),
        (11_000.0005, 32_000, 10_000, 11_000),
        (10_999.99, 32_000, 10_000, 10_000),
        (6_000.0, 32_000, 6_000, 6_000),
        (6_400.0, 32_000, 6_000, 6_000),
        (11_000.0, 11_000, 10_000, 11_000),
        (10_999.9999, 10_999, 10_000, 10_000),
    ],
)
def test_a_share_is_rounded_down_and_snaps_within_a_millionth_of_a_step(
    kind: str, share: float, most: int, sure: int, wish: int
) -> None:
    none = np.zeros(0, dtype=np.int64)
    assert kernel_of("round_down", kind)(share, most, 6000, 1000, 0, 0, none) == (sure, wish)


@pytest.mark.parametrize("kind", BOTH)
def test_a_share_snaps_to_a_listed_step(kind: str) -> None:
    listed = np.array([8000, 16000, 32000], dtype=np.int64)
    round_down = kernel_of("round_down", kind)
    assert round_down(15_999.999, 32_000, 8000, 1, 0, 3, listed) == (8000, 16_000)
    assert round_down(15_000.0, 32_000, 8000, 1, 0, 3, listed) == (8000, 8000)
    assert round_down(32_000.0, 31_000, 8000, 1, 0, 3, listed) == (16_000, 16_000)
    assert round_down(32_000.0, 32_000, 8000, 1, 0, 3, listed) == (16_000, 32_000)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("share", "steps", "sure", "wish"),
    [
        # A millionth of the step of 8 A is 8 uA.
        (16_000 - 0.016, (8000, 16_000), 8000, 8000),
        (16_000 - 0.004, (8000, 16_000), 8000, 16_000),
        (16_000 + 0.004, (8000, 16_000), 8000, 16_000),
        (16_000 + 0.016, (8000, 16_000), 16_000, 16_000),
        # Of a step of 1 kA it is 1 mA: near enough, and no more than that.
        (1_999_999.0, (10**6, 2 * 10**6), 10**6, 2 * 10**6),
        (2_000_001.0, (10**6, 2 * 10**6), 10**6, 2 * 10**6),
        # And a millionth of 1 mA where steps lie that close.
        (9 - 1.5e-6, (8, 9), 8, 8),
    ],
)
def test_a_listed_step_is_near_within_a_millionth_of_its_distance_from_the_one_below(
    kind: str, share: float, steps: tuple[int, ...], sure: int, wish: int
) -> None:
    listed = np.array(steps, dtype=np.int64)
    assert kernel_of("round_down", kind)(share, 10**7, steps[0], 1, 0, 2, listed) == (sure, wish)
