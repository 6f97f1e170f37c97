"""What a depot's charge points hang on: a way to Busbar each, made up or real, and a clock."""

from datetime import datetime
from typing import Protocol

from busbar.simulator.stations.station import Station
from busbar.simulator.trials.weather import Weather


class SiteClock(Protocol):
    """The time of a depot."""

    ahead_s: float
    """How far Busbar's wall clock is ahead of the true time."""

    def now_s(self) -> float:
        """Seconds of a clock that never jumps."""
        ...

    def now(self) -> datetime:
        """The wall clock (aware UTC)."""
        ...

    @property
    def true_s(self) -> float:
        """The true time, POSIX."""
        ...


class Line(Protocol):
    """One charge point and its way to Busbar."""

    station: Station
    weather: Weather
    """What happens to frames on it."""
    carried: int
    """Frames, where they are counted."""
    connections: int
    """How many there have been."""

    @property
    def now_s(self) -> float:
        """By the clock that never jumps."""
        ...

    @property
    def is_connected(self) -> bool:
        """Both ends have the same open connection, and it carries."""
        ...

    def start(self) -> None:
        """Switch it on."""

    def cut(self) -> None:
        """The network is gone until `mend`."""

    def mend(self) -> None:
        """That reason is over."""

    def break_off(self) -> None:
        """The connection breaks, and both ends notice."""

    def fall_silent(self) -> None:
        """The connection is half open from now on: nothing passes, and nobody is told."""

    def poke(self) -> None:
        """Something was done to the station from outside: send and plan anew."""
