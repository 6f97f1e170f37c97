"""Whether a charge point takes a charging profile: the specification's rules, and what the unit can hold. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from busbar.simulator.stations.profiles import Kind, Profile, Purpose, RateUnit


@dataclass(frozen=True, kw_only=True, slots=True)
class Abilities:
    """What a charge point says it can do."""

    units: tuple[RateUnit, ...]
    most_stack_level: int = 10
    most_periods: int = 24
    most_profiles: int = 20
    is_strict: bool = False
    """OCPP 2.0.1: a TxProfile names its transaction, an absolute one its start, and ids do not share a level."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """What a charge point is asked to install, and what it stands on."""

    profile: Profile
    connectors: frozenset[int]
    """The connectors that the charge point has."""
    is_charging: bool
    """A transaction runs on the connector."""
    transaction: str | None
    """Its id; None: not known yet."""


def why_refused(offered: Offered, installed: Sequence[Profile], abilities: Abilities) -> str:
    """A word of at most 20 characters, as `statusInfo.reasonCode` wants it; empty: it is taken."""
    profile = offered.profile
    return (
        _wrong_place(offered)
        or _wrong_transaction(offered, abilities)
        or _wrong_schedule(profile, abilities)
        or _no_room(profile, installed, abilities)
    )


def _wrong_place(offered: Offered) -> str:
    profile = offered.profile
    if profile.connector and profile.connector not in offered.connectors:
        return "UnknownEvse"
    if profile.purpose is Purpose.STATION_MAX and profile.connector:
        return "InvalidProfile"
    if profile.purpose is Purpose.TX and not profile.connector:
        return "InvalidProfile"
    return ""


def _wrong_transaction(offered: Offered, abilities: Abilities) -> str:
    profile = offered.profile
    if profile.purpose is not Purpose.TX:
        return ""
    if not offered.is_charging:
        return "TxNotFound"
    if profile.transaction is None:
        return "InvalidProfile" if abilities.is_strict else ""
    return "" if profile.transaction == offered.transaction else "TxNotFound"


def _wrong_schedule(profile: Profile, abilities: Abilities) -> str:
    starts = [period.start_s for period in profile.periods]
    if not starts or starts[0] != 0 or sorted(set(starts)) != starts:
        return "InvalidSchedule"
    if any(period.limit < 0 for period in profile.periods):
        return "InvalidSchedule"
    if len(starts) > abilities.most_periods:
        return "TooManyPeriods"
    if profile.unit not in abilities.units:
        return "UnsupportedRateUnit"
    if not 0 <= profile.stack_level <= abilities.most_stack_level:
        return "InvalidStackLevel"
    if profile.kind is Kind.RELATIVE and profile.purpose is Purpose.STATION_MAX:
        return "InvalidProfile"
    if profile.kind is Kind.RECURRING and (profile.every_s is None or profile.start_s is None):
        return "InvalidSchedule"
    if abilities.is_strict:
        needs_start = profile.kind is not Kind.RELATIVE
        if needs_start != (profile.start_s is not None):
            return "InvalidSchedule"
    return ""


def _no_room(profile: Profile, installed: Sequence[Profile], abilities: Abilities) -> str:
    others = [each for each in installed if each.id != profile.id]
    same_place = [
        each
        for each in others
        if (each.purpose, each.stack_level, each.connector) == (profile.purpose, profile.stack_level, profile.connector)
    ]
    if abilities.is_strict and any(_overlap(each, profile) for each in same_place):
        return "DuplicateProfile"
    if len(others) - len(same_place) >= abilities.most_profiles:
        return "TooManyProfiles"
    return ""


def _overlap(one: Profile, other: Profile) -> bool:
    """Whether the times overlap in which the two are valid."""
    begins_too_late = one.valid_to_s is not None and (other.valid_from_s or 0.0) >= one.valid_to_s
    ends_too_early = other.valid_to_s is not None and (one.valid_from_s or 0.0) >= other.valid_to_s
    return not begins_too_late and not ends_too_early
