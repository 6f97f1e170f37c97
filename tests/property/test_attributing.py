"""What connectors draw under one limit, handed around among them: nothing is lost, and only the sum is to blame."""

from hypothesis import given
from hypothesis import strategies as st

from busbar.core.attributing import attributed

AMOUNT = st.integers(min_value=0, max_value=50_000)
CONNECTORS = st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=5)


@given(CONNECTORS)
def test_the_sum_stays_and_nobody_is_above_its_part_while_all_together_are_not(
    connectors: list[tuple[int, int, int]],
) -> None:
    draws, parts, until_settled = (list(column) for column in zip(*connectors, strict=True))
    found = attributed(draws, parts, until_settled)
    assert sum(found) == sum(draws)
    assert min(found) >= 0
    if sum(draws) <= sum(parts):
        assert all(draw <= part for draw, part in zip(found, parts, strict=True))
    else:
        assert all(draw >= part for draw, part in zip(found, parts, strict=True))


@given(CONNECTORS)
def test_whoever_keeps_to_its_part_is_charged_with_no_more_than_may_not_have_settled(
    connectors: list[tuple[int, int, int]],
) -> None:
    draws, parts, until_settled = (list(column) for column in zip(*connectors, strict=True))
    for draw, part, most, charged in zip(
        draws, parts, until_settled, attributed(draws, parts, until_settled), strict=True
    ):
        if draw <= part:
            assert charged <= max(part, most)


def test_what_fits_nowhere_is_with_whoever_draws_it() -> None:
    assert attributed([50, 0], [10, 20], [0, 0]) == [30, 20]
    # The neighbour's lower part has not been followed yet: it has not settled.
    assert attributed([50, 0], [30, 0], [30, 20]) == [30, 20]
