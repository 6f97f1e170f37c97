"""The allocation: what each leaf is given, and what stopped it. Arrays in leaf order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from busbar.core.depot import FairIn, Leaves

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]


class Outcome(StrEnum):
    """How a balance ended."""

    APPLIED = "APPLIED"
    """Everybody gets the request, or all that connector and vehicle take."""
    CONSTRAINED = "CONSTRAINED"
    """Somebody gets less than the request because of a limit."""
    FAILED = "FAILED"
    """The audit found it wrong; it must not be sent."""


class Stop:
    """What kind of thing stopped a leaf (values of `Allocation.stopped_by`)."""

    NOTHING = 0
    """It wants nothing."""
    REQUEST = 1
    RATING = 2
    """Its connector's own maximum rating."""
    ROW = 3
    """A row of a node above it: `bound_node`, `bound_group`."""
    OUT_OF_SERVICE = 4
    """Its charge point is out of service, or out of reach."""


class Verdict:
    """How the admission went (values of `Allocation.verdict`)."""

    NOTHING_WANTED = 0
    ADMITTED = 1
    NO_ROOM = 2
    """Its minimum did not fit."""
    RESTART_GAP = 3
    """Its minimum fitted, but not the margin that starting again needs."""


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What each leaf is given, in mA per phase (AC) or W at the vehicle (DC)."""

    at: datetime
    strategy: str
    leaves: Leaves
    fair_in: FairIn
    outcome: Outcome
    setpoint: Ints
    """0, or at least the minimum and at most the request."""
    reserved: Ints
    """What the leaf counts for: the setpoint, its fallback or its commitment, whichever is larger."""
    verdict: Bytes
    stopped_by: Bytes
    bound_node: Indices
    """Index in the projection of the first node, going up, that refuses the next value; -1 where none does."""
    bound_group: Indices
    """Which of the projection's row groups refuses there; -1 where none does."""
    next_value: Ints
    """The next value the leaf would take (for RESTART_GAP: what it needs to start again); 0 where none."""
