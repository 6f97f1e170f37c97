"""What a run of a scenario leaves behind: what really flowed, what Busbar said of it, and what it was to keep to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from busbar.core.projection import Projection
from busbar.core.snapshot import Mode
from busbar.engine.breach_record import BreachRecord
from busbar.simulator.scenario import Scenario

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleSeen:
    """One cycle as Busbar showed it."""

    at_s: float
    """Since the start of the scenario."""
    number: int
    outcome: str
    modes: Mapping[str, Mode]
    """By metered node."""
    states: Mapping[str, str]
    """By node, as the status shows them."""
    setpoint: Ints
    """[n]"""
    reachable: frozenset[str]
    """Charge points."""


@dataclass(frozen=True, kw_only=True)
class Trail:
    """One run. T looks, one a second; M inner nodes as in `projection.frame.nodes`; n connectors in leaf order."""

    scenario: Scenario
    seed: int
    start: datetime
    duration_s: int
    projection: Projection
    at_s: Ints
    """[T] since the start."""
    flow: Ints
    """[T, M, 4] mA on L1, L2, L3 and W, base load included, as it really was."""
    base: Ints
    """[T, M, 4] what Busbar does not control."""
    limit: Ints
    """[T, M, 4] in force then, by what was stored; NO_LIMIT (`physics`) where a row is open."""
    draw: Ints
    """[T, n] mA per phase, or W at the vehicle."""
    soc: Mapping[str, Floats]
    """Vehicle -> [T] state of charge, NaN while it is not there."""
    cycles: tuple[CycleSeen, ...]
    breaches: tuple[BreachRecord, ...]
    """As they are kept at the end."""
