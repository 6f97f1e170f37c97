"""What a depot's loop has counted, for metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a depot's loop has counted since the process began, for metrics."""

    cycles: int
    outcomes: Mapping[str, int]
    """Cycles by outcome."""
    overruns: int
    failures: int
    durations_s: Sequence[float]
    """Of the cycles since this was asked last, at most a thousand."""
    orders: Mapping[str, int]
    """Setpoints by what became of them: sent, acknowledged, refused, no_answer, unsaved."""
    connected: int
    """Charge points that can be told something now."""
    charge_points: int
    breaches: Mapping[str, int]
    """Breaches opened, by cause."""
