"""What a load puts on the tree per unit of setpoint, and which rows are one and the same."""

from fractions import Fraction
from itertools import pairwise
from math import cos, radians, sqrt

import pytest

from busbar.core.rows import TOTAL, LoadClass, group_rows, rows_for, weight
from busbar.core.units import PHASES, SQRT3, Phase


def load(
    *,
    phases: tuple[Phase, ...] = PHASES,
    is_ac: bool = True,
    line_to_line: bool = False,
    voltage_v: int = 400,
    efficiency: int = 1000,
    power_factor: int = 1000,
) -> LoadClass:
    return LoadClass(
        is_ac=is_ac,
        phases=phases,
        line_to_line=line_to_line,
        voltage_v=voltage_v,
        efficiency_permille=efficiency,
        power_factor_permille=power_factor,
    )


def weights(one: LoadClass, *, margin_permille: int = 0, nominal_v: int = 400) -> list[Fraction]:
    rows = rows_for([one])
    return [weight(one, row, rows, nominal_v=nominal_v, margin_permille=margin_permille) for row in range(len(rows))]


def test_a_three_phase_load_puts_its_current_on_every_line_and_root_three_volts_amperes_in_total() -> None:
    # 1 mA at 400 V and unity power factor: 3 x 230.9 V x 1 mA.
    assert weights(load()) == [1, 1, 1, 3 * 400 / SQRT3 / 1000]


def test_a_single_phase_load_leaves_the_other_lines_alone() -> None:
    assert weights(load(phases=(Phase.L2,)))[:TOTAL] == [0, 1, 0]


def test_the_order_of_phases_changes_nothing() -> None:
    assert weights(load(phases=(Phase.L2, Phase.L3, Phase.L1))) == weights(load())


def test_an_ac_load_draws_most_power_at_the_highest_voltage() -> None:
    assert weights(load(), margin_permille=50)[TOTAL] == weights(load())[TOTAL] * Fraction(105, 100)


def test_a_dc_load_draws_most_current_at_the_lowest_voltage() -> None:
    dc = load(is_ac=False, efficiency=940, power_factor=980)
    exact = 1000 / (Fraction(94, 100) * Fraction(98, 100) * SQRT3 * 380)
    assert weights(dc, margin_permille=50) == [exact, exact, exact, Fraction(1000, 940)]


def test_current_at_another_voltage_is_referred_by_the_ratio() -> None:
    assert weights(load(voltage_v=11_000), nominal_v=415)[0] == Fraction(11_000, 415)


def test_a_line_to_line_load_works_between_two_lines() -> None:
    found = weights(load(phases=(Phase.L1, Phase.L2), line_to_line=True, voltage_v=208), nominal_v=208)
    assert found[:TOTAL] == [1, 1, 0]
    assert found[TOTAL] == Fraction(208, 1000)


def test_only_lines_with_line_to_line_loads_get_directions() -> None:
    rows = rows_for([load(phases=(Phase.L1, Phase.L2), line_to_line=True), load(phases=(Phase.L3,))])
    assert {row.label for row in rows[4:]} == {"L1", "L2"}
    assert len(rows_for([load(), load(phases=(Phase.L1,))])) == 4


@pytest.mark.parametrize("power_factor", [1000, 980, 900, 500, 100])
def test_directions_lie_close_enough_that_the_polygon_hardly_undershoots_the_circle(power_factor: int) -> None:
    rows = rows_for([load(phases=(Phase.L1, Phase.L2), line_to_line=True, power_factor=power_factor)])
    directions = sorted(row.direction_deg for row in rows[4:] if row.label == "L1" and row.direction_deg is not None)
    gaps = [high - low for low, high in pairwise(directions)]
    assert max(gaps) <= 17.0
    for row in rows[4:]:
        # Two neighbouring directions meet at the circle or inside it, at most 1.2 % of it.
        assert 0.988 < row.shrink <= Fraction(cos(radians(max(gaps) / 2)))


def test_a_coefficient_is_never_below_what_the_phasor_can_be_in_its_direction() -> None:
    one = load(phases=(Phase.L1, Phase.L2), line_to_line=True, power_factor=900)
    rows = rows_for([one, load(phases=(Phase.L1,), power_factor=500)])
    for index, row in enumerate(rows):
        if row.label != "L1" or row.direction_deg is None:
            continue
        found = weight(one, index, rows, nominal_v=400, margin_permille=0)
        # 30 degrees ahead of L1, and up to acos 0.9 (25.84 degrees) to either side.
        away = max(0.0, abs(row.direction_deg - 30.0) - 25.8419)
        assert max(0.0, cos(radians(away))) <= float(found) <= max(0.0, cos(radians(away))) + 3e-6


def test_rows_that_every_load_weighs_on_alike_are_one_group() -> None:
    """Three-phase loads of one power factor: the three lines are one row, the total another."""
    classes = [load(), load(power_factor=900)]
    rows = rows_for(classes)
    table = {row: [weight(one, row, rows, nominal_v=400, margin_permille=0) for one in classes] for row in range(4)}
    groups = group_rows(table, rows)
    assert [group.rows for group in groups] == [(0, 1, 2), (3,)]


def test_a_row_that_nothing_loads_falls_away() -> None:
    rows = rows_for([load(phases=(Phase.L1,))])
    one = load(phases=(Phase.L1,))
    table = {row: [weight(one, row, rows, nominal_v=400, margin_permille=0)] for row in range(4)}
    assert {row for group in group_rows(table, rows) for row in group.rows} == {0, TOTAL}


def test_group_units_are_exact() -> None:
    """A row's flow is its scale times whole units, with nothing rounded."""
    classes = [load(is_ac=False, efficiency=937, power_factor=953), load(phases=(Phase.L1,)), load()]
    rows = rows_for(classes)
    table = {row: [weight(one, row, rows, nominal_v=415, margin_permille=50) for one in classes] for row in range(4)}
    for group in group_rows(table, rows):
        for row, scale in zip(group.rows, group.scales, strict=True):
            assert [scale * units for units in group.weights] == table[row]
            # 1 mA or 1 W of base load is a whole number of units too.
            assert (1 / scale).denominator == 1


def test_the_fixed_root_of_three_is_above_the_true_one_by_parts_in_a_billion() -> None:
    assert 0 < float(SQRT3) - sqrt(3) < 3e-9
