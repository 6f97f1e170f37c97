"""The clocks of this machine."""

from datetime import UTC, datetime
from time import monotonic, perf_counter_ns


class SystemClock:
    """The time of this machine."""

    def now_s(self) -> float:
        """Seconds of a clock that never jumps."""
        return monotonic()

    def now(self) -> datetime:
        """The wall clock (aware UTC)."""
        return datetime.now(UTC)

    def us(self) -> int:
        """Microseconds of a clock that never jumps."""
        return perf_counter_ns() // 1000
