"""The time, as everything that lives in it is given it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time, twice."""

    def now_s(self) -> float:
        """Seconds of a clock that never jumps."""
        ...

    def now(self) -> datetime:
        """The wall clock (aware UTC)."""
        ...

    def us(self) -> int:
        """Microseconds of a clock that never jumps, to measure durations with."""
        ...
