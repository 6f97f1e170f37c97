"""Delivery, rule by rule: which setpoints leave, when, in which order, and what holds the others back."""

from dataclasses import replace

import pytest
from delivery_bench import AT, TIMING, Bench, amperes, depot

from busbar.core.projection import project
from busbar.engine.events import Answered, ConnectorState, Ready, StateChanged
from busbar.engine.orders import Answer, OrderKind
from busbar.engine.ports import StoredSetpoint


@pytest.fixture
def pair() -> Bench:
    """Two charge points on 32 A."""
    return Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}))


# The gate


def test_power_is_taken_before_it_is_given(pair: Bench) -> None:
    pair.aim(CP1=26_000, CP2=6000).settle().wait(30).aim(CP1=10_000, CP2=22_000)
    (lower,) = pair.release().orders
    assert (lower.connector, lower.limit) == ("CP1/1", 10_000)
    assert pair.held() == {"CP2/1": "no_room"}
    pair.answer(lower)
    assert pair.sent() == {}
    pair.wait(1).draw(CP1=9000)
    assert pair.sent() == {"CP2/1": 22_000}


def test_a_part_of_a_raise_leaves_where_it_is_worth_an_order(pair: Bench) -> None:
    pair.aim(CP1=20_000, CP2=8000).settle().wait(30)
    assert pair.aim(CP2=20_000).sent() == {"CP2/1": 12_000}
    crumbs = Bench(depot({"A": 32.5}, {"A": ["CP1", "CP2"]}))
    crumbs.aim(CP1=20_000, CP2=12_000).settle().wait(30)
    assert crumbs.aim(CP2=20_000).sent() == {}


def test_when_a_limit_falls_decreases_leave_at_once_and_other_branches_go_on() -> None:
    bench = Bench(depot({"A": 32, "B": 32}, {"A": ["CP1", "CP2"], "B": ["CP3", "CP4"]}))
    bench.aim(CP1=16_000, CP2=10_000, CP3=10_000, CP4=6000).settle().wait(30)
    bench.limits["A"] = amperes(20)
    # CP2 is to have more by and by; nothing rises below A before it fits.
    bench.aim(CP1=6000, CP2=14_000, CP3=16_000)
    orders = bench.release().orders
    assert [(order.connector, order.limit) for order in orders] == [("CP1/1", 6000), ("CP3/1", 16_000)]
    assert bench.held() == {"CP2/1": "no_room"}


def test_below_a_node_that_carries_too_much_nothing_is_raised_within_what_counts_anyway() -> None:
    """CP1 may still draw 26 A; that it counts is no reason to let it, while a limit has fallen below what flows."""
    bench = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}))
    bench.aim(CP1=26_000, CP2=6000).settle().wait(30).aim(CP1=6000)
    bench.answer(bench.release().orders[0])
    bench.limits["A"] = amperes(20)
    assert bench.wait(6).aim(CP1=12_000).sent() == {}
    assert bench.held() == {"CP1/1": "no_room"}
    bench.draw(CP1=6000)
    assert bench.sent() == {"CP1/1": 12_000}


def test_what_is_given_within_a_draw_that_has_not_come_down_adds_nothing_to_what_is_committed() -> None:
    bench = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}))
    bench.aim(CP1=26_000, CP2=6000).settle().wait(30).aim(CP1=6000)
    bench.answer(bench.release().orders[0])
    (order,) = bench.wait(6).aim(CP1=12_000).release().orders
    assert order.limit == 12_000
    assert bench.dispatch.committed().tolist() == [26_000, 6000]
    assert bench.dispatch.committed_without(order.id).tolist() == [26_000, 6000]


def test_what_is_freed_for_somebodys_minimum_is_not_nibbled_away() -> None:
    bench = Bench(depot({"A": 32}, {"A": ["CP1", "CP2", "CP3"]}))
    bench.aim(CP1=16_000, CP2=16_000).settle().wait(30)
    bench.aim(CP1=14_000, CP2=12_000, CP3=6000)
    for order in bench.release().orders:
        bench.answer(order)
    bench.wait(1).draw(CP1=14_000)
    # 2 A are free; CP2 wants one of them back, and CP3 waits for its 6 A.
    bench.wait(5).draw(CP2=16_000)
    bench.aim(CP1=16_000)
    assert bench.sent() == {}
    bench.wait(5).draw(CP2=12_000)
    assert bench.sent() == {"CP3/1": 6000}


def test_who_has_waited_longest_is_admitted_first() -> None:
    bench = Bench(depot({"A": 12}, {"A": ["CP1", "CP2", "CP3"]}))
    bench.leave("CP1/1")
    bench.aim(CP2=6000, CP3=6000).settle()
    bench.leave("CP2/1")
    bench.limits["A"] = amperes(6)
    # CP3 holds the room; CP2 came before CP1.
    bench.wait(10).arrive("CP2/1")
    (lower,) = bench.aim(CP2=6000, CP3=0).release().orders
    bench.wait(10).arrive("CP1/1")
    bench.aim(CP1=6000)
    bench.answer(lower)
    bench.wait(1).draw(CP3=0)
    assert bench.sent() == {"CP2/1": 6000}


def test_a_fallback_that_is_not_believed_counts_as_the_rating() -> None:
    bench = Bench(depot({"A": 40}, {"A": ["CP1", "CP2"]}, fallback=6000))
    assert bench.committed() == {"CP1/1": 6000, "CP2/1": 6000}
    bench.dispatch.believe("CP2/1", None)
    assert bench.committed() == {"CP1/1": 6000, "CP2/1": 32_000}
    bench.aim(CP1=16_000, CP2=10_000)
    assert bench.sent() == {"CP1/1": 8000, "CP2/1": 10_000}
    assert bench.held() == {}


def test_where_fallbacks_do_not_fit_those_in_reach_share_what_there_is() -> None:
    bench = Bench(depot({"A": 40}, {"A": ["CP1", "CP2"]}), is_trusted=False)
    bench.aim()
    # Reserved at 64 A of 40 A everybody would be given 32 A, as that reserves nothing more.
    assert bench.dispatch.reservations(bench.now_s).committed.tolist() == [0, 0]
    first = bench.aim(CP1=20_000, CP2=20_000).release().orders
    # Nobody knows what they draw: each is told its fallback before anybody is told more.
    assert [(order.connector, order.limit) for order in first] == [("CP1/1", 0), ("CP2/1", 0)]
    for order in first:
        bench.answer(order)
    bench.wait(10).draw(CP1=0, CP2=0)
    assert bench.sent() == {"CP1/1": 20_000, "CP2/1": 20_000}
    bench.disconnect("CP2")
    assert bench.dispatch.reservations(bench.now_s).committed.tolist() == [0, 32_000]


def test_nobody_is_raised_beside_one_that_can_neither_be_relied_upon_nor_told() -> None:
    bench = Bench(depot({"A": 40}, {"A": ["CP1", "CP2"]}), is_trusted=False)
    one, other = bench.aim(CP1=20_000, CP2=20_000).release().orders
    bench.answer(one, Answer.REFUSED)
    bench.answer(other)
    bench.wait(10).draw(CP1=32_000, CP2=0)
    # 8 A are left beside the 32 A that CP1 may draw.
    assert bench.sent().get("CP2/1", 0) <= 8000


# One order in flight


def test_a_charge_point_has_one_order_in_flight() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1x2"]}))
    bench.aim(CP1_1=10_000, CP1_2=10_000)
    (first,) = bench.release().orders
    assert bench.release().orders == ()
    bench.answer(first)
    assert bench.sent() == {"CP1/2": 10_000}


def test_a_connector_does_not_starve_its_neighbour() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1x2"]}))
    bench.aim(CP1_1=20_000, CP1_2=20_000).settle().wait(10)
    told = []
    for value in range(19_000, 13_000, -1000):
        bench.aim(CP1_1=value, CP1_2=value)
        for order in bench.release().orders:
            told.append(order.connector)
            bench.wait(1).answer(order)
    assert told == ["CP1/1", "CP1/2"] * 3


def test_after_a_time_out_only_the_same_or_less_follows_and_after_two_the_connection_is_closed(pair: Bench) -> None:
    pair.aim(CP1=10_000).settle().wait(10).aim(CP1=20_000)
    (rise,) = pair.release().orders
    pair.wait(10).answer(rise, Answer.NO_ANSWER)
    pair.aim(CP1=30_000)
    (again,) = pair.release().orders
    assert again.limit == 20_000
    assert again.id != rise.id
    pair.wait(10).answer(again, Answer.NO_ANSWER)
    released = pair.release()
    assert released.orders == ()
    assert released.to_disconnect == ("CP1",)
    assert pair.committed()["CP1/1"] == 20_000
    assert pair.release().to_disconnect == ()


def test_after_a_time_out_a_decrease_leaves_at_once(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle().wait(10).aim(CP1=25_000)
    (rise,) = pair.release().orders
    pair.wait(10).answer(rise, Answer.NO_ANSWER)
    assert pair.aim(CP1=6000).sent() == {"CP1/1": 6000}


def test_after_a_time_out_the_neighbour_is_not_raised_either() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1x2"]}))
    bench.aim(CP1_1=10_000, CP1_2=10_000).settle().wait(10)
    bench.targets[:] = 20_000
    (rise,) = bench.aim().release().orders
    bench.wait(10).answer(rise, Answer.NO_ANSWER)
    (again,) = bench.release().orders
    assert (again.connector, again.limit) == (rise.connector, 20_000)
    assert bench.held()["CP1/2"] in ("in_flight", "unanswered")


def test_after_a_time_out_the_neighbour_is_raised_in_the_end_though_nothing_else_is_sent_there() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1x2"]}))
    (rise,) = bench.aim(CP1_1=10_000).release().orders
    bench.leave("CP1/1")
    bench.wait(10).answer(rise, Answer.NO_ANSWER)
    assert bench.aim(CP1_1=0, CP1_2=20_000).sent() == {}
    assert bench.held()["CP1/2"] == "unanswered"
    assert bench.wait(TIMING.renew_s - 11).sent() == {}
    assert bench.wait(1).sent() == {"CP1/2": 20_000}


def test_a_late_answer_counts_and_lets_it_be_raised_again(pair: Bench) -> None:
    pair.aim(CP1=10_000)
    (first,) = pair.release().orders
    pair.wait(10).answer(first, Answer.NO_ANSWER)
    pair.aim(CP1=20_000)
    (again,) = pair.release().orders
    pair.wait(1).answer(first)
    pair.answer(again)
    pair.answer(again)
    assert pair.wait(5).sent() == {"CP1/1": 20_000}


def test_who_never_says_what_became_of_an_order_is_taken_for_silent(pair: Bench) -> None:
    pair.aim(CP1=10_000)
    assert pair.sent() == {"CP1/1": 10_000}
    assert pair.wait(2 * TIMING.answer_s).sent() == {}
    assert pair.wait(1).sent() == {"CP1/1": 10_000}
    assert pair.dispatch.troubled() == {}
    assert pair.wait(2 * TIMING.answer_s + 1).release().to_disconnect == ("CP1",)
    assert pair.dispatch.troubled() == {"CP1/1": "no_answer"}


def test_what_could_not_be_stored_is_taken_back(pair: Bench) -> None:
    (rise,) = pair.aim(CP1=10_000).release().orders
    not_sent = Answered(
        order_id=rise.id, charge_point="CP1", connection=-1, answer=Answer.NOT_SENT, received_s=pair.now_s
    )
    pair.dispatch.take(not_sent, pair.now_s)
    assert pair.committed()["CP1/1"] == 0
    assert pair.wait(0.5).sent() == {}
    assert pair.wait(TIMING.raise_s).sent() == {"CP1/1": 10_000}


def test_what_is_to_be_stored_covers_everything_that_may_still_take_effect(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle().wait(10).aim(CP1=6000)
    (stored,) = pair.release().to_store
    assert (stored.connector, stored.value, stored.expiry_s) == ("CP1/1", 20_000, TIMING.expiry_s)


# Leases


def test_a_setpoint_is_renewed_in_time_whatever_else_is_held(pair: Bench) -> None:
    pair.aim(CP1=16_000, CP2=16_000).settle().wait(TIMING.renew_s - 1)
    assert pair.sent() == {}
    pair.frozen, pair.limits["A"] = True, amperes(1)
    pair.aim()
    assert pair.dispatch.next_due_s() <= pair.now_s + 1
    assert pair.wait(1).sent() == {"CP1/1": 16_000, "CP2/1": 16_000}


def test_a_renewal_that_is_refused_is_tried_again_and_then_cleared_first(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    kinds = []
    pair.wait(TIMING.renew_s)
    for _ in range(4):
        (order,) = pair.release().orders
        kinds.append(order.kind)
        pair.answer(order, Answer.REFUSED)
        assert pair.release().orders == ()
        pair.wait(10)
    assert kinds == [OrderKind.SET, OrderKind.SET, OrderKind.CLEAR_AND_SET, OrderKind.CLEAR_AND_SET]


def test_a_value_whose_lease_has_ended_is_not_renewed_but_given_anew(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    pair.disconnect("CP1")
    pair.wait(TIMING.expiry_s + 1)
    assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [0, 0]
    pair.connect("CP1")
    pair.limits["A"] = amperes(10)
    assert pair.aim(CP1=16_000).sent() == {"CP1/1": 10_000}


def test_a_station_whose_clock_is_off_is_not_trusted_with_leases(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    pair.read_clock("CP1", -TIMING.skew_s - 1)
    pair.disconnect("CP1")
    pair.wait(10_000)
    assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [16_000, 0]


def test_when_its_clock_is_right_again_leases_end_as_they_were_to(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    pair.read_clock("CP1", -TIMING.skew_s - 1)
    pair.wait(5).read_clock("CP1", 0)
    pair.disconnect("CP1")
    pair.wait(TIMING.expiry_s)
    assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [0, 0]


def test_where_our_clock_was_set_back_meanwhile_leases_end_so_much_later(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    pair.read_clock("CP1", 3600)
    # It has set its own by ours.
    pair.wait(5).read_clock("CP1", 0, ours_s=-3600)
    pair.disconnect("CP1")
    pair.wait(3600)
    assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [16_000, 0]
    pair.wait(TIMING.expiry_s)
    assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [0, 0]


def test_what_was_doubted_before_a_restart_ends_when_the_clock_turns_out_to_be_right(pair: Bench) -> None:
    pair.read_clock("CP1", -TIMING.skew_s - 1)
    stored = pair.aim(CP1=16_000).release().to_store
    later = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}), stored=stored, is_connected=False)
    later.wait(2 * TIMING.expiry_s)
    assert later.dispatch.reservations(later.now_s).committed.tolist() == [16_000, 0]
    later.connect("CP1")
    later.read_clock("CP1", 0)
    assert later.dispatch.reservations(later.now_s).committed.tolist() == [0, 0]


def test_after_a_restart_what_was_doubted_counts_for_a_lease_though_it_ended_before_by_all_clocks(pair: Bench) -> None:
    pair.read_clock("CP1", -TIMING.skew_s - 1)
    stored = pair.aim(CP1=16_000).release().to_store
    later = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}), stored=stored, is_connected=False)
    later.connect("CP1")
    later.read_clock("CP1", 0, ours_s=3600)
    later.wait(TIMING.expiry_s - 1)
    assert later.dispatch.reservations(later.now_s).committed.tolist() == [16_000, 0]
    later.wait(1)
    assert later.dispatch.reservations(later.now_s).committed.tolist() == [0, 0]


@pytest.mark.parametrize("ends_leases", [True, False])
def test_after_a_restart_a_right_clock_ends_only_leases_of_a_station_that_was_greeted(
    pair: Bench, ends_leases: bool
) -> None:
    pair.ends_leases = False
    pair.connect("CP1")
    stored = pair.aim(CP1=16_000).release().to_store
    later = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}), stored=stored, is_connected=False)
    later.wait(2 * TIMING.expiry_s).read_clock("CP1", 0)
    assert later.dispatch.reservations(later.now_s).committed.tolist() == [16_000, 0]
    later.ends_leases = ends_leases
    later.connect("CP1")
    assert later.dispatch.reservations(later.now_s).committed.tolist() == [0 if ends_leases else 16_000, 0]


def test_a_station_that_does_not_end_leases_is_not_trusted_with_them(pair: Bench) -> None:
    pair.ends_leases = False
    pair.connect("CP1")
    (stored,) = pair.aim(CP1=16_000).release().to_store
    assert stored.expiry_s < 0


# Connections


def test_who_comes_back_goes_on_with_what_it_had(pair: Bench) -> None:
    """Out of reach it is given nothing; that is no reason to stop it."""
    pair.aim(CP1=16_000).settle()
    pair.disconnect("CP1")
    reserved = pair.wait(5).dispatch.reservations(pair.now_s)
    assert (reserved.out_of_reach.tolist(), reserved.committed.tolist()) == ([True, False], [16_000, 0])
    pair.aim(CP1=0)
    assert pair.sent() == {}
    pair.wait(5).connect("CP1")
    assert pair.sent() == {"CP1/1": 16_000}


def test_a_value_lost_with_its_connection_counts_until_it_cannot_take_effect_any_more(pair: Bench) -> None:
    pair.aim(CP1=20_000)
    assert pair.sent() == {"CP1/1": 20_000}
    pair.disconnect("CP1")
    pair.wait(5).connect("CP1")
    pair.aim(CP1=6000, CP2=20_000)
    orders = {order.connector: order for order in pair.release().orders}
    assert {name: order.limit for name, order in orders.items()} == {"CP1/1": 6000, "CP2/1": 12_000}
    pair.answer(orders["CP1/1"])
    pair.answer(orders["CP2/1"])
    pair.wait(6).draw(CP1=6000)
    assert pair.sent() == {}
    assert pair.committed()["CP1/1"] == 20_000


def test_a_vehicle_that_leaves_frees_what_was_in_force_but_not_what_is_on_the_way(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle().wait(10).aim(CP1=10_000)
    (lower,) = pair.release().orders
    pair.leave("CP1/1")
    assert pair.committed()["CP1/1"] == 10_000
    pair.arrive("CP1/1")
    pair.answer(lower, Answer.REFUSED)
    assert pair.committed()["CP1/1"] == 0
    assert pair.aim(CP1=8000).sent() == {"CP1/1": 8000}


# Refusals and disobedience


def test_a_refused_raise_waits_and_a_decrease_does_not(pair: Bench) -> None:
    pair.aim(CP1=10_000).settle().wait(10).aim(CP1=20_000)
    pair.answer(pair.release().orders[0], Answer.REFUSED)
    assert pair.committed()["CP1/1"] == 10_000
    assert pair.wait(5).sent() == {}
    assert pair.held() == {"CP1/1": "refused"}
    assert pair.aim(CP1=6000).sent() == {"CP1/1": 6000}


def test_a_refused_decrease_is_sent_again_then_cleared_and_in_the_end_the_session_is_stopped(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle().wait(10).aim(CP1=6000)
    kinds = []
    for _ in range(4):
        (order,) = pair.release().orders
        kinds.append(order.kind)
        pair.answer(order, Answer.REFUSED)
        pair.wait(2)
    assert kinds == [OrderKind.SET, OrderKind.SET, OrderKind.CLEAR_AND_SET, OrderKind.STOP]
    assert pair.committed()["CP1/1"] == 20_000


def _disobey(bench: Bench, seconds: int, draw: int) -> list[OrderKind]:
    kinds = []
    for _ in range(seconds // 10):
        bench.wait(10).draw(CP1=draw)
        for order in bench.aim().release().orders:
            if order.charge_point == "CP1":
                kinds.append(order.kind)
                bench.answer(order)
    return kinds


def test_who_does_not_obey_is_told_again_cleared_and_stopped(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle().wait(10).aim(CP1=6000).settle()
    kinds = _disobey(pair, 130, draw=20_000)
    assert pair.dispatch.troubled() == {"CP1/1": "disobeys"}
    assert list(dict.fromkeys(kinds)) == [OrderKind.SET, OrderKind.CLEAR_AND_SET, OrderKind.STOP]
    assert pair.committed()["CP1/1"] == 32_000
    # It obeys in the end: it is no longer to be stopped.
    _disobey(pair, 30, draw=0)
    assert pair.dispatch.troubled() == {}
    assert OrderKind.STOP not in _disobey(pair, 100, draw=0)
    assert pair.dispatch.given()["CP1/1"] == (6000, True)


def test_a_stop_by_a_persons_word_is_repeated_until_the_session_ends(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    pair.dispatch.stop("CP1/1")
    (stop,) = pair.release().orders
    assert stop.kind is OrderKind.STOP
    pair.answer(stop)
    # Meanwhile it is given nothing, whatever the cycle says.
    (lower,) = pair.aim(CP1=16_000).release().orders
    assert lower.limit == 0
    pair.answer(lower)
    (again,) = pair.wait(61).aim().release().orders
    assert again.kind is OrderKind.STOP
    pair.answer(again)
    pair.leave("CP1/1")
    pair.arrive("CP1/1")
    assert pair.aim(CP1=16_000).sent() == {"CP1/1": 16_000}


def test_a_draw_that_does_not_come_down_is_reserved_and_not_raised(pair: Bench) -> None:
    """No oscillation: counted at 20 A it would be given 20 A, lowered again, and so on."""
    pair.aim(CP1=20_000).settle().wait(10).aim(CP1=6000, CP2=26_000)
    pair.answer(pair.release().orders[0])
    reserved = pair.wait(10).dispatch.reservations(pair.now_s)
    assert reserved.committed.tolist() == [0, 0]
    pair.draw(CP1=20_000)
    pair.aim()
    reserved = pair.wait(6).dispatch.reservations(pair.now_s)
    assert reserved.committed.tolist() == [20_000, 0]
    assert reserved.at_most[0] == 6000
    pair.draw(CP1=6000)
    pair.aim()
    assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [0, 0]


def test_a_draw_that_came_down_is_not_reserved_in_the_next_cycle_however_long_that_takes(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle().wait(30).aim(CP1=6000, CP2=26_000).settle()
    reserved = pair.wait(30).dispatch.reservations(pair.now_s)
    assert reserved.committed.tolist() == [0, 0]
    assert reserved.at_most[0] > 32_000


def test_a_draw_that_nobody_measures_is_raised_again_when_there_is_room(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle().wait(10).aim(CP1=6000)
    pair.answer(pair.release().orders[0])
    seen = []
    for _ in range(20):
        pair.wait(5).aim()
        seen.append(int(pair.dispatch.reservations(pair.now_s).at_most[0]) > 32_000)
    assert seen.index(False) <= 3
    assert True in seen[seen.index(False) :]


def test_who_counts_for_more_than_it_was_told_goes_down_to_its_fallback_where_another_disobeys(pair: Bench) -> None:
    """It is counted at 20 A in any case; what it draws on top of what the other does is too much all the same."""
    pair.aim(CP1=20_000, CP2=6000).settle().wait(10).aim(CP1=6000)
    pair.answer(pair.release().orders[0])
    pair.wait(10).aim()
    assert pair.wait(6).dispatch.reservations(pair.now_s).at_most[0] == 6000
    for _ in range(4):
        pair.wait(5).draw(CP2=30_000)
    reserved = pair.aim().dispatch.reservations(pair.now_s)
    assert reserved.committed.tolist() == [20_000, 32_000]
    assert reserved.at_most.tolist() == [0, 6000]


def test_an_absurd_sample_does_not_stop_the_balance_of_everybody_else(pair: Bench) -> None:
    for _ in range(3):
        pair.wait(10).draw(CP1=10**9)
    reserved = pair.aim().dispatch.reservations(pair.now_s)
    assert reserved.committed.tolist() == [8 * 32_000, 0]


# Raising


def test_below_a_silent_meter_nothing_is_raised_and_everything_lowered(pair: Bench) -> None:
    pair.aim(CP1=10_000, CP2=10_000).settle().wait(10)
    pair.frozen = True
    assert pair.aim(CP1=16_000, CP2=6000).sent() == {"CP2/1": 6000}
    assert pair.held() == {"CP1/1": "meter"}


def test_a_connector_is_not_raised_more_often_than_its_charge_point_takes(pair: Bench) -> None:
    pair.dispatch.take(
        Ready(charge_point="CP1", connection=1, received_s=pair.now_s, shortest_interval_s=20.0), pair.now_s
    )
    pair.aim(CP1=6000, CP2=6000).settle().wait(TIMING.raise_s)
    assert pair.aim(CP1=10_000, CP2=10_000).sent() == {"CP2/1": 10_000}
    assert pair.held() == {"CP1/1": "too_soon"}
    assert pair.wait(20).sent() == {"CP1/1": 10_000}


def test_orders_leave_in_the_order_of_the_leaves() -> None:
    bench = Bench(depot({"A": 200}, {"A": [f"CP{number}" for number in (7, 2, 10, 1)]}))
    bench.targets[:] = 10_000
    assert list(bench.aim().sent()) == ["CP1/1", "CP2/1", "CP7/1", "CP10/1"]


# Restart and edits


def _stored(connector: str, value: int) -> StoredSetpoint:
    return StoredSetpoint(connector=connector, value=value, expiry_s=TIMING.expiry_s, order_id="before", at=AT)


def test_after_a_restart_nobody_is_raised_before_it_has_acknowledged_anew() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1", "CP2"]}), stored=[_stored("CP1/1", 16_000)])
    assert bench.committed() == {"CP1/1": 16_000, "CP2/1": 0}
    assert bench.sent() == {}
    bench.aim(CP1=20_000, CP2=10_000)
    first, other = bench.release().orders
    # What it had is renewed; the other one goes by the gate.
    assert (first.connector, first.limit) == ("CP1/1", 16_000)
    assert (other.connector, other.limit) == ("CP2/1", 10_000)
    bench.answer(first)
    assert bench.wait(5).sent() == {"CP1/1": 20_000}


def test_after_a_restart_a_refused_first_word_is_not_repeated_at_once() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1"]}), stored=[_stored("CP1/1", 16_000)])
    bench.aim(CP1=16_000)
    bench.answer(bench.release().orders[0], Answer.REFUSED)
    assert bench.wait(1).sent() == {}
    assert bench.wait(10).sent() == {"CP1/1": 16_000}


def test_after_a_restart_what_was_stored_counts_for_a_lease_even_when_it_has_been_lowered_since() -> None:
    bench = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}), stored=[_stored("CP1/1", 26_000)])
    bench.aim(CP1=6000, CP2=26_000)
    for order in bench.release().orders:
        bench.answer(order)
    bench.wait(1).draw(CP1=6000)
    assert bench.sent() == {}
    # The draw of CP2 is counted at 6 A, which is all that fitted.
    assert bench.committed() == {"CP1/1": 26_000, "CP2/1": 6000}


def test_after_a_restart_the_first_word_is_no_more_than_was_stored_though_the_rating_counts() -> None:
    stored = [_stored("CP1/1", 20_000)]
    bench = Bench(depot({"A": 64}, {"A": ["CP1"]}), is_trusted=False, stored=stored)
    assert bench.committed() == {"CP1/1": 32_000}
    assert bench.aim(CP1=30_000).sent() == {"CP1/1": 20_000}


def test_after_a_restart_nobody_is_told_more_than_it_draws_where_not_all_that_was_stored_fits() -> None:
    """CP1 had been lowered to 12 A after 20 were stored, and what that freed was given to CP2."""
    stored = [_stored("CP1/1", 20_000), _stored("CP2/1", 20_000)]
    bench = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}), stored=stored)
    bench.draw(CP1=12_000, CP2=20_000)
    bench.aim(CP1=20_000, CP2=12_000)
    assert bench.sent() == {"CP1/1": 12_000, "CP2/1": 12_000}
    fits = Bench(depot({"A": 40}, {"A": ["CP1", "CP2"]}), stored=stored)
    fits.draw(CP1=12_000, CP2=20_000)
    assert fits.aim(CP1=20_000, CP2=20_000).sent() == {"CP1/1": 20_000, "CP2/1": 20_000}


def test_what_came_down_is_stored_again_once_a_cycle(pair: Bench) -> None:
    """Or a restart before it is renewed would count it for a lease where it was, though everybody fits."""
    pair.aim(CP1=20_000).settle().wait(30)
    released = pair.aim(CP1=6000).release()
    assert [row.value for row in released.to_store] == [20_000]
    pair.answer(released.orders[0])
    pair.wait(1).draw(CP1=6000)
    assert pair.release().to_store == ()
    again = pair.aim().release()
    assert again.orders == ()
    assert [(row.connector, row.value, row.order_id) for row in again.to_store] == [
        ("CP1/1", 6000, released.orders[0].id)
    ]
    assert pair.aim().release().to_store == ()


def test_what_counted_for_one_that_left_is_stored_again_once_a_cycle(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle()
    pair.leave("CP1/1")
    assert pair.release().to_store == ()
    again = pair.aim(CP1=0).release()
    assert [(row.connector, row.value) for row in again.to_store] == [("CP1/1", 0)]
    assert pair.aim().release().to_store == ()


def test_that_leases_do_not_hold_after_all_is_stored_at_once(pair: Bench) -> None:
    pair.aim(CP1=20_000).settle()
    pair.read_clock("CP1", -TIMING.skew_s - 1)
    (row,) = pair.release().to_store
    assert (row.connector, row.value, row.expiry_s < 0) == ("CP1/1", 20_000, True)
    pair.read_clock("CP1", -TIMING.skew_s - 2)
    assert pair.release().to_store == ()


def test_what_is_out_of_service_stays_stored_as_it_was(pair: Bench) -> None:
    """It may be taken into service again after a restart, and hold what it was told."""
    pair.aim(CP1=20_000).settle()
    first, other = pair.projection.depot.charge_points
    pair.dispatch.use(project(replace(pair.projection.depot, charge_points=(replace(first, in_service=False), other))))
    assert pair.committed()["CP1/1"] == 0
    assert pair.aim(CP1=0).release().to_store == ()


def test_after_a_restart_what_was_stored_for_one_that_left_does_not_count_for_ever() -> None:
    bench = Bench(depot({"A": 32}, {"A": ["CP1", "CP2"]}), stored=[_stored("CP1/1", 26_000)])
    # A sample that it kept while it was away makes its clock look late: its leases are doubted for a moment.
    bench.leave("CP1/1")
    bench.dispatch.restore([_stored("CP1/1", 26_000)], bench.now_s)
    bench.read_clock("CP1", -TIMING.skew_s - 1)
    free = StateChanged(connector="CP1/1", state=ConnectorState.FREE, at=AT)
    bench.dispatch.take(free, bench.now_s)
    assert bench.committed()["CP1/1"] == 26_000, "it may have been sent just before the end, and come late"
    bench.wait(TIMING.expiry_s)
    assert bench.dispatch.reservations(bench.now_s).committed.tolist() == [0, 0]


def test_an_edited_depot_carries_over_what_is_committed(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    edited = replace(pair.projection.depot, charge_points=pair.projection.depot.charge_points[:1])
    pair.dispatch.use(project(edited))
    assert pair.dispatch.committed().tolist() == [16_000]
    pair.dispatch.use(project(pair.projection.depot))
    assert pair.dispatch.committed()[0] == 16_000


def test_a_connector_that_was_taken_away_and_comes_back_still_counts(pair: Bench) -> None:
    pair.aim(CP2=16_000).settle()
    edited = replace(pair.projection.depot, charge_points=pair.projection.depot.charge_points[:1])
    pair.dispatch.use(project(edited))
    pair.dispatch.use(project(pair.projection.depot))
    pair.believe()
    assert pair.committed()["CP2/1"] == 16_000


def test_a_connector_that_was_taken_away_before_a_restart_and_comes_back_still_counts(pair: Bench) -> None:
    edited = replace(pair.projection.depot, charge_points=pair.projection.depot.charge_points[:1])
    bench = Bench(edited, stored=[_stored("CP2/1", 16_000)], is_connected=False)
    assert bench.committed() == {"CP1/1": 0}
    bench.projection = pair.projection
    bench.dispatch.use(bench.projection)
    bench.believe()
    assert bench.committed() == {"CP1/1": 0, "CP2/1": 16_000}
    bench.wait(TIMING.expiry_s)
    assert bench.dispatch.reservations(bench.now_s).committed.tolist() == [0, 0]


def test_what_is_stored_may_fall_back_as_it_did_before_the_depot_was_edited() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1"]}, fallback=6000))
    bench.aim(CP1=10_000).settle()
    bench.dispatch.use(project(depot({"A": 64}, {"A": ["CP1"]}, fallback=0)))
    # Its lease may end in 6 A: the renewal, and the word of a new fallback, may both be lost.
    (stored,) = bench.aim(CP1=10_000).release().to_store
    assert (stored.value, stored.fallback) == (32_000, 6000)


def test_a_changed_fallback_is_not_believed_until_it_is_accepted_anew() -> None:
    bench = Bench(depot({"A": 64}, {"A": ["CP1"]}, fallback=6000))
    bench.aim(CP1=10_000).settle()
    edited = project(depot({"A": 64}, {"A": ["CP1"]}, fallback=0))
    bench.projection = edited
    bench.dispatch.use(edited)
    assert bench.committed() == {"CP1/1": 32_000}
    # Leases that end in the former fallback are replaced, and count until they are.
    (renewal,) = bench.aim(CP1=10_000).release().orders
    assert (renewal.limit, renewal.fallback) == (10_000, 0)
    bench.dispatch.believe("CP1/1", 6000)
    assert bench.committed() == {"CP1/1": 32_000}
    bench.dispatch.believe("CP1/1", 0)
    bench.answer(renewal)
    bench.wait(1).draw(CP1=9000)
    assert bench.committed() == {"CP1/1": 10_000}
    bench.disconnect("CP1")
    bench.wait(TIMING.expiry_s + 1)
    assert bench.dispatch.reservations(bench.now_s).committed.tolist() == [0]


def test_a_charge_point_out_of_service_counts_nothing_and_is_told_nothing(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle()
    units = pair.projection.depot.charge_points
    isolated = replace(pair.projection.depot, charge_points=(replace(units[0], in_service=False), units[1]))
    pair.dispatch.use(project(isolated))
    pair.projection = project(isolated)
    assert pair.committed() == {"CP1/1": 0, "CP2/1": 0}
    assert pair.aim(CP1=0).sent() == {}
    assert pair.dispatch.connected() == 1


def test_who_is_lowered_cycle_after_cycle_and_follows_is_not_taken_for_one_that_does_not(pair: Bench) -> None:
    pair.aim(CP1=30_000).settle().wait(30)
    for value in range(28_000, 10_000, -2000):
        lower = pair.aim(CP1=value).release().orders
        for order in lower:
            pair.answer(order)
        pair.wait(4).draw(CP1=value)
        # The next cycle looks before it is lowered further.
        assert pair.dispatch.reservations(pair.now_s).committed.tolist() == [0, 0]


def test_a_stop_that_is_taken_back_is_not_repeated(pair: Bench) -> None:
    pair.aim(CP1=16_000).settle().wait(30)
    pair.dispatch.stop("CP1/1")
    (stop,) = pair.release().orders
    assert stop.kind is OrderKind.STOP
    pair.answer(stop, Answer.REFUSED)
    pair.dispatch.let_go_on("CP1/1")
    assert all(order.kind is not OrderKind.STOP for order in pair.wait(90).release().orders)
