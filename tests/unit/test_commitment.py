"""The ledger of one connector: what still counts after what was sent, answered, measured and waited for."""

from dataclasses import replace

from busbar.core import commitment as ledgers
from busbar.core.commitment import GOOD_SAMPLES, MOST_ON_THE_WAY, Commitment, Sent

RAMP_S, EXPIRY_S, RATING = 10.0, 145.0, 32_000
WALL_S = 1_795_000_000.0
"""The wall clock less the seconds that count here."""


def _sent(
    ledger: Commitment, name: str, value: int, at_s: float, *, connection: int = 1, fallback: int = 0
) -> Commitment:
    return ledgers.when_sent(
        ledger,
        Sent(
            order_id=name,
            value=value,
            fallback=fallback,
            connection=connection,
            sent_s=at_s,
            until_s=at_s + EXPIRY_S,
            comes_by_s=at_s + EXPIRY_S,
            over_at_s=WALL_S + at_s + EXPIRY_S,
        ),
    )


def _told(
    ledger: Commitment, name: str, value: int, at_s: float, *, connection: int = 1, fallback: int = 0
) -> Commitment:
    """Sent, and acknowledged at once."""
    ledger = _sent(ledger, name, value, at_s, connection=connection, fallback=fallback)
    return ledgers.when_acknowledged(ledger, name, connection=connection, now_s=at_s)


def _measured(ledger: Commitment, draw: int, at_s: float) -> Commitment:
    return ledgers.when_measured(ledger, draw, sampled_s=at_s, now_s=at_s, rating=RATING, ramp_s=RAMP_S)


def _committed(ledger: Commitment, now_s: float) -> int:
    ledger = ledgers.when_time_passed(ledger, now_s, ramp_s=RAMP_S)
    return ledgers.committed(ledger, now_s)


NEW = Commitment(fallback=0)


def test_a_value_counts_from_when_it_is_sent() -> None:
    assert _committed(_sent(NEW, "a", 16_000, 0), 0) == 16_000


def test_the_fallback_counts_under_every_value() -> None:
    ledger = _told(Commitment(fallback=6000), "a", 0, 0)
    assert _committed(ledger, 50) == 6000


def test_a_lower_value_frees_nothing_before_the_draw_has_settled() -> None:
    ledger = _told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    assert _committed(ledger, 25) == 32_000
    assert _committed(_measured(ledger, 10_000, 22), 25) == 10_000


def test_a_sample_from_before_the_answer_settles_nothing() -> None:
    ledger = _told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    assert _committed(_measured(ledger, 9000, 19.9), 25) == 32_000


def test_a_unit_never_seen_to_obey_does_not_settle_by_time() -> None:
    ledger = _told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    assert _committed(ledger, 90) == 32_000


def test_a_unit_seen_to_obey_settles_by_its_ramp() -> None:
    ledger = _measured(_told(NEW, "a", 32_000, 0), 30_000, 15)
    ledger = _measured(_told(ledger, "b", 20_000, 20), 19_000, 25)
    assert ledger.obeys
    ledger = _told(ledger, "c", 10_000, 40)
    assert _committed(ledger, 49.9) == 20_000
    assert _committed(ledger, 50) == 10_000


def test_a_vehicle_that_drew_less_anyway_has_not_been_seen_to_obey() -> None:
    ledger = _measured(_told(NEW, "a", 32_000, 0), 5000, 15)
    ledger = _measured(_told(ledger, "b", 20_000, 20), 5000, 25)
    assert not ledger.obeys


def test_an_old_sample_does_not_say_what_was_drawn_before() -> None:
    ledger = _measured(_told(NEW, "a", 32_000, 0), 30_000, 15)
    ledger = _measured(_told(ledger, "b", 20_000, 90), 5000, 95)
    assert not ledger.obeys


def test_a_meter_that_reads_a_little_more_leaves_a_little_committed_and_not_everything() -> None:
    ledger = _measured(_told(NEW, "a", 32_000, 0), 31_000, 15)
    ledger = _told(ledger, "b", 10_000, 20)
    assert _committed(_measured(ledger, 10_200, 25), 25) == 32_000
    settled = _measured(ledger, 10_200, 31)
    assert _committed(settled, 31) == 10_200
    assert settled.obeys
    assert not settled.disobeys


def test_a_renewal_does_not_begin_the_wait_anew_but_a_lower_value_does() -> None:
    ledger = _told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    assert _told(ledger, "c", 10_000, 25).lowered_s == 20
    assert _told(ledger, "c", 8000, 25).lowered_s == 25


def test_a_value_that_was_taken_back_by_a_renewal_has_to_settle_too() -> None:
    """The raise was not answered but may have arrived; what voids it lowers it."""
    ledger = replace(_measured(_told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20), 10_000, 21), obeys=True)
    ledger = _sent(ledger, "c", 20_000, 30)
    ledger = _told(ledger, "d", 10_000, 45)
    assert _committed(ledger, 54) == 20_000
    assert _committed(ledger, 55) == 10_000


def test_a_raise_within_what_has_not_settled_frees_nothing() -> None:
    ledger = _told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    ledger = _told(ledger, "c", 20_000, 25)
    assert _committed(ledger, 26) == 32_000
    assert _committed(_measured(ledger, 19_000, 27), 27) == 20_000


def test_an_answer_frees_earlier_values_of_its_own_connection() -> None:
    ledger = _sent(_sent(NEW, "a", 32_000, 0), "b", 10_000, 12)
    ledger = ledgers.when_acknowledged(ledger, "b", connection=1, now_s=13)
    assert _committed(_measured(ledger, 9000, 14), 14) == 10_000


def test_values_of_an_earlier_connection_count_until_lease_skew_and_ramp_have_passed() -> None:
    ledger = _sent(NEW, "a", 32_000, 0, connection=1)
    ledger = _measured(_told(ledger, "b", 10_000, 20, connection=2), 9000, 25)
    assert _committed(ledger, EXPIRY_S - 0.1) == 32_000
    assert _committed(ledger, EXPIRY_S) == 10_000


def test_an_answer_on_another_connection_than_it_was_sent_on_frees_no_other_value() -> None:
    ledger = _sent(_sent(NEW, "a", 32_000, 0, connection=1), "b", 10_000, 5, connection=1)
    ledger = ledgers.when_acknowledged(ledger, "b", connection=2, now_s=6)
    assert _committed(_measured(ledger, 9000, 7), 7) == 32_000


def test_a_draw_that_may_stem_from_an_earlier_connection_does_not_settle_what_was_lowered() -> None:
    ledger = _sent(_told(NEW, "a", 32_000, 0), "b", 32_000, 10, connection=1)
    ledger = _told(ledger, "c", 10_000, 150, connection=2)
    ledger = _measured(ledger, 30_000, 153)
    # The earlier value has ended, and the draw has not followed yet.
    assert _committed(ledger, 10 + EXPIRY_S) == 32_000


def test_a_time_out_proves_nothing() -> None:
    ledger = _sent(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    assert _committed(ledger, 90) == 32_000
    ledger = _sent(_told(NEW, "a", 10_000, 0), "b", 32_000, 20)
    assert _committed(ledger, 90) == 32_000


def test_a_late_answer_counts_and_a_second_one_does_not() -> None:
    ledger = _sent(_told(NEW, "a", 32_000, 0), "b", 10_000, 20)
    ledger = _measured(ledgers.when_acknowledged(ledger, "b", connection=1, now_s=40), 9000, 41)
    assert _committed(ledger, 42) == 10_000
    assert ledgers.when_acknowledged(ledger, "b", connection=1, now_s=43) is ledger
    assert ledgers.when_acknowledged(ledger, "never sent", connection=1, now_s=43) is ledger


def test_a_value_that_was_refused_or_never_left_counts_no_more() -> None:
    ledger = ledgers.when_void(_sent(_told(NEW, "a", 10_000, 0), "b", 32_000, 20), "b")
    assert _committed(ledger, 21) == 10_000


def test_when_its_lease_has_ended_it_is_on_its_fallback() -> None:
    ledger = _told(Commitment(fallback=6000), "a", 32_000, 0)
    assert _committed(ledger, EXPIRY_S - 0.1) == 32_000
    assert _committed(ledger, EXPIRY_S) == 6000


def test_a_lease_ends_in_the_fallback_that_it_was_sent_with() -> None:
    """The depot was edited since: what was installed then holds until it is told something else."""
    ledger = _told(Commitment(fallback=6000), "a", 10_000, 0, fallback=6000)
    ledger = ledgers.with_fallback(ledger, 0)
    assert _committed(ledger, 200) == 6000
    again = _measured(_told(ledgers.when_time_passed(ledger, 200, ramp_s=RAMP_S), "b", 0, 201), 0, 202)
    assert _committed(again, 203) == 0


def test_a_vehicle_may_go_on_under_the_former_fallback_until_it_is_told_something() -> None:
    ledger = ledgers.with_fallback(Commitment(fallback=RATING), 0, former=RATING)
    assert _committed(ledger, 1000) == RATING
    ledger = _told(ledger, "a", 6000, 1001)
    assert _committed(ledger, 1002) == RATING
    assert _committed(_measured(ledger, 6000, 1003), 1004) == 6000
    assert _committed(ledgers.when_found_empty(ledgers.with_fallback(NEW, 0, former=RATING)), 0) == 0


def test_where_leases_do_not_hold_a_value_counts_until_another_takes_its_place() -> None:
    ledger = ledgers.when_leases_do_not_hold(_told(NEW, "a", 32_000, 0))
    assert not ledgers.is_leased(ledger)
    assert _committed(ledger, 10_000) == 32_000
    ledger = _measured(_told(ledger, "b", 10_000, 10_001), 9000, 10_002)
    assert _committed(ledger, 10_003) == 10_000
    assert ledgers.is_leased(ledger)


def test_where_leases_do_not_hold_a_late_value_is_freed_by_one_that_was_sent_after_it_could_arrive() -> None:
    ledger = ledgers.when_leases_do_not_hold(_sent(NEW, "a", 32_000, 0, connection=1))
    ledger = _measured(_told(ledger, "b", 10_000, 20, connection=2), 9000, 21)
    assert _committed(ledger, 500) == 32_000
    ledger = _measured(_told(ledger, "c", 10_000, EXPIRY_S, connection=2), 9000, EXPIRY_S + 1)
    assert _committed(ledger, EXPIRY_S + 2) == 10_000


def test_leases_that_hold_again_end_when_they_were_to() -> None:
    doubted = ledgers.when_leases_do_not_hold(_sent(_told(NEW, "a", 32_000, 0), "b", 20_000, 20))
    ledger = ledgers.when_leases_hold_again(doubted, wall_s=WALL_S)
    assert ledgers.is_leased(ledger)
    assert [_committed(ledger, at_s) for at_s in (EXPIRY_S - 1, EXPIRY_S, EXPIRY_S + 20)] == [32_000, 20_000, 0]


def test_what_was_sent_for_a_vehicle_that_left_counts_while_it_may_come_however_our_clock_was_set() -> None:
    doubted = ledgers.when_leases_do_not_hold(_sent(NEW, "a", 32_000, 0))
    set_back = ledgers.when_leases_hold_again(doubted, wall_s=WALL_S - 3600)
    assert _committed(set_back, EXPIRY_S + 3599) == 32_000
    ledger = ledgers.when_vehicle_left(set_back, is_empty=True)
    assert [_committed(ledger, at_s) for at_s in (EXPIRY_S - 1, EXPIRY_S)] == [32_000, 0]


def test_when_the_vehicle_leaves_only_what_is_on_the_way_still_counts() -> None:
    ledger = _sent(_told(Commitment(fallback=6000), "a", 32_000, 0), "b", 20_000, 20)
    ledger = ledgers.when_vehicle_left(ledger, is_empty=True)
    assert _committed(ledger, 21) == 20_000
    assert _committed(ledger, 20 + EXPIRY_S) == 6000
    # That it was taken says nothing of the session that follows.
    assert ledgers.when_acknowledged(ledger, "b", connection=1, now_s=22) is ledger


def test_the_next_sessions_answer_frees_what_the_last_one_left_on_the_way() -> None:
    ledger = ledgers.when_vehicle_left(_sent(NEW, "a", 32_000, 0), is_empty=True)
    ledger = _measured(_told(ledger, "b", 6000, 30), 5000, 31)
    assert _committed(ledger, 32) == 6000


def test_after_a_restart_what_was_stored_counts_for_a_whole_lease() -> None:
    ledger = ledgers.restored(
        NEW, value=32_000, fallback=0, now_s=1000, expiry_s=EXPIRY_S, lasts_s=EXPIRY_S, over_at_s=0, is_leased=True
    )
    assert not ledger.may_rise
    assert _committed(ledger, 1000 + EXPIRY_S - 0.1) == 32_000
    assert _committed(ledger, 1000 + EXPIRY_S) == 0
    told = _measured(_told(ledger, "a", 10_000, 1010), 9000, 1011)
    assert told.may_rise
    # It may have been sent just before the end, and come late.
    assert _committed(told, 1012) == 32_000


def test_after_a_restart_a_former_fallback_counts_until_something_is_acknowledged_anew() -> None:
    ledger = ledgers.restored(
        NEW, value=32_000, fallback=9_000, now_s=1000, expiry_s=EXPIRY_S, lasts_s=EXPIRY_S, over_at_s=0, is_leased=True
    )
    later_s = 1000 + EXPIRY_S + 1
    ledger = ledgers.when_time_passed(ledger, later_s, ramp_s=RAMP_S)
    assert ledgers.committed(ledger, later_s) == 9_000


def test_many_unanswered_values_are_counted_as_few_and_never_as_less() -> None:
    ledger = NEW
    for index in range(20):
        ledger = _sent(ledger, f"order {index}", 20_000 - index, index, connection=index)
    assert len(ledger.on_the_way) == MOST_ON_THE_WAY
    assert _committed(ledger, 20) == 20_000
    assert ledgers.when_acknowledged(ledger, "", connection=-1, now_s=21) is ledger


# Who disobeys


def _deaf(samples: int, *, fallback: int = 0) -> Commitment:
    """Told 10 A at 20 s, and goes on at 30 A."""
    ledger = _measured(_told(Commitment(fallback=fallback), "a", 32_000, 0), 30_000, 15)
    ledger = _told(ledger, "b", 10_000, 20)
    for index in range(samples):
        ledger = _measured(ledger, 30_000, 31 + 10 * index)
    return ledger


def test_it_has_time_to_follow_before_it_disobeys() -> None:
    assert not _deaf(1).disobeys
    assert _deaf(2).disobeys


def test_a_rogue_counts_for_what_it_draws_and_at_least_for_its_rating() -> None:
    assert _committed(_deaf(2), 42) == RATING
    assert _committed(_measured(_deaf(2), 50_000, 51), 52) == 50_000


def test_a_rogue_is_trusted_again_after_three_good_samples() -> None:
    ledger = _deaf(2)
    for index in range(GOOD_SAMPLES):
        assert ledger.disobeys
        assert _committed(ledger, 60 + 10 * index) == RATING
        ledger = _measured(ledger, 9000, 60 + 10 * index)
    assert not ledger.disobeys
    assert _committed(ledger, 90) == 10_000


def test_the_same_sample_three_times_is_one() -> None:
    ledger = _deaf(2)
    for _ in range(GOOD_SAMPLES):
        ledger = _measured(ledger, 9000, 60)
    assert ledger.disobeys


def test_a_little_more_than_told_is_not_disobedience() -> None:
    ledger = _told(NEW, "a", 100_000, 0)
    for index in range(5):
        ledger = _measured(ledger, 102_900, 20 + 10 * index)
    assert not ledger.disobeys
    for index in range(2):
        ledger = _measured(ledger, 103_100, 80 + 10 * index)
    assert ledger.disobeys


def test_who_ignores_us_within_what_counts_for_it_anyway_disobeys_and_is_no_rogue() -> None:
    """A fallback that is not believed counts as the rating: nobody is in danger, but it has to be told again."""
    ledger = _deaf(2, fallback=RATING)
    assert ledger.disobeys
    assert ledger.rogue == 0
    assert _committed(ledger, 42) == RATING


def test_without_the_fallback_of_a_running_lease_it_is_told_less_than_is_committed() -> None:
    ledger = _measured(_told(Commitment(fallback=RATING), "a", 10_000, 0), 9000, 5)
    assert ledgers.told(ledger, 6) == 10_000
    assert ledgers.committed(ledger, 6) == RATING
    assert ledgers.told(ledgers.when_time_passed(ledger, 200, ramp_s=RAMP_S), 200) == RATING


def test_time_is_looked_at_when_something_changes_and_no_sooner() -> None:
    ledger = replace(_told(_told(NEW, "a", 32_000, 0), "b", 10_000, 20), obeys=True)
    assert ledgers.next_change_s(ledger, ramp_s=RAMP_S) == 30
    assert ledgers.next_change_s(_measured(ledger, 9000, 25), ramp_s=RAMP_S) == 20 + EXPIRY_S
    assert ledgers.next_change_s(NEW, ramp_s=RAMP_S) == float("inf")
