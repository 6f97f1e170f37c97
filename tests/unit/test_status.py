"""Node states and their causes: what a moment says of every power node."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from made_moments import depot_projection, made_moment

from busbar.core.balance import as_failed
from busbar.core.describe import NodeState
from busbar.core.metering import Cause
from busbar.core.projection import project
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower
from busbar.engine.breach_record import BreachCause, BreachRecord
from busbar.engine.connector_status import connectors_now
from busbar.engine.moment import Moment
from busbar.engine.status import NO_DATA, allocation_in_force, node_states_now, nodes_now, worst_state


def unseen(moment: Moment, *nodes: str) -> Moment:
    """The same, and nobody knows what flows at these nodes."""
    rows, age_s = moment.flows.rows.copy(), moment.flows.age_s.copy()
    for node in nodes:
        rows[moment.projection.node_index[node]] = np.nan
        age_s[moment.projection.node_index[node]] = np.nan
    return replace(moment, flows=replace(moment.flows, rows=rows, age_s=age_s))


def with_meter(moment: Moment, node: str, **changes: object) -> Moment:
    condition = replace(moment.conditions[node], **changes)  # type: ignore[arg-type]
    return replace(moment, conditions={**moment.conditions, node: condition})


def breached(moment: Moment, node: str, *, is_open: bool = True) -> Moment:
    at = datetime.now(UTC)
    record = BreachRecord(
        id=f"B-{node}",
        node=node,
        row="L1",
        started_at=at - timedelta(minutes=1),
        opened_at=at,
        ended_at=None if is_open else at,
        limit=1,
        limit_name="rating",
        peak=2,
        peak_at=at,
        energy_over_wh=0,
        cause=BreachCause.BASE_LOAD,
        sentence="",
    )
    return replace(moment, breaches=(*moment.breaches, record))


def test_the_state_is_the_first_that_applies_worst_first() -> None:
    tight = {"C3": ActivePower(w=100_000)}
    moment = made_moment(vehicles=64, limits=tight)
    assert node_states_now(moment)["C3"] is NodeState.CONSTRAINED
    safe = made_moment(vehicles=64, limits=tight, modes={"C3": Mode.SAFE})
    assert node_states_now(safe)["C3"] is NodeState.SAFE
    unknown = unseen(safe, "C3")
    assert node_states_now(unknown)["C3"] is NodeState.UNKNOWN
    assert node_states_now(breached(unknown, "C3"))["C3"] is NodeState.BREACHED


def test_a_breach_that_has_ended_leaves_no_trace() -> None:
    assert node_states_now(breached(made_moment(vehicles=0), "C3", is_open=False))["C3"] is NodeState.OK


def test_a_quiet_depot_is_ok_everywhere() -> None:
    assert set(node_states_now(made_moment(vehicles=0)).values()) == {NodeState.OK}


def test_a_meter_that_is_not_heard_makes_its_node_unknown_and_not_safe() -> None:
    moment = made_moment(vehicles=0, modes={"GC1": Mode.SAFE})
    silent = with_meter(moment, "GC1", cause=Cause.SILENT, age_s=90.0)
    assert node_states_now(silent)["GC1"] is NodeState.UNKNOWN
    never = with_meter(moment, "GC1", cause=Cause.SILENT, age_s=None)
    assert node_states_now(never)["GC1"] is NodeState.UNKNOWN
    gone = replace(moment, conditions={})
    assert node_states_now(gone)["GC1"] is NodeState.UNKNOWN


def test_a_meter_that_is_heard_and_not_believed_makes_its_node_safe() -> None:
    moment = made_moment(vehicles=0, modes={"GC1": Mode.SAFE})
    for cause in (Cause.FROZEN, Cause.ABSURD, Cause.BY_ORDER):
        assert node_states_now(with_meter(moment, "GC1", cause=cause))["GC1"] is NodeState.SAFE
    absurd_from_the_start = with_meter(moment, "GC1", cause=Cause.ABSURD, age_s=None)
    assert node_states_now(absurd_from_the_start)["GC1"] is NodeState.UNKNOWN


def test_an_order_does_not_hide_that_the_meter_is_silent() -> None:
    moment = made_moment(vehicles=0, modes={"GC1": Mode.SAFE})
    assert node_states_now(with_meter(moment, "GC1", cause=Cause.BY_ORDER, age_s=61.0))["GC1"] is NodeState.UNKNOWN


def test_no_data_below_a_node_without_a_meter_is_never_ok() -> None:
    moment = unseen(made_moment(vehicles=0), "PU7/1")
    states = node_states_now(moment)
    assert {states[node] for node in ("PU7/1", "PU7", "C3", "SB1")} == {NodeState.UNKNOWN}
    # Its meter sees all of it.
    assert states["GC1"] is NodeState.OK
    assert worst_state(moment) is NodeState.UNKNOWN
    causes = {node.id: node.cause for node in nodes_now(moment)}
    assert causes["C3"] is not None
    assert (causes["C3"].code, causes["C3"].unheard) == (NO_DATA, 1)
    assert causes["GC1"] is None


def test_right_below_a_meter_a_charge_point_that_is_not_heard_is_its_own_matter() -> None:
    depot = depot_projection().depot
    first = replace(depot.charge_points[0], circuit="GC1")
    projection = project(replace(depot, charge_points=(first, *depot.charge_points[1:])))
    moment = unseen(made_moment(projection, vehicles=0), "PU1/1")
    assert node_states_now(moment)["PU1"] is NodeState.UNKNOWN
    assert worst_state(moment) is NodeState.OK


def test_a_meter_is_heard_whichever_rows_it_gives() -> None:
    moment = made_moment(vehicles=0)
    rows = moment.flows.rows.copy()
    for node in ("GC1", "wa_pta"):
        rows[moment.projection.node_index[node], :3] = np.nan
    total_only = replace(moment, flows=replace(moment.flows, rows=rows))
    assert set(node_states_now(total_only).values()) == {NodeState.OK}


def test_a_connector_is_known_by_the_rows_it_is_limited_on() -> None:
    moment = made_moment(vehicles=0)
    rows = moment.flows.rows.copy()
    node = moment.projection.node_index["PU7/1"]
    rows[node, :3] = np.nan
    assert node_states_now(replace(moment, flows=replace(moment.flows, rows=rows)))["C3"] is NodeState.OK
    rows = rows.copy()
    rows[node, 3] = np.nan
    assert node_states_now(replace(moment, flows=replace(moment.flows, rows=rows)))["C3"] is NodeState.UNKNOWN


def test_what_flows_is_shown_with_its_age() -> None:
    moment = unseen(made_moment(vehicles=0), "PU7")
    nodes = {node.id: node for node in nodes_now(moment)}
    assert nodes["GC1"].measured_at == moment.at - timedelta(seconds=2)
    assert nodes["GC1"].measured is not None
    assert nodes["GC1"].measured[3] == 85_000
    assert (nodes["PU7"].measured, nodes["PU7"].age_s, nodes["PU7"].measured_at) == (None, None, None)


def test_the_mode_has_its_cause_and_since_when() -> None:
    moment = made_moment(vehicles=0, modes={"GC1": Mode.SAFE})
    since = moment.at - timedelta(minutes=3)
    moment = replace(with_meter(moment, "GC1", cause=Cause.FROZEN), safe_since={"GC1": since})
    node = next(node for node in nodes_now(moment) if node.id == "GC1")
    assert node.mode is Mode.SAFE
    assert node.cause is not None
    assert (node.cause.code, node.cause.since) == ("frozen", since)


def test_a_meter_that_has_yet_to_settle_is_said_and_changes_no_state() -> None:
    moment = with_meter(made_moment(vehicles=0), "GC1", cause=Cause.UNSETTLED, may_raise=False)
    node = next(node for node in nodes_now(moment) if node.id == "GC1")
    assert (node.state, node.mode) == (NodeState.OK, Mode.NORMAL)
    assert node.cause is not None
    assert node.cause.code == "unsettled"


def test_a_refused_allocation_is_not_shown_as_what_holds() -> None:
    moment = made_moment(vehicles=64)
    running = moment.setpoint // 2
    failed = replace(moment, allocation=as_failed(moment.allocation), setpoint=running)
    in_force = allocation_in_force(failed)
    assert np.array_equal(in_force.setpoint, running)
    assert set(node_states_now(failed).values()) == {NodeState.OK}
    assert all(connector.bound_by is None for connector in connectors_now(failed))
    allocated = {node.id: node.rows.allocated[3] for node in nodes_now(failed)}
    assert allocated["PU1/1"] == -(-int(running[0]) * 1000 // 940)


def test_a_depot_without_circuits_has_a_status() -> None:
    empty = replace(depot_projection().depot, circuits=(), charge_points=())
    moment = made_moment(project(empty), vehicles=0)
    assert [node.id for node in nodes_now(moment)] == ["wa_pta"]
    assert connectors_now(moment) == ()
