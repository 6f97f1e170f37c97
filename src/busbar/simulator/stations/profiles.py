"""Charging profiles as a charge point applies them (OCPP 1.6 section 3.13 and 5.16, OCPP 2.0.1 part 2 K01). Pure.

Written from the specification and apart from the server's own ideas, so that the two can be compared.
Times are POSIX seconds, limits whole mA per phase or whole W.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

Limit = int | None


class Purpose(StrEnum):
    """What a profile limits. The words of OCPP 1.6; 2.0.1 calls the first one ChargingStationMaxProfile."""

    STATION_MAX = "ChargePointMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Kind(StrEnum):
    """What a profile's times count from."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class RateUnit(StrEnum):
    """What a profile's limits are given in: A per phase, or W in total."""

    A = "A"
    W = "W"


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """From here on, until the next period."""

    start_s: int
    """From the schedule's beginning."""
    limit: int
    """mA per phase or W in total, as the profile's unit says; what was finer is rounded down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One charging profile."""

    id: int
    connector: int
    """0: the whole charge point (station maximum) or each of its connectors (default)."""
    purpose: Purpose
    kind: Kind
    stack_level: int
    unit: RateUnit
    periods: tuple[Period, ...]
    start_s: float | None = None
    """When the schedule begins; None: with the transaction."""
    duration_s: int | None = None
    """How long it lasts; None: for good."""
    every_s: int | None = None
    """Recurring: it begins again so often."""
    valid_from_s: float | None = None
    valid_to_s: float | None = None
    transaction: str | None = None
    """TxProfile: the transaction it is for; None: it did not say (allowed in OCPP 1.6)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Electrics:
    """How a charge point converts what is not given in its own unit: with its nominal voltage."""

    is_ac: bool
    """Its own unit: mA per phase where true, W at the vehicle where false."""
    w_per_a: float
    """AC: W that one ampere on each of its wires makes."""

    def own(self, limit: int, unit: RateUnit) -> int:
        """A limit in its own unit, rounded down."""
        if self.is_ac:
            return limit if unit is RateUnit.A else int(limit * 1000 / self.w_per_a)
        # DC profiles in A are refused when they are offered.
        return limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Governed:
    """What profiles say at an instant, and how long that lasts."""

    limit: Limit
    """In the connector's own unit; None: no profile says anything."""
    until_s: float
    """Nothing changes before, as long as no profile comes or goes; infinite where nothing will."""


def limit_of(profile: Profile, at_s: float, began_s: float | None) -> Governed:
    """What one profile says by itself, in its own unit. `began_s`: when the transaction began; None: there is none."""
    if profile.valid_from_s is not None and at_s < profile.valid_from_s:
        return Governed(limit=None, until_s=profile.valid_from_s)
    end = inf if profile.valid_to_s is None else profile.valid_to_s
    if at_s >= end:
        return Governed(limit=None, until_s=inf)
    begin = began_s if profile.kind is Kind.RELATIVE or profile.start_s is None else profile.start_s
    if begin is None:
        return Governed(limit=None, until_s=inf)
    if at_s < begin:
        return Governed(limit=None, until_s=min(begin, end))
    if profile.every_s is not None:
        rounds = int((at_s - begin) // profile.every_s)
        rounds += at_s >= begin + (rounds + 1) * profile.every_s
        begin += rounds * profile.every_s
        end = min(end, begin + profile.every_s)
    if profile.duration_s is not None:
        if at_s >= begin + profile.duration_s:
            return Governed(limit=None, until_s=end if profile.every_s is not None else inf)
        end = min(end, begin + profile.duration_s)
    limit = None
    for period in profile.periods:
        if at_s < begin + period.start_s:
            end = min(end, begin + period.start_s)
            break
        limit = period.limit
    return Governed(limit=limit, until_s=end)


def highest(profiles: Iterable[Profile], at_s: float, began_s: float | None, electrics: Electrics) -> Governed:
    """What the highest stack level says that has a valid period now; gaps fall to the level below."""
    until_s = inf
    for profile in sorted(profiles, key=lambda profile: -profile.stack_level):
        found = limit_of(profile, at_s, began_s)
        until_s = min(until_s, found.until_s)
        if found.limit is not None:
            return Governed(limit=electrics.own(found.limit, profile.unit), until_s=until_s)
    return Governed(limit=None, until_s=until_s)


def connector_limit(
    profiles: Sequence[Profile], connector: int, at_s: float, *, began_s: float | None, electrics: Electrics
) -> Governed:
    """What one connector may draw by its own profiles: TxProfile, else its TxDefaultProfile, else the one of 0."""
    until_s = inf
    for purpose, of in ((Purpose.TX, connector), (Purpose.TX_DEFAULT, connector), (Purpose.TX_DEFAULT, 0)):
        candidates = [each for each in profiles if each.purpose is purpose and each.connector == of]
        found = highest(candidates, at_s, began_s, electrics)
        until_s = min(until_s, found.until_s)
        if found.limit is not None:
            return Governed(limit=found.limit, until_s=until_s)
    return Governed(limit=None, until_s=until_s)


def station_limit(profiles: Sequence[Profile], at_s: float, *, electrics: Electrics) -> Governed:
    """What all connectors together may draw."""
    return highest((each for each in profiles if each.purpose is Purpose.STATION_MAX), at_s, None, electrics)


def installed(profiles: Sequence[Profile], new: Profile) -> tuple[Profile, ...]:
    """With the new one in place of those it replaces: of the same id, or of the same purpose, level and connector."""
    kept = [
        each
        for each in profiles
        if each.id != new.id
        and (each.purpose, each.stack_level, each.connector) != (new.purpose, new.stack_level, new.connector)
    ]
    return (*kept, new)


def cleared(
    profiles: Sequence[Profile],
    *,
    id: int | None = None,
    connector: int | None = None,
    purpose: Purpose | None = None,
    stack_level: int | None = None,
) -> tuple[Profile, ...]:
    """What is left: an id clears that one whatever else is said, otherwise everything named has to agree."""
    if id is not None:
        return tuple(each for each in profiles if each.id != id)
    return tuple(
        each
        for each in profiles
        if (connector is not None and each.connector != connector)
        or (purpose is not None and each.purpose is not purpose)
        or (stack_level is not None and each.stack_level != stack_level)
    )


def without_transaction(profiles: Sequence[Profile], connector: int) -> tuple[Profile, ...]:
    """What is left when a connector's transaction ends: its TxProfiles go with it."""
    return tuple(each for each in profiles if each.purpose is not Purpose.TX or each.connector != connector)
