"""How charge points misbehave: small pieces, each a value, that may be put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

from busbar.simulator.stations.profiles import Limit, Profile, Purpose


def _as_told(limit: Limit, is_ac: bool) -> Limit:
    return limit


def _takes_all(profile: Profile) -> str:
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What a charge point does otherwise than an honest one. Periods are means; each time is drawn about it."""

    name: str
    heeds: Callable[[Limit, bool], Limit] = _as_told
    """The limit that its profiles give (None: none) and whether it is AC -> the limit that it obeys."""
    refuses: Callable[[Profile], str] = _takes_all
    """Why it refuses a charging profile that keeps all rules; empty: it takes it."""
    answers_after_s: float = 0.0
    """How long it thinks before it does anything it is told."""
    ramp_times: float = 1.0
    """How many times as long as others it takes to follow a limit."""
    drops_every_s: float | None = None
    """It loses its connection so often, and comes back without a BootNotification."""
    reboots_every_s: float | None = None
    """It loses power for a moment so often."""
    forgets: bool = False
    """When it reboots, all its charging profiles are gone."""
    falls_silent_every_s: float | None = None
    """It stops reading and writing so often without closing the connection, and later opens another one."""
    replays_late: bool = False
    """After a connection was lost it sends the samples of that time one by one, each after a newer one."""
    waits_for_start: bool = False
    """It never starts charging by itself."""


def _hears_nothing(limit: Limit, is_ac: bool) -> Limit:
    return None


def _whole_amperes(limit: Limit, is_ac: bool) -> Limit:
    return limit // 1000 * 1000 if limit is not None and is_ac else limit


def _no_setpoints(profile: Profile) -> str:
    return "NotAllowed" if profile.purpose is Purpose.TX else ""


def _nothing_with_zero(profile: Profile) -> str:
    return "ZeroNotSupported" if any(period.limit == 0 for period in profile.periods) else ""


HONEST = Behaviour(name="honest")

BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType(
    {
        each.name: each
        for each in (
            HONEST,
            # Acknowledges, and draws what the vehicle takes up to the rating.
            Behaviour(name="deaf", heeds=_hears_nothing),
            Behaviour(name="slow", answers_after_s=4.0, ramp_times=5.0),
            # Rejects every TxProfile; a TxDefaultProfile it takes.
            Behaviour(name="refusing", refuses=_no_setpoints),
            Behaviour(name="flapping", drops_every_s=30.0),
            Behaviour(name="reboot_to_full", reboots_every_s=120.0, forgets=True),
            Behaviour(name="replaying", drops_every_s=60.0, replays_late=True),
            # Rejects a profile with 0 in any of its periods.
            Behaviour(name="no_zero", refuses=_nothing_with_zero),
            # Rounds down to whole amperes (AC).
            Behaviour(name="whole_amperes", heeds=_whole_amperes),
            Behaviour(name="half_open", falls_silent_every_s=90.0),
            Behaviour(name="waits_for_start", waits_for_start=True),
        )
    }
)
"""Every behaviour by its name. `dataclasses.replace` makes one quicker or slower."""


def together(behaviours: Sequence[Behaviour]) -> Behaviour:
    """All of them in one charge point; an honest one where there is none."""
    return reduce(_both, behaviours) if behaviours else HONEST


def _both(one: Behaviour, other: Behaviour) -> Behaviour:
    return Behaviour(
        name=f"{one.name}+{other.name}",
        heeds=lambda limit, is_ac: other.heeds(one.heeds(limit, is_ac), is_ac),
        refuses=lambda profile: one.refuses(profile) or other.refuses(profile),
        answers_after_s=max(one.answers_after_s, other.answers_after_s),
        ramp_times=one.ramp_times * other.ramp_times,
        drops_every_s=_oftener(one.drops_every_s, other.drops_every_s),
        reboots_every_s=_oftener(one.reboots_every_s, other.reboots_every_s),
        forgets=one.forgets or other.forgets,
        falls_silent_every_s=_oftener(one.falls_silent_every_s, other.falls_silent_every_s),
        replays_late=one.replays_late or other.replays_late,
        waits_for_start=one.waits_for_start or other.waits_for_start,
    )


def _oftener(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
