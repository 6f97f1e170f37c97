"""Reading a depot: what is answered, in which shape, and what is said where there is nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import WA_PTA, Asking, asking_of, only_problem
from pydantic import BaseModel

from busbar.entrypoints.api import models

CONNECTOR = f"{WA_PTA}/connectors/PU1/1"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/api/v1/depots", models.Depots),
        ("/api/v1/me", models.Me),
        (f"{WA_PTA}/microgrid", models.Microgrid),
        (f"{WA_PTA}/status", models.Status),
        (f"{WA_PTA}/cycles", models.Cycles),
        (f"{WA_PTA}/cycles/2", models.Cycle),
        (f"{WA_PTA}/breaches", models.Breaches),
        (f"{WA_PTA}/breaches/one", models.BreachInFull),
        (f"{CONNECTOR}/explanation", models.Explanation),
        (f"{CONNECTOR}/history", models.History),
        (f"{WA_PTA}/nodes/PU1/history", models.NodeHistory),
        (f"{WA_PTA}/nodes/GC1/history?row=L2", models.NodeHistory),
        (f"{WA_PTA}/plans", models.Plans),
        (f"{WA_PTA}/orders", models.Orders),
        (f"{WA_PTA}/envelopes", models.Envelopes),
        (f"{WA_PTA}/writes", models.Writes),
    ],
)
def test_what_is_read_has_the_shape_that_is_described(path: str, model: type[BaseModel]) -> None:
    with asking_of(steps=2) as asking:
        asking.run(asking.service.breach("GC1", breach_id="one"))
        asking("POST", f"{WA_PTA}/envelopes", json={"node": "GC1", "value": "500 kW", "by": "Ann"})
        answer = asking("GET", path)
        assert answer.status_code == 200, answer.text
        model.model_validate_json(answer.content)


def test_the_status_is_one_cycle_and_its_tag_spares_the_second_look(asking: Asking) -> None:
    first = asking("GET", f"{WA_PTA}/status")
    tag = first.headers["ETag"]
    assert f"{first.json()['epoch']}-{first.json()['sequence']}" in tag
    assert first.json()["last_event"] == f"{asking.service.broadcast.epoch}-{asking.service.broadcast.number}"
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = asking("GET", f"{WA_PTA}/status", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    asking.run(asking.service.step())
    assert asking("GET", f"{WA_PTA}/status", headers={"If-None-Match": tag}).json()["sequence"] == 2


def test_a_status_says_how_old_it_is_when_it_is_answered(asking: Asking) -> None:
    asking.run(asking.service.step(at=datetime.now(UTC) - timedelta(seconds=40)))
    status = asking("GET", f"{WA_PTA}/status").json()
    assert 40 <= status["age_s"] < 60
    assert status["stale_after_s"] < 40


def test_before_the_first_cycle_there_is_no_status_yet() -> None:
    with asking_of(steps=0) as asking:
        for path in ("status", "connectors/PU1/1/explanation", "nodes/GC1/history"):
            answer = asking("GET", f"{WA_PTA}/{path}")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert asking("POST", f"{WA_PTA}/what-if", json={}).status_code == 503
        (depot,) = asking("GET", "/api/v1/depots").json()["depots"]
        assert (depot["state"], depot["at"]) == ("UNKNOWN", None)


def test_the_wiring_has_a_tag_of_its_own_that_changes_with_the_depot(asking: Asking) -> None:
    first = asking("GET", f"{WA_PTA}/microgrid")
    tag = {"If-None-Match": first.headers["ETag"]}
    assert asking("GET", f"{WA_PTA}/microgrid", headers=tag).status_code == 304
    asking("PATCH", f"{WA_PTA}/settings", json={"strategy": "priority", "by": "Ann"})
    assert asking("GET", f"{WA_PTA}/microgrid", headers=tag).json()["revision"] == first.json()["revision"] + 1


def test_cycles_come_newest_first_and_page_by_page() -> None:
    with asking_of(steps=5) as asking:
        seen, before = [], ""
        for _ in range(3):
            page = asking("GET", f"{WA_PTA}/cycles?limit=2{before}").json()
            seen.append([cycle["number"] for cycle in page["cycles"]])
            before = f"&before={page['next']}"
        assert seen == [[5, 4], [3, 2], [1]]
        assert page["next"] is None


def test_cycles_are_chosen_by_outcome_and_by_node() -> None:
    with asking_of(steps=2) as asking:
        asking.run(asking.service.step(vehicles=0))
        both = asking("GET", f"{WA_PTA}/cycles?outcome=CONSTRAINED&outcome=APPLIED").json()["cycles"]
        constrained = asking("GET", f"{WA_PTA}/cycles?outcome=CONSTRAINED").json()["cycles"]
        assert [cycle["number"] for cycle in both] == [3, 2, 1]
        assert [cycle["number"] for cycle in constrained] == [2, 1]
        assert [each["number"] for each in asking("GET", f"{WA_PTA}/cycles?node=PU1/1").json()["cycles"]] == [2, 1]
        assert asking("GET", f"{WA_PTA}/cycles?node=CP99").status_code == 404
        assert asking("GET", f"{WA_PTA}/cycles?outcome=GOOD").status_code == 422


def test_a_cycle_that_is_not_kept_may_have_changed_nothing(asking: Asking) -> None:
    answer = asking("GET", f"{WA_PTA}/cycles/77")
    assert answer.status_code == 404
    assert "changed nothing" in only_problem(answer)["rule"]


def test_open_breaches_come_first_and_past_ones_page_by_page(asking: Asking) -> None:
    asking.run(asking.service.breach("GC1", breach_id="open and old", ago_s=9000))
    for number in range(5):
        ago_s = 1000 + 100 * number
        asking.run(asking.service.breach("GC2", breach_id=f"past {number}", ago_s=ago_s, ended_ago_s=ago_s - 60))
    first = asking("GET", f"{WA_PTA}/breaches?limit=3").json()
    assert [each["id"] for each in first["breaches"]] == ["open and old", "past 0", "past 1", "past 2"]
    second = asking("GET", f"{WA_PTA}/breaches", params={"limit": 3, "before": first["next"]}).json()
    assert [each["id"] for each in second["breaches"]] == ["past 3", "past 4"]
    assert second["next"] is None
    assert _ids(asking, "open=true") == ["open and old"]
    assert _ids(asking, "open=false&limit=2") == ["past 0", "past 1"]
    assert _ids(asking, "node=GC1") == ["open and old"]
    assert asking("GET", f"{WA_PTA}/breaches?before=2026-11-22T00:00:00").status_code == 422
    assert asking("GET", f"{WA_PTA}/breaches?before=0001-01-01T00:00:00%2B10:00").status_code == 422


def test_breaches_that_began_together_are_not_parted_by_a_page(asking: Asking) -> None:
    now = datetime.now(UTC)
    for name, ago_s in (("a", 500.0), ("b", 600.0), ("c", 600.0)):
        record = asking.run(asking.service.breach("GC2", breach_id=name, ago_s=ago_s, ended_ago_s=400.0))
        started_at = now - timedelta(seconds=ago_s)
        moved = type(record)(**{name: getattr(record, name) for name in record.__slots__} | {"started_at": started_at})
        asking.run(asking.service.store.save_breaches("wa_pta", [moved]))
    first = asking("GET", f"{WA_PTA}/breaches?limit=2").json()
    second = asking("GET", f"{WA_PTA}/breaches", params={"limit": 2, "before": first["next"]}).json()
    assert [each["id"] for each in first["breaches"]] == ["a"]
    assert sorted(each["id"] for each in second["breaches"]) == ["b", "c"]


def test_a_breach_names_those_below_it_and_shows_its_moments(asking: Asking) -> None:
    asking.run(asking.service.breach("GC1", breach_id="above"))
    asking.run(asking.service.breach("C1", breach_id="below", parent="above"))
    above = asking("GET", f"{WA_PTA}/breaches/above").json()
    assert above["children"] == ["below"]
    assert len(above["series"]) == 18
    assert asking("GET", f"{WA_PTA}/breaches/below").json()["parent"] == "above"
    assert asking("GET", f"{WA_PTA}/breaches/none").status_code == 404


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("/api/v1/depots/wa_ptaa/status", "Did you mean `wa_pta`?"),
        (f"{WA_PTA}/connectors/PU1/9/explanation", "Did you mean"),
        (f"{WA_PTA}/connectors/GC1/1/history", "Did you mean"),
        (f"{WA_PTA}/nodes/GC11/history", "Did you mean `GC1`?"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(asking: Asking, path: str, fix: str) -> None:
    answer = asking("GET", path)
    assert answer.status_code == 404
    assert only_problem(answer)["fix"].startswith(fix)


def test_history_has_a_column_entry_for_every_moment_that_was_looked_at(asking: Asking) -> None:
    for ago_s in (20, 15, 10):
        asking.run(asking.service.step(at=datetime.now(UTC) - timedelta(seconds=ago_s)))
        asking("GET", f"{WA_PTA}/status")
    kept = asking("GET", f"{CONNECTOR}/history").json()
    assert len(kept["at"]) == len(kept["setpoint"]) == len(kept["soc"]) == 3
    assert kept["at"] == sorted(kept["at"])
    node = asking("GET", f"{WA_PTA}/nodes/GC1/history?row=total").json()
    assert (node["row"], node["unit"], len(node["measured"])) == ("total", "W", 3)


def test_what_if_answers_both_sides_and_stores_nothing(asking: Asking) -> None:
    answer = asking("POST", f"{WA_PTA}/what-if", json={"limits": {"C1": "100 A"}, "strategy": "equal_share"})
    document = models.WhatIfAnswer.model_validate_json(answer.content)
    assert document.after.total_w < document.before.total_w
    assert document.after.strategy == "equal_share"
    assert asking("GET", f"{WA_PTA}/writes").json()["writes"] == []
    assert asking.service.woken == []


@pytest.mark.parametrize(
    "body",
    [
        {"limits": {"GC9": "200 kW"}},
        {"limits": {"GC1": "200 horses"}},
        {"strategy": "guessing"},
        {"add": [{"connector": "PU1/77"}]},
        {"remove": ["nothing"]},
        {"leaves": "pole"},
        {"color": "red"},
        [],
        None,
    ],
)
def test_a_question_that_makes_no_sense_is_refused(asking: Asking, body: Any) -> None:
    answer = asking("POST", f"{WA_PTA}/what-if", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["problems"]


def test_the_description_is_versioned_and_has_every_refusal(asking: Asking) -> None:
    described = asking("GET", "/api/v1/openapi.json").json()
    assert described["info"]["version"] == "1.0"
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/v1/depots/"):
                assert {"401", "403", "404", "422", "429", "503"} <= operation["responses"].keys(), (method, path)


def _ids(asking: Asking, query: str) -> list[str]:
    return [each["id"] for each in asking("GET", f"{WA_PTA}/breaches?{query}").json()["breaches"]]
