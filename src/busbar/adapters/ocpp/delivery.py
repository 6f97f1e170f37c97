"""Orders as calls, and answers as what became of the order. Pure; the session sends."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from busbar.adapters.ocpp.calls import Fate, Outcome
from busbar.adapters.ocpp.messages import Call, Version, text
from busbar.adapters.ocpp.profiles import STATION_LEASE_ID, TX_PROFILE, Profile, lease, profile_id, station_lease
from busbar.adapters.ocpp.quirks import ZeroHandling
from busbar.adapters.ocpp.station import Outlet, Station
from busbar.engine.orders import Answer, Order, OrderKind

BUSBAR_TAG = "BUSBAR"
"""Who starts a transaction where nobody showed a tag."""
_YES = frozenset(("accepted", "rebootrequired"))
_NO = frozenset(("rejected", "notsupported", "notimplemented", "unknown", "failed", "notaccepted", "invalid"))


class Plan(NamedTuple):
    """What to send for an order, one after the other; the last call's answer is the order's."""

    calls: tuple[Call, ...] = ()
    answer: Answer | None = None
    """Where nothing is to be sent: what became of it."""
    detail: str = ""
    parks: bool = False
    """The transaction is ended in place of a setpoint of zero."""
    leaves: bool = False
    """The vehicle that waited to go on is not to."""


def plan(order: Order, station: Station, outlet: Outlet, version: Version, *, now: datetime, start_id: int) -> Plan:
    """The calls for an order, as its charge point wants them."""
    transaction = outlet.transaction
    if order.kind is OrderKind.STOP:
        if transaction is None and outlet.is_parked:
            return Plan(answer=Answer.ACCEPTED, detail="its transaction is ended", leaves=True)
        if transaction is None:
            return Plan(answer=Answer.REFUSED, detail="no vehicle")
        return Plan(calls=(version.stop(transaction.reference),))
    if (order.whole is not None) is not station.is_whole:
        return Plan(answer=Answer.NOT_SENT, detail="it is told in another way by now")
    if order.whole is not None:
        return _plan_for_all(order, order.whole, station, version, now)
    if transaction is None and not outlet.is_parked:
        return Plan(answer=Answer.REFUSED, detail="no vehicle")
    profile = _lease(order, station, outlet, now)
    if profile is None:
        return Plan(answer=Answer.NOT_SENT, detail="its lease is over")
    is_zero = profile.periods[0][1] == 0
    if transaction is None:
        return _resume(order, station, outlet, version, profile, start_id=start_id, is_zero=is_zero)
    if is_zero and station.quirk.zero is ZeroHandling.STOP:
        return Plan(calls=(version.stop(transaction.reference),), parks=True)
    setting = version.set_profile(outlet.wired.evse, profile)
    if order.kind is OrderKind.CLEAR_AND_SET or station.quirk.clear_first:
        return Plan(calls=(version.clear_profile(profile_id(outlet.wired.evse, TX_PROFILE)), setting))
    return Plan(calls=(setting,))


def _plan_for_all(order: Order, limit: int, station: Station, version: Version, now: datetime) -> Plan:
    """One limit for all connectors, whoever is there."""
    profile = station_lease(limit=limit, ends_at=order.ends_at, now=now, wired=station.wired, terms=station.terms())
    if profile is None:
        return Plan(answer=Answer.NOT_SENT, detail="its lease is over")
    setting = version.set_profile(0, profile)
    if order.kind is OrderKind.CLEAR_AND_SET or station.quirk.clear_first:
        return Plan(calls=(version.clear_profile(STATION_LEASE_ID), setting))
    return Plan(calls=(setting,))


def _lease(order: Order, station: Station, outlet: Outlet, now: datetime) -> Profile | None:
    terms = station.terms()
    return lease(
        limit=order.limit,
        fallback=order.fallback,
        ends_at=order.ends_at,
        now=now,
        reference=None if outlet.transaction is None else outlet.transaction.reference,
        wired=outlet.wired,
        terms=terms,
        stack_level=terms.stack_level if station.stack_level is None else station.stack_level,
    )


def _resume(
    order: Order, station: Station, outlet: Outlet, version: Version, profile: Profile, *, start_id: int, is_zero: bool
) -> Plan:
    """A vehicle whose transaction was ended in place of zero: nothing flows, or it is started anew with its lease."""
    if is_zero:
        return Plan(answer=Answer.ACCEPTED, detail="its transaction is ended")
    tag = station.id_tag or BUSBAR_TAG
    return Plan(calls=(version.start(outlet.wired.evse, tag, start_id, profile),))


def verdict(payload: Mapping[str, Any]) -> tuple[Answer, str]:
    """What the answer to the last call means for the order, and its words.

    A word that is neither yes nor no may mean that it was applied: it counts as no answer.
    """
    word = text(payload.get("status")) or ""
    reason = text((payload.get("statusInfo") or {}).get("reasonCode")) if _has_info(payload) else None
    detail = f"{word}: {reason}" if reason else word
    plain = word.lower()
    if plain in _YES:
        return Answer.ACCEPTED, detail
    if plain in _NO:
        return Answer.REFUSED, detail
    return Answer.NO_ANSWER, detail or "an answer without a status"


def answer_of(outcome: Outcome) -> tuple[Answer, str]:
    """What became of a profile that was sent by itself, and its words."""
    if outcome.fate is Fate.ANSWERED:
        return verdict(outcome.payload)
    if outcome.fate is Fate.REFUSED:
        return Answer.REFUSED, outcome.words
    return Answer.NO_ANSWER, outcome.words


def _has_info(payload: Mapping[str, Any]) -> bool:
    return isinstance(payload.get("statusInfo"), dict)
