"""A played scenario as what was recorded of a run, so that expectations over time can be judged on it.

In it orders arrive at once and nobody looks for breaches: what is about those is left to an acceptance run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from busbar.core.projection import NodeKind, Projection
from busbar.core.snapshot import Mode
from busbar.engine.breach_record import BreachRecord
from busbar.simulator.expectation import BreachOf, FlowAtMost, Holds, InState, NoBreach, Reachable
from busbar.simulator.played import Floats, Ints, Played


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayedCycle:
    """One cycle of a played scenario."""

    at_s: float
    modes: Mapping[str, Mode]
    setpoint: Ints
    """[n] in force."""
    states: Mapping[str, str]
    """Nobody is shown any."""
    reachable: frozenset[str]
    """Nobody asks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayedTrail:
    """What `course.TrailLike` asks for."""

    start: datetime
    projection: Projection
    at_s: Ints
    flow: Ints
    limit: Ints
    draw: Ints
    soc: Mapping[str, Floats]
    cycles: Sequence[PlayedCycle]
    breaches: Sequence[BreachRecord]


def is_shown_by_playing(holds: Holds, projection: Projection) -> bool:
    """Flows, modes, batteries, and what connectors are given and draw; no states, connections, breaches.

    Nor what a charge point as a whole is given: it is played as its connectors.
    """
    if isinstance(holds.condition, InState | Reachable | NoBreach | BreachOf):
        return False
    node = projection.node_index.get(holds.subject or "")
    is_unit = node is not None and projection.kinds[node] is NodeKind.CHARGE_POINT
    return not is_unit or isinstance(holds.condition, FlowAtMost)


def trail_of(played: Played) -> PlayedTrail:
    """A played scenario, sample by sample and cycle by cycle, which are the same here."""
    names = [played.projection.node_ids[node] for node in played.projection.frame.nodes.tolist()]
    cycles = tuple(
        PlayedCycle(
            at_s=float(at_s),
            modes={name: Mode.SAFE for name, is_safe in zip(names, safe, strict=True) if is_safe},
            setpoint=setpoint,
            states={},
            reachable=frozenset(),
        )
        for at_s, safe, setpoint in zip(played.at_s.tolist(), played.safe.tolist(), played.setpoint, strict=True)
    )
    return PlayedTrail(
        start=played.scenario.start,
        projection=played.projection,
        at_s=played.at_s,
        flow=played.flow,
        limit=played.limit,
        draw=played.drawn,
        soc={outing.vehicle.id: played.soc[:, index] for index, outing in enumerate(played.outings)},
        cycles=cycles,
        breaches=(),
    )
