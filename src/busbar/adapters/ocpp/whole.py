"""Charge points that are told one limit for all of their connectors: which, and how that begins and ends.

The fallback is a station-wide profile at the lowest stack level, for good; a setpoint is one at the highest, which ends
with its lease. What holds is never left to nothing: the old limits are cleared once the new ones are there.
"""

from dataclasses import replace

from busbar.adapters.ocpp.delivery import answer_of
from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.profiles import (
    STATION_FALLBACK_ID,
    STATION_LEASE_ID,
    TX_DEFAULT_PROFILE,
    TX_PROFILE,
    profile_id,
    standing_fallback,
    station_fallback,
)
from busbar.adapters.ocpp.quirks import ZeroHandling
from busbar.adapters.ocpp.session import Session
from busbar.adapters.ocpp.station import Station
from busbar.engine.events import FallbackAnswered
from busbar.engine.orders import Answer


def is_wanted(station: Station) -> bool:
    """Whether it is to be told one limit: its charge point shares, and what is known of it says that it may be.

    It has to have two stack levels, and to take any limit, zero too.
    """
    terms = station.terms()
    takes_any = terms.zero is ZeroHandling.SET and not terms.allowed_ma
    return station.whole_fallback is not None and terms.takes_station_limits and takes_any and terms.stack_level > 0


async def begin(exchange: Exchange, session: Session) -> bool:
    """Install its fallback as a whole; whether it took it. What its connectors were told before is cleared then."""
    station = session.station
    station.is_whole, station.was_whole = False, station.was_whole or is_to_be_ended(station)
    if not is_wanted(station):
        return False
    station.may_hold_whole = True
    station.is_whole = await tell_fallback(exchange, session, is_tried=True)
    if station.is_whole and station.may_hold_each:
        for outlet in station.outlets.values():
            for purpose in (TX_DEFAULT_PROFILE, TX_PROFILE):
                await session.ask(session.version.clear_profile(profile_id(outlet.wired.evse, purpose)))
        station.may_hold_each = session.is_over
    return station.is_whole


async def tell_fallback(exchange: Exchange, session: Session, *, is_tried: bool = False) -> bool:
    """Install its fallback as a whole, and tell what was answered for every connector; whether it took it.

    `is_tried`: another way is left, and a refusal says nothing of its fallbacks.
    """
    station, version = session.station, session.version
    fallback = station.whole_fallback
    if fallback is None:
        return False
    terms = station.terms()
    if terms.clears_first:
        await session.ask(version.clear_profile(STATION_FALLBACK_ID))
    profile = station_fallback(fallback=fallback, now=exchange.received().at, wired=station.wired, terms=terms)
    outcome = await session.ask(version.set_profile(0, profile))
    answer, detail = answer_of(outcome)
    is_accepted = answer is Answer.ACCEPTED
    if not session.is_over and (is_accepted or not is_tried):
        for outlet in station.outlets.values():
            told = FallbackAnswered(
                connector=outlet.wired.connector,
                fallback=outlet.wired.fallback,
                is_accepted=is_accepted,
                detail=f"{detail} (for the whole charge point)",
            )
            exchange.inbox(station.depot_id, told)
    return is_accepted


def is_to_be_ended(station: Station) -> bool:
    """Whether it may hold a limit for all connectors from before; that of an earlier process only where it may be told
    one at all."""
    if station.may_hold_whole is None:
        return station.terms().takes_station_limits
    return station.may_hold_whole


async def end(exchange: Exchange, session: Session) -> None:
    """Clear its limits as a whole, now that its connectors have fallbacks of their own.

    A transaction that runs may not go by a TxDefaultProfile that is new: it is given its fallback as a TxProfile. Where
    that is refused the limit stays, and the unit keeps to both.
    """
    station, version = session.station, session.version
    terms = station.terms()
    level = terms.stack_level if station.stack_level is None else station.stack_level
    for outlet in station.outlets.values():
        if outlet.transaction is None:
            continue
        standing = standing_fallback(now=exchange.received().at, wired=outlet.wired, terms=terms, stack_level=level)
        own = replace(
            standing,
            id=profile_id(outlet.wired.evse, TX_PROFILE),
            purpose=TX_PROFILE,
            reference=outlet.transaction.reference if terms.sends_transaction_id else None,
        )
        answer, _ = answer_of(await session.ask(version.set_profile(outlet.wired.evse, own)))
        if answer is not Answer.ACCEPTED:
            station.counts.add("station limit kept: a connector took none")
            return
    for held in (STATION_LEASE_ID, STATION_FALLBACK_ID):
        await session.ask(version.clear_profile(held))
    station.may_hold_whole = session.is_over
