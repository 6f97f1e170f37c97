"""Which breach is linked to which, what an edit and a restart make of them, and what is reported when."""

from dataclasses import replace
from datetime import timedelta

import pytest
from breach_bench import Bench, made_depot

from busbar.engine.breach_record import BreachCause


def test_a_breach_names_the_one_at_the_node_above() -> None:
    bench = Bench(limit={"G": 100, "C1": 50, "yard": 300})
    bench.steady(0, 30, {"G": 120, "C1": 80, "yard": 120})
    by_node = {record.node: record for record in bench.breaches.open}
    assert by_node.keys() == {"G", "C1"}
    assert by_node["C1"].parent == by_node["G"].id
    assert by_node["G"].parent is None
    assert {record.node: record.parent for record in bench.opened} == {"G": None, "C1": by_node["G"].id}


def test_a_parent_that_opens_later_is_linked_and_stays_when_it_closes_first() -> None:
    bench = Bench(limit={"G": 100, "C1": 50})
    bench.steady(0, 50, {"G": 90, "C1": 80})
    assert bench.only().parent is None
    bench.steady(51, 80, {"G": 120, "C1": 80})
    parent = next(record for record in bench.breaches.open if record.node == "G")
    assert [(record.node, record.parent) for record in bench.updated] == [("C1", parent.id)]
    bench.steady(81, 120, {"G": 90, "C1": 80})
    assert [record.node for record in bench.closed] == ["G"]
    assert bench.only().parent == parent.id


def test_where_only_another_row_of_the_node_above_is_over_that_is_named() -> None:
    bench = Bench(limit={"G": 100, "C1": 50})
    for second in range(30):
        bench.row = 0
        bench.look(second, {"G": 120})
        bench.row = 2
        bench.look(second + 0.1, {"C1": 80})
    by_place = {(record.node, record.row): record for record in bench.breaches.open}
    assert by_place["C1", "L3"].parent == by_place["G", "L1"].id


def test_one_two_levels_up_is_linked_when_the_one_between_is_fine() -> None:
    bench = Bench(limit={"G": 100, "CP1": 50, "C1": 500})
    bench.steady(0, 30, {"G": 120, "CP1": 60, "C1": 120})
    by_node = {record.node: record for record in bench.breaches.open}
    assert by_node["CP1"].parent == by_node["G"].id


def test_of_several_breaches_of_the_node_above_that_of_the_same_row_is_named() -> None:
    bench = Bench(limit={"G": 100, "C1": 50})
    for second in range(30):
        bench.row = 0
        bench.look(second, {"G": 120})
        bench.row = 2
        bench.look(second + 0.1, {"G": 120, "C1": 80})
    by_place = {(record.node, record.row): record for record in bench.breaches.open}
    assert by_place["C1", "L3"].parent == by_place["G", "L3"].id


def test_breaches_of_several_rows_of_a_node_are_several() -> None:
    bench = Bench(limit={"G": 100})
    for second in range(30):
        bench.row = 0
        bench.look(second, {"G": 120})
        bench.row = 2
        bench.look(second + 0.1, {"G": 120})
    assert sorted(record.row for record in bench.breaches.open) == ["L1", "L3"]


def test_a_breach_of_a_node_that_is_gone_is_closed_at_once() -> None:
    bench = Bench(depot=made_depot("C2"), limit={"C2": 50, "G": 100})
    bench.steady(0, 30, {"C2": 80, "G": 120})
    bench.use(made_depot())
    bench.look(31, {"G": 120})
    (record,) = bench.closed
    assert record.node == "C2"
    assert record.ended_at is not None
    assert bench.seconds(record.ended_at) == 30
    assert record.evidence["closed_because"] == "the node is gone"
    assert bench.only().node == "G"


def test_an_edit_elsewhere_carries_everything_over() -> None:
    bench = Bench(limit={"G": 100}, base={"G": 0})
    bench.steady(0, 10, {"G": 120})
    bench.use(made_depot("A0", "C2"))
    bench.steady(11, 30, {"G": 120})
    record = bench.only()
    assert bench.seconds(record.started_at) == 0
    bench.use(made_depot())
    bench.steady(31, 70, {"G": 90})
    assert [each.id for each in bench.closed] == [record.id]


def test_an_edit_that_lowers_a_limit_is_a_limit_that_fell() -> None:
    bench = Bench(limit={"G": 100}, base={"G": 0})
    bench.steady(0, 30, {"G": 90})
    bench.use(made_depot("C2"))
    bench.limit = {"G": 60, "C2": 10}
    bench.steady(31, 60, {"G": 90})
    assert bench.only().cause is BreachCause.LIMIT_LOWERED


def test_a_restored_breach_of_a_node_that_is_gone_is_closed() -> None:
    bench = Bench(depot=made_depot("C2"), limit={"C2": 50})
    bench.steady(0, 30, {"C2": 80})
    records = bench.breaches.open
    bench.use(made_depot())
    bench.breaches = bench.begun()
    bench.breaches.restore(records)
    (closed,) = bench.look(40, {}).closed
    assert (closed.id, closed.ended_at) == (records[0].id, records[0].opened_at)
    assert closed.evidence["closed_because"] == "the node is gone"
    assert bench.look(41, {}).closed == ()


def test_a_restored_breach_of_a_node_that_is_gone_before_anything_was_seen_ended_when_it_opened() -> None:
    bench = Bench(depot=made_depot("C2"), limit={"C2": 50})
    bench.steady(0, 30, {"C2": 80})
    (record,) = bench.breaches.open
    bench.breaches = bench.begun()
    bench.breaches.restore([record])
    bench.look(40, {})
    bench.use(made_depot())
    (closed,) = bench.look(41, {}).closed
    assert (closed.id, closed.ended_at) == (record.id, record.opened_at)


def test_a_restored_breach_goes_on_as_the_one_that_has_opened_since() -> None:
    bench = Bench(limit={"G": 100})
    bench.steady(0, 30, {"G": 120})
    (earlier,) = bench.breaches.open
    bench.breaches = bench.begun()
    bench.steady(40, 70, {"G": 120})
    (later,) = bench.breaches.open
    bench.breaches.restore([earlier])
    (closed,) = bench.look(71, {"G": 120}).closed
    assert (closed.id, closed.ended_at) == (earlier.id, earlier.opened_at)
    assert closed.evidence["closed_because"] == f"it goes on as {later.id}"
    assert bench.only().id == later.id


def test_a_node_that_is_new_is_watched_from_its_first_sample_like_those_that_stay() -> None:
    bench = Bench(limit={"G": 100, "C2": 50})
    bench.steady(0, 10, {"G": 90})
    bench.use(made_depot("C2"))
    bench.steady(11, 40, {"G": 120, "C2": 80})
    assert {record.node: bench.seconds(record.started_at) for record in bench.opened} == {"G": 11, "C2": 11}


def test_at_another_voltage_no_limit_fell_and_what_is_open_goes_on() -> None:
    """Amperes are referred to the depot's voltage: those of before are not comparable."""
    bench = Bench(limit={"G": 100})
    bench.steady(0, 30, {"G": 120})
    bench.use(replace(bench.depot, voltage_v=800))
    bench.limit = {"G": 50, "C1": 20}
    bench.steady(31, 60, {"G": 60, "C1": 25})
    assert {record.node: record.cause for record in bench.breaches.open} == {
        "G": BreachCause.UNACCOUNTED_LOAD,
        "C1": BreachCause.UNACCOUNTED_LOAD,
    }
    assert bench.closed == []


def test_a_breach_that_is_over_has_its_chart_as_it_is_when_its_node_is_gone() -> None:
    bench = Bench(depot=made_depot("C2"), limit={"C2": 50})
    bench.steady(0, 30, {"C2": 80})
    bench.steady(31, 70, {"C2": 40})
    bench.use(made_depot())
    assert [record.id for record in bench.look(71, {}).charted] == [record.id for record in bench.closed]
    assert bench.look(72, {}).charted == ()


def test_a_peak_that_grows_is_reported_twice_a_minute_at_most() -> None:
    bench = Bench(limit={"G": 100})
    for second in range(120):
        bench.look(second, {"G": 120 + second})
    assert [bench.seconds(record.opened_at) for record in bench.opened] == [21]
    at = [bench.seconds(record.peak_at) for record in bench.updated]
    assert at == [51, 81, 111]
    assert bench.only().peak == (120 + 119) * 1000


def test_a_peak_that_hardly_grows_is_no_news_but_it_is_kept() -> None:
    bench = Bench(limit={"G": 100})
    bench.steady(0, 30, {"G": 120})
    bench.steady(31, 200, {"G": 126})
    assert bench.updated == []
    assert bench.only().peak == 126_000


def test_one_that_was_reported_a_moment_ago_holds_up_no_other() -> None:
    bench = Bench(limit={"G": 100, "C1": 50})
    bench.steady(0, 30, {"G": 120, "C1": 80})
    bench.steady(31, 54, {"G": 200, "C1": 80})
    bench.look(55, {"G": 200, "C1": 120})
    assert [record.node for record in bench.updated] == ["G", "C1"]


def test_one_that_was_restored_is_reported_half_a_minute_later_at_the_earliest() -> None:
    bench = Bench(limit={"G": 100})
    bench.steady(0, 30, {"G": 120})
    records = bench.breaches.open
    bench.breaches = bench.begun()
    bench.breaches.restore(records)
    bench.steady(40, 69, {"G": 200})
    assert bench.updated == []
    bench.look(70, {"G": 200})
    assert [bench.seconds(record.peak_at) for record in bench.updated] == [40]


def test_at_the_limit_nothing_is_wrong() -> None:
    bench = Bench(limit={"G": 100})
    bench.steady(0, 500, {"G": 100})
    assert (bench.news.open, bench.opened, bench.news.in_transition) == ((), [], frozenset())


@pytest.mark.parametrize("ago", [timedelta(hours=2), timedelta(hours=-1)])
def test_a_breach_restored_under_a_clock_that_was_wrong_goes_on(ago: timedelta) -> None:
    bench = Bench(limit={"G": 100})
    bench.steady(0, 30, {"G": 120})
    (record,) = bench.breaches.open
    bench.wall_ahead_s = ago.total_seconds()
    bench.breaches = bench.begun()
    bench.breaches.restore([record])
    bench.steady(40, 70, {"G": 90})
    (closed,) = bench.closed
    assert closed.id == record.id
    assert closed.ended_at is not None
    assert closed.ended_at >= closed.opened_at
    assert closed.evidence["lasted_s"] == max(0, 40 + ago.total_seconds())
    assert "closed_because" not in closed.evidence
