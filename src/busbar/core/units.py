"""Quantities with units: text in, whole mA, W, VA, Wh and V out, and back to text.

Only this module converts. Limits round down and loads round up when a text is finer than the base unit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

SQRT3 = Fraction(18817, 10864)
"""sqrt 3 as one fixed rational, everywhere (continued fraction; 1.4 parts in 10^9 above the true value)."""


class Phase(StrEnum):
    """A line of the supply."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


PHASES = (Phase.L1, Phase.L2, Phase.L3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Current:
    """Amperes per phase. None on a phase: not given there (a circuit without that phase)."""

    l1_ma: int | None
    l2_ma: int | None
    l3_ma: int | None

    def per_phase_ma(self) -> tuple[int | None, int | None, int | None]:
        """The three values in the order L1, L2, L3."""
        return (self.l1_ma, self.l2_ma, self.l3_ma)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApparentPower:
    """kVA: caps each phase at S / (sqrt 3 x nominal voltage)."""

    va: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivePower:
    """kW: caps the total."""

    w: int


Amount = Current | ApparentPower | ActivePower
"""What a limit or a base load is given in."""


class UnitError(ValueError):
    """A text is no quantity of the kind wanted; `rule` and `fix` say why and what to write."""

    def __init__(self, rule: str, fix: str) -> None:
        self.rule = rule
        self.fix = fix
        super().__init__(f"{rule} {fix}")


# unit -> (dimension, factor to the base unit)
_UNITS: dict[str, tuple[str, Fraction]] = {
    "mA": ("current", Fraction(1)),
    "A": ("current", Fraction(1000)),
    "kA": ("current", Fraction(1_000_000)),
    "W": ("power", Fraction(1)),
    "kW": ("power", Fraction(1000)),
    "MW": ("power", Fraction(1_000_000)),
    "VA": ("apparent power", Fraction(1)),
    "kVA": ("apparent power", Fraction(1000)),
    "MVA": ("apparent power", Fraction(1_000_000)),
    "V": ("voltage", Fraction(1)),
    "kV": ("voltage", Fraction(1000)),
    "Wh": ("energy", Fraction(1)),
    "kWh": ("energy", Fraction(1000)),
    "MWh": ("energy", Fraction(1_000_000)),
}
_EXAMPLE = {
    "current": "32 A",
    "power": "150 kW",
    "apparent power": "1200 kVA",
    "voltage": "415 V",
    "energy": "210 kWh",
}
LARGEST = 10**9
"""No depot has more mA, W, VA, V or Wh than this; what is larger has the wrong unit."""
_LONGEST = 60
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([^\s0-9.,]*)\s*")
_SEPARATED = re.compile(r"\s*[+-]?[0-9]+(?:[,' _][0-9]+)+(?:\.[0-9]+)?\s*[A-Za-z]*\s*")
_NOT_FINITE = re.compile(r"\s*[+-]?\.?(nan|inf|infinity)\b", re.IGNORECASE)


# A depot repeats the same few texts many thousand times.
@lru_cache(maxsize=1024)
def parse_quantity(text: str, *, dimensions: tuple[str, ...], signed: bool = False) -> tuple[str, Fraction]:
    """`"640 A"` -> `("current", 640000)`: the dimension and the exact value in mA, W, VA, V or Wh.

    Raises UnitError for no number, not finite, no unit, unknown unit, another dimension, negative, or beyond
    10^9 base units.
    """
    # Longer texts are no quantities; and Python refuses to convert very long digit strings.
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise _not_a_quantity(text, dimensions)
    number, unit = match.groups()
    if unit == "":
        with_units = " or ".join(f"`{number} {_EXAMPLE[dimension].split()[1]}`" for dimension in dimensions)
        raise UnitError("The unit is missing.", f"Add the unit: {with_units}.")
    if unit not in _UNITS:
        raise UnitError(f"Unknown unit {unit!r}.", _unit_fix(number, unit, dimensions))
    dimension, factor = _UNITS[unit]
    if dimension not in dimensions:
        wanted = " or ".join(dimensions)
        rule = f"{unit} is a unit of {dimension}; {wanted} is wanted here."
        raise UnitError(rule, f"Write it as {_examples(dimensions)}.")
    value = Fraction(number) * factor
    if value < 0 and not signed:
        raise UnitError("Negative.", "Give zero or a positive value; load counts as positive.")
    if not -LARGEST <= value <= LARGEST:
        raise UnitError("Too large to be real.", f"Check the unit; for example {_examples(dimensions)}.")
    return dimension, value


def _not_a_quantity(text: str, dimensions: tuple[str, ...]) -> UnitError:
    examples = _examples(dimensions)
    if _NOT_FINITE.match(text):
        return UnitError("Not a finite number.", f"Write a number with a unit, for example {examples}.")
    if len(text) <= _LONGEST and _SEPARATED.fullmatch(text):
        return UnitError(
            "Not a number with a unit: digits are separated.",
            f"Write a point for decimals and nothing between thousands, for example {examples}.",
        )
    return UnitError("Not a number with a unit.", f"Write it as {examples}.")


def _examples(dimensions: tuple[str, ...]) -> str:
    return " or ".join(f"`{_EXAMPLE[dimension]}`" for dimension in dimensions)


def _unit_fix(number: str, unit: str, dimensions: tuple[str, ...]) -> str:
    known = [name for name, (dimension, _) in _UNITS.items() if dimension in dimensions]
    same_letters = [name for name in known if name.lower() == unit.lower()]
    if same_letters and unit[0] not in "mM":
        return f"Write `{number} {same_letters[0]}`; capital and small letters matter."
    return f"Write one of {', '.join(known)}, for example {_examples(dimensions)}."


def parse_amount(text: str, *, is_limit: bool, signed: bool = False) -> Amount:
    """`"640 A"`, `"1200 kVA"` or `"150 kW"`; one value in A holds on each phase. Raises UnitError."""
    dimension, value = parse_quantity(text, dimensions=("current", "apparent power", "power"), signed=signed)
    whole = floor(value) if is_limit else ceil(value)
    match dimension:
        case "current":
            return Current(l1_ma=whole, l2_ma=whole, l3_ma=whole)
        case "apparent power":
            return ApparentPower(va=whole)
        case _:
            return ActivePower(w=whole)


def current_per_phase(values: Mapping[Phase, int]) -> Current:
    """Amperes given phase by phase, in mA; phases not named stay open."""
    return Current(l1_ma=values.get(Phase.L1), l2_ma=values.get(Phase.L2), l3_ma=values.get(Phase.L3))


def format_ma(value_ma: int) -> str:
    """16000 -> `16 A`."""
    return f"{_trim(value_ma)} A"


def format_w(value_w: int) -> str:
    """150000 -> `150 kW`, 500 -> `0.5 kW`."""
    return f"{_trim(value_w)} kW"


def _trim(thousandths: int) -> str:
    sign = "-" if thousandths < 0 else ""
    whole, rest = divmod(abs(thousandths), 1000)
    return f"{sign}{whole}" + (f".{rest:03d}".rstrip("0") if rest else "")


def format_amount(amount: Amount) -> str | dict[str, str]:
    """The text that `parse_amount` reads back; a mapping where the phases differ."""
    match amount:
        case ApparentPower(va=va):
            return f"{_trim(va)} kVA"
        case ActivePower(w=w):
            return format_w(w)
        case Current():
            given = amount.per_phase_ma()
            if given[0] is not None and given[0] == given[1] == given[2]:
                return format_ma(given[0])
            return {
                phase.value: format_ma(value) for phase, value in zip(PHASES, given, strict=True) if value is not None
            }
