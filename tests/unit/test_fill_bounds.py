"""What the balance says of each leaf beside its setpoint: what stopped it, where, and the next value it would take."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from busbar.core.allocation import Allocation, Stop, Verdict
from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.units import ActivePower

KW = 1000
NONE = -1


def yard(limit_kw: int) -> Projection:
    """Seven units below C1, of 100 kW from 10 kW up in steps of 1 kW; the last takes 30, 40 or 80 kW."""
    plain = Connector(id="1", max_rating=100 * KW, minimum=10 * KW, step=KW)
    listed = Connector(id="1", max_rating=80 * KW, minimum=30 * KW, step=KW, steps=(30 * KW, 40 * KW, 80 * KW))
    units = tuple(
        ChargePoint(
            id=f"CP{number}", circuit="C1", current=CurrentKind.DC, max_rating=100 * KW, power_factor_permille=1000,
            connectors=(listed if number == 7 else plain,),
        )
        for number in range(1, 8)
    )  # fmt: skip
    circuits = (
        Circuit(id="G", default_operating_capacity=ActivePower(w=1000 * KW)),
        Circuit(id="C1", parent="G", default_operating_capacity=ActivePower(w=limit_kw * KW)),
    )
    return project(Depot(id="d", voltage_v=400, circuits=circuits, charge_points=units))


def shared(projection: Projection, *requests_kw: int) -> Allocation:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    request = np.array([each * KW for each in requests_kw])
    return balance(projection, snapshot_from_arrays(projection, at=at, request=request))


def test_each_leaf_names_what_stopped_it_and_who_wants_nothing_names_nothing() -> None:
    projection = yard(150)
    found = shared(projection, 0, 20, 200, 60, 0, 60, 40)
    assert found.setpoint.tolist() == [0, 20 * KW, 34 * KW, 33 * KW, 0, 33 * KW, 30 * KW]
    row, request, nothing = Stop.ROW, Stop.REQUEST, Stop.NOTHING
    assert found.stopped_by.tolist() == [nothing, request, row, row, nothing, row, row]
    c1 = projection.node_index["C1"]
    assert found.bound_node.tolist() == [NONE, NONE, c1, c1, NONE, c1, c1]
    assert [group >= 0 for group in found.bound_group.tolist()] == [False, False, True, True, False, True, True]
    assert found.next_value.tolist() == [0, 0, 35 * KW, 34 * KW, 0, 34 * KW, 40 * KW]


def test_with_room_for_all_nobody_is_stopped_by_anything_but_the_request_or_the_rating() -> None:
    found = shared(yard(1000), 100, 120, 50, 0, 0, 0, 90)
    assert found.setpoint.tolist() == [100 * KW, 100 * KW, 50 * KW, 0, 0, 0, 80 * KW]
    stops = [Stop.REQUEST, Stop.RATING, Stop.REQUEST, Stop.NOTHING, Stop.NOTHING, Stop.NOTHING, Stop.REQUEST]
    assert found.stopped_by.tolist() == stops
    assert found.bound_node.tolist() == found.bound_group.tolist() == [NONE] * 7


def test_whose_minimum_does_not_fit_waits_for_it() -> None:
    found = shared(yard(25), 20, 0, 20, 20, 0, 0, 0)
    assert found.setpoint.tolist() == [13 * KW, 0, 12 * KW, 0, 0, 0, 0]
    assert found.verdict.tolist()[:4] == [Verdict.ADMITTED, Verdict.NOTHING_WANTED, Verdict.ADMITTED, Verdict.NO_ROOM]
    assert found.next_value.tolist()[3] == 10 * KW
    assert found.stopped_by.tolist()[3] == Stop.ROW


def test_who_was_stopped_starts_again_only_with_a_step_to_spare_even_where_the_minimum_is_all_it_wants() -> None:
    at, nothing = datetime(2026, 11, 23, tzinfo=UTC), np.zeros(7, dtype=np.int64)
    request, stopped_s = nothing.copy(), np.full(7, np.nan)
    request[0], stopped_s[0] = 10 * KW, 30.0
    for limit_kw, verdict in ((10, Verdict.RESTART_GAP), (11, Verdict.ADMITTED)):
        projection = yard(limit_kw)
        snapshot = snapshot_from_arrays(projection, at=at, request=request, stopped_ago_s=stopped_s)
        found = balance(projection, replace(snapshot, waiting_for_s=np.where(request > 0, 30.0, np.nan)))
        assert found.verdict.tolist()[0] == verdict
        assert found.setpoint.tolist()[0] == (0 if verdict == Verdict.RESTART_GAP else 10 * KW)


def test_a_fallback_without_a_vehicle_leaves_others_less() -> None:
    depot = yard(100).depot
    idle = replace(depot.charge_points[0].connectors[0], fallback=60 * KW)
    units = (replace(depot.charge_points[0], connectors=(idle,)), *depot.charge_points[1:])
    found = shared(project(replace(depot, charge_points=units)), 0, 90, 0, 0, 0, 0, 0)
    assert found.setpoint.tolist() == [0, 40 * KW, 0, 0, 0, 0, 0]
    assert found.reserved.tolist()[0] == 60 * KW
