"""What orders do to a charge point's state, whatever version of OCPP they came in."""

from dataclasses import dataclass

from busbar.simulator.stations.offers import Offered, why_refused
from busbar.simulator.stations.outlets import Outlet, Stage
from busbar.simulator.stations.profiles import Profile, Purpose, installed
from busbar.simulator.stations.speech import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of an offered charging profile."""

    why: str
    """Why it was refused; empty: it is installed."""
    place: int | None
    """The outlet that it is for; None: the whole unit, or one that is not there."""


def take_profile(state: State, profile: Profile) -> Taken:
    """Install a profile, or say why not."""
    place = state.place(profile.connector)
    outlet = None if place is None else state.outlets[place]
    offered = Offered(
        profile=profile,
        connectors=frozenset(each.number for each in state.outlets),
        is_charging=outlet is not None and outlet.stage is Stage.CHARGING,
        transaction=outlet.transaction.id if outlet is not None and outlet.transaction is not None else None,
    )
    why = why_refused(offered, state.profiles, state.abilities) or state.refuses(profile)
    if not why:
        state.profiles = installed(state.profiles, profile)
    return Taken(why=why, place=place)


def place_to_start(state: State, number: int | None) -> int | None:
    """Where a vehicle waits for a transaction to begin: at that outlet, or the first where none is named."""
    return next(
        (
            place
            for place, outlet in enumerate(state.outlets)
            if _is_ready(outlet) and (number is None or outlet.number == number)
        ),
        None,
    )


def may_come_with_start(state: State, profile: Profile) -> bool:
    """Whether this profile may come with the order to start: a TxProfile for a transaction that is not there yet."""
    return profile.purpose is Purpose.TX and profile.transaction is None and not state.refuses(profile)


def place_of_transaction(state: State, id: str) -> int | None:
    """Where that transaction runs."""
    for place, outlet in enumerate(state.outlets):
        if outlet.stage is Stage.CHARGING and outlet.transaction is not None and outlet.transaction.id == id:
            return place
    return None


def _is_ready(outlet: Outlet) -> bool:
    return outlet.vehicle is not None and outlet.stage is not Stage.CHARGING
