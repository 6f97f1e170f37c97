"""Times and durations as scenarios write them: `21:30`, `2026-07-14T21:30:00+08:00`, `12 h`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from busbar.adapters.files import values
from busbar.adapters.files.tree import Node
from busbar.core.units import UnitError

DAY_S = 86_400
FOREVER_S = 10**9
"""The end of what lasts."""
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_DURATION = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|min|h)\s*")
_EXACT = re.compile(r"\s*([+-]?)\s*([0-9]{1,9}(?:\.[0-9]{1,20})?)\s*(ms|s|min|h)\s*")
_SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """When something holds: from its first second up to, not including, its last."""

    from_s: int
    until_s: int = FOREVER_S

    def holds(self, at_s: int) -> bool:
        """Whether it holds at this second."""
        return self.from_s <= at_s < self.until_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """A scenario's start in the depot's time zone."""

    start: datetime
    timezone: str

    def second_of_day(self, at_s: int) -> int:
        """The local time of day, in seconds, at a second of the scenario."""
        local = (self.start + timedelta(seconds=at_s)).astimezone(ZoneInfo(self.timezone))
        return local.hour * 3600 + local.minute * 60 + local.second

    def next_s(self, second_of_day: int) -> int:
        """The second of the scenario at which the clock first shows this time, at or after the start."""
        return (second_of_day - self.second_of_day(0)) % DAY_S

    def label(self, at_s: int) -> str:
        """`21:30`, local."""
        second = self.second_of_day(at_s)
        return f"{second // 3600:02d}:{second % 3600 // 60:02d}"

    def instant(self, at_s: int) -> datetime:
        """The instant, in the depot's time zone."""
        return (self.start + timedelta(seconds=at_s)).astimezone(ZoneInfo(self.timezone))


def clock_s(word: str) -> int | None:
    """`21:30` or `21:30:15` as seconds of the day; None where it is no such time."""
    match = _CLOCK.fullmatch(word.strip())
    if match is None:
        return None
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def clock_text(calendar: Calendar, at_s: int) -> str:
    """What `moment` reads back: `21:30`, with seconds or as an instant only where it has to be."""
    local = calendar.instant(at_s)
    second = calendar.second_of_day(at_s)
    if calendar.next_s(second) != at_s:
        return local.isoformat()
    return local.strftime("%H:%M:%S" if second % 60 else "%H:%M")


def time_of_day(node: Node) -> int:
    """`21:30` in seconds of the day."""
    found = clock_s(values.text(node))
    if found is None:
        raise UnitError("Not a time of day.", "Write for example `21:30`.")
    return found


def moment(calendar: Calendar) -> Callable[[Node], int]:
    """`21:30`, the first one at or after the start, or an ISO 8601 time; in seconds from the start."""

    def read(node: Node) -> int:
        at_clock = clock_s(values.text(node))
        if at_clock is not None:
            return calendar.next_s(at_clock)
        try:
            return round((values.instant(calendar.timezone)(node) - calendar.start).total_seconds())
        except UnitError as error:
            raise UnitError(error.rule, f"{error.fix} A time of day, `21:30`, will do too.") from None

    return read


def duration_s(node: Node) -> int:
    """`12 h`, `15 min` or `60 s` in whole seconds."""
    match = _DURATION.fullmatch(values.text(node))
    if match is None:
        raise UnitError("Not a duration.", "Write for example `12 h`, `15 min` or `60 s`.")
    seconds = Fraction(match[1]) * _SECONDS[match[2]]
    if seconds.denominator != 1 or seconds == 0:
        raise UnitError("Not a whole number of seconds above zero.", "Write for example `60 s`.")
    return int(seconds)


def delay_s(node: Node) -> float:
    """`250 ms`, `2.5 s` or `1 min` in seconds, above zero."""
    sign, seconds = _signed(node, "`250 ms`, `2.5 s` or `1 min`")
    if sign < 0 or seconds == 0:
        raise UnitError("Not above zero.", "Write for example `2.5 s`.")
    return float(seconds)


def step_s(node: Node) -> int:
    """`1 h` or `-30 s` in whole seconds, not zero."""
    sign, seconds = _signed(node, "`1 h` or `-30 s`")
    if seconds.denominator != 1 or seconds == 0:
        raise UnitError("Not a whole number of seconds, forward or back.", "Write for example `1 h` or `-30 s`.")
    return sign * int(seconds)


def _signed(node: Node, examples: str) -> tuple[int, Fraction]:
    match = _EXACT.fullmatch(values.text(node))
    if match is None:
        raise UnitError("Not a duration.", f"Write for example {examples}.")
    return -1 if match[1] == "-" else 1, Fraction(match[2]) * _SECONDS[match[3]]
