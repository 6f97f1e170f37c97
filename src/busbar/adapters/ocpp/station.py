"""What is known of one charge point while it is served, connected or not."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from busbar.adapters.ocpp.capabilities import Capabilities, Terms, terms
from busbar.adapters.ocpp.clocks import Newest, StationClock
from busbar.adapters.ocpp.counts import Counts
from busbar.adapters.ocpp.in_order import InOrder
from busbar.adapters.ocpp.meter_values import Reading
from busbar.adapters.ocpp.quirks import NO_QUIRK, Quirk
from busbar.adapters.ocpp.wiring import Wired
from busbar.engine.events import ChargePointFacts, ConnectorState
from busbar.engine.ports import OpenTransaction

_MOST_NAMED = 16


class Received(NamedTuple):
    """When a message came."""

    at: datetime
    """Aware UTC."""
    s: float
    """By the monotonic clock."""


class Outlet:
    """One connector: its transaction, its state, and what its meter said last."""

    __slots__ = (
        "asked_start_s",
        "before",
        "is_done",
        "is_parked",
        "last_reference",
        "newest",
        "state",
        "transaction",
        "wired",
    )

    def __init__(self, wired: Wired) -> None:
        self.wired = wired
        self.transaction: OpenTransaction | None = None
        self.last_reference: str | None = None
        """Of the transaction that ended last: what comes of it later is old."""
        self.state: ConnectorState | None = None
        self.is_parked = False
        """Its transaction was ended in place of a setpoint of zero, and its vehicle waits to go on."""
        self.is_done = False
        """Its vehicle's charging ended for good: it is not started from here until it was unplugged."""
        self.asked_start_s: float | None = None
        """When its charging was last started from here."""
        self.before: Reading | None = None
        self.newest = Newest()


class Station:
    """One charge point: identity, connectors, abilities and oddities. Survives its connections."""

    __slots__ = (
        "capabilities",
        "clock",
        "counts",
        "depot_id",
        "facts",
        "id",
        "id_tag",
        "is_ac",
        "is_asked",
        "is_loaded",
        "is_whole",
        "keeping",
        "kept_facts",
        "may_hold_each",
        "may_hold_whole",
        "outlets",
        "quirk",
        "refused_until_s",
        "stack_level",
        "transaction_ids",
        "was_whole",
        "whole_fallback",
    )

    def __init__(self, *, depot_id: str, charge_point: str, wired: Iterable[Wired]) -> None:
        self.depot_id = depot_id
        self.id = charge_point
        self.counts = Counts()
        self.clock = StationClock()
        self.quirk: Quirk = NO_QUIRK
        self.facts: ChargePointFacts | None = None
        self.kept_facts: ChargePointFacts | None = None
        """As the records have them."""
        self.capabilities: Capabilities | None = None
        """What it said in this process; None: nothing yet."""
        self.is_asked = False
        """It was asked what it can do, since it booted."""
        self.stack_level: int | None = None
        """The one that it took its fallbacks at; None: it has not taken any."""
        self.whole_fallback: int | None = None
        """Its fallback as a whole; None: one limit for all of its connectors means nothing."""
        self.is_whole = False
        """On this connection it is told one limit for all of its connectors."""
        self.was_whole = False
        """When it was greeted it may have held a limit for all of its connectors."""
        self.may_hold_whole: bool | None = None
        """It may hold such limits; None: nobody knows, since this process has told it nothing."""
        self.may_hold_each = True
        """It may hold limits for its connectors."""
        self.is_loaded = False
        """What was kept of it is known."""
        self.refused_until_s = float("-inf")
        self.id_tag: str | None = None
        """The last tag that was shown."""
        self.transaction_ids: dict[str, int] = {}
        """Of the last few transactions, by their own names: an end may come late."""
        self.keeping = InOrder()
        """What of it is being kept, or waits for that."""
        self.outlets: dict[int, Outlet] = {}
        self.is_ac = True
        self.rewire(wired)

    def rewire(self, wired: Iterable[Wired]) -> list[Outlet]:
        """Take the connectors that the depot has now; gives back those that are new or have another fallback."""
        known = {outlet.wired.connector: outlet for outlet in self.outlets.values()}
        changed: list[Outlet] = []
        self.outlets = {}
        for one in wired:
            outlet = known.get(one.connector)
            if outlet is None:
                outlet = Outlet(one)
                changed.append(outlet)
            elif outlet.wired.fallback != one.fallback or outlet.wired.evse != one.evse:
                changed.append(outlet)
            outlet.wired = one
            self.outlets[one.evse] = outlet
            self.is_ac = one.is_ac
        return changed

    def outlet_of(self, connector: str) -> Outlet | None:
        """By the name it has everywhere: `CP1/1`."""
        return next((outlet for outlet in self.outlets.values() if outlet.wired.connector == connector), None)

    def outlet_with(self, reference: str) -> Outlet | None:
        """The one where that transaction runs."""
        for outlet in self.outlets.values():
            if outlet.transaction is not None and outlet.transaction.reference == reference:
                return outlet
        return None

    @property
    def wired(self) -> Wired:
        """Any connector; where the unit may be limited as a whole they are alike."""
        return next(iter(self.outlets.values())).wired

    def terms(self) -> Terms:
        """How it wants to be told."""
        return terms(self.capabilities or Capabilities(), self.quirk, is_ac=self.is_ac)

    def name_transaction(self, transaction: OpenTransaction) -> None:
        """Remember the id of a transaction for its end."""
        self.transaction_ids[transaction.reference] = transaction.id
        while len(self.transaction_ids) > _MOST_NAMED:
            self.transaction_ids.pop(next(iter(self.transaction_ids)))
