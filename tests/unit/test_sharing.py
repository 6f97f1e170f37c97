"""One demand per charge point, and its setpoint divided among its connectors: table by table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from busbar.core.audit import audit
from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Sharing
from busbar.core.explain import explain
from busbar.core.projection import NodeKind, Projection, project
from busbar.core.snapshot import Session, Snapshot, least, snapshot_from_arrays, snapshot_from_sessions
from busbar.core.split import split
from busbar.core.units import PHASES, Current, Phase

KW = 1000
A = 1000


def cabinet(*, kw: int = 160, plugs: int = 3, **more: object) -> ChargePoint:
    """A DC unit whose plugs are rated 150 kW each, from 10 kW up in steps of 1 kW."""
    made = tuple(
        Connector(id=str(number), max_rating=150 * KW, minimum=10 * KW, step=KW) for number in range(1, plugs + 1)
    )
    unit = ChargePoint(id="CP1", circuit="GC", current=CurrentKind.DC, max_rating=kw * KW, connectors=made)
    return replace(unit, **{"sharing": Sharing.PARALLEL, **more})  # type: ignore[arg-type]


def post(*wires: tuple[Phase, ...], amperes: int = 32, line_to_line: bool = False) -> ChargePoint:
    """An AC unit with a connector on each of these wires."""
    made = tuple(
        Connector(id=str(number), max_rating=32 * A, minimum=6 * A, step=A, phases=phases, line_to_line=line_to_line)
        for number, phases in enumerate(wires, start=1)
    )
    unit = ChargePoint(id="CP1", circuit="GC", current=CurrentKind.AC, max_rating=amperes * A, connectors=made)
    return replace(unit, sharing=Sharing.PARALLEL)


def laid_out(*units: ChargePoint, amperes: int = 1000) -> Projection:
    limit = Current(l1_ma=amperes * A, l2_ma=amperes * A, l3_ma=amperes * A)
    circuits = (Circuit(id="GC", default_operating_capacity=limit),)
    return project(Depot(id="d", voltage_v=400, circuits=circuits, charge_points=units), leaves="charge_point")


def seen(projection: Projection, *requests: int | None, **more: object) -> Snapshot:
    """Vehicles on the connectors of CP1, the first came first; None: none is there."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    names = projection.connectors.leaf_ids
    sessions = [
        Session(connector=name, request=request, arrived=at - timedelta(minutes=60 - place))
        for place, (name, request) in enumerate(zip(names, requests, strict=False))
        if request is not None
    ]
    return snapshot_from_sessions(projection, at=at, sessions=sessions, **more)  # type: ignore[arg-type]


def demand(unit: ChargePoint, *requests: int | None) -> tuple[int, int]:
    projection = laid_out(unit)
    snapshot = seen(projection, *requests)
    return int(snapshot.request[0]), int(least(projection, snapshot)[0])


def parts(unit: ChargePoint, setpoint: int, *requests: int | None) -> list[int]:
    projection = laid_out(unit)
    found: list[int] = split(projection, seen(projection, *requests), np.array([setpoint])).setpoint.tolist()
    return found


def test_the_leaves_are_charge_points_and_nothing_lies_below_them() -> None:
    projection = laid_out(cabinet(), replace(cabinet(), id="CP2"))
    assert projection.leaf_ids == ("CP1", "CP2")
    assert NodeKind.CONNECTOR not in projection.kinds
    assert projection.connectors.leaf_ids == ("CP1/1", "CP1/2", "CP1/3", "CP2/1", "CP2/2", "CP2/3")
    # Nodes with limits are the same ones in the same order, wherever the leaves are cut.
    inner, other = projection.frame.nodes, projection.connectors.frame.nodes
    assert [projection.node_ids[node] for node in inner] == [projection.connectors.node_ids[node] for node in other]
    assert [projection.leaf_of(name) for name in ("CP1", "CP1/3", "CP2/1")] == [0, 0, 1]


@pytest.mark.parametrize(
    ("unit", "requests", "expected"),
    [
        (cabinet(), (None, None, None), (0, 10)),
        (cabinet(), (50, None, None), (50, 10)),
        (cabinet(), (50, 40, None), (90, 20)),
        (cabinet(), (150, 150, 150), (160, 30)),
        (cabinet(kw=100), (150, None, None), (100, 10)),
        # One that tapers counts with its minimum beside others, not by itself.
        (cabinet(), (4, None, None), (4, 10)),
        (cabinet(), (4, 50, None), (60, 20)),
        # As many as may run at once, first come first.
        (cabinet(outputs=2), (20, 30, 140), (50, 20)),
        (cabinet(sharing=Sharing.SEQUENTIAL), (20, 30, 140), (20, 10)),
        (cabinet(kw=25), (20, 20, 20), (25, 20)),
        # 160 kW in modules of 40: four of them.
        (cabinet(module_size=40 * KW), (90, 90, None), (160, 20)),
        (cabinet(module_size=40 * KW), (30, 30, 30), (90, 30)),
        (cabinet(module_size=80 * KW), (30, 30, 30), (60, 20)),
    ],
)
def test_one_demand_of_a_dc_charge_point(
    unit: ChargePoint, requests: tuple[int | None, ...], expected: tuple[int, int]
) -> None:
    wanted = [None if value is None else value * KW for value in requests]
    assert demand(unit, *wanted) == (expected[0] * KW, expected[1] * KW)


@pytest.mark.parametrize(
    ("unit", "requests", "expected"),
    [
        (post(PHASES, PHASES), (16, 10), (26, 12)),
        (post(PHASES, PHASES), (32, 32), (32, 12)),
        # On lines of their own each may have all of it.
        (post((Phase.L1,), (Phase.L2,)), (32, 20), (32, 6)),
        (post((Phase.L1,), (Phase.L1, Phase.L2)), (10, 20), (30, 12)),
    ],
)
def test_one_demand_of_an_ac_charge_point(
    unit: ChargePoint, requests: tuple[int, ...], expected: tuple[int, int]
) -> None:
    assert demand(unit, *(value * A for value in requests)) == (expected[0] * A, expected[1] * A)


@pytest.mark.parametrize(
    ("unit", "setpoint", "requests", "expected"),
    [
        (cabinet(), 90, (150, 150, 150), [30, 30, 30]),
        (cabinet(), 90, (150, 20, 150), [35, 20, 35]),
        (cabinet(), 91, (150, 150, None), [46, 45, 0]),
        (cabinet(), 25, (150, 150, 150), [13, 12, 0]),
        (cabinet(), 0, (150, 150, 150), [0, 0, 0]),
        (cabinet(outputs=1), 90, (60, 150, None), [60, 0, 0]),
        (cabinet(sharing=Sharing.SEQUENTIAL), 90, (60, 150, None), [60, 0, 0]),
        (cabinet(sharing=Sharing.UNVERIFIED), 90, (150, 20, 150), [35, 20, 35]),
        # Three modules of 50 kW: the first output is fed by two, so the second has no more than one.
        (cabinet(kw=150, module_size=50 * KW), 150, (150, 150, None), [100, 50, 0]),
        (cabinet(kw=150, module_size=50 * KW), 80, (150, 150, None), [40, 40, 0]),
        (post(PHASES, PHASES), 20, (32, 32), [10, 10]),
        (post((Phase.L1,), (Phase.L2,)), 20, (32, 32), [20, 20]),
        (post((Phase.L1,), (Phase.L1, Phase.L2), (Phase.L2,)), 21, (8, 32, 32), [8, 11, 10]),
    ],
)
def test_a_setpoint_divided(
    unit: ChargePoint, setpoint: int, requests: tuple[int | None, ...], expected: list[int]
) -> None:
    wanted = [None if value is None else value * 1000 for value in requests]
    assert parts(unit, setpoint * 1000, *wanted) == [value * 1000 for value in expected]


def test_where_sharing_is_not_verified_the_limit_counts_once_per_connector_that_runs() -> None:
    for sharing, expected in ((Sharing.PARALLEL, [45, 45, 0]), (None, [90, 90, 0])):
        projection = laid_out(cabinet(sharing=sharing))
        found = split(projection, seen(projection, 150 * KW, 150 * KW), np.array([90 * KW]))
        assert found.setpoint.tolist() == [45 * KW, 45 * KW, 0]
        assert found.committed.tolist() == [value * KW for value in expected]


def test_a_fallback_counts_once_per_connector_where_sharing_is_not_verified_and_at_most_the_rating() -> None:
    left_alone = tuple(replace(each, fallback=20 * KW) for each in cabinet().connectors)
    for sharing, expected in ((Sharing.PARALLEL, 60), (Sharing.UNVERIFIED, 160)):
        unit = cabinet(sharing=sharing, connectors=left_alone)
        assert laid_out(unit).fallback.tolist() == [expected * KW]


def test_the_step_divides_all_steps_and_a_list_is_kept_where_there_is_one_connector() -> None:
    first, second, third = cabinet().connectors
    mixed = cabinet(connectors=(replace(first, step=6 * KW), replace(second, steps=(50 * KW, 100 * KW)), third))
    assert laid_out(replace(mixed, connectors=mixed.connectors[:2])).step.tolist() == [2 * KW]
    alone = laid_out(replace(mixed, connectors=(mixed.connectors[1],)))
    assert alone.allowed_steps.tolist() == [50 * KW, 100 * KW]


def test_the_most_urgent_vehicle_speaks_for_its_charge_point() -> None:
    projection, at = laid_out(cabinet()), datetime(2026, 1, 1, tzinfo=UTC)
    hours = [at + timedelta(hours=count) for count in range(4)]
    sessions = (
        Session(connector="CP1/1", departs=hours[3], soc=0.2, energy_needed_wh=10, priority=1, waiting_since=at),
        Session(connector="CP1/2", departs=hours[1], soc=0.7, energy_needed_wh=20, priority=5, weight=3.0),
        Session(connector="CP1/3", request=0, departs=hours[0], soc=0.0, energy_needed_wh=40, priority=9),
    )
    snapshot = snapshot_from_sessions(projection, at=at, sessions=sessions)
    assert snapshot.departs_in_s.tolist() == [3600.0]
    assert (snapshot.soc.tolist(), snapshot.energy_needed_wh.tolist()) == ([0.2], [30.0])
    assert (snapshot.priority.tolist(), snapshot.weight.tolist()) == ([5], [3.0])
    assert snapshot.waiting_for_s.tolist() == [0.0]


def test_a_charge_point_is_out_of_reach_with_any_connector_and_counts_what_the_others_could_use() -> None:
    projection = laid_out(cabinet())
    snapshot = seen(projection, 30 * KW, None, 200 * KW, committed={"CP1/2": 20 * KW})
    assert snapshot.out_of_reach.tolist() == [True]
    assert snapshot.committed.tolist() == [160 * KW]
    assert balance(projection, snapshot).setpoint.tolist() == [0]
    said = seen(projection, 30 * KW, committed={"CP1/2": 20 * KW})
    assert said.committed.tolist() == [50 * KW]


def test_a_minimum_of_several_is_reserved_whole_or_not_at_all() -> None:
    projection = laid_out(post(PHASES, PHASES), amperes=11)
    snapshot = seen(projection, 32 * A, 32 * A)
    allocation = balance(projection, snapshot)
    assert allocation.setpoint.tolist() == [0]
    assert audit(projection, snapshot, allocation) == []
    assert "no room on L1 for its minimum of 12 A" in explain(projection, snapshot, "CP1/1").sentence


def test_the_audit_finds_less_than_the_minimum_of_those_it_serves() -> None:
    projection = laid_out(post(PHASES, PHASES))
    snapshot = seen(projection, 32 * A, 32 * A)
    allocation = balance(projection, snapshot)
    wrong = replace(allocation, setpoint=np.array([11 * A]), reserved=np.array([11 * A]))
    assert [violation.rule for violation in audit(projection, snapshot, wrong)] == ["less than the minimum"]


def test_a_snapshot_that_knows_no_connectors_is_balanced_and_not_split() -> None:
    projection = laid_out(cabinet())
    snapshot = snapshot_from_arrays(projection, at=datetime(2026, 1, 1, tzinfo=UTC), request=np.array([90 * KW]))
    allocation = balance(projection, snapshot)
    assert allocation.setpoint.tolist() == [90 * KW]
    with pytest.raises(ValueError, match="nothing of connectors"):
        split(projection, snapshot, allocation.setpoint)


def test_a_depot_without_charge_points_is_fine() -> None:
    projection = laid_out()
    assert balance(projection, seen(projection)).setpoint.tolist() == []


def test_a_minimum_in_the_snapshot_takes_the_place_of_the_projections() -> None:
    projection = laid_out(post(PHASES, PHASES), amperes=11)
    at, request = datetime(2026, 1, 1, tzinfo=UTC), np.array([32 * A])
    for minimum, expected in ((6 * A, 11 * A), (12 * A, 0)):
        snapshot = snapshot_from_arrays(projection, at=at, request=request, minimum=np.array([minimum]))
        assert balance(projection, snapshot).setpoint.tolist() == [expected]
    with pytest.raises(ValueError, match="minimum has shape"):
        snapshot_from_arrays(projection, at=at, request=request, minimum=np.array([1, 2]))


def test_who_waits_for_an_output_is_told_so() -> None:
    projection = laid_out(cabinet(outputs=1))
    explanation = explain(projection, seen(projection, 60 * KW, 50 * KW), "CP1/2")
    assert explanation.setpoint == 0
    assert explanation.sentence.startswith("CP1/2 waits for 50 kW: 60 kW is split by the charge point")
    assert explanation.bindings[0].node == "CP1"
