"""A breach as it is kept and shown: measured flow over a limit for longer than the tolerance (design section 7)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class BreachCause(StrEnum):
    """Why more flows than may, as far as the evidence tells."""

    CHARGE_POINT_DISOBEYS = "charge_point_disobeys"
    """Charge points below draw more than they may."""
    BASE_LOAD = "base_load"
    """What Busbar does not control is above the limit by itself, or rose faster than charge points could give way."""
    LIMIT_LOWERED = "limit_lowered"
    """The limit fell below what flowed, and it was not made good in time."""
    UNACCOUNTED_LOAD = "unaccounted_load"
    """No meter below accounts for what flows."""
    COMMANDED = "commanded"
    """Charge points draw what we told them: our own fault. Critical; freezes raises below the node."""


class BreachChange(StrEnum):
    """What happened to a breach."""

    OPENED = "opened"
    UPDATED = "updated"
    """Its peak, its cause or its links changed."""
    CLOSED = "closed"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One moment of a breach's chart."""

    at: datetime
    flow: int | None
    """mA referred (L1, L2, L3) or W (total); None: not known."""
    limit: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BreachRecord:
    """One breach of one node and row. Values in mA referred to the depot's voltage (L1, L2, L3) or W (total)."""

    id: str
    """Stays for good, across restarts too."""
    node: str
    row: str
    """L1, L2, L3 or total."""
    started_at: datetime
    """When the flow went over (aware UTC)."""
    opened_at: datetime
    """When it had been over for longer than the tolerance."""
    ended_at: datetime | None = None
    """The start of the time at or below the limit that closed it; None: open."""
    limit: int
    """In force when it opened."""
    limit_name: str
    """Which limit that was, as `bound_by.limit` names them."""
    peak: int
    """The most that flowed."""
    peak_at: datetime
    energy_over_wh: int
    """What flowed above the limit; on a line, at its nominal voltage to neutral."""
    cause: BreachCause
    sentence: str
    """The cause in words, with its figures."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """What the cause was decided from; `charge_points`: those that draw more than they may."""
    parent: str | None = None
    """The id of the breach at the nearest node above that was open at the same time; None: there was none."""
    series: tuple[Sample, ...] = ()
    """The moments before and after, oldest first; bounded."""
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.ended_at is None

    @property
    def is_critical(self) -> bool:
        """Our own fault, which must never be."""
        return self.cause is BreachCause.COMMANDED
