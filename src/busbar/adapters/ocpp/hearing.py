"""What charge points say becomes events and records, the same for all versions of OCPP."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from busbar.adapters.ocpp.calls import Fate, Outcome
from busbar.adapters.ocpp.clocks import REPLAY_S
from busbar.adapters.ocpp.delivery import BUSBAR_TAG
from busbar.adapters.ocpp.exchange import Exchange
from busbar.adapters.ocpp.frames import Asked
from busbar.adapters.ocpp.measuring import observe_clock
from busbar.adapters.ocpp.messages import Begin, Boot, Charging, End, Heard, Report, Samples, Status, Tag
from busbar.adapters.ocpp.session import Session
from busbar.adapters.ocpp.station import Outlet, Received, Station
from busbar.core.errors import BusbarError
from busbar.engine.events import ConnectorState, StateChanged, VehicleArrived
from busbar.engine.ports import OpenTransaction

START_AGAIN_S = 60.0
"""How long a vehicle that was started from here and did not begin is left, before it is started again."""

_GOES_ON = frozenset(("PowerLoss", "Reboot", "HardReset", "SoftReset", "ImmediateReset", "ResetCommand"))
"""Reasons why a transaction ended that have nothing to do with the vehicle."""
OnBoot = Callable[[Session, Boot], None]


class Hearing:
    """Acts on what was heard."""

    def __init__(self, exchange: Exchange, on_boot: OnBoot) -> None:
        self._exchange = exchange
        self._on_boot = on_boot

    def hear(self, session: Session, heard: Heard, asked: Asked, received: Received) -> None:
        """Answer one message and act on it; what has to be kept is kept first."""
        station = session.station
        keeps = any(_is_kept(report, station) for report in heard.reports)
        if keeps or (station.keeping.is_busy and heard.reports):
            if not station.keeping.put(self._kept(session, heard, asked, received)):
                station.counts.add("refused: too much to keep at once")
                session.refuse(asked.id, "GenericError", "Too much at once; say it again later.")
            return
        session.answer(asked.id, heard.answer)
        for report in heard.reports:
            self._act(session, report, received)

    def _kept(self, session: Session, heard: Heard, asked: Asked, received: Received) -> Callable[[], Awaitable[None]]:
        async def keep() -> None:
            transaction: OpenTransaction | None = None
            try:
                for report in heard.reports:
                    if isinstance(report, Begin):
                        transaction = await self._begin(session, report, received)
                    elif isinstance(report, End):
                        await self._end(session, report, received)
                    else:
                        self._act(session, report, received)
            except BusbarError as error:
                session.station.counts.add("could not be kept")
                self._exchange.log.error("a transaction could not be kept", **session.names, reason=str(error))
                # A charge point says it again after an error, which it does not after an answer.
                session.refuse(asked.id, "InternalError", "This could not be kept; say it again.")
                return
            except Exception:
                session.station.counts.add("internal error")
                self._exchange.log.exception("a message could not be handled", **session.names, action=asked.action)
                session.refuse(asked.id, "InternalError", "This could not be handled.")
                return
            session.answer(asked.id, _named(heard, transaction))

        return keep

    def _act(self, session: Session, report: Report, received: Received) -> None:
        """Act on what needs no keeping."""
        station = session.station
        match report:
            case Boot():
                self._on_boot(session, report)
            case Status():
                self._status(session, report, received)
            case Charging(reference=reference, state=state, at=at):
                outlet = station.outlet_with(reference)
                if outlet is not None:
                    self._observe(station, at, received)
                    self._change(station, outlet, state, at or received.at, "")
            case Samples(evse=evse, reference=reference, values=values):
                self._samples(session, evse, reference, values, received)
            case Tag(id_tag=id_tag):
                station.id_tag = id_tag
            case Begin(at=at):
                # One that is known and goes on.
                self._observe(station, at, received)

    # States

    def _status(self, session: Session, status: Status, received: Received) -> None:
        station = session.station
        self._observe(station, status.at, received)
        outlet = station.outlets.get(status.evse)
        if outlet is None:
            station.counts.add("status of a connector that is not in the depot")
            return
        at = status.at or received.at
        if status.state is ConnectorState.FREE:
            self._free(session, outlet, at)
        elif (
            status.state is ConnectorState.OCCUPIED
            and session.version.has_charging_states
            and outlet.transaction is not None
        ):
            # 2.0.1 says here that a cable is plugged in; how it charges, the transaction says better.
            return
        self._change(station, outlet, status.state, at, status.detail)
        self.start_if_needed(session, outlet, received)

    def _free(self, session: Session, outlet: Outlet, at: datetime) -> None:
        """Nobody is plugged in: a transaction that we hold there ended, and its end was lost."""
        outlet.asked_start_s = None
        outlet.is_done = False
        transaction = outlet.transaction
        if transaction is None:
            if outlet.is_parked:
                session.leave(outlet, at)
            return
        if at < transaction.started_at:
            session.station.counts.add("status from before the transaction")
            return
        outlet.is_parked = False
        self._close(session, outlet, at)
        station, records = session.station, self._exchange.records

        async def keep() -> None:
            ended = records.end_transaction(station.depot_id, transaction.id, at=at, reason="its end was lost")
            try:
                await self._exchange.in_time(ended)
            except BusbarError as error:
                station.counts.add("could not be kept")
                self._exchange.log.error("an end could not be kept", **session.names, reason=str(error))

        station.counts.add("transaction whose end was lost")
        if not station.keeping.put(keep):
            station.counts.add("could not be kept")

    def _change(self, station: Station, outlet: Outlet, state: ConnectorState, at: datetime, detail: str) -> None:
        if outlet.state is state and not detail:
            return
        outlet.state = state
        changed = StateChanged(connector=outlet.wired.connector, state=state, at=at, detail=detail)
        self._exchange.inbox(station.depot_id, changed)

    def start_if_needed(self, session: Session, outlet: Outlet, received: Received) -> None:
        """Begin charging on a unit that never does by itself."""
        station = session.station
        is_wanted = (
            station.quirk.remote_start
            and session.is_ready
            and outlet.state is ConnectorState.OCCUPIED
            and outlet.transaction is None
            and not outlet.is_parked
            and not outlet.is_done
        )
        is_asked = outlet.asked_start_s is not None and received.s - outlet.asked_start_s < START_AGAIN_S
        if not is_wanted or is_asked:
            return
        outlet.asked_start_s = received.s
        tag = station.id_tag or BUSBAR_TAG
        call = session.version.start(outlet.wired.evse, tag, self._exchange.next_number(), None)

        def count(outcome: Outcome) -> None:
            said = str(outcome.payload.get("status")) if outcome.fate is Fate.ANSWERED else outcome.words
            if said.lower() != "accepted":
                station.counts.add("remote start not accepted")

        session.say(call, count)

    # Transactions

    async def _begin(self, session: Session, begin: Begin, received: Received) -> OpenTransaction | None:
        station, counts = session.station, session.station.counts
        self._observe(station, begin.at, received)
        outlet = station.outlets.get(begin.evse) if begin.evse is not None else None
        if outlet is None and begin.reference is not None:
            outlet = station.outlet_with(begin.reference)
        if outlet is None:
            counts.add("transaction on a connector that is not in the depot")
            return None
        if begin.reference is not None and begin.is_found and not self._is_news(station, outlet, begin, received):
            return None
        started_at = begin.at or received.at
        kept: OpenTransaction = await self._exchange.in_time(
            self._exchange.records.begin_transaction(
                station.depot_id,
                charge_point=station.id,
                connector=outlet.wired.connector,
                reference=begin.reference,
                id_tag=begin.id_tag,
                vehicle=begin.vehicle,
                started_at=started_at,
                meter_start_wh=begin.meter_start_wh,
            )
        )
        station.name_transaction(kept)
        before = outlet.transaction
        if before is not None and before.id == kept.id:
            return kept
        if before is not None and before.started_at > kept.started_at:
            # It was kept back while offline; another one runs by now.
            counts.add("transaction reported late")
            return kept
        self._open(session, outlet, kept)
        return kept

    def find(self, session: Session, outlet: Outlet, reference: str, at: datetime, received: Received) -> None:
        """Meter values name a transaction that we do not hold: it began before our time, and runs."""
        if outlet.state is ConnectorState.FREE or session.station.keeping.is_busy:
            return
        found = Begin(evse=outlet.wired.evse, reference=reference, at=at, is_found=True)

        async def keep() -> None:
            try:
                await self._begin(session, found, received)
            except BusbarError as error:
                session.station.counts.add("could not be kept")
                self._exchange.log.error("a transaction could not be kept", **session.names, reason=str(error))

        session.station.keeping.put(keep)

    def _is_news(self, station: Station, outlet: Outlet, begin: Begin, received: Received) -> bool:
        """Whether a transaction that is said to go on runs now, or is one that ended long ago and is told late."""
        if outlet.transaction is not None and outlet.transaction.reference == begin.reference:
            return False
        age_s = 0.0
        if begin.at is not None:
            age_s = (received.at - begin.at).total_seconds() + station.clock.correction_s
        if outlet.last_reference == begin.reference or age_s > REPLAY_S:
            station.counts.add("replayed transaction")
            return False
        station.counts.add("transaction found running")
        return True

    def _open(self, session: Session, outlet: Outlet, transaction: OpenTransaction) -> None:
        goes_on = outlet.is_parked
        if outlet.transaction is not None:
            session.leave(outlet, transaction.started_at)
            goes_on = False
        outlet.transaction = transaction
        outlet.is_parked = False
        if not goes_on:
            arrive(self._exchange, session.station, outlet)

    async def _end(self, session: Session, end: End, received: Received) -> None:
        station = session.station
        self._observe(station, end.at, received)
        at = end.at or received.at
        outlet = station.outlet_with(end.reference)
        number = station.transaction_ids.get(end.reference)
        if outlet is not None and outlet.transaction is not None:
            number = outlet.transaction.id
            outlet.is_done = end.reason not in _GOES_ON
            self._close(session, outlet, max(at, outlet.transaction.started_at))
        elif number is None and session.version.numbers_transactions:
            number = int(end.reference)
        if number is None:
            station.counts.add("end of an unknown transaction")
            return
        records = self._exchange.records
        await self._exchange.in_time(records.end_transaction(station.depot_id, number, at=at, reason=end.reason[:100]))

    def _close(self, session: Session, outlet: Outlet, at: datetime) -> None:
        transaction = outlet.transaction
        assert transaction is not None
        session.station.name_transaction(transaction)
        outlet.last_reference = transaction.reference
        outlet.transaction = None
        # Parked: we ended it in place of a setpoint of zero, and the vehicle is still there.
        if not outlet.is_parked:
            session.leave(outlet, at)

    # Meter values

    def _samples(
        self, session: Session, evse: int | None, reference: str | None, values: list[Any], received: Received
    ) -> None:
        station = session.station
        outlet = station.outlets.get(evse) if evse is not None else None
        if outlet is None and reference is not None:
            outlet = station.outlet_with(reference)
        if outlet is None:
            station.counts.add("meter values of a connector that is not in the depot")
            return
        session.put_samples(outlet, values, reference, received)

    def _observe(self, station: Station, at: datetime | None, received: Received) -> None:
        if at is not None:
            observe_clock(self._exchange, station, (at - received.at).total_seconds(), received)


def arrive(exchange: Exchange, station: Station, outlet: Outlet) -> None:
    """Tell that a vehicle may charge on a connector, or was found there."""
    transaction = outlet.transaction
    assert transaction is not None
    arrived = VehicleArrived(
        connector=outlet.wired.connector,
        at=transaction.started_at,
        id_tag=transaction.id_tag,
        vehicle=transaction.vehicle,
    )
    exchange.inbox(station.depot_id, arrived)


def found_again(exchange: Exchange, station: Station, outlets: Iterable[Outlet]) -> None:
    """Tell of the vehicles that were there before."""
    for outlet in outlets:
        if outlet.transaction is not None:
            arrive(exchange, station, outlet)


def _is_kept(report: Report, station: Station) -> bool:
    """Whether it has to be kept before it is answered."""
    match report:
        case End():
            return True
        case Begin(reference=reference):
            return reference is None or station.outlet_with(reference) is None
    return False


def _named(heard: Heard, transaction: OpenTransaction | None) -> dict[str, Any]:
    """The answer to a 1.6 StartTransaction has the transaction's id in it."""
    if not heard.names_transaction:
        return dict(heard.answer)
    if transaction is None:
        return {"transactionId": 0, "idTagInfo": {"status": "Invalid"}}
    return {"transactionId": int(transaction.reference), **heard.answer}
