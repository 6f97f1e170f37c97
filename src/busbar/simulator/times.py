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
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_DURATION = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|min|h)\s*")
_SECONDS = {"s": 1, "min": 60, "h": 3600}


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
