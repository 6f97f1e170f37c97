"""Meter values become events: corrected by the clock, live ones only."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.messages import mapping, number, sequence
from busbar.adapters.ocpp.meter_values import Reading, readings_and_oddities
from busbar.adapters.ocpp.station import Outlet, Received, Station
from busbar.adapters.ocpp.telemetry import Told
from busbar.engine.events import ClockRead, Measured


class Running(NamedTuple):
    """A transaction that meter values name."""

    reference: str
    at: datetime
    """When they were taken, by the charge point's clock."""


def measure(exchange: Exchange, station: Station, outlet: Outlet, told: Told) -> Running | None:
    """Emit what one message with meter values says; what is old or makes no sense is counted.

    Gives back the transaction that a live one names and that we do not hold; None: there is no such.
    """
    now = exchange.received()
    # It may have waited in the backlog.
    received = Received(at=now.at - timedelta(seconds=now.s - told.received_s), s=told.received_s)
    values, reference = _values(told, station)
    found = readings_and_oddities(values, outlet.wired.meter, outlet.before)
    for oddity, times in found.oddities.items():
        station.counts.add(f"meter values: {oddity}", times)
    if not found.readings:
        return None
    observe_clock(exchange, station, (found.readings[-1].sampled_at - received.at).total_seconds(), received)
    is_live = False
    for reading in found.readings:
        is_live = _emit(exchange, station, outlet, reading, received)
    if is_live and reference is not None and outlet.transaction is None and reference != outlet.last_reference:
        return Running(reference, found.readings[-1].sampled_at)
    return None


def observe_clock(exchange: Exchange, station: Station, offset_s: float, received: Received) -> None:
    """A message was stamped so far ahead of its arrival; tell what that says of the clock, where it is news."""
    station.clock.observe(offset_s, received.s)
    ahead_s = station.clock.news_s()
    if ahead_s is not None:
        read = ClockRead(charge_point=station.id, ahead_s=ahead_s, at=received.at, read_s=received.s)
        exchange.inbox(station.depot_id, read)


def _values(told: Told, station: Station) -> tuple[list[Any], str | None]:
    """The `meterValue`, and the transaction that it is of by a number of ours (1.6)."""
    if told.values is not None:
        return told.values, told.reference
    try:
        frame = orjson.loads(told.raw or b"")
    except orjson.JSONDecodeError:
        station.counts.add("frame: not JSON")
        return [], None
    payload = mapping(frame[3]) if isinstance(frame, list) and len(frame) > 3 else {}
    reference = number(payload.get("transactionId"))
    return sequence(payload.get("meterValue")), str(reference) if reference is not None and reference > 0 else None


def _emit(exchange: Exchange, station: Station, outlet: Outlet, reading: Reading, received: Received) -> bool:
    sampled_at = reading.sampled_at - timedelta(seconds=station.clock.correction_s)
    age_s = max(0.0, (received.at - sampled_at).total_seconds())
    if not outlet.newest.admit(sampled_at.timestamp(), age_s, received.s, station.counts):
        return False
    outlet.before = reading
    measured = Measured(
        connector=outlet.wired.connector,
        sampled_at=sampled_at,
        received_s=received.s,
        age_s=age_s,
        doubt_s=station.clock.doubt_s(received.s),
        draw=reading.draw,
        power_w=reading.power_w,
        phases_ma=reading.phases_ma,
        energy_wh=reading.energy_wh,
        soc=reading.soc,
    )
    exchange.inbox(station.depot_id, measured)
    return True
