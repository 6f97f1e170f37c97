"""Writes of daily use: what they change, what they refuse, and what the audit log says afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import GRANTED, WA_PTA, Asking, asking_of, only_problem

from busbar.engine.access import Role
from busbar.entrypoints.api import models

HOLD = {"kind": "hold", "subject": "PU1/1", "by": "Ann", "reason": "cable checked"}


def test_an_order_is_in_force_at_once_and_the_loop_is_woken(asking: Asking) -> None:
    answer = asking("POST", f"{WA_PTA}/orders", json=HOLD)
    order = models.Order.model_validate_json(answer.content)
    assert (answer.status_code, order.by, order.reason) == (201, "Ann", "cable checked")
    assert [each["id"] for each in asking("GET", f"{WA_PTA}/orders").json()["orders"]] == [order.id]
    assert asking.service.woken == ["wa_pta"]


def test_the_same_order_twice_is_one_order(asking: Asking) -> None:
    first = asking("POST", f"{WA_PTA}/orders", json=HOLD).json()
    second = asking("POST", f"{WA_PTA}/orders", json={**HOLD, "by": "Bob"})
    assert (second.status_code, second.json()) == (200, first)
    assert len(_writes(asking)) == 1


def test_an_order_is_lifted_by_name(asking: Asking) -> None:
    asking("POST", f"{WA_PTA}/orders", json=HOLD)
    assert asking("DELETE", f"{WA_PTA}/orders/hold/PU1/1").status_code == 422
    assert asking("DELETE", f"{WA_PTA}/orders/hold/PU1/1?by=Bob").status_code == 200
    assert asking("DELETE", f"{WA_PTA}/orders/hold/PU1/1?by=Bob").status_code == 404
    lifted, ordered = _writes(asking)
    assert (lifted["action"], lifted["subject"], lifted["after"]) == ("lift_order", "PU1/1", None)
    assert lifted["before"]["by"] == "Ann"
    assert lifted["by"] == "operator 2 (Bob)"
    assert (ordered["action"], ordered["before"]) == ("order", None)
    assert ordered["after"]["reason"] == "cable checked"


@pytest.mark.parametrize(
    ("kind", "subject", "status"),
    [
        ("hold", "PU1/1", 201),
        ("hold", "PU1", 422),
        ("hold", "PU99/1", 422),
        ("stop", "PU1/1", 201),
        ("out_of_service", "PU1", 201),
        ("out_of_service", "PU1/1", 422),
        ("safe", "GC1", 201),
        ("safe", "C1", 201),
        ("safe", "PU1", 422),
        ("safe", "wa_pta", 422),
        ("explode", "PU1", 422),
        ("hold", "", 422),
    ],
)
def test_an_order_is_about_what_its_kind_says(asking: Asking, kind: str, subject: str, status: int) -> None:
    answer = asking("POST", f"{WA_PTA}/orders", json={"kind": kind, "subject": subject, "by": "Ann"})
    assert answer.status_code == status
    assert len(asking("GET", f"{WA_PTA}/orders").json()["orders"]) == (status == 201)


def test_a_connector_without_a_vehicle_cannot_be_stopped(asking: Asking) -> None:
    moment = asking.service.moments["wa_pta"]
    free = next(leaf for leaf in moment.projection.leaf_ids if leaf not in moment.plugged)
    answer = asking("POST", f"{WA_PTA}/orders", json={"kind": "stop", "subject": free, "by": "Ann"})
    assert answer.status_code == 422
    assert "no vehicle" in only_problem(answer)["rule"]


def test_a_plan_is_kept_replaced_and_cleared(asking: Asking) -> None:
    path = f"{WA_PTA}/plans/connector:PU1/1"
    departs = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    body = {"departs": departs.isoformat(), "energy_needed": "210 kWh", "priority": 2, "by": "Ann"}
    plan = models.Plan.model_validate_json(asking("PUT", path, json=body).content)
    assert (plan.departs, plan.energy_needed_wh, plan.priority) == (departs, 210_000, 2)
    assert asking("GET", path).json()["energy_needed_wh"] == 210_000
    assert asking("PUT", path, json={"priority": 1, "by": "Bob"}).json()["departs"] is None
    assert asking("PUT", path, json={"by": "Bob"}).status_code == 200
    assert asking("GET", f"{WA_PTA}/plans").json()["plans"] == []
    assert asking("GET", path).status_code == 404
    cleared, replaced, first = _writes(asking)
    assert (first["before"], first["after"]["energy_needed_wh"]) == (None, 210_000)
    assert replaced["before"]["energy_needed_wh"] == 210_000
    assert (cleared["subject"], cleared["after"]) == ("connector:PU1/1", None)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("connector:PU99/1", {"priority": 1}),
        ("colour:red", {"priority": 1}),
        ("PU1/1", {"priority": 1}),
        ("vehicle:", {"priority": 1}),
        ("vehicle:BUS1", {"energy_needed": "210 kW"}),
        ("vehicle:BUS1", {"energy_needed": "much"}),
        ("vehicle:BUS1", {"departs": "2026-11-23T05:10:00"}),
        ("vehicle:BUS1", {"departs": "9999-12-31T23:59:59-10:00"}),
        ("vehicle:BUS1", {"departs": "tomorrow"}),
        ("vehicle:BUS1", {"priority": 1.5}),
        ("vehicle:BUS1", {"priority": 10**9}),
        ("vehicle:BUS1", {"priority": 1, "by": "  "}),
        ("vehicle:BUS1", {"priority": 1, "by": None}),
        ("vehicle:BUS\x001", {"priority": 1}),
        ("vehicle:BUS1", {"priority": 1, "by": "An\x00n"}),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_and_nothing_is_kept(
    asking: Asking, key: str, body: dict[str, Any]
) -> None:
    answer = asking("PUT", f"{WA_PTA}/plans/{key.replace(chr(0), '%00')}", json={"by": "Ann", **body})
    assert answer.status_code == 422, answer.text
    assert _writes(asking) == []
    assert asking.service.woken == []


def test_settings_change_what_is_given_and_leave_the_rest(asking: Asking) -> None:
    body = {"strategy": "earliest_departure", "fair_in": "current", "by": "Ann"}
    answer = asking("PATCH", f"{WA_PTA}/settings", json=body)
    depot = models.DepotSummary.model_validate_json(answer.content)
    assert (depot.strategy, depot.fair_in, depot.leaves) == ("earliest_departure", "current", "connector")
    (write,) = _writes(asking)
    assert write["before"] == {"strategy": "least_laxity", "fair_in": "power"}
    assert write["after"] == {"strategy": "earliest_departure", "fair_in": "current"}
    assert asking("PATCH", f"{WA_PTA}/settings", json=body).status_code == 200
    assert len(_writes(asking)) == 1, "what changes nothing is not written down"


def test_every_wrong_setting_is_named_at_once(asking: Asking) -> None:
    answer = asking("PATCH", f"{WA_PTA}/settings", json={"strategy": "earliest", "leaves": "charge_point", "by": "Ann"})
    assert answer.status_code == 422
    assert [problem["path"] for problem in answer.json()["problems"]] == ["strategy"]
    assert "earliest_departure" in answer.json()["problems"][0]["fix"]
    assert asking("PATCH", f"{WA_PTA}/settings", json={"by": "Ann"}).status_code == 422


def test_an_envelope_that_can_be_met_has_no_shortfall(asking: Asking) -> None:
    answer = asking("POST", f"{WA_PTA}/envelopes", json={"node": "GC1", "value": "700 kW", "by": "DSO"})
    envelope = models.Envelope.model_validate_json(answer.content)
    assert (answer.status_code, envelope.state, envelope.shortfalls) == (201, "in_force", [])
    assert asking("DELETE", f"{WA_PTA}/envelopes/{envelope.id}?by=DSO").json()["state"] == "withdrawn"
    assert asking("DELETE", f"{WA_PTA}/envelopes/{envelope.id}").json()["state"] == "withdrawn"
    assert asking("GET", f"{WA_PTA}/envelopes").json()["envelopes"] == []
    withdrawn, given = _writes(asking)
    assert (withdrawn["action"], given["action"]) == ("withdraw_envelope", "envelope")
    assert given["after"]["value"] == "700 kW"


def test_an_envelope_that_cannot_be_met_is_taken_and_says_by_how_much_it_is_not(asking: Asking) -> None:
    answer = asking("POST", f"{WA_PTA}/envelopes", json={"node": "GC1", "value": "10 kW", "by": "DSO"})
    assert answer.status_code == 201
    (shortfall,) = answer.json()["shortfalls"]
    assert shortfall["row"] == "total"
    assert shortfall["by"] > 0
    (kept,) = asking("GET", f"{WA_PTA}/envelopes").json()["envelopes"]
    assert kept["shortfalls"] == [shortfall]


def test_an_envelope_to_come_is_answered_as_if_it_held_now(asking: Asking) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"node": "GC1", "value": "10 kW", "starts_at": later, "by": "DSO"}
    answer = asking("POST", f"{WA_PTA}/envelopes", json=body).json()
    assert answer["state"] == "coming"
    assert answer["shortfalls"]
    (kept,) = asking("GET", f"{WA_PTA}/envelopes").json()["envelopes"]
    assert kept["shortfalls"] == []


def test_an_envelope_may_differ_by_phase_and_leave_something_behind(asking: Asking) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    value = "{L1: 900 A, L2: 900 A, L3: 800 A}"
    body = {"node": "GC1", "value": value, "ends_at": ends, "after": "1000 A", "by": "DSO"}
    envelope = asking("POST", f"{WA_PTA}/envelopes", json=body).json()
    assert (envelope["value"], envelope["after"]) == (value, "1000 A")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"node": "GC9"}, "node"),
        ({"node": "PU1/1"}, "node"),
        ({"value": "700"}, "value"),
        ({"value": "-1 kW"}, "value"),
        ({"value": "{L9: 3 A}"}, "value"),
        ({"value": "{L1: 3 A, L1: 4 A}"}, "value"),
        ({"value": "{L1: 3 kW}"}, "value"),
        ({"value": "{}"}, "value"),
        ({"after": "lots"}, "after"),
        ({"starts_at": "2026-11-22T00:00:00"}, "starts_at"),
        ({"starts_at": "2040-11-22T00:00:00Z", "ends_at": "2039-11-22T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2020-11-22T00:00:00Z"}, "ends_at"),
        ({"by": " "}, "by"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_envelope_that_makes_no_sense_is_refused_with_where_and_why(
    asking: Asking, changes: dict[str, Any], path: str
) -> None:
    answer = asking("POST", f"{WA_PTA}/envelopes", json={"node": "GC1", "value": "700 kW", "by": "DSO", **changes})
    assert answer.status_code == 422, answer.text
    assert only_problem(answer)["path"] == path
    assert asking.run(asking.service.store.envelopes("wa_pta")) == ()


def test_a_derms_limits_below_what_it_is_granted(asking: Asking) -> None:
    below = {"node": "C1", "value": "300 kW", "by": "DSO"}
    assert asking("POST", f"{WA_PTA}/envelopes", role=Role.DERMS, json=below).status_code == 201
    above = {"node": "wa_pta", "value": "300 kW", "by": "DSO"}
    assert asking("POST", f"{WA_PTA}/envelopes", role=Role.DERMS, json=above).status_code == 403
    (write,) = _writes(asking)
    assert write["by"] == "derms 3 (DSO)"
    assert GRANTED == "GC1"


def test_a_derms_limits_what_it_is_granted_before_the_first_cycle_too() -> None:
    """A refusal there would lose a cut that came while the service was started again."""
    with asking_of(steps=0) as asking:
        cut = {"node": GRANTED, "value": "300 kW", "by": "DSO"}
        given = asking("POST", f"{WA_PTA}/envelopes", role=Role.DERMS, json=cut)
        assert given.status_code == 201, given.text
        (seen,) = asking("GET", f"{WA_PTA}/envelopes", role=Role.DERMS).json()["envelopes"]
        assert seen["id"] == given.json()["id"]
        other = asking("POST", f"{WA_PTA}/envelopes", role=Role.DERMS, json={**cut, "node": "GC2"})
        assert other.status_code == 403
        withdrawn = asking("DELETE", f"{WA_PTA}/envelopes/{seen['id']}", role=Role.DERMS)
        assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")


def test_a_breach_is_acknowledged_by_a_named_person_and_stays_open(asking: Asking) -> None:
    asking.run(asking.service.breach("GC1", breach_id="one"))
    path = f"{WA_PTA}/breaches/one/acknowledgement"
    assert asking("POST", path, json={"by": " ", "note": "x"}).status_code == 422
    breach = asking("POST", path, json={"by": "Ann", "note": "called the DSO"}).json()
    assert (breach["acknowledged_by"], breach["note"], breach["ended_at"]) == ("Ann", "called the DSO", None)
    assert asking("POST", path, json={"by": "Bob", "note": "calm"}).json()["acknowledged_by"] == "Bob"
    second, first = _writes(asking)
    assert (first["before"], first["after"]) == (None, {"acknowledged_by": "Ann", "note": "called the DSO"})
    assert second["before"] == {"acknowledged_by": "Ann", "note": "called the DSO"}
    assert asking("POST", f"{WA_PTA}/breaches/none/acknowledgement", json={"by": "Ann"}).status_code == 404


def test_the_audit_log_is_read_page_by_page(asking: Asking) -> None:
    for number in range(5):
        asking("PUT", f"{WA_PTA}/plans/vehicle:BUS{number}", json={"priority": number, "by": "Ann"})
    first = asking("GET", f"{WA_PTA}/writes?limit=3").json()
    second = asking("GET", f"{WA_PTA}/writes?limit=3&before={first['next']}").json()
    assert [each["subject"][-1] for each in first["writes"] + second["writes"]] == ["4", "3", "2", "1", "0"]
    assert second["next"] is None
    models.Writes.model_validate(first)


def test_every_offender_of_a_body_is_named(asking: Asking) -> None:
    answer = asking("POST", f"{WA_PTA}/orders", json={"kind": "explode", "subject": 7, "colour": "red"})
    assert answer.status_code == 422
    assert {problem["path"] for problem in answer.json()["problems"]} == {"kind", "subject", "by", "colour"}


def _writes(asking: Asking) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asking("GET", f"{WA_PTA}/writes").json()["writes"]
    return found
