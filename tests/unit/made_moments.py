"""Moments of a depot as a cycle leaves it, made from a real depot file and made-up vehicles."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from busbar.adapters.files.depot_file import load_depot
from busbar.core.demand import Reason
from busbar.core.depot import Circuit, Leaves
from busbar.core.limits import load_rows
from busbar.core.metering import Condition
from busbar.core.projection import NodeKind, Projection, project
from busbar.core.snapshot import Floats, Ints, Mode, Session, Snapshot, on_charge_points, snapshot_from_sessions
from busbar.core.units import ActivePower, Amount
from busbar.engine.cycle import Cycle, run_cycle_to_connectors
from busbar.engine.events import ConnectorState
from busbar.engine.moment import Flows, Moment, Plugged

SCENARIOS = Path(__file__).parents[2] / "scenarios"
BASE_LOAD_W = 85_000
CAPACITY_WH = 420_000


@cache
def depot_projection(name: str = "wa_pta_depot") -> Projection:
    """A depot of `scenarios/`, laid out."""
    return project(load_depot(SCENARIOS / f"{name}.yaml"))


def made_sessions(projection: Projection, *, at: datetime, vehicles: int) -> list[Session]:
    """So many vehicles, spread evenly; the same ones every time."""
    n = len(projection.leaf_ids)
    vehicles = min(vehicles, n)
    leaves = sorted({number * n // vehicles for number in range(vehicles)}) if vehicles else []
    sessions = []
    for number, leaf in enumerate(leaves):
        soc = round(0.15 + 0.8 * (number * 7 % 11) / 11, 3)
        sessions.append(
            Session(
                connector=projection.leaf_ids[leaf],
                request=int(projection.max_rating[leaf]),
                arrived=at - timedelta(minutes=10 + 5 * (number % 9)),
                departs=at + timedelta(minutes=45 * (1 + number % 10)),
                energy_needed_wh=round(CAPACITY_WH * (1 - soc)),
                soc=soc,
                priority=number % 3,
                charging=True,
                charging_since=at - timedelta(minutes=9),
            )
        )
    return sessions


def made_moment(
    projection: Projection | None = None,
    *,
    sequence: int = 1,
    at: datetime | None = None,
    vehicles: int = 40,
    strategy: str | None = None,
    base_load: Mapping[str, Amount] | None = None,
    modes: Mapping[str, Mode] | None = None,
    limits: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Moment:
    """One moment of the depot of `scenarios/wa_pta_depot.yaml`, or of `projection`, with everything well.

    `limits` are `Snapshot.envelopes`; metered nodes that are not in `base_load` carry 85 kW, those in `modes` nothing
    that is known. `changes` are fields of the Moment itself.
    """
    projection = depot_projection() if projection is None else projection
    at = datetime.now(UTC).replace(microsecond=0) if at is None else at
    modes = dict(modes or {})
    carried = _base_loads(projection, base_load or {}, modes)
    sessions = made_sessions(projection, at=at, vehicles=vehicles)
    snapshot = snapshot_from_sessions(
        projection, at=at, sessions=sessions, base_load=carried, modes=modes, envelopes=limits
    )
    cycle = _cycle(projection, snapshot, number=sequence, strategy=strategy or projection.depot.strategy)
    committed = np.maximum(cycle.setpoint, np.where(projection.in_service, projection.fallback, 0))
    draws = _draws(projection, cycle.setpoint, sessions)
    moment = Moment(
        depot_id=projection.depot.id,
        epoch="made",
        sequence=sequence,
        at=at,
        projection=projection,
        snapshot=snapshot,
        allocation=cycle.allocation,
        setpoint=cycle.setpoint.copy(),
        record=cycle.record,
        shared=cycle.shared,
        committed=committed,
        acknowledged=np.where(snapshot.present, cycle.setpoint, -1),
        held={},
        troubled={},
        reachable=frozenset(unit.id for unit in projection.depot.charge_points),
        states={
            leaf: ConnectorState.CHARGING if snapshot.present[index] else ConnectorState.FREE
            for index, leaf in enumerate(projection.leaf_ids)
        },
        plugged={session.connector: _plugged(projection, session, draws) for session in sessions},
        flows=_flows(projection, draws, carried),
        conditions=_conditions(projection, modes),
    )
    return replace(moment, **changes)


def _base_loads(projection: Projection, given: Mapping[str, Amount], modes: Mapping[str, Mode]) -> dict[str, Amount]:
    found = dict(given)
    for subject in projection.subjects:
        if isinstance(subject, Circuit) and subject.meter and subject.id not in modes:
            found.setdefault(subject.id, ActivePower(w=BASE_LOAD_W))
    return found


def _cycle(projection: Projection, snapshot: Snapshot, *, number: int, strategy: str) -> Cycle:
    ticks = iter((0, 4200))
    fair_in, leaves = projection.depot.fair_in, projection.depot.leaves
    shared, wanted = projection, snapshot
    if leaves is Leaves.CHARGE_POINT:
        shared = project(projection.depot, leaves=leaves)
        wanted = on_charge_points(shared, snapshot)
    cycle = run_cycle_to_connectors(
        shared,
        wanted,
        number=number,
        trigger="clock",
        clock_us=lambda: next(ticks),
        strategy=strategy,
        fair_in=fair_in,
    )
    limited = int((cycle.allocation.stopped_by == 3).sum())
    inputs = {
        "leaves": leaves.value,
        "fair_in": fair_in.value,
        "vehicles": int(snapshot.present.sum()),
        "limited": limited,
        "base_load": {},
        "modes": {node: mode.value for node, mode in snapshot.modes.items()},
        "envelopes": {},
    }
    sent = tuple(
        {"connector": leaf, "value": int(value), "state": "acknowledged", "reason": None}
        for leaf, value in zip(projection.leaf_ids, cycle.setpoint.tolist(), strict=True)
        if value
    )
    return replace(cycle, record=replace(cycle.record, inputs=inputs, setpoints=sent))


def _draws(projection: Projection, setpoint: Ints, sessions: list[Session]) -> Ints:
    """Vehicles draw nearly all of what they are given."""
    draws = np.zeros(len(projection.leaf_ids), dtype=np.int64)
    for session in sessions:
        leaf = projection.leaf_index[session.connector]
        draws[leaf] = int(setpoint[leaf]) * 98 // 100
    return draws


def _plugged(projection: Projection, session: Session, draws: Ints) -> Plugged:
    leaf = projection.leaf_index[session.connector]
    return Plugged(
        session=session,
        reason=Reason.RATING,
        id_tag=f"04A{leaf:05X}",
        vehicle=f"BUS{leaf:03d}",
        charged_wh=12_000,
        draw=int(draws[leaf]),
        draw_age_s=2.0,
    )


def _flows(projection: Projection, draws: Ints, base_load: Mapping[str, Amount]) -> Flows:
    """What is drawn, summed up; metered nodes carry their base load beside it."""
    weights = np.array([[float(weight) for weight in projection.weights[row]] for row in range(4)])
    rows: Floats = np.zeros((len(projection.node_ids), 4))
    rows[projection.leaf_node] = (weights[:, projection.leaf_class] * draws).T
    for node in range(len(rows) - 1, -1, -1):
        amount = base_load.get(projection.node_ids[node])
        if amount is not None:
            voltage_v = int(projection.voltage_v[node])
            phases = projection.phases[node]
            rows[node] += load_rows(amount, projection.frame.scale, voltage_v=voltage_v, phases=phases)
        if node:
            rows[projection.parent[node]] += rows[node]
    return Flows(rows=rows, age_s=np.full(len(rows), 2.0))


def _conditions(projection: Projection, modes: Mapping[str, Mode]) -> dict[str, Condition]:
    metered = [
        projection.node_ids[node]
        for node, subject in enumerate(projection.subjects)
        if projection.kinds[node] in (NodeKind.GRID_CONNECTION, NodeKind.CIRCUIT)
        and isinstance(subject, Circuit)
        and subject.meter
    ]
    return {
        name: Condition(
            mode=modes.get(name, Mode.NORMAL),
            cause=None,
            since_s=None,
            age_s=1.0,
            may_raise=True,
            dropped=0,
            fault="",
        )
        for name in {*metered, *modes}
    }
