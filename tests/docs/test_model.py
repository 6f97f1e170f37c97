"""The figures of the worked example in docs/model.md, computed once more from the text alone."""

from fractions import Fraction
from math import isclose, sqrt
from pathlib import Path

from busbar.core.units import SQRT3

TEXT = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
VOLTS, LOWEST, HIGHEST = 415, 415 * Fraction(95, 100), 415 * Fraction(105, 100)


def shown(figure: str, value: float | Fraction, *, digits: int) -> bool:
    """The page says this figure, and it is this value to so many decimals."""
    return figure in TEXT and f"{float(value):.{digits}f}" in figure


def test_the_rational_for_the_square_root_of_three_is_as_close_as_the_page_says() -> None:
    assert isclose(float(SQRT3), sqrt(3), rel_tol=1.5e-9)
    assert Fraction(18817, 10864) == SQRT3
    assert "18817/10864, 1.4 parts\nin 10⁹" in TEXT


def test_the_limits_and_the_base_load_are_as_shown() -> None:
    assert shown("= 83.472 A", 60_000 / (SQRT3 * VOLTS), digits=3)
    base = 6_000 / (Fraction(9, 10) * SQRT3 * LOWEST)
    assert shown("= 9.763 A", base, digits=3)
    assert shown("= 53.237 A", 63 - Fraction(9763, 1000), digits=3)


def test_the_loads_and_the_level_are_as_shown() -> None:
    dc = 1000 / Fraction(94, 100) / (Fraction(98, 100) * SQRT3 * LOWEST)
    three, one = (phases * HIGHEST / SQRT3 * Fraction(98, 100) / 1000 for phases in (3, 1))
    assert shown("1.590 A on each phase", dc, digits=3)
    assert shown("0.740 kW", three, digits=3)
    assert shown("0.247 kW", one, digits=3)
    per_kw = dc * Fraction(94, 100) + 1 / three + 1 / one
    assert shown("6.902 · P A", per_kw, digits=3)
    level = Fraction(53237, 1000) / per_kw
    assert shown("P = 7.713 kW", level, digits=3)
    assert shown("CP1 would get 7.25 kW", level * Fraction(94, 100), digits=2)
    assert shown("CP2 10.43 A", level / three, digits=2)
    assert shown("CP3 31.28 A", level / one, digits=2)


def test_the_level_with_fairness_in_current_is_as_shown() -> None:
    assert shown("the level is 17.75 A", Fraction(53237, 1000) / 3, digits=2)
