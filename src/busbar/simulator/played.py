"""A played scenario: every series of the night, as arrays. T cycles, M inner nodes, n leaves, V vehicles."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from busbar.core.projection import Projection
from busbar.simulator.scenario import Scenario, Vehicle

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Shorts = npt.NDArray[np.int16]

ROWS = ("L1", "L2", "L3", "total")
NOT_HELD = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """One limit that held vehicles back."""

    node: str
    limit: str
    """As in `bound_by`: default_operating_capacity, safe_operating_capacity, envelope, max_rating, ..."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Excess:
    """A moment at which more flowed than a limit allows."""

    at_s: int
    node: str
    row: str
    flow: int
    """mA (referred) or W."""
    limit: int
    by_base_load: bool
    """Base load alone was above it: nothing Busbar does could have helped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outing:
    """How one vehicle fared."""

    vehicle: Vehicle
    connector: str | None
    """Where it charged; None: it found no free connector."""
    plugged_s: int | None
    left_soc: float
    """On departure, or at the end of the scenario."""
    needed_wh: int
    """From arrival to its target."""
    delivered_wh: int
    """Into its battery, what goes beyond the target included."""
    ready_s: int | None
    """When it had what it needed; None: never."""
    held_s: int
    """How long some limit above its connector kept it below its request."""

    @property
    def is_ready(self) -> bool:
        """Whether it left, or stands at the end, with what it needs."""
        return self.ready_s is not None

    @property
    def short_wh(self) -> int:
        """What it lacked."""
        return 0 if self.is_ready else max(0, self.needed_wh - self.delivered_wh)

    @property
    def satisfied(self) -> float:
        """What it got of what it needed, from 0 to 1."""
        return 1.0 if self.is_ready or not self.needed_wh else min(1.0, self.delivered_wh / self.needed_wh)


@dataclass(frozen=True, kw_only=True)
class Played:
    """One night."""

    scenario: Scenario
    seed: int
    projection: Projection
    at_s: Ints
    """[T] when each cycle was."""
    charging: Ints
    """[T, M, 4] what charge points drew: mA on L1, L2, L3 (referred) and W."""
    base: Ints
    """[T, M, 4] what flowed besides."""
    flow: Ints
    """[T, M, 4] both; lines added as phasors."""
    limit: Ints
    """[T, M, 4] what may flow; `physics.NO_LIMIT` where a row is not limited."""
    safe: Bools
    """[T, M] the node was in mode SAFE."""
    setpoint: Ints
    """[T, n] in force, mA per phase or W at the vehicle."""
    drawn: Ints
    """[T, n] really drawn, in the same unit."""
    soc: Floats
    """[T, V] NaN where the vehicle is not plugged in."""
    power_w: Ints
    """[T, V] into its battery."""
    held: Shorts
    """[T, V] index into `constraints` of what held it back; NOT_HELD."""
    constraints: tuple[Constraint, ...]
    excesses: tuple[Excess, ...]
    outings: tuple[Outing, ...]
    supplied_wh: int
    """What all charge points drew from the grid."""
    outcomes: Mapping[str, int]
    """How many cycles ended how."""
    violations: tuple[str, ...]
    """What audits found."""

    @property
    def cycle_s(self) -> int:
        """Seconds between cycles."""
        return self.scenario.cycle_s
