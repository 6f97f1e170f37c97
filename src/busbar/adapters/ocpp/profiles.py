"""Setpoints and fallbacks as charging profiles. Rounding is down; times and numbers come in, a value comes out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

from busbar.adapters.ocpp.capabilities import Terms
from busbar.adapters.ocpp.quirks import ProfileKind, RateUnit
from busbar.adapters.ocpp.wiring import Wired

HEAD_START_S = 60
"""A lease begins so long ago: a schedule that begins now is in the future for a clock that is slow."""
FALLBACK_HEAD_START = timedelta(days=1)
TX_PROFILE = "TxProfile"
TX_DEFAULT_PROFILE = "TxDefaultProfile"
STATION_MAX_PROFILE = "ChargePointMaxProfile"
"""For all connectors together. OCPP 2.0.1 calls it ChargingStationMaxProfile."""
STATION_FALLBACK_ID, STATION_LEASE_ID = 1, 2
STATION_FALLBACK_LEVEL = 0
"""Below the level of setpoints: it holds when none does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """A charging profile with one schedule, as every version of OCPP has it."""

    id: int
    """Fixed per connector and purpose: the same id replaces what was there."""
    purpose: str
    stack_level: int
    kind: ProfileKind
    reference: str | None
    """The transaction it is for; None: it does not say."""
    unit: RateUnit
    starts_at: datetime | None
    """None for a relative one."""
    valid_to: datetime | None
    duration_s: int | None
    periods: tuple[tuple[int, float], ...]
    """Start in seconds, and limit with at most one decimal: A per phase or W in total."""
    phases: int | None
    """Only for AC."""
    most_offline_s: int | None = None
    """OCPP 2.1: void when the charge point was offline for longer."""


def profile_id(evse: int, purpose: str) -> int:
    """Always the same one for a connector and purpose."""
    return evse * 10 + (1 if purpose == TX_DEFAULT_PROFILE else 2)


def limit_for(value: int, wired: Wired, terms: Terms) -> float:
    """A setpoint (mA per phase or W at the vehicle) in what the charge point takes, never more than it says.

    A is truncated to 0.1, W to whole watts. An AC unit that takes W divides them by a voltage of its own, so they are
    reckoned at the lowest one; a DC unit that takes A multiplies them, so they are reckoned at the highest.
    """
    if wired.is_ac:
        allowed_ma = _allowed(value, terms.allowed_ma)
        if terms.unit is RateUnit.A:
            return (allowed_ma // 100) / 10
        return float(floor(Fraction(allowed_ma, 1000) * wired.lowest_v * wired.phase_count))
    if terms.unit is RateUnit.W:
        return float(value)
    allowed_ma = _allowed(value * 1000 // terms.dc_voltage_v, terms.allowed_ma)
    return (allowed_ma // 100) / 10


def _allowed(value_ma: int, allowed_ma: tuple[int, ...]) -> int:
    if not allowed_ma:
        return value_ma
    return max((allowed for allowed in allowed_ma if allowed <= value_ma), default=0)


def lease(
    *,
    limit: int,
    fallback: int,
    ends_at: datetime,
    now: datetime,
    reference: str | None,
    wired: Wired,
    terms: Terms,
    stack_level: int,
) -> Profile | None:
    """A TxProfile that holds the limit until the lease ends, and the fallback from then on; None: it has ended.

    Where a schedule may have one period only, it just ends, and the TxDefaultProfile is what holds then. A relative one
    counts from the start of the transaction, which not all units agree about: it ends by `valid_to` instead.
    """
    left_s = floor((ends_at - now).total_seconds())
    if left_s < 1:
        return None
    held = (0, limit_for(limit, wired, terms))
    is_relative = terms.kind is ProfileKind.RELATIVE
    has_end = not is_relative and terms.has_two_periods
    lasts_s = HEAD_START_S + left_s
    return Profile(
        id=profile_id(wired.evse, TX_PROFILE),
        purpose=TX_PROFILE,
        stack_level=stack_level,
        kind=terms.kind,
        reference=reference if terms.sends_transaction_id else None,
        unit=terms.unit,
        starts_at=None if is_relative else now - timedelta(seconds=HEAD_START_S),
        valid_to=ends_at if is_relative else None,
        duration_s=None if is_relative or has_end else lasts_s,
        periods=(held, (lasts_s, limit_for(fallback, wired, terms))) if has_end else (held,),
        phases=wired.phase_count if wired.is_ac else None,
        most_offline_s=left_s,
    )


def standing_fallback(*, now: datetime, wired: Wired, terms: Terms, stack_level: int) -> Profile:
    """The TxDefaultProfile that holds for good whenever no lease does."""
    is_relative = terms.kind is ProfileKind.RELATIVE
    return Profile(
        id=profile_id(wired.evse, TX_DEFAULT_PROFILE),
        purpose=TX_DEFAULT_PROFILE,
        stack_level=stack_level,
        kind=terms.kind,
        reference=None,
        unit=terms.unit,
        # So far back that it has begun for a clock in any time zone.
        starts_at=None if is_relative else now - FALLBACK_HEAD_START,
        valid_to=None,
        duration_s=None,
        periods=((0, limit_for(wired.fallback, wired, terms)),),
        phases=wired.phase_count if wired.is_ac else None,
    )


def station_lease(*, limit: int, ends_at: datetime, now: datetime, wired: Wired, terms: Terms) -> Profile | None:
    """A limit for all connectors together that ends with its lease; None: it has ended.

    What holds then is the fallback one level below. Times are absolute: a station-wide profile has no transaction to
    count from (OCPP 2.0.1 part 2, K01.FR.38).
    """
    left_s = floor((ends_at - now).total_seconds())
    if left_s < 1:
        return None
    return replace(
        station_fallback(fallback=limit, now=now, wired=wired, terms=terms),
        id=STATION_LEASE_ID,
        stack_level=terms.stack_level,
        starts_at=now - timedelta(seconds=HEAD_START_S),
        duration_s=HEAD_START_S + left_s,
        most_offline_s=left_s,
    )


def station_fallback(*, fallback: int, now: datetime, wired: Wired, terms: Terms) -> Profile:
    """What holds for all connectors together, for good, whenever no lease does. `wired`: any of them."""
    return Profile(
        id=STATION_FALLBACK_ID,
        purpose=STATION_MAX_PROFILE,
        stack_level=STATION_FALLBACK_LEVEL,
        kind=ProfileKind.ABSOLUTE,
        reference=None,
        unit=terms.unit,
        starts_at=now - FALLBACK_HEAD_START,
        valid_to=None,
        duration_s=None,
        periods=((0, limit_for(fallback, wired, terms)),),
        phases=wired.phase_count if wired.is_ac else None,
    )


def stamp(when: datetime) -> str:
    """`2026-11-22T14:00:00Z`, whole seconds; `when` is in UTC."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def schedule_fields(profile: Profile) -> dict[str, Any]:
    """What all versions write alike of a schedule."""
    periods: list[dict[str, Any]] = []
    for start_s, limit in profile.periods:
        period: dict[str, Any] = {"startPeriod": start_s, "limit": limit}
        if profile.phases is not None:
            period["numberPhases"] = profile.phases
        periods.append(period)
    schedule: dict[str, Any] = {"chargingRateUnit": profile.unit.value, "chargingSchedulePeriod": periods}
    if profile.starts_at is not None:
        schedule["startSchedule"] = stamp(profile.starts_at)
    if profile.duration_s is not None:
        schedule["duration"] = profile.duration_s
    return schedule


def profile_fields(profile: Profile) -> dict[str, Any]:
    """What all versions write alike of a profile, without its id, transaction and schedule."""
    fields: dict[str, Any] = {
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose,
        "chargingProfileKind": profile.kind.value,
    }
    if profile.valid_to is not None:
        fields["validTo"] = stamp(profile.valid_to)
    return fields
