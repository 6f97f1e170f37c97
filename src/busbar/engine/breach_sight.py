"""What breaches are looked for in: everything that is known of one depot at one instant, in arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from busbar.core.snapshot import Bools, Floats, Ints
from busbar.engine.moment import Flows


@dataclass(frozen=True, kw_only=True, slots=True)
class BreachSight:
    """One look. [N, 4] are nodes of the projection by L1, L2, L3 (mA, referred) and total (W), [n] its leaves."""

    at: datetime
    """The wall clock's (aware UTC)."""
    now_s: float
    """The monotonic clock's."""
    flows: Flows
    limit: Floats
    """[N, 4] what may flow, base load included; NaN: not limited."""
    limit_name: Callable[[int, int], str]
    """Which limit that is at a node's index and a row (0 to 3), as `bound_by.limit` names them."""
    base_load: Floats
    """[N, 4]; NaN: not known."""
    drawn: Floats
    """[n] by the newest samples, in the leaf's unit; NaN: not known."""
    committed: Ints
    """[n] the most each may still draw."""
    told: Ints
    """[n] the most each may draw without disobeying, its fallback included."""
    disobeys: Bools
    """[n] whose `committed` counts what they draw against their orders: `told` is what they may draw."""
    taken_s: Floats | None = None
    """[N] when the newest sample in each flow was taken, by the monotonic clock; None: as long ago as the oldest."""
