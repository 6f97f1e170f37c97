"""How values that databases do not know are written: times, amounts and phases."""

import json
from datetime import UTC, datetime
from math import floor

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from busbar.core.units import Amount, Phase, current_per_phase, format_amount, parse_amount, parse_quantity


def countable(number: int) -> int:
    """The nearest number that a database can compare with: whoever asks for row 10^30 finds none."""
    return max(-(2**63), min(number, 2**63 - 1))


class UtcTime(TypeDecorator[datetime]):
    """An instant, kept in UTC with microseconds; SQLite drops time zones, so it is given none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC. Raises ValueError for a time without a zone: nobody knows which instant that is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; times are stored aware.")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, in UTC, whatever zone the database session is in."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AmountText(TypeDecorator[Amount]):
    """An amount as the depot file writes it: `640 A`, or JSON `{"L1": "32 A", "L2": "25 A"}` per phase."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Amount | None, dialect: Dialect) -> str | None:
        """As text, exactly. Raises ValueError for an amount that could not be read again."""
        if value is None:
            return None
        given = format_amount(value)
        text = given if isinstance(given, str) else json.dumps(given)
        if _parse(text) != value:
            raise ValueError(f"{value} cannot be stored as {text}.")
        return text

    def process_result_value(self, value: str | None, dialect: Dialect) -> Amount | None:
        """Read back what was written; a base load may be negative. Raises ValueError for anything else."""
        return None if value is None else _parse(value)


def _parse(text: str) -> Amount:
    if not text.startswith("{"):
        return parse_amount(text, is_limit=True, signed=True)
    return current_per_phase({Phase(phase): _parse_ma(given) for phase, given in json.loads(text).items()})


def _parse_ma(text: str) -> int:
    return floor(parse_quantity(text, dimensions=("current",), signed=True)[1])


class PhasesText(TypeDecorator[tuple[Phase, ...]]):
    """Phases in their order: `L2 L3 L1`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Phase, ...] | None, dialect: Dialect) -> str | None:
        """As words."""
        return None if value is None else " ".join(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Phase, ...] | None:
        """From words."""
        return None if value is None else tuple(Phase(word) for word in value.split())
