"""The power side of a charge point: what its profiles and its behaviour let its outlets draw, as time goes by."""

from dataclasses import replace
from math import inf

from busbar.simulator.stations.behaviours import Behaviour
from busbar.simulator.stations.outlets import Limits, Outlet, advance, cut_off
from busbar.simulator.stations.profiles import Electrics, Governed, Profile, connector_limit, station_limit

_HAIR_S = 1e-5
"""More than a POSIX time loses by rounding."""


class Charger:
    """Outlets under their profiles. (They draw: everything changes.) Moves on only when it is asked to."""

    def __init__(
        self,
        outlets: tuple[Outlet, ...],
        *,
        rating: int,
        electrics: Electrics,
        behaviour: Behaviour,
        ramp_s: float,
        speed: float,
        now_s: float,
    ) -> None:
        self.outlets = outlets
        self.is_powered = True
        self._rating = rating
        self._electrics = electrics
        """Of the whole unit."""
        self._behaviour = behaviour
        self._profiles: tuple[Profile, ...] = ()
        self._ramp_s = ramp_s
        self._speed = speed
        self._at_s = now_s
        self._limits: Limits | None = None
        self.clock_ahead_s = 0.0
        """How far its own clock, by which profiles begin and end, is ahead of the true time."""

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """What is installed."""
        return self._profiles

    def install(self, profiles: tuple[Profile, ...], now_s: float) -> None:
        """From now on these are installed."""
        self.advance(now_s)
        self._profiles, self._limits = profiles, None

    def behave(self, behaviour: Behaviour, now_s: float) -> None:
        """From now on it heeds limits like that."""
        self.advance(now_s)
        self._behaviour, self._limits = behaviour, None

    def set_clock(self, ahead_s: float, now_s: float) -> None:
        """From now on its own clock is so far ahead of the true time."""
        self.advance(now_s)
        self.clock_ahead_s, self._limits = ahead_s, None

    def touched(self) -> None:
        """A transaction began or ended."""
        self._limits = None

    def switch(self, *, is_on: bool, now_s: float) -> None:
        """Power is lost, or comes back."""
        self.advance(now_s)
        self.is_powered = is_on
        if not is_on:
            for outlet in self.outlets:
                cut_off(outlet)

    def advance(self, now_s: float) -> None:
        """Work out what flows and what is stored by now; a time that has passed changes nothing."""
        to_s = max(now_s, self._at_s)
        if self.is_powered:
            advance(
                self.outlets,
                self._limits_at,
                from_s=self._at_s,
                to_s=to_s,
                ramp_s=self._ramp_s * self._behaviour.ramp_times,
                speed=self._speed,
            )
        self._at_s = to_s

    @property
    def changes_at_s(self) -> float:
        """When its profiles say something else by themselves; infinite: never."""
        is_idle = not self.is_powered or all(each.transaction is None for each in self.outlets)
        return inf if self._limits is None or is_idle else self._limits.until_s

    def own_limit(self, place: int | None, at_s: float) -> tuple[int, float]:
        """What an outlet (None: all together) may draw by profiles and rating, and until when; behaviour left out."""
        whole = self._whole(at_s)
        together = self._rating if whole.limit is None else min(self._rating, whole.limit)
        if place is None:
            return together, whole.until_s
        outlet = self.outlets[place]
        own = self._own(outlet, at_s)
        limit = min(together, outlet.connector.max_rating)
        return (limit if own.limit is None else min(limit, own.limit)), min(whole.until_s, own.until_s)

    def _limits_at(self, at_s: float) -> Limits:
        limits = self._limits
        if limits is None or at_s >= limits.until_s:
            limits = self._limits = self._worked_out(at_s)
        return limits

    def _worked_out(self, at_s: float) -> Limits:
        heeds, is_ac = self._behaviour.heeds, self._electrics.is_ac
        whole = self._whole(at_s)
        until_s, each = whole.until_s, []
        for outlet in self.outlets:
            own = self._own(outlet, at_s)
            each.append(heeds(own.limit, is_ac))
            until_s = min(until_s, own.until_s)
        together = heeds(whole.limit, is_ac)
        return Limits(
            each=tuple(each),
            together=self._rating if together is None else min(self._rating, together),
            until_s=until_s,
        )

    def _whole(self, at_s: float) -> Governed:
        """What profiles say of all outlets together."""
        found = station_limit(self._profiles, at_s + self.clock_ahead_s, electrics=self._electrics)
        return self._by_true_time(found)

    def _own(self, outlet: Outlet, at_s: float) -> Governed:
        """What profiles say of one outlet."""
        ahead_s = self.clock_ahead_s
        # How long a transaction has been going on is not told by the clock on the wall.
        began_s = None if outlet.transaction is None else outlet.transaction.began_s + ahead_s
        found = connector_limit(
            self._profiles, outlet.number, at_s + ahead_s, began_s=began_s, electrics=outlet.electrics
        )
        return self._by_true_time(found)

    def _by_true_time(self, found: Governed) -> Governed:
        if not self.clock_ahead_s:
            return found
        # By a hair too late, never too early: then, by its own clock, it has changed.
        return replace(found, until_s=found.until_s - self.clock_ahead_s + _HAIR_S)
