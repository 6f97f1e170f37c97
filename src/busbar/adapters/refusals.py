"""What every store refuses, in the same words."""

from collections.abc import Iterable
from datetime import UTC, datetime

from busbar.core.errors import BusbarError
from busbar.engine.ports import CommissioningRequest

OPEN_STATES = ("asked", "running")
"""A commissioning request in one of these is not done."""
DONE_STATES = ("passed", "failed")


def in_utc(when: datetime) -> datetime:
    """The same instant. Raises BusbarError for a time without a zone: nobody knows which instant that is."""
    if when.tzinfo is None:
        raise BusbarError(f"{when.isoformat()} has no time zone; times are stored aware.")
    return when.astimezone(UTC)


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
