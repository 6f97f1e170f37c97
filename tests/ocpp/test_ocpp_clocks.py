"""Clocks of charge points, and which samples are live."""

from busbar.adapters.ocpp.clocks import Newest, StationClock
from busbar.adapters.ocpp.counts import Counts


def test_the_freshest_of_ten_messages_tells_the_clock() -> None:
    clock = StationClock()
    for number, late_s in enumerate((3.0, 0.5, 9.0, 2.0)):
        clock.observe(20.0 - late_s, float(number))
    assert clock.ahead_s == 19.5
    assert clock.correction_s == 19.5
    for number in range(10):
        clock.observe(-4.0, 10.0 + number)
    assert clock.ahead_s == -4.0


def test_a_burst_of_old_stamps_does_not_make_the_clock_look_slow_to_samples() -> None:
    clock = StationClock()
    clock.connect(0.0)
    for number in range(300):
        clock.observe(-3000.0 + 10 * number, 0.01 * number)
    assert clock.correction_s == 0.0
    assert clock.ahead_s is not None
    assert clock.ahead_s < 0


def test_a_clock_that_stays_slow_for_a_minute_is_slow() -> None:
    clock = StationClock()
    clock.connect(0.0)
    for second in range(0, 70, 10):
        clock.observe(-40.0, float(second))
    assert clock.correction_s == -40.0


def test_what_looks_like_a_slow_clock_may_be_late_messages_for_five_minutes() -> None:
    clock = StationClock()
    clock.connect(0.0)
    clock.observe(-45.0, 0.0)
    assert clock.doubt_s(0.0) == 0.0
    # The clock of this machine was an hour ahead until now: everything that comes makes theirs look a little less slow.
    clock.observe(3600.0, 0.0)
    for second in range(70):
        clock.observe(-45.0 + 0.5 * second, 1000.0 + second)
    assert clock.correction_s == -10.5
    assert clock.doubt_s(1069.0) == 10.5
    for second in range(1070, 1400, 10):
        clock.observe(-10.5, float(second))
    assert clock.doubt_s(1390.0) == 0.0


def test_what_our_own_clock_was_set_by_is_not_taken_for_late_messages() -> None:
    clock = StationClock()
    clock.connect(0.0)
    clock.observe(-0.2, 0.0)
    clock.shift(3600.0)
    clock.observe(-3600.2, 1.0)
    assert clock.correction_s == -3600.0
    assert clock.doubt_s(1.0) == 0.0
    assert clock.ahead_s == -3600.2
    clock.shift(-3600.0)
    assert clock.correction_s == 0.0


def test_a_fast_clock_is_believed_at_once_and_kept_over_a_new_connection() -> None:
    clock = StationClock()
    clock.connect(0.0)
    clock.observe(25.0, 1.0)
    assert clock.correction_s == 25.0
    clock.connect(500.0)
    assert clock.ahead_s is None
    clock.observe(-200.0, 501.0)
    assert clock.correction_s == 25.0


def test_news_is_what_differs_by_more_than_a_second() -> None:
    clock = StationClock()
    assert clock.news_s() is None
    clock.observe(2.0, 0.0)
    assert clock.news_s() == 2.0
    clock.observe(2.5, 1.0)
    assert clock.news_s() is None
    clock.observe(4.0, 2.0)
    assert clock.news_s() == 4.0


def test_old_and_overtaken_samples_are_replays() -> None:
    newest, counts = Newest(), Counts()
    assert newest.admit(100.0, 1.0, 0.0, counts)
    assert newest.admit(100.0, 1.0, 0.5, counts)
    assert not newest.admit(99.0, 2.0, 1.0, counts)
    assert not newest.admit(200.0, 61.0, 2.0, counts)
    assert counts.by_kind() == {"replayed sample: older than the newest": 1, "replayed sample: too old": 1}


def test_a_clock_that_was_set_back_silences_a_connector_for_a_minute_at_most() -> None:
    newest, counts = Newest(), Counts()
    assert newest.admit(5000.0, 0.0, 0.0, counts)
    assert not newest.admit(1000.0, 0.0, 30.0, counts)
    assert newest.admit(1060.0, 0.0, 60.0, counts)
    assert newest.admit(1070.0, 0.0, 70.0, counts)


def test_kinds_that_charge_points_invent_are_bounded() -> None:
    counts = Counts()
    for number in range(1000):
        counts.add(f"kind {number}")
    assert len(counts.by_kind()) <= 65
    assert sum(counts.by_kind().values()) == 1000


def test_a_clock_that_goes_by_ours_again_after_that_was_set_back_is_not_taken_for_late_messages() -> None:
    clock = StationClock()
    clock.connect(0.0)
    clock.observe(-0.2, 0.0)
    # It goes on by what ours was before, until it asks for the time.
    clock.shift(-3600.0)
    clock.observe(3600.0, 1.0)
    assert clock.correction_s == 3600.0
    for second in range(70):
        clock.observe(-0.2, 10.0 + second)
    assert clock.correction_s == -0.2
    assert clock.doubt_s(79.0) == 0.2
