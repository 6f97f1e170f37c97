"""What every new connection begins with: abilities, fallbacks, settings; then setpoints may be sent."""

import asyncio
from dataclasses import replace

from busbar.adapters.ocpp import whole
from busbar.adapters.ocpp.calls import Fate, Outcome
from busbar.adapters.ocpp.capabilities import Capabilities
from busbar.adapters.ocpp.delivery import answer_of
from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.hearing import Hearing
from busbar.adapters.ocpp.messages import Boot, Setting, text
from busbar.adapters.ocpp.profiles import TX_DEFAULT_PROFILE, profile_id, standing_fallback
from busbar.adapters.ocpp.quirks import ProfileKind
from busbar.adapters.ocpp.session import Session
from busbar.adapters.ocpp.station import Outlet, Station
from busbar.engine.events import ChargePointFacts, Described, FallbackAnswered, Ready
from busbar.engine.orders import Answer

_ASKED_BOOT_S = 60.0
"""A boot that is told so long after it was asked for was not asked for."""
_AGAIN_S, _LONGEST_AGAIN_S = 30.0, 900.0
"""A fallback that was not accepted is told again after so long; twice as long after every time."""
_MOST_SILENCE = 2
"""After so many questions without an answer no more are asked that can be done without."""


async def greet(exchange: Exchange, hearing: Hearing, session: Session, boot_wait_s: float) -> None:
    """All of it, for a connection that was just made. Returns early where the connection ends."""
    station = session.station
    station.was_whole = False
    await _first_word(session, boot_wait_s)
    boots = -1
    while boots != session.boots and not session.is_over:
        # One that boots meanwhile has forgotten what it was told.
        boots = session.boots
        await _tell(exchange, session)
    if session.is_over:
        return
    _describe(exchange, session)
    session.is_ready = True
    received = exchange.received()
    ready = Ready(
        charge_point=station.id,
        connection=session.number,
        received_s=received.s,
        ramp_s=station.quirk.ramp_s,
        shortest_interval_s=station.quirk.shortest_interval_s,
        # A relative schedule can only end by `validTo`, which many units do not look at.
        ends_leases=station.is_whole or station.quirk.profile_kind is not ProfileKind.RELATIVE,
        is_whole=station.is_whole,
        was_whole=station.was_whole,
    )
    exchange.inbox(station.depot_id, ready)
    for outlet in station.outlets.values():
        hearing.start_if_needed(session, outlet, received)
    if session.boots == 0:
        await _ask_what_was_missed(exchange, session)


async def greet_again(exchange: Exchange, session: Session) -> None:
    """For a charge point that says on a connection that is ready already that it booted."""
    was_whole = session.station.is_whole
    await _tell(exchange, session)
    if session.station.is_whole is not was_whole:
        # What setpoints are sent as is said once per connection.
        session.end("to be told in another way")
    if not session.is_over:
        _describe(exchange, session)


async def tell_fallbacks(
    exchange: Exchange, session: Session, outlets: list[Outlet], *, again_s: float = _AGAIN_S
) -> bool:
    """Install the fallbacks of these connectors, and tell what was answered; whether all were accepted.

    Where one was not, once more after a while: as long as it is not, a connector counts at its rating, and one message
    that was lost would take that from everybody else for as long as the connection lasts.
    """
    if session.station.is_whole:
        left = [] if await whole.tell_fallback(exchange, session) else outlets
    else:
        session.station.may_hold_each = True
        left = [
            outlet for outlet in outlets if not session.is_over and not await _tell_fallback(exchange, session, outlet)
        ]
    if left and not session.is_over:
        exchange.spawn(_tell_again(exchange, session, left, again_s))
    return not left and not session.is_over


async def _tell_again(exchange: Exchange, session: Session, outlets: list[Outlet], again_s: float) -> None:
    boots = session.boots
    await asyncio.sleep(again_s)
    known = session.station.outlets.values()
    # One that booted meanwhile has been told everything anew.
    if not session.is_over and session.boots == boots and all(outlet in known for outlet in outlets):
        await tell_fallbacks(exchange, session, outlets, again_s=min(_LONGEST_AGAIN_S, 2 * again_s))


def booted(exchange: Exchange, session: Session, boot: Boot) -> bool:
    """Take down what a charge point says of itself; whether it has to be greeted again."""
    station = session.station
    facts = station.facts or ChargePointFacts(protocol=session.version.protocol)
    station.facts = replace(facts, vendor=boot.vendor, model=boot.model, firmware=boot.firmware, serial=boot.serial)
    before = station.quirk
    choose_quirk(exchange, station)
    asked_s, session.asked_boot_s = session.asked_boot_s, None
    if asked_s is not None and exchange.received().s - asked_s < _ASKED_BOOT_S:
        # It says so because it was asked to, not because it booted.
        return before is not station.quirk
    session.boots += 1
    station.is_asked = False
    return True


def choose_quirk(exchange: Exchange, station: Station) -> None:
    """The entry of the quirk table for what is known of a charge point."""
    if station.facts is not None:
        facts = station.facts
        station.quirk = exchange.quirks.find(facts.vendor, facts.model, facts.firmware)


async def _first_word(session: Session, boot_wait_s: float) -> None:
    """Give it time to say that it booted; one that says anything else did not."""
    session.first_word = asyncio.get_running_loop().create_future()
    try:
        async with asyncio.timeout(boot_wait_s):
            await session.first_word
    except TimeoutError:
        pass
    finally:
        session.first_word = None


async def _tell(exchange: Exchange, session: Session) -> None:
    station = session.station
    is_first = not station.is_asked
    silences = await _ask_abilities(session) if is_first else 0
    if not await whole.begin(exchange, session):
        are_accepted = await tell_fallbacks(exchange, session, list(station.outlets.values()))
        if are_accepted and not session.is_over and whole.is_to_be_ended(station):
            await whole.end(exchange, session)
    if is_first and silences < _MOST_SILENCE and not session.is_over:
        await _set_intervals(exchange, session)


async def _ask_abilities(session: Session) -> int:
    """Ask what it can do; how many questions it left without an answer."""
    station, silences = session.station, 0
    for question in session.version.questions():
        outcome = await session.ask(question)
        if outcome.fate is Fate.ANSWERED:
            station.capabilities = session.version.capabilities(outcome.payload, station.counts)
            station.is_asked = True
            return silences
        if outcome.fate is Fate.NO_ANSWER:
            silences += 1
        elif outcome.fate is not Fate.REFUSED:
            return _MOST_SILENCE
    station.counts.add("abilities not told")
    station.capabilities = station.capabilities or Capabilities()
    return max(silences, 1)


async def _tell_fallback(exchange: Exchange, session: Session, outlet: Outlet) -> bool:
    """Install one connector's fallback, at the highest stack level it takes, else at the lowest; whether it took it."""
    station = session.station
    terms = station.terms()
    fallback = outlet.wired.fallback
    outcome, answer, detail = Outcome(Fate.NOT_SENT), Answer.NOT_SENT, ""
    if terms.clears_first:
        await session.ask(session.version.clear_profile(profile_id(outlet.wired.evse, TX_DEFAULT_PROFILE)))
    for level in dict.fromkeys((terms.stack_level, 0)):
        now = exchange.received().at
        profile = standing_fallback(now=now, wired=outlet.wired, terms=terms, stack_level=level)
        outcome = await session.ask(session.version.set_profile(outlet.wired.evse, profile))
        answer, detail = answer_of(outcome)
        if answer is Answer.ACCEPTED:
            station.stack_level = level
        if answer is not Answer.REFUSED:
            break
    if outcome.fate in (Fate.LOST, Fate.NOT_SENT):
        return False
    told = FallbackAnswered(
        connector=outlet.wired.connector,
        fallback=fallback,
        is_accepted=answer is Answer.ACCEPTED,
        detail=detail,
    )
    exchange.inbox(station.depot_id, told)
    return told.is_accepted


async def _set_intervals(exchange: Exchange, session: Session) -> None:
    """Set what is set otherwise; what is refused in every form is left as it is."""
    station = session.station
    present = station.capabilities.settings if station.capabilities else {}
    for setting in session.version.settings(exchange.wishes(station)):
        if setting.key not in present or _is_same(present[setting.key], setting):
            continue
        for value in dict.fromkeys(setting.values):
            outcome = await session.ask(session.version.change(setting.key, value))
            if outcome.fate is Fate.ANSWERED:
                said = session.version.change_status(outcome.payload)
                if said.lower() in ("accepted", "rebootrequired"):
                    break
                station.counts.add(f"setting {setting.key} {(text(said, most=20) or 'not answered').lower()}")
            elif outcome.fate is not Fate.REFUSED:
                # It is silent or gone: nothing of this is worth keeping setpoints waiting for.
                return
    if station.capabilities:
        # They are as wished now, or as they have to be; thousands of charge points need not have them remembered.
        station.capabilities = replace(station.capabilities, settings={})


def _is_same(present: str, setting: Setting) -> bool:
    return sorted(present.replace(" ", "").split(",")) == sorted(setting.values[0].split(","))


def _describe(exchange: Exchange, session: Session) -> None:
    """Tell what it is and can do; where that is new it is kept."""
    station = session.station
    said = station.capabilities or Capabilities()
    facts = replace(
        station.facts or ChargePointFacts(protocol=session.version.protocol),
        protocol=session.version.protocol,
        rate_units=tuple(unit.value for unit in said.rate_units),
        most_stack_level=said.most_stack_level,
        most_periods=said.most_periods,
        most_profiles=said.most_profiles,
        connectors=said.connectors,
        quirks=station.quirk.name or None,
    )
    if said.has_smart_charging is False:
        station.counts.add("says that it has no smart charging")
    station.facts = facts
    exchange.inbox(station.depot_id, Described(charge_point=station.id, facts=facts))
    if facts != station.kept_facts:
        exchange.keep_facts(station)


async def _ask_what_was_missed(exchange: Exchange, session: Session) -> None:
    """One that came back without booting is asked for its state; it may refuse, or not know how."""
    if not session.station.quirk.trigger_messages:
        return
    # Orders may be due: one that does not answer this must not hold them up until their own time is over.
    within_s = exchange.timing.answer_s * 0.3
    session.asked_boot_s = exchange.received().s
    outcome = await session.ask(session.version.trigger("BootNotification"), within_s)
    if outcome.fate is not Fate.ANSWERED or (text(outcome.payload.get("status")) or "").lower() != "accepted":
        session.asked_boot_s = None
    if not session.is_over and outcome.fate is not Fate.NO_ANSWER:
        await session.ask(session.version.trigger("StatusNotification"), within_s)
