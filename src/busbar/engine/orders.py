"""Orders to charge points, and what becomes of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OrderKind(StrEnum):
    """What a charge point is told to do."""

    SET = "set"
    """Hold a setpoint until its lease ends, then the fallback."""
    CLEAR_AND_SET = "clear_and_set"
    """The same, after clearing what was set before: for units that took a setpoint and did not obey."""
    STOP = "stop"
    """End the vehicle's charging for good."""


class Answer(StrEnum):
    """How an order ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The charge point said no, in whatever words: nothing of it took effect."""
    NO_ANSWER = "no_answer"
    """It may or may not have arrived; it may yet take effect."""
    NOT_SENT = "not_sent"
    """Not a byte of it left: it cannot take effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One order for one connector. Values in mA per phase (AC) or W at the vehicle (DC)."""

    id: str
    """Never used twice, across restarts either."""
    depot_id: str
    charge_point: str
    connector: str
    """As everywhere: `CP1/1`."""
    kind: OrderKind
    limit: int
    """The setpoint; 0 or at least the connector's minimum."""
    fallback: int
    """What holds when the lease has ended."""
    ends_at: datetime
    """When the lease ends (aware UTC). Stamped when the order was made, so that waiting does not stretch it."""
    whole: int | None = None
    """One limit for all connectors of the charge point, which is what is sent then; None: the connector's own is."""
