"""A trial in the depot of a scenario: its vehicles and base load, for hours, and everything that goes wrong drawn."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.projection import Projection, project
from busbar.core.rows import TOTAL
from busbar.core.units import Amount
from busbar.simulator.base_load import BaseLoads
from busbar.simulator.fault import FaultEvent
from busbar.simulator.physics import NO_LIMIT, Ints, limit_rows, whole_flow
from busbar.simulator.scenario import CapacityEvent, Scenario
from busbar.simulator.trials.drawn import CALM_BEGIN_S, CALM_END_S
from busbar.simulator.trials.drawn_depot import DrawnDepot
from busbar.simulator.trials.drawn_faults import faults_between, in_order
from busbar.simulator.trials.stretched import stretched

STRETCH_S = 1_800
"""Faults are drawn for half an hour at a time, and each ends as calmly as a small trial does."""
PER_CONNECTOR_HOUR = 0.5
FEWEST_PER_HOUR, MOST_PER_HOUR = 20, 60
LONGEST_CYCLE_S = 15
"""A scenario whose cycles are longer is played with this: what is promised in seconds is promised up to there."""
_LOOKED_EVERY_S = 300
"""So often base load is looked at to know the most that there is."""
_SPARE = 0.95
"""Of what base load may still rise by: a low voltage makes more amperes of the same power."""
_POWER_FACTOR = 0.9
"""Of base load given in kW."""
_TOLERATED = 0.01
"""Of a limit: a breach is more than that."""
_SLACK_W = 2_000
SHORTEST_S = 900
"""Nothing is drawn in what is left of the last half hour where it is shorter."""


def drawn_upon(scenario: Scenario, *, seed: int, duration_s: int | None = None) -> Scenario:
    """The scenario for so long (its own length: None), and with faults drawn from a seed upon it.

    What the scenario itself says happens too. The same scenario and seed give the same, whatever the process.
    """
    long = stretched(scenario, seed=seed, duration_s=duration_s or scenario.duration_s)
    depot = replace(long.depot, strategy=long.strategy, fair_in=long.fair_in)
    long = replace(long, depot=depot, cycle_s=min(long.cycle_s, LONGEST_CYCLE_S))
    faults = _faults(long, seed)
    hours = f"{long.duration_s / 3600:g}"
    return replace(
        long,
        id=f"{scenario.id}_{hours}h_{seed}",
        name=f"{scenario.name}: {hours} h of trial {seed}",
        story=f"{hours} hours in which {len(faults)} things go wrong that are drawn. {scenario.story}",
        faults=in_order((*long.faults, *faults)),
    )


def _faults(scenario: Scenario, seed: int) -> list[FaultEvent]:
    connectors = sum(len(unit.connectors) for unit in scenario.depot.charge_points)
    per_hour = min(MOST_PER_HOUR, max(FEWEST_PER_HOUR, PER_CONNECTOR_HOUR * connectors))
    projection = project(scenario.depot).connectors
    drawn, parts = what_may_happen(scenario, projection), parts_of(projection)
    found: list[FaultEvent] = []
    stretches = -(-scenario.duration_s // STRETCH_S)
    for number in range(stretches):
        begin_s = number * STRETCH_S
        end_s = min(begin_s + STRETCH_S, scenario.duration_s)
        if end_s - begin_s < SHORTEST_S:
            continue
        from_s, until_s = begin_s + CALM_BEGIN_S, end_s - CALM_END_S
        random = Random(f"{seed}/upon/{number}")
        share = (until_s - from_s) / (STRETCH_S - CALM_BEGIN_S - CALM_END_S)
        wanted = round(share * per_hour * STRETCH_S / 3600 * random.uniform(0.8, 1.2))
        found += faults_between(
            random,
            drawn,
            # Half hours and seeds that follow each other aim at pairs that have nothing in common.
            seed=seed * stretches + number,
            wanted=wanted,
            from_s=from_s,
            until_s=until_s,
            lease_s=scenario.lease_s,
            known=scenario.faults,
            parts=parts,
        )
    return found


def parts_of(projection: Projection) -> Mapping[str, frozenset[str]]:
    """Node -> the charge points that are concerned where it is struck: those of a circuit, or on a unit's circuit."""
    below: dict[str, set[str]] = {}
    for unit in projection.depot.charge_points:
        for node in projection.path(projection.node_index[unit.id]):
            below.setdefault(projection.node_ids[node], set()).add(unit.id)
    found = {node: frozenset(units) for node, units in below.items()}
    return found | {unit.id: found[unit.circuit] for unit in projection.depot.charge_points}


def what_may_happen(scenario: Scenario, projection: Projection) -> DrawnDepot:
    """What base load may still rise by, and limits be cut to, with everybody's promises kept: seen or unseen, the base
    load below a circuit is within its default less its safe capacity."""
    base = _most_base(scenario, projection)
    left_w: dict[str, int] = {}
    lowest: dict[str, float] = {}
    meters: list[str] = []
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        circuit = projection.subjects[node]
        if not isinstance(circuit, Circuit):
            continue
        edited = [event.limit for event in _edits(scenario, circuit)]
        default = np.min(
            [_rows(projection, node, amount) for amount in (circuit.default_operating_capacity, *edited)], axis=0
        )
        safe = _rows(projection, node, circuit.safe_operating_capacity)
        slack = _in_rows(_SLACK_W, projection)
        bounded = default != NO_LIMIT
        assumed = np.where(safe == NO_LIMIT, 0, safe)
        share = (assumed + base[inner] + slack)[bounded] / default[bounded]
        # Where the scenario edits a capacity nobody else does: one would undo the other's.
        lowest[circuit.id] = 1.0 if edited else min(1.0, float(share.max(initial=0.0)))
        if not circuit.meter:
            continue
        left = (default - assumed - base[inner])[bounded]
        per_w = _in_rows(1, projection)[bounded]
        left_w[circuit.id] = int(_SPARE * float((left / per_w).min(initial=np.inf)))
        if (left >= -_TOLERATED * default[bounded]).all():
            meters.append(circuit.id)
    return DrawnDepot(
        depot=scenario.depot,
        base_w={name: most for name in left_w if (most := _least_above(projection, name, left_w)) >= _SLACK_W},
        lowest_share=lowest,
        meters=tuple(meters),
    )


def _edits(scenario: Scenario, circuit: Circuit) -> list[CapacityEvent]:
    return [event for event in scenario.events if isinstance(event, CapacityEvent) and event.node == circuit.id]


def _least_above(projection: Projection, name: str, left_w: Mapping[str, int]) -> int:
    """What the base load of a circuit may rise by for itself and everything above it; none where nobody sees that."""
    found = left_w[name]
    for node in projection.path(projection.node_index[name]):
        if isinstance(projection.subjects[node], Circuit):
            found = min(found, left_w.get(projection.node_ids[node], 0))
    return found


def _most_base(scenario: Scenario, projection: Projection) -> Ints:
    """[M, 4] the most base load that there will be."""
    most = 1 + max((load.noise for load in scenario.loads), default=0.0)
    quiet = replace(scenario, loads=tuple(replace(load, noise=0.0) for load in scenario.loads))
    loads = BaseLoads(quiet, projection, scenario.seed)
    found = np.zeros((len(projection.frame.nodes), 4), dtype=np.int64)
    for at_s in range(0, scenario.duration_s, _LOOKED_EVERY_S):
        rows = whole_flow(loads.at(at_s).flow)
        found = np.maximum(found, np.where(rows[:, TOTAL:] > 0, rows, 0))
    return np.asarray(found * most, dtype=np.int64)


def _rows(projection: Projection, node: int, amount: Amount | None) -> Ints:
    if amount is None:
        return np.full(4, NO_LIMIT, dtype=np.int64)
    given = limit_rows(
        amount, projection.depot, nominal_v=int(projection.voltage_v[node]), phases=projection.phases[node]
    )
    return np.array(given, dtype=np.int64)


def _in_rows(power_w: int, projection: Projection) -> "np.typing.NDArray[np.float64]":
    """Balanced power on the four rows."""
    found = np.full(4, 1000 * power_w / (3**0.5 * projection.depot.voltage_v * _POWER_FACTOR))
    found[TOTAL] = power_w
    return found
