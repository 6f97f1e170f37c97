"""Small parts that the documents of `/api/v1` share: four rows, values with units, times in UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from busbar.core.describe import ROW_KEYS
from busbar.core.units import Amount, format_amount


def by_row(values: Sequence[int | None]) -> dict[str, int | None]:
    """`models.Rows`: L1, L2, L3 in mA and total in W."""
    return {ROW_KEYS[0]: values[0], ROW_KEYS[1]: values[1], ROW_KEYS[2]: values[2], ROW_KEYS[3]: values[3]}


def value(number: int, *, is_ac: bool) -> dict[str, Any]:
    """`models.Value`: in a connector's own unit."""
    return {"value": number, "unit": "mA" if is_ac else "W"}


def open_value(number: int | None, *, is_ac: bool) -> dict[str, Any] | None:
    """The same where there may be none."""
    return None if number is None else value(number, is_ac=is_ac)


def amount_text(amount: Amount) -> str:
    """A limit as it is given: `700 kW`, or `{L1: 32 A, L2: 32 A, L3: 25 A}` where the phases differ."""
    text = format_amount(amount)
    return text if isinstance(text, str) else "{" + ", ".join(f"{key}: {value}" for key, value in text.items()) + "}"


def utc(when: datetime | None) -> datetime | None:
    """The same instant in UTC."""
    return None if when is None else when.astimezone(UTC)
