"""What a breach is put down to, in words; and transitions."""

from dataclasses import replace

import pytest
from breach_bench import Bench, made_depot

from busbar.engine.breach_record import BreachCause


def below(*, drawn: tuple[float, float, float], committed: tuple[float, float, float], base: float = 0) -> Bench:
    """Three charge points on C1, below G with 100 A."""
    names = ("CP1/1", "CP2/1", "CP3/1")
    return Bench(
        drawn=dict(zip(names, drawn, strict=True)),
        committed=dict(zip(names, committed, strict=True)),
        base={"G": base},
    )


# Causes


def test_charge_points_that_draw_more_than_they_may_are_named_the_furthest_first() -> None:
    bench = below(drawn=(30, 50, 60), committed=(30, 30, 30), base=5)
    bench.steady(0, 25, {"G": 145})
    record = bench.only()
    assert record.cause is BreachCause.CHARGE_POINT_DISOBEYS
    assert record.sentence == "CP3/1 and CP2/1 draw 50 A more than they may."
    assert record.evidence["charge_points"] == ["CP3/1", "CP2/1"]
    assert not record.is_critical


def test_one_that_is_counted_for_what_it_draws_disobeys_all_the_same() -> None:
    """`committed` counts a rogue at its rating; what it was told is what it may."""
    bench = below(drawn=(30, 30, 64), committed=(30, 30, 64), base=5)
    bench.told, bench.disobeys = {"CP3/1": 20}, ["CP3/1"]
    bench.steady(0, 25, {"G": 129})
    assert bench.only().sentence == "CP3/1 draws 44 A more than it may."


def test_more_than_three_are_counted_in_the_sentence() -> None:
    depot = made_depot()
    unit = depot.charge_points[0]
    many = tuple(replace(unit, id=f"CP{k}") for k in range(1, 7))
    bench = Bench(depot=replace(depot, charge_points=many))
    bench.drawn = {f"CP{k}/1": 20.0 + k for k in range(1, 7)}
    bench.committed = dict.fromkeys(bench.drawn, 10.0)
    bench.base = {"G": 0}
    bench.steady(0, 25, {"G": 141})
    assert bench.only().sentence == "CP6/1, CP5/1, CP4/1 and 3 more draw 81 A more than they may."
    assert len(bench.only().evidence["charge_points"]) == 6


def test_a_little_above_what_it_may_is_not_disobeying() -> None:
    """What meters are off by: less than 1 A, or less than 3 %."""
    bench = below(drawn=(50.9, 50.9, 0), committed=(50, 50, 0), base=10)
    bench.steady(0, 25, {"G": 111.8})
    assert bench.only().cause is BreachCause.COMMANDED


def test_base_load_alone_above_the_limit() -> None:
    bench = below(drawn=(0, 0, 0), committed=(6, 0, 0), base=112.34)
    bench.steady(0, 25, {"G": 112.34})
    record = bench.only()
    assert record.cause is BreachCause.BASE_LOAD
    assert record.sentence == "Base load alone is 112.3 A; 100 A may flow."
    assert record.evidence["base_load"] == 112_340


def test_base_load_that_rose_faster_than_charge_points_give_way() -> None:
    bench = below(drawn=(25, 25, 0), committed=(30, 30, 0), base=40)
    bench.steady(0, 60, {"G": 90})
    bench.base = {"G": 62}
    bench.steady(61, 85, {"G": 112})
    record = bench.only()
    assert record.cause is BreachCause.BASE_LOAD
    assert record.sentence == "Base load rose by 22 A within 35 s, faster than the charge points gave way."


def test_base_load_that_rose_long_ago_excuses_nobody() -> None:
    bench = below(drawn=(25, 25, 0), committed=(30, 30, 0), base=40)
    bench.steady(0, 60, {"G": 90})
    bench.base = {"G": 49}
    bench.steady(61, 120, {"G": 99})
    bench.drawn = {"CP1/1": 30, "CP2/1": 30}
    bench.steady(121, 145, {"G": 109})
    assert bench.only().cause is BreachCause.COMMANDED


def test_base_load_that_rose_up_to_35_seconds_before_it_went_over_is_the_cause() -> None:
    bench = below(drawn=(25, 25, 0), committed=(30, 30, 0), base=40)
    bench.steady(0, 60, {"G": 90})
    bench.base = {"G": 62}
    bench.steady(61, 84, {"G": 90})
    bench.drawn = {"CP1/1": 30, "CP2/1": 30}
    bench.steady(85, 110, {"G": 122})
    assert bench.only().cause is BreachCause.BASE_LOAD


@pytest.mark.parametrize(("rose_by", "cause"), [(5, BreachCause.BASE_LOAD), (4, BreachCause.COMMANDED)])
def test_base_load_that_rose_by_a_quarter_of_what_is_too_much_explains_it(rose_by: float, cause: BreachCause) -> None:
    bench = below(drawn=(60, 40, 0), committed=(60, 40, 0), base=20 - rose_by)
    bench.steady(0, 60, {"G": 90})
    bench.base = {"G": 20}
    bench.look(61, {"G": 120})
    assert bench.news.in_transition == ({"G"} if cause is BreachCause.BASE_LOAD else set())
    bench.steady(62, 90, {"G": 120})
    assert bench.only().cause is cause


@pytest.mark.parametrize(("fell_by", "cause"), [(5, BreachCause.LIMIT_LOWERED), (4, BreachCause.COMMANDED)])
def test_a_limit_that_fell_by_a_quarter_of_what_is_too_much_explains_it(fell_by: float, cause: BreachCause) -> None:
    bench = below(drawn=(60, 60, 0), committed=(60, 60, 0))
    bench.limit = {"G": 100 + fell_by}
    bench.steady(0, 60, {"G": 90})
    bench.limit = {"G": 100}
    bench.look(61, {"G": 120})
    assert bench.news.in_transition == ({"G"} if cause is BreachCause.LIMIT_LOWERED else set())
    bench.steady(62, 90, {"G": 120})
    assert bench.only().cause is cause


@pytest.mark.parametrize(("over_s", "cause"), [(96, BreachCause.LIMIT_LOWERED), (97, BreachCause.COMMANDED)])
def test_a_limit_that_fell_up_to_35_seconds_before_it_went_over_is_the_cause(over_s: int, cause: BreachCause) -> None:
    bench = below(drawn=(60, 60, 0), committed=(60, 60, 0))
    bench.limit = {"G": 200}
    bench.steady(0, 60, {"G": 90})
    bench.limit = {"G": 100}
    bench.steady(61, over_s - 1, {"G": 90})
    bench.steady(over_s, over_s + 25, {"G": 120})
    assert bench.only().cause is cause


def test_a_limit_that_falls_when_it_is_over_already_excuses_nobody() -> None:
    bench = below(drawn=(60, 60, 0), committed=(60, 60, 0))
    bench.steady(0, 10, {"G": 120})
    bench.limit = {"G": 60}
    bench.steady(11, 25, {"G": 120})
    assert bench.only().cause is BreachCause.COMMANDED


def test_a_limit_that_was_lowered_and_the_load_did_not_follow() -> None:
    depot = made_depot(timezone="Australia/Perth")
    bench = Bench(depot=depot, limit={"G": 800}, base={"G": 600})
    bench.steady(0, 189, {"G": 700})
    bench.limit = {"G": 600}
    bench.steady(190, 211, {"G": 700})
    record = bench.only()
    assert record.cause is BreachCause.LIMIT_LOWERED
    assert record.sentence == (
        "The limit was lowered from 800 A to 600 A at 22:03:10 and the load did not follow within 15 s."
    )
    assert record.evidence["limit_before"] == 800_000
    assert bench.seconds(record.started_at) == 190
    assert bench.seconds(record.opened_at) == 211


def test_a_limit_that_fell_in_steps_fell_from_where_it_was_first() -> None:
    bench = Bench(limit={"G": 800}, base={"G": 0})
    bench.steady(0, 60, {"G": 700})
    for second, limit in ((61, 750), (81, 700), (101, 600)):
        bench.limit = {"G": limit}
        bench.steady(second, second + 19, {"G": 700})
    bench.steady(121, 125, {"G": 700})
    assert bench.only().sentence.startswith("The limit was lowered from 800 A to 600 A")


def test_a_limit_where_there_was_none() -> None:
    bench = Bench(limit={}, base={"G": 0})
    bench.steady(0, 60, {"G": 700})
    bench.limit = {"G": 600}
    bench.steady(61, 90, {"G": 700})
    assert bench.only().cause is BreachCause.LIMIT_LOWERED
    assert bench.only().sentence.startswith("The limit was set to 600 A at 14:01:01")


def test_a_limit_that_fell_by_next_to_nothing_explains_nothing() -> None:
    bench = below(drawn=(60, 60, 0), committed=(60, 60, 0))
    bench.steady(0, 60, {"G": 90})
    bench.limit = {"G": 99}
    bench.steady(61, 85, {"G": 120})
    assert bench.only().cause is BreachCause.COMMANDED


def test_what_no_meter_or_charge_point_accounts_for() -> None:
    bench = below(drawn=(30, 30, 0), committed=(30, 30, 0), base=10)
    bench.steady(0, 25, {"G": 125.04})
    record = bench.only()
    assert record.cause is BreachCause.UNACCOUNTED_LOAD
    assert record.sentence == "55 A flow that no meter or charge point below accounts for."


def test_one_whose_draw_is_not_known_counts_for_what_it_may_draw() -> None:
    nan = float("nan")
    bench = below(drawn=(30, nan, nan), committed=(30, 30, 30), base=10)
    bench.steady(0, 25, {"G": 125})
    assert bench.only().sentence == "25 A flow that no meter or charge point below accounts for."


def test_our_own_order_is_critical_and_freezes_raises() -> None:
    bench = below(drawn=(40, 40, 40), committed=(40, 40, 40), base=5)
    bench.steady(0, 25, {"G": 125})
    record = bench.only()
    assert record.cause is BreachCause.COMMANDED
    assert record.is_critical
    assert record.sentence == "Our own order: 120 A committed to charge points and 5 A of base load do not fit 100 A."
    assert bench.news.commanded == {"G"}
    bench.drawn = dict.fromkeys(bench.drawn, 20)
    bench.steady(26, 60, {"G": 65})
    assert bench.news.commanded == frozenset()


def test_nothing_else_is_critical() -> None:
    bench = below(drawn=(30, 50, 60), committed=(30, 30, 30), base=5)
    bench.steady(0, 25, {"G": 145})
    assert bench.news.commanded == frozenset()


def test_the_first_cause_stays_when_nothing_worse_is_found() -> None:
    bench = below(drawn=(30, 30, 60), committed=(30, 30, 30), base=5)
    bench.steady(0, 25, {"G": 125})
    bench.drawn, bench.base = {"CP1/1": 30, "CP2/1": 30, "CP3/1": 30}, {"G": 110}
    bench.steady(26, 90, {"G": 200})
    assert bench.only().cause is BreachCause.CHARGE_POINT_DISOBEYS


def test_a_worse_cause_takes_its_place_once_it_has_held_for_20_seconds() -> None:
    bench = Bench(limit={"G": 200}, base={"G": 0})
    bench.drawn = bench.committed = {"CP1/1": 60, "CP2/1": 60}
    bench.steady(0, 60, {"G": 120})
    bench.limit = {"G": 100}
    bench.steady(61, 85, {"G": 120})
    assert bench.only().cause is BreachCause.LIMIT_LOWERED
    bench.committed = {"CP1/1": 60, "CP2/1": 30}
    bench.steady(86, 106, {"G": 120})
    assert bench.only().cause is BreachCause.LIMIT_LOWERED
    bench.look(107, {"G": 120})
    assert bench.only().cause is BreachCause.CHARGE_POINT_DISOBEYS
    assert bench.only().evidence["charge_points"] == ["CP2/1"]
    assert bench.only().evidence["cause_before"] == "limit_lowered"
    assert bench.only().sentence == "CP2/1 draws 30 A more than it may."


def test_no_worse_cause_is_found_in_what_flows_at_the_limit() -> None:
    bench = below(drawn=(30, 30, 0), committed=(30, 30, 0), base=10)
    bench.steady(0, 25, {"G": 125})
    bench.drawn = bench.committed = {"CP1/1": 60, "CP2/1": 60}
    bench.steady(26, 50, {"G": 100})
    assert bench.only().cause is BreachCause.UNACCOUNTED_LOAD


def test_a_lowered_limit_does_not_become_our_fault_by_waiting() -> None:
    bench = Bench(limit={"G": 200}, base={"G": 0})
    bench.drawn = bench.committed = {"CP1/1": 60, "CP2/1": 60}
    bench.steady(0, 60, {"G": 120})
    bench.limit = {"G": 100}
    bench.steady(61, 600, {"G": 120})
    assert bench.only().cause is BreachCause.LIMIT_LOWERED


def test_nor_by_a_restart() -> None:
    bench = Bench(limit={"G": 200}, base={"G": 0})
    bench.drawn = bench.committed = {"CP1/1": 60, "CP2/1": 60}
    bench.steady(0, 60, {"G": 120})
    bench.limit = {"G": 100}
    bench.steady(61, 100, {"G": 120})
    bench.breaches, records = bench.begun(), bench.breaches.open
    bench.breaches.restore(records)
    bench.steady(110, 300, {"G": 120})
    assert bench.only().cause is BreachCause.LIMIT_LOWERED


def test_a_limit_that_fell_long_before_it_went_over_explains_nothing() -> None:
    bench = below(drawn=(60, 60, 0), committed=(60, 60, 0))
    bench.limit = {"G": 200}
    bench.steady(0, 10, {"G": 90})
    bench.limit = {"G": 100}
    bench.steady(11, 99, {"G": 90})
    bench.steady(100, 125, {"G": 120})
    assert bench.only().cause is BreachCause.COMMANDED


def test_of_a_limit_that_fell_and_a_base_load_that_rose_the_larger_change_counts() -> None:
    for limit, base, cause in ((90, 80, BreachCause.BASE_LOAD), (60, 50, BreachCause.LIMIT_LOWERED)):
        bench = below(drawn=(20, 20, 0), committed=(20, 20, 0), base=40)
        bench.steady(0, 60, {"G": 80})
        bench.limit, bench.base = {"G": limit}, {"G": base}
        bench.steady(61, 90, {"G": 40 + base})
        assert bench.only().cause is cause


def test_while_somebody_disobeys_our_own_orders_are_not_blamed() -> None:
    bench = below(drawn=(60, 60, 0), committed=(45, 60, 0), base=10)
    bench.steady(0, 25, {"G": 130})
    assert bench.only().sentence == "CP1/1 draws 15 A more than it may."
    assert not bench.only().is_critical


def test_connectors_that_together_draw_more_than_their_unit_may_are_named() -> None:
    """Each keeps to what it was told; what is committed for the unit is held down to its rating."""
    bench = below(drawn=(60, 60, 0), committed=(50, 50, 0), base=0)
    bench.told = {"CP1/1": 60, "CP2/1": 60}
    bench.steady(0, 25, {"G": 120})
    record = bench.only()
    assert record.sentence == "CP1/1 and CP2/1 draw 20 A more than they may."
    assert record.evidence["committed"] == 100_000


# Transitions


def test_a_limit_lowered_is_a_transition_first() -> None:
    bench = Bench(limit={"G": 100}, base={"G": 0})
    bench.steady(0, 60, {"G": 90})
    bench.limit = {"G": 60}
    bench.steady(61, 76, {"G": 90})
    assert bench.news.in_transition == {"G"}
    bench.look(77, {"G": 90})
    assert bench.news.in_transition == frozenset()
    assert bench.news.open == ()
    bench.steady(78, 82, {"G": 90})
    assert [bench.seconds(record.opened_at) for record in bench.news.opened] == [82]


def test_a_base_load_that_rises_is_a_transition_too() -> None:
    bench = Bench(base={"G": 50})
    bench.steady(0, 60, {"G": 90})
    bench.base = {"G": 80}
    bench.steady(61, 70, {"G": 120})
    assert bench.news.in_transition == {"G"}
    bench.steady(71, 80, {"G": 120})
    assert bench.news.in_transition == frozenset()


def test_over_for_no_such_reason_is_no_transition() -> None:
    bench = Bench(base={"G": 50})
    bench.steady(0, 60, {"G": 90})
    bench.steady(61, 70, {"G": 120})
    assert bench.news.in_transition == frozenset()
