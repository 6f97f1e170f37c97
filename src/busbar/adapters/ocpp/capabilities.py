"""What a charge point says it can do, read whatever way it says it, and the terms that setpoints are given in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from busbar.adapters.ocpp.counts import Counts
from busbar.adapters.ocpp.quirks import ProfileKind, Quirk, RateUnit, ZeroHandling

_MOST_CONNECTORS = 1000
_MOST_STACK_LEVEL = 10_000
_WORDS = {
    "a": RateUnit.A,
    "amp": RateUnit.A,
    "amps": RateUnit.A,
    "ampere": RateUnit.A,
    "amperes": RateUnit.A,
    "current": RateUnit.A,
    "w": RateUnit.W,
    "watt": RateUnit.W,
    "watts": RateUnit.W,
    "power": RateUnit.W,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What was said; None: nothing, or nothing that can be."""

    rate_units: tuple[RateUnit, ...] = ()
    most_stack_level: int | None = None
    most_periods: int | None = None
    most_profiles: int | None = None
    connectors: int | None = None
    has_smart_charging: bool | None = None
    switches_phases: bool | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Its present settings, by their own names; those that cannot be changed are left out."""


def rate_units(text: str | None, counts: Counts) -> tuple[RateUnit, ...]:
    """`Current,Power`, `A, W`, `power`, `W` -> units, each once; words that are none are counted."""
    found: list[RateUnit] = []
    for word in re.split(r"[^A-Za-z]+", text or ""):
        unit = _WORDS.get(word.lower())
        if unit is not None and unit not in found:
            found.append(unit)
        elif word and unit is None:
            counts.add("unknown rate unit")
    return tuple(found)


def whole(text: str | None, *, least: int, most: int, name: str, counts: Counts) -> int | None:
    """A whole number in that range; anything else is counted and as if it had not been said."""
    if text is None or not text.strip():
        return None
    try:
        value = int(float(text.strip()))
    except (ValueError, OverflowError):
        counts.add(f"unreadable {name}")
        return None
    if not least <= value <= most:
        counts.add(f"absurd {name}")
        return None
    return value


def flag(text: str | None) -> bool | None:
    """`true`, `True`, `1`, `yes` -> True; the contrary -> False; else None."""
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        (text or "").strip().lower()
    )


def connector_count(text: str | None, counts: Counts) -> int | None:
    """At most a thousand: one unit says it has 1634030126."""
    return whole(text, least=0, most=_MOST_CONNECTORS, name="number of connectors", counts=counts)


def stack_level(text: str | None, counts: Counts) -> int | None:
    """The highest it takes."""
    return whole(text, least=0, most=_MOST_STACK_LEVEL, name="stack level", counts=counts)


def periods(text: str | None, counts: Counts) -> int | None:
    """How many a schedule may have."""
    return whole(text, least=1, most=10**6, name="number of periods", counts=counts)


def profiles(text: str | None, counts: Counts) -> int | None:
    """How many may be installed."""
    return whole(text, least=0, most=10**6, name="number of profiles", counts=counts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """How one charge point wants to be told: what it says of itself, as far as no quirk knows better."""

    unit: RateUnit
    stack_level: int
    kind: ProfileKind
    sends_transaction_id: bool
    has_two_periods: bool
    zero: ZeroHandling
    allowed_ma: tuple[int, ...]
    dc_voltage_v: int
    clears_first: bool
    takes_station_limits: bool = False
    """Limits for the whole unit may be sent as often as setpoints are."""


def terms(capabilities: Capabilities, quirk: Quirk, *, is_ac: bool) -> Terms:
    """AC in A and DC in W, unless it only takes the other."""
    wanted, other = (RateUnit.A, RateUnit.W) if is_ac else (RateUnit.W, RateUnit.A)
    takes = capabilities.rate_units
    unit = quirk.rate_unit or (other if takes and wanted not in takes else wanted)
    level = quirk.stack_level if quirk.stack_level is not None else (capabilities.most_stack_level or 0)
    most_periods = quirk.periods if quirk.periods is not None else capabilities.most_periods
    return Terms(
        unit=unit,
        stack_level=level,
        kind=quirk.profile_kind,
        sends_transaction_id=quirk.sends_transaction_id,
        has_two_periods=most_periods is None or most_periods >= 2,
        zero=quirk.zero,
        allowed_ma=quirk.allowed_ma,
        dc_voltage_v=quirk.dc_voltage_v,
        clears_first=quirk.clear_first,
        takes_station_limits=quirk.station_limit_often,
    )
