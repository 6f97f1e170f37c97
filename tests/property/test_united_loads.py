"""A charge point as one load is never lighter than anything its connectors could make of its setpoint."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from busbar.core.rows import LoadClass, rows_for, united, weight
from busbar.core.units import PHASES, Phase

NOMINAL_V, MARGIN_PERMILLE = 400, 50
WIRINGS = (
    *((phases, False) for phases in (PHASES, PHASES[:2], PHASES[1:], *((phase,) for phase in PHASES))),
    *((pair, True) for pair in (PHASES[:2], PHASES[1:], (Phase.L1, Phase.L3))),
)


@st.composite
def connectors(draw: st.DrawFn) -> list[LoadClass]:
    """Up to four AC connectors of one charge point, each on wires of its own."""
    power_factor, voltage_v = draw(st.sampled_from((1000, 980, 919, 400))), draw(st.sampled_from((400, 208)))
    return [
        LoadClass(
            is_ac=True,
            phases=phases,
            line_to_line=line_to_line,
            voltage_v=voltage_v,
            efficiency_permille=1000,
            power_factor_permille=power_factor,
        )
        for phases, line_to_line in draw(st.lists(st.sampled_from(WIRINGS), min_size=1, max_size=4))
    ]


def _scaled(loads: list[LoadClass], parts: list[int], setpoint: int) -> list[Fraction]:
    """Parts in these proportions, as large as the line that carries most of them allows."""
    busiest = max(
        sum(part for load, part in zip(loads, parts, strict=False) if phase in load.phases) for phase in PHASES
    )
    return [Fraction(part * setpoint, max(1, busiest)) for part in parts[: len(loads)]]


@given(connectors(), st.lists(st.integers(0, 1000), min_size=4, max_size=4), st.integers(1, 80_000), connectors())
def test_on_no_row_is_a_charge_point_lighter_than_any_division_of_its_setpoint(
    loads: list[LoadClass], parts: list[int], setpoint: int, others: list[LoadClass]
) -> None:
    whole = united(loads)
    # Whatever else hangs on those lines decides which rows there are.
    rows = rows_for([whole, *loads, *others])
    drawn = _scaled(loads, parts, setpoint)
    for row in range(len(rows)):

        def on(load: LoadClass, row: int = row) -> Fraction:
            return weight(load, row, rows, nominal_v=NOMINAL_V, margin_permille=MARGIN_PERMILLE)

        assert sum(on(load) * part for load, part in zip(loads, drawn, strict=True)) <= on(whole) * setpoint


@given(connectors())
def test_connectors_that_are_wired_alike_make_a_charge_point_that_weighs_as_they_do(loads: list[LoadClass]) -> None:
    assert united([loads[0]] * len(loads)) == loads[0]
