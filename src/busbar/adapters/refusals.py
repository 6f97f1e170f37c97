"""What every store refuses, in the same words."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from busbar.core.depot import STRATEGY_NAMES, Depot, FairIn, Leaves
from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.engine.access import Token, WriteRecord
from busbar.engine.breach_record import BreachRecord
from busbar.engine.ports import CommissioningRequest, Envelope

OPEN_STATES = ("asked", "running")
"""A commissioning request in one of these is not done."""
DONE_STATES = ("passed", "failed")

KEPT_LONGER = timedelta(days=275)
"""How much longer than the rest closed breaches and the audit log are kept: with the usual 90 days, a year."""
SAME_USE = timedelta(minutes=1)
"""Uses of a token that are closer than that are not told apart."""


def in_utc(when: datetime) -> datetime:
    """The same instant. Raises BusbarError for a time without a zone: nobody knows which instant that is."""
    if when.tzinfo is None:
        raise BusbarError(f"{when.isoformat()} has no time zone; times are stored aware.")
    try:
        return when.astimezone(UTC)
    except OverflowError as error:
        raise BusbarError(f"{when.isoformat()} is not between the years 1 and 9999 in UTC.") from error


def unknown_depot(depot_id: str) -> BusbarError:
    """Nothing is kept of a depot before it was imported."""
    return BusbarError(f"There is no depot {depot_id} in the store; import it first.")


def refuse_repeated(connectors: Iterable[str]) -> None:
    """Raises BusbarError for a connector that is there twice."""
    seen: set[str] = set()
    for connector in connectors:
        if connector in seen:
            raise BusbarError(f"Connector {connector} is there twice; nothing of it was kept.")
        seen.add(connector)


def refuse_nobody(by: str) -> None:
    """Raises BusbarError where an order has no name to it."""
    if not by.strip():
        raise BusbarError("An order is given by a named person; the name is empty.")


def refuse_second_request(before: CommissioningRequest | None) -> None:
    """Raises BusbarError where a charge point is being commissioned already."""
    if before is not None:
        raise BusbarError(f"{before.by} asked to commission {before.charge_point} already, and that is {before.state}.")


def refuse_request_change(before: CommissioningRequest | None, request_id: int, state: str) -> None:
    """Raises BusbarError for a request that is not there, for no state, and where it would open again."""
    if before is None:
        raise BusbarError(f"There is no commissioning request {request_id}.")
    if state not in (*OPEN_STATES, *DONE_STATES):
        raise BusbarError(f"{state!r} is no state of a commissioning request.")
    if before.state in DONE_STATES and state in OPEN_STATES:
        raise BusbarError(f"Commissioning request {request_id} has {before.state}; ask for another.")


def refuse_other_depot(write: WriteRecord | None, depot_id: str) -> None:
    """Raises BusbarError for an audit entry without a name, and one about another depot than what it stands with."""
    if write is None:
        return
    refuse_nobody(write.by)
    in_utc(write.at)
    if write.depot_id != depot_id:
        raise BusbarError(f"What was written to depot {depot_id} says that it is about depot {write.depot_id}.")


def refuse_envelope(envelope: Envelope) -> None:
    """Raises BusbarError for one that nobody gave, one without a clear time, and one that ends before it starts."""
    refuse_nobody(envelope.by)
    for when in (envelope.starts_at, envelope.at, envelope.ends_at):
        if when is not None:
            in_utc(when)
    if envelope.ends_at is not None and envelope.ends_at <= envelope.starts_at:
        raise BusbarError(
            f"The envelope on {envelope.node} ends at {envelope.ends_at.isoformat()}, which is not after its start, "
            f"{envelope.starts_at.isoformat()}. Let it end later, or give it no end."
        )


def refuse_repeated_breaches(breaches: Iterable[BreachRecord]) -> None:
    """Raises BusbarError for a breach that is there twice."""
    seen: set[str] = set()
    for breach in breaches:
        if breach.id in seen:
            raise BusbarError(f"Breach {breach.id} is there twice; nothing of it was kept.")
        seen.add(breach.id)


def refuse_token(name: str, depot_id: str | None, nodes: Sequence[str]) -> None:
    """Raises BusbarError for a token without a name, and for nodes of no depot."""
    if not name.strip():
        raise BusbarError("A token has a name; it stands in the audit log as who wrote.")
    if nodes and depot_id is None:
        raise BusbarError(f"{', '.join(nodes)}: nodes are granted of one depot; name it.")


def refuse_second_token(same: Iterable[Token], now: datetime) -> None:
    """Raises BusbarError where one of these, which have the same name, is in use."""
    for token in same:
        if token.is_good(now):
            raise BusbarError(
                f"There is a token named {token.name} already, number {token.id}; revoke it, or take another name."
            )


def with_settings(depot: Depot, *, strategy: str | None, leaves: str | None, fair_in: str | None) -> Depot:
    """The depot with what is given changed. Raises RefusedError, naming every value that there is not."""
    given = (
        ("strategy", strategy, STRATEGY_NAMES),
        ("leaves", leaves, tuple(one.value for one in Leaves)),
        ("fair_in", fair_in, tuple(one.value for one in FairIn)),
    )
    problems = tuple(
        Problem(
            path=f"depot.{name}",
            value=value,
            rule=f"There is no {name} of this name.",
            fix=f"Write one of {', '.join(known)}.",
        )
        for name, value, known in given
        if value is not None and value not in known
    )
    if problems:
        raise RefusedError(problems)
    return replace(
        depot,
        strategy=depot.strategy if strategy is None else strategy,
        leaves=depot.leaves if leaves is None else Leaves(leaves),
        fair_in=depot.fair_in if fair_in is None else FairIn(fair_in),
    )
