"""The documents of the API: each is what `models.py` says, and says what the moment says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from made_moments import depot_projection, made_moment

from busbar.core.allocation import Stop
from busbar.core.balance import as_failed
from busbar.core.describe import node_figures
from busbar.core.errors import RefusedError
from busbar.core.metering import Cause
from busbar.core.projection import NodeKind
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, Current
from busbar.engine.access import WriteRecord
from busbar.engine.breach_record import BreachCause, BreachRecord, Sample
from busbar.engine.envelopes import shortfalls
from busbar.engine.history import History
from busbar.engine.moment import Alarm, Moment
from busbar.engine.ports import Envelope, GridConnection, Microgrid, Override, OverrideKind, Plan
from busbar.engine.status import NO_DATA, CauseNow
from busbar.entrypoints.api import documents, models
from busbar.entrypoints.api.sentences import FAILED, cause_text


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def status(moment: Moment) -> models.Status:
    """Made, and read back as the page would."""
    document = documents.status_document(moment, age_s=0.5, stale_after_s=15.0, last_event="made-1")
    return models.Status.model_validate(document)


def breach(node: str, at: datetime, **changes: object) -> BreachRecord:
    record = BreachRecord(
        id="B1",
        node=node,
        row="L2",
        started_at=at - timedelta(seconds=40),
        opened_at=at - timedelta(seconds=20),
        limit=320_000,
        limit_name="default_operating_capacity",
        peak=350_000,
        peak_at=at,
        energy_over_wh=120,
        cause=BreachCause.CHARGE_POINT_DISOBEYS,
        sentence="PU7/1 draws 30 A more than it may.",
        evidence={"charge_points": ["PU7"]},
        series=(Sample(at=at, flow=350_000, limit=320_000), Sample(at=at, flow=None, limit=None)),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def override(kind: OverrideKind, subject: str, at: datetime, reason: str = "") -> Override:
    return Override(id=1, kind=kind, subject=subject, by="Ann", reason=reason, at=at)


def test_the_status_of_a_depot_at_work_is_what_the_model_says() -> None:
    moment = made_moment()
    found = status(moment)
    assert found.state == "CONSTRAINED"
    assert [node.id for node in found.nodes] == list(moment.projection.node_ids)
    assert [connector.id for connector in found.connectors] == list(moment.projection.leaf_ids)
    assert sum(connector.has_vehicle for connector in found.connectors) == 40


@pytest.mark.parametrize("name", ["small_ac_depot", "nrel_depot_site"])
def test_every_document_of_other_depots_is_what_the_model_says(name: str) -> None:
    moment = made_moment(depot_projection(name), vehicles=1000)
    assert status(moment).nodes
    models.Microgrid.model_validate(documents.microgrid_document(moment.projection.depot, None, 1))
    for connector in list(moment.plugged)[:5]:
        models.Explanation.model_validate(documents.explanation_document(moment, connector))
    wanted = models.WhatIf(strategy="first_come", remove=list(moment.plugged)[:2])
    models.WhatIfAnswer.model_validate(documents.what_if_document(moment, wanted))


def test_the_figures_of_the_status_are_those_of_the_allocation() -> None:
    moment = made_moment()
    figures = node_figures(moment.projection, moment.snapshot, moment.allocation)
    for shown, figure in zip(status(moment).nodes, figures, strict=True):
        expected = figure.document()
        for name in ("limit", "available", "base_load", "allocated", "reserved", "headroom"):
            assert getattr(shown, name).model_dump() == expected[name], (shown.id, name)


def test_which_limit_is_in_force_is_said_row_by_row() -> None:
    found = {node.id: node for node in status(made_moment(limits={"GC1": ActivePower(w=700_000)})).nodes}
    assert found["GC1"].limit_names == {
        **dict.fromkeys(("L1", "L2", "L3"), "default_operating_capacity"),
        "total": "envelope",
    }
    assert found["C3"].limit_names == dict.fromkeys(("L1", "L2", "L3"), "default_operating_capacity")
    assert found["PU1"].limit_names == found["PU1/1"].limit_names == {"total": "max_rating"}


def test_what_is_committed_adds_up_from_the_connectors() -> None:
    moment = made_moment(vehicles=0)
    committed = moment.committed.copy()
    committed[:2] = 94_000
    found = {node.id: node for node in status(replace(moment, committed=committed)).nodes}
    assert found["PU1/1"].committed.total_w == 100_000
    assert found["PU1"].committed.total_w == found["wa_pta"].committed.total_w == 200_000
    assert found["PU2"].committed.total_w == 0


def test_a_connector_says_in_one_sentence_why_it_gets_what_it_gets() -> None:
    moment = made_moment(limits={"C3": ActivePower(w=20_000)}, vehicles=64)
    for each in status(moment).connectors:
        assert bool(each.why) == each.has_vehicle
        if each.bound_by and each.bound_by.row:
            assert ("the microgrid" if each.bound_by.node == "wa_pta" else each.bound_by.node) in each.why
    said = {each.why for each in status(moment).connectors}
    assert said >= {
        "Held back by the microgrid on L1 (default operating capacity).",
        "Takes what it asks for.",
        "Waits: its minimum of 10 kW does not fit on C3 (envelope).",
    }


def test_a_held_connector_says_who_holds_it() -> None:
    at = now()
    held = override(OverrideKind.HOLD, "PU1/1", at, "washing")
    isolated = override(OverrideKind.OUT_OF_SERVICE, "PU2", at)
    found = {each.id: each for each in status(made_moment(vehicles=60, overrides=(held, isolated))).connectors}
    assert (found["PU1/1"].order, found["PU1/1"].why) == ("hold", "Held by Ann: washing.")
    assert (found["PU2/1"].order, found["PU2/1"].why) == ("out_of_service", "Taken out of service by Ann.")
    assert found["PU1/2"].order is None


def test_trouble_and_what_is_held_back_are_said() -> None:
    found = {
        each.id: each
        for each in status(
            made_moment(vehicles=60, troubled={"PU1/1": "refused"}, held={"PU1/2": "no_room"}, acknowledged=_nothing())
        ).connectors
    }
    assert found["PU1/1"].trouble == "refused"
    assert "refused" in found["PU1/1"].why
    assert found["PU1/2"].held_back == found["PU1/2"].why
    assert found["PU1/2"].acknowledged is None


def _nothing() -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return np.full(len(depot_projection().leaf_ids), -1, dtype=np.int64)


def test_a_safe_node_says_why_and_since_when() -> None:
    at = now()
    moment = made_moment(modes={"C1": Mode.SAFE})
    condition = replace(moment.conditions["C1"], cause=Cause.BY_ORDER, age_s=None)
    moment = replace(
        moment,
        conditions={**moment.conditions, "C1": condition},
        overrides=(override(OverrideKind.SAFE, "C1", at, "cable being worked on"),),
    )
    shown = next(node for node in status(moment).nodes if node.id == "C1")
    assert (shown.state, shown.mode) == ("SAFE", "SAFE")
    assert shown.cause is not None
    assert (shown.cause.code, shown.cause.since) == ("by_order", at)
    assert shown.cause.text == "Put into SAFE by Ann: cable being worked on."


def test_breaches_and_alarms_stand_in_the_status() -> None:
    at = now()
    alarm = Alarm(kind="meter", node="GC1", text="Its meter is silent.")
    found = status(made_moment(breaches=(breach("C3", at),), alarms=(alarm,), in_transition=frozenset({"C4"})))
    nodes = {node.id: node for node in found.nodes}
    assert found.state == nodes["C3"].state == "BREACHED"
    assert nodes["C3"].breaches == ["B1"]
    assert nodes["C4"].in_transition
    assert found.alarms[0].node == "GC1"


def test_a_derms_sees_its_nodes_and_no_vehicles() -> None:
    alarms = (Alarm(kind="meter", node="GC1", text="a"), Alarm(kind="meter", node="C4", text="b"))
    moment = made_moment(alarms=alarms)
    document = documents.status_document(moment, age_s=0.5, stale_after_s=15.0, last_event="")
    found = models.Status.model_validate(documents.for_nodes(document, moment.projection, ["GC2"]))
    kinds = {node.kind for node in found.nodes}
    assert kinds == {"GRID_CONNECTION", "CIRCUIT", "CHARGE_POINT"}
    assert {node.id for node in found.nodes} >= {"GC2", "SB2", "C4", "PU9"}
    assert not {node.id for node in found.nodes} & {"GC1", "C1", "PU1", "wa_pta"}
    assert (found.connectors, [alarm.node for alarm in found.alarms]) == ([], ["C4"])
    assert found.nodes[0].parent is None
    assert found.charge_points == found.charge_points_connected == 8


def test_a_node_is_seen_where_it_or_one_above_is_granted() -> None:
    projection = depot_projection()
    assert documents.sees_node(projection, ["GC2"], "PU9/1")
    assert documents.sees_node(projection, ["GC2"], "GC2")
    assert not documents.sees_node(projection, ["GC2"], "wa_pta")
    assert not documents.sees_node(projection, ["GC2"], "C1")
    assert not documents.sees_node(projection, ["GC2"], "nowhere")


def test_the_microgrid_shows_limits_as_given_and_as_derived() -> None:
    depot = depot_projection().depot
    retired = GridConnection(id=6, circuit_id="GC2", name="old", retired_at=now())
    stored = Microgrid(
        id=1,
        depot_id=depot.id,
        grid_connections=(GridConnection(id=7, circuit_id="GC1", name="Grid connection 1", retired_at=None), retired),
    )
    found = models.Microgrid.model_validate(documents.microgrid_document(depot, stored, 3))
    nodes = {node.id: node for node in found.nodes}
    assert (found.revision, found.depot_id, nodes["GC1"].grid_connection_id) == (3, "wa_pta", 7)
    assert nodes["GC2"].grid_connection_id is None
    assert nodes["GC1"].given.rating == "1500 kVA"
    assert nodes["GC1"].default.L1_ma == 1_669_446
    assert nodes["GC1"].default.total_w is None
    assert nodes["GC1"].is_metered
    assert nodes["PU1/1"].given.model_dump(exclude_none=True) == {
        "max_rating": "150 kW",
        "min": "10 kW",
        "step": "1 kW",
        "fallback": "0 kW",
    }
    assert (nodes["PU1/1"].current, nodes["C1"].current) == ("DC", None)
    assert nodes["wa_pta"].given.limit == "1900 kVA"


def test_a_depot_is_summed_up_before_and_after_its_first_cycle() -> None:
    moment = made_moment()
    depot = moment.projection.depot
    before = models.DepotSummary.model_validate(documents.depot_summary(depot, None))
    after = models.DepotSummary.model_validate(documents.depot_summary(depot, moment))
    assert (before.state, before.at, after.state) == ("UNKNOWN", None, "CONSTRAINED")
    assert (after.grid_connections, after.charge_points, after.connectors) == (["GC1", "GC2"], 16, 64)


def test_a_cycle_is_shown_short_and_whole() -> None:
    record = made_moment().record
    held = {"connector": "PU1/1", "value": 20_000, "state": "settled", "held_back": "no_room", "target": 60_000}
    refused = {"connector": "PU1/2", "value": 20_000, "state": "refused", "held_back": "refused", "target": 60_000}
    record = replace(record, setpoints=(*record.setpoints, held, refused))
    assert models.CycleSummary.model_validate(documents.cycle_summary(record)).vehicles == 40
    found = models.Cycle.model_validate(documents.cycle_document(record))
    assert len(found.allocations) == 40
    assert (found.setpoints[-2].state, found.setpoints[-2].value) == ("held_back", 60_000)
    assert "room" in (found.setpoints[-2].reason or "")
    assert (found.setpoints[-1].state, found.setpoints[-1].value) == ("refused", 20_000)


def test_an_old_cycle_without_inputs_is_shown_all_the_same() -> None:
    record = replace(made_moment().record, inputs={}, setpoints=(), allocations=())
    found = models.Cycle.model_validate(documents.cycle_document(record))
    assert (found.vehicles, found.leaves, found.setpoints) == (None, None, [])


def test_a_breach_is_shown_with_its_duration_and_severity() -> None:
    at = now()
    found = models.BreachInFull.model_validate(documents.breach_in_full_document(breach("C3", at), at, ["B2"]))
    assert (found.unit, found.severity, found.duration_s, found.children) == ("mA", "major", 40.0, ["B2"])
    assert (found.charge_points, len(found.series)) == (["PU7"], 2)
    ours = breach("C3", at, cause=BreachCause.COMMANDED, row="total", ended_at=at - timedelta(seconds=10))
    short = models.Breach.model_validate(documents.breach_document(ours, at))
    assert (short.severity, short.unit, short.duration_s) == ("critical", "W", 30.0)


def test_what_people_write_is_shown_as_written() -> None:
    at = now()
    moment = made_moment()
    envelope = Envelope(
        id=4,
        node="GC1",
        amount=Current(l1_ma=32_000, l2_ma=32_000, l3_ma=25_000),
        starts_at=at - timedelta(minutes=1),
        ends_at=at + timedelta(minutes=1),
        after=ActivePower(w=900_000),
        by="grid",
        at=at,
    )
    missing = shortfalls(moment, "GC1", envelope.amount)
    found = models.Envelope.model_validate(documents.envelope_document(envelope, at, missing))
    assert (found.value, found.after, found.state) == ("{L1: 32 A, L2: 32 A, L3: 25 A}", "900 kW", "in_force")
    assert {each.row for each in found.shortfalls} == {"L1", "L2", "L3"}
    order = models.Order.model_validate(documents.order_document(override(OverrideKind.STOP, "PU1/1", at)))
    assert (order.kind, order.by) == ("stop", "Ann")
    plan = Plan(key="vehicle:BUS17", departs=at, by="Ann", at=at)
    assert models.Plan.model_validate(documents.plan_document(plan)).departs == at
    write = WriteRecord(depot_id="wa_pta", at=at, by="Ann", action="plan", subject="vehicle:BUS17", after={"a": 1})
    assert models.Write.model_validate(documents.write_document(write)).after == {"a": 1}


def test_an_explanation_describes_the_cycles_own_allocation() -> None:
    moment = made_moment()
    for connector in list(moment.plugged)[::7]:
        found = models.Explanation.model_validate(documents.explanation_document(moment, connector))
        leaf = moment.projection.leaf_index[connector]
        assert found.setpoint.value == moment.setpoint[leaf]
        assert [node.id for node in found.chain][-1] == "wa_pta"
        if found.bound_by and found.bound_by.row:
            assert found.counterfactuals
    with pytest.raises(KeyError):
        documents.explanation_document(moment, "PU99/1")


def test_an_explanation_says_what_else_stands_in_the_way() -> None:
    at = now()
    moment = made_moment(vehicles=64, held={"PU1/1": "no_room"}, troubled={"PU1/2": "disobeys"})
    moment = replace(
        moment,
        overrides=(override(OverrideKind.HOLD, "PU1/3", at),),
        acknowledged=np.where(np.arange(64) == 0, 11_000, moment.acknowledged),
        reachable=moment.reachable - {"PU2"},
    )
    beside = {
        connector: documents.explanation_document(moment, connector)["beside"]
        for connector in ("PU1/1", "PU1/2", "PU1/3", "PU1/4", "PU2/1")
    }
    assert "Not sent yet" in beside["PU1/1"][0]
    assert any("11 kW" in sentence for sentence in beside["PU1/1"])
    assert beside["PU1/2"] == ["It draws more than it was told."]
    assert beside["PU1/3"] == ["Held by Ann."]
    assert beside["PU1/4"] == []
    assert "PU2 is out of reach" in beside["PU2/1"][0]


def test_after_a_failed_cycle_the_explanation_says_what_goes_on() -> None:
    moment = made_moment()
    connector = next(iter(moment.plugged))
    leaf = moment.projection.leaf_index[connector]
    running = np.where(np.arange(64) == leaf, 12_000, moment.setpoint)
    moment = replace(moment, allocation=as_failed(moment.allocation), setpoint=running)
    found = models.Explanation.model_validate(documents.explanation_document(moment, connector))
    assert found.sentence.startswith(f"{connector} goes on with 12 kW. The last balance failed its check")
    assert (found.setpoint.value, found.bound_by, found.counterfactuals) == (12_000, None, [])
    shown = next(each for each in status(moment).connectors if each.id == connector)
    assert (shown.why, shown.setpoint and shown.setpoint.value) == (FAILED, 12_000)


def test_of_a_strategy_without_a_known_name_no_counterfactual_is_made_up() -> None:
    moment = made_moment()
    leaf = int(np.flatnonzero(moment.allocation.stopped_by == Stop.ROW)[0])
    connector = moment.projection.leaf_ids[leaf]
    by_name = documents.explanation_document(moment, connector)
    odd = replace(moment, record=replace(moment.record, strategy="my_own"))
    found = documents.explanation_document(odd, connector)
    assert by_name["counterfactuals"]
    assert found["counterfactuals"] == []
    assert found["sentence"] == by_name["sentence"]


def test_a_connector_that_is_not_heard_is_counted_in_the_cause() -> None:
    moment = made_moment(vehicles=0)
    rows = moment.flows.rows.copy()
    rows[moment.projection.leaf_node[:2]] = np.nan
    causes = {node.id: node.cause for node in status(replace(moment, flows=replace(moment.flows, rows=rows))).nodes}
    assert {name: cause.text for name, cause in causes.items() if cause and name in ("PU1/1", "C1")} == {
        "PU1/1": "What it draws is not known.",
        "C1": "What 2 connectors below it draw is not known.",
    }


def test_a_node_above_a_meter_that_is_not_heard_says_so_and_counts_no_connectors() -> None:
    unheard = CauseNow(code=NO_DATA, since=None)
    assert cause_text(unheard, NodeKind.MICROGRID) == "What flows at a metered node below it is not known."


def test_history_is_shown_in_columns() -> None:
    at = now()
    history = History()
    for number in range(3):
        history.add(made_moment(sequence=number + 1, at=at + timedelta(seconds=5 * number)))
    connector = next(iter(made_moment(at=at).plugged))
    found = models.History.model_validate(documents.connector_history_document(history, connector))
    assert (found.unit, len(found.at), len(found.setpoint)) == ("W", 3, 3)
    node = models.NodeHistory.model_validate(documents.node_history_document(history, "C3", "L1"))
    assert (node.row, node.unit, node.limit) == ("L1", "mA", [320_000] * 3)


def test_a_what_if_answers_before_and_after() -> None:
    moment = made_moment()
    wanted = models.WhatIf(
        limits={"C3": "200 A"}, add=[models.WhatIfVehicle(connector="PU1/2", energy_needed="90 kWh")]
    )
    found = models.WhatIfAnswer.model_validate(documents.what_if_document(moment, wanted))
    assert found.before.total_w > 0
    assert {"PU1/2"} <= {change.leaf for change in found.changes}
    limits = {node.id: node.limit.L1_ma for node in found.after.nodes}
    assert (limits["C3"], {node.id: node.limit.L1_ma for node in found.before.nodes}["C3"]) == (200_000, 320_000)


def test_a_what_if_names_every_text_that_is_no_quantity() -> None:
    wanted = models.WhatIf(
        limits={"C3": "much"},
        add=[models.WhatIfVehicle(connector="PU1/2", energy_needed="90 kW", departs=datetime(2030, 1, 1, 5))],  # noqa: DTZ001
    )
    with pytest.raises(RefusedError) as refused:
        documents.what_if_document(made_moment(), wanted)
    paths = {problem.path for problem in refused.value.problems}
    assert paths == {"limits.C3", "add[0].energy_needed", "add[0].departs"}
