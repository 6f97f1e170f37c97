"""Readers of single values: a node of the tree in, a typed value out, or a UnitError with rule and fix."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from busbar.adapters.files.tree import Node, Scalar, Sequence, clipped, shown
from busbar.core.depot import CurrentKind
from busbar.core.nearest import known_names, suggestion
from busbar.core.units import SQRT3, Phase, UnitError, parse_quantity

Word = TypeVar("Word", bound=StrEnum)

_YES = {"true", "yes", "on", "y"}
_NO = {"false", "no", "off", "n"}
_DECIMAL = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)\s*(%?)\s*")
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_LONGEST_NUMBER = 60
_LARGEST_WEIGHT = 10**6


def text(node: Node) -> str:
    """Any text or number, exactly as written."""
    if not isinstance(node, Scalar):
        raise UnitError("A single value is wanted here.", f"Write one value instead of {shown(node)}.")
    return node.text


def boolean(node: Node) -> bool:
    """true or false, without quotes."""
    word = text(node)
    if isinstance(node, Scalar) and node.plain and word in ("true", "false"):
        return word == "true"
    raise UnitError("Neither true nor false.", _boolean_fix(word) or "Write true or false.")


def meter(node: Node) -> bool | str:
    """true, false or an address; words that YAML 1.1 took for true or false are no addresses."""
    word = text(node)
    if isinstance(node, Scalar) and node.plain and word in ("true", "false"):
        return word == "true"
    if _boolean_fix(word):
        raise UnitError("This is no meter's address.", _boolean_fix(word))
    return word


def _boolean_fix(word: str) -> str:
    if word.lower() in _YES:
        return "Write true, in small letters and without quotes."
    return "Write false, in small letters and without quotes." if word.lower() in _NO else ""


def integer(node: Node) -> int:
    """A whole number, up to nine digits."""
    word = text(node)
    if _INTEGER.fullmatch(word) is None:
        raise UnitError("Not a whole number of up to nine digits.", "Write for example `2`.")
    return int(word)


def one_of(kind: type[Word]) -> Callable[[Node], Word]:
    """One of the words of an enum."""
    known = known_names(word.value for word in kind)

    def read(node: Node) -> Word:
        word = text(node)
        if word not in known.forward:
            raise UnitError(f"This is none of {', '.join(known.forward)}.", suggestion(word, known))
        return kind(word)

    return read


def timezone(node: Node) -> str:
    """A name that the IANA time zone database knows."""
    word = text(node)
    try:
        ZoneInfo(word)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        fix = suggestion(word, known_names(available_timezones()))
        raise UnitError("There is no time zone of this name.", fix) from None
    return word


def _decimal(node: Node, example: str) -> Fraction:
    word = text(node)
    match = _DECIMAL.fullmatch(word) if len(word) <= _LONGEST_NUMBER else None
    if match is None:
        finite = re.fullmatch(r"\s*[+-]?\.?(nan|inf|infinity)\s*", word, re.IGNORECASE) is None
        raise UnitError("Not a number." if finite else "Not a finite number.", f"Write for example {example}.")
    number = Fraction(match[1])
    return number / 100 if match[2] else number


def permille(node: Node) -> int:
    """`0.94` or `94 %` -> 940; exact, so that sums of flows are."""
    ratio = _decimal(node, "`0.94` or `94 %`")
    if ratio < 0:
        raise UnitError("Negative.", "Write a ratio from 0 to 1, for example `0.94` or `94 %`.")
    if ratio > 1:
        wanted = f"`{text(node).strip()} %`" if ratio <= 100 and "%" not in text(node) else "`94 %`"
        raise UnitError("A ratio is at most 1 (100 %).", f"Write for example {wanted}.")
    thousandths = ratio * 1000
    if thousandths.denominator != 1:
        below, above = floor(thousandths) / 1000, ceil(thousandths) / 1000
        raise UnitError("Finer than a whole thousandth.", f"Write `{below:g}` or `{above:g}`.")
    return int(thousandths)


def state_of_charge(node: Node) -> float:
    """`0.31` or `31 %`."""
    ratio = _decimal(node, "`0.31` or `31 %`")
    if not 0 <= ratio <= 1:
        percent = 1 < ratio <= 100 and "%" not in text(node)
        fix = f"Write `{text(node).strip()} %`." if percent else "Write for example `0.31` or `31 %`."
        raise UnitError("A state of charge is from 0 to 1.", fix)
    return float(ratio)


def positive(node: Node) -> float:
    """A weight: above zero."""
    number = _decimal(node, "`1`")
    if not Fraction(1, _LARGEST_WEIGHT) <= number <= _LARGEST_WEIGHT:
        rule = f"A weight is above zero (from {1 / _LARGEST_WEIGHT:g} to {_LARGEST_WEIGHT})."
        raise UnitError(rule, "Write for example `1`, and `2` for twice the share.")
    return float(number)


def instant(zone: str) -> Callable[[Node], datetime]:
    """An ISO 8601 time with its offset from UTC; `zone` is the depot's, for the suggestion."""

    def read(node: Node) -> datetime:
        try:
            when = datetime.fromisoformat(text(node))
        except ValueError:
            rule = "Not a time in ISO 8601."
            raise UnitError(rule, "Write for example `2026-11-22T22:00:00+08:00`.") from None
        # Far-off years overflow when they meet an offset, and are typing errors anyway.
        if not 1970 < when.year < 2200:
            raise UnitError("A year that cannot be meant.", "Write for example `2026-11-22T22:00:00+08:00`.")
        if when.utcoffset() is None:
            meant = when.replace(tzinfo=_zone(zone)).isoformat()
            raise UnitError(
                "The offset from UTC is missing, so this is not one instant.",
                f"Write `{meant}` if {zone} is meant, or `{when.isoformat()}Z` for UTC.",
            )
        return when

    return read


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def whole_volts(node: Node) -> int:
    """`415 V` -> 415."""
    _, volts = parse_quantity(text(node), dimensions=("voltage",))
    if volts.denominator != 1:
        raise UnitError("A nominal voltage is whole volts.", f"Write `{round(volts)} V`.")
    return int(volts)


def whole(dimension: str, *, is_limit: bool) -> Callable[[Node], int]:
    """A quantity in whole base units: limits down, loads up."""

    def read(node: Node) -> int:
        _, value = parse_quantity(text(node), dimensions=(dimension,))
        return floor(value) if is_limit else ceil(value)

    return read


def setpoint(
    current: CurrentKind | None, *, is_limit: bool, voltage_v: int | None = None, phases: int = 3
) -> Callable[[Node], int]:
    """mA for AC, W for DC; where `current` is not known either is read, so that what is no quantity is found.

    `voltage_v` and `phases` are for the suggestion where power is given for AC.
    """

    def read(node: Node) -> int:
        word = text(node)
        dimensions = ("power",) if current is CurrentKind.DC else ("current", "power")
        try:
            dimension, value = parse_quantity(word, dimensions=dimensions)
        except UnitError:
            if current is CurrentKind.DC and _is_current(word):
                rule = "A DC charge point is told power, not amperes."
                raise UnitError(rule, "Write the power at the vehicle, for example `150 kW`.") from None
            raise
        if current is CurrentKind.AC and dimension == "power":
            rule = "An AC charge point is told amperes per phase, not power."
            raise UnitError(rule, _amperes_fix(value, voltage_v, phases))
        return floor(value) if is_limit else ceil(value)

    return read


def _is_current(word: str) -> bool:
    try:
        return parse_quantity(word, dimensions=("current",))[0] == "current"
    except UnitError:
        return False


def _amperes_fix(power_w: Fraction, voltage_v: int | None, phases: int) -> str:
    if not voltage_v:
        return "Write the amperes of one phase, for example `32 A`."
    tenths = floor(power_w * SQRT3 * 10 / (phases * voltage_v))
    wires = f"{phases} phases" if phases > 1 else "one phase"
    return f"Write `{tenths / 10:g} A`, which is that power on {wires} at {voltage_v} V."


def phase_list(node: Node) -> tuple[Phase, ...]:
    """`[L1, L2]`, in the order written."""
    if not isinstance(node, Sequence):
        raise UnitError("A list of phases is wanted here.", "Write for example `[L1, L2, L3]`.")
    words = [text(item) for item in node.items]
    for word in words:
        if word not in [phase.value for phase in Phase]:
            raise UnitError(f"{clipped(word)} is no phase.", "The phases are L1, L2 and L3.")
    return tuple(Phase(word) for word in words)


def list_of(reader: Callable[[Node], int]) -> Callable[[Node], tuple[int, ...]]:
    """A list with at least one value."""

    def read(node: Node) -> tuple[int, ...]:
        if not isinstance(node, Sequence) or not node.items:
            raise UnitError("A list of values is wanted here.", "Write for example `[6 A, 10 A, 16 A]`.")
        return tuple(reader(item) for item in node.items)

    return read
