"""Demand: what a vehicle could use, played against vehicles of several kinds."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from busbar.core.demand import (
    FULL_S,
    LITTLE_S,
    PATIENCE_S,
    RETRY_S,
    SILENT_S,
    START_S,
    STUCK_S,
    Demand,
    Reach,
    Reason,
    Sight,
    Standing,
    at_least,
    estimate,
    smallest_offer,
    unknown_demand,
)

AC = Reach(rating=32_000, minimum=6_000, step=100)
DC = Reach(rating=150_000, minimum=10_000, step=1_000)
NO_MINIMUM = Reach(rating=150_000, minimum=0, step=100)
COARSE = Reach(rating=32_000, minimum=6_000, step=100, steps=(6_000, 8_000, 10_000, 13_000, 16_000, 20_000, 32_000))
REACHES = (AC, DC, NO_MINIMUM, COARSE)


@dataclass
class Play:
    """A vehicle on a connector, looked at every ten seconds; its charge point gets what is requested, up to a limit."""

    reach: Reach
    wants: Callable[[float, int], float]
    """From the time and what it is given to what it draws."""
    limit: Callable[[float], int] = field(default=lambda now_s: 10**9)
    standing: Callable[[float], Standing] = field(default=lambda now_s: Standing.CHARGING)
    is_measured: Callable[[float], bool] = field(default=lambda now_s: True)
    is_settled: Callable[[float], bool] = field(default=lambda now_s: True)
    noise: float = 0.0
    lag: float = 1.0
    """The part of the way to what it wants that it goes in ten seconds."""
    soc: float | None = None
    every_s: int = 10
    now_s: int = 0
    draw: float = 0.0
    given: int = 0
    demand: Demand = field(init=False)
    seen: list[tuple[int, Demand, int, int]] = field(default_factory=list)
    """Time, estimate, given, drawn."""

    def __post_init__(self) -> None:
        self.demand = unknown_demand(self.reach)
        self.random = Random(7)
        self.sample: tuple[int, int] | None = None

    def run(self, minutes: float) -> "Play":
        until_s = self.now_s + round(minutes * 60)
        while self.now_s < until_s:
            self.given = rounded_down(self.reach, min(self.demand.request, self.limit(self.now_s)))
            wanted = min(self.given, self.wants(self.now_s, self.given))
            self.draw += self.lag * (wanted - self.draw)
            self.now_s += self.every_s
            drawn = round(self.draw * (1 + self.noise * self.random.uniform(-1, 1)))
            if self.is_measured(self.now_s):
                self.sample = (drawn, self.now_s)
            sight = Sight(
                now_s=self.now_s,
                standing=self.standing(self.now_s),
                given=self.given,
                is_settled=self.is_settled(self.now_s),
                draw=self.sample[0] if self.sample else None,
                sampled_s=self.sample[1] if self.sample else None,
                soc=self.soc,
            )
            self.demand = estimate(self.demand, sight, self.reach)
            self.seen.append((self.now_s, self.demand, self.given, drawn))
        return self

    def changes(self) -> int:
        return sum(before[1].request != after[1].request for before, after in pairwise(self.seen))


def rounded_down(reach: Reach, value: int) -> int:
    """What the fill would make of a request that fits."""
    if reach.steps:
        return max((step for step in reach.steps if step <= value), default=0)
    if value < reach.minimum:
        return 0
    return max(reach.minimum, value // reach.step * reach.step)


def reason(play: Play) -> Reason:
    return play.demand.reason


def always(standing: Standing) -> Callable[[float], Standing]:
    return lambda now_s: standing


def takes_part(part: float) -> Callable[[float, int], float]:
    return lambda now_s, given: part * given


def takes(amount: float) -> Callable[[float, int], float]:
    return lambda now_s, given: amount


# Taking less


@pytest.mark.parametrize("reach", REACHES)
def test_a_vehicle_that_takes_less_than_it_is_given_frees_the_rest_after_a_minute(reach: Reach) -> None:
    most = reach.rating // 3
    play = Play(reach, takes(most)).run(1)
    assert (play.demand.request, reason(play)) == (reach.rating, Reason.RATING)
    play.run(0.5)
    assert reason(play) is Reason.DRAWS_LESS
    assert most < play.demand.request < reach.rating / 2
    assert play.demand.request == at_least(reach, play.demand.request)


def test_a_vehicle_that_takes_nearly_all_keeps_its_rating() -> None:
    for part in (1.02, 1.0, 0.96, 0.951):
        play = Play(AC, takes_part(part)).run(30)
        assert (play.demand.request, play.changes()) == (32_000, 0)


def test_what_it_is_given_beyond_its_request_is_no_sign_when_it_is_within_an_ampere() -> None:
    play = Play(AC, takes(9_100), limit=lambda now_s: 10_000).run(30)
    assert play.changes() == 0


def test_a_slow_start_is_not_mistaken_for_wanting_less() -> None:
    play = Play(DC, lambda now_s, given: min(120_000, 300 * now_s)).run(7)
    assert {demand.reason for _, demand, *_ in play.seen} == {Reason.RATING}


def test_a_draw_that_was_not_given_time_to_settle_says_nothing() -> None:
    demand = unknown_demand(AC)
    for now_s in range(0, 600, 10):
        sight = Sight(now_s=now_s, given=32_000, is_settled=False, draw=9_000, sampled_s=now_s)
        demand = estimate(demand, sight, AC)
    assert demand.request == 32_000


def test_renewing_a_setpoint_does_not_hide_that_less_is_taken() -> None:
    for amount, expected in ((9_000, Reason.DRAWS_LESS), (0, Reason.PAUSED)):
        play = Play(AC, takes(amount), is_settled=lambda now_s: now_s % 40 != 0).run(5)
        assert reason(play) is expected


def test_a_setpoint_that_moves_all_the_time_does_not_hide_that_less_is_taken() -> None:
    play = Play(AC, takes(8_000), limit=lambda now_s: 14_000 + int(now_s) % 70 * 100).run(2)
    assert reason(play) is Reason.DRAWS_LESS
    assert play.demand.request < 12_000


# Growing


@pytest.mark.parametrize("reach", REACHES)
def test_a_vehicle_that_wants_more_again_has_it_within_two_looks(reach: Reach) -> None:
    low, high = reach.rating // 3, reach.rating * 0.9
    play = Play(reach, lambda now_s, given: low if now_s < 600 else high).run(10)
    assert play.demand.request < reach.rating
    play.run(0.5)
    assert (play.demand.request, reason(play)) == (reach.rating, Reason.GROWING)
    assert play.draw == pytest.approx(rounded_down(reach, round(high)), rel=0.02) or play.draw == high


def test_being_limited_by_others_is_no_sign_of_wanting_more() -> None:
    def limit(now_s: float) -> int:
        return 32_000 if now_s < 300 else 8_000

    play = Play(AC, takes(15_000), limit=limit).run(5)
    lowered = play.demand.request
    assert lowered < 20_000
    play.run(30)
    assert play.demand.request == lowered


def test_a_vehicle_that_goes_up_and_down_is_followed_less_and_less_often() -> None:
    play = Play(AC, lambda now_s, given: 16_000 if now_s % 300 < 60 else 8_000).run(120)
    assert play.changes() <= 24
    later = [demand.request for at_s, demand, *_ in play.seen if at_s > 3600]
    assert sum(before != after for before, after in pairwise(later)) <= 10


# Tapering and following


@pytest.mark.parametrize("minutes", [20, 60, 120])
def test_a_taper_is_followed_in_few_changes_and_never_cut(minutes: int) -> None:
    def taper(now_s: float, given: int) -> float:
        return 140_000 * max(0.06, 1 - now_s / (60 * minutes))

    play = Play(DC, taper, noise=0.01, lag=0.8).run(minutes)
    assert reason(play) is Reason.TAPERING
    assert play.demand.request <= 20_000
    assert play.changes() <= 26
    assert Reason.FOLLOWS not in {demand.reason for _, demand, *_ in play.seen}
    for at_s, _, given, _ in play.seen:
        assert given >= min(taper(at_s, given), 150_000)


def test_a_vehicle_that_draws_a_part_of_whatever_it_is_given_is_not_talked_down() -> None:
    # As units do that turn a limit in W into one in A by their highest voltage.
    play = Play(DC, lambda now_s, given: 0.76 * given, lag=0.6).run(60)
    assert (play.demand.request, reason(play)) == (150_000, Reason.FOLLOWS)
    assert play.demand.share == pytest.approx(0.76, abs=0.02)
    assert play.changes() == 2


def test_one_that_follows_what_it_is_given_may_still_want_less() -> None:
    play = Play(DC, lambda now_s, given: 0.76 * given if now_s < 1200 else min(0.76 * given, 30_000)).run(40)
    assert reason(play) in (Reason.DRAWS_LESS, Reason.TAPERING)
    assert play.draw == pytest.approx(30_000)
    assert play.demand.request < 60_000


# Resting


@pytest.mark.parametrize("reach", REACHES)
def test_a_vehicle_that_pauses_keeps_the_smallest_offer_and_grows_at_once(reach: Reach) -> None:
    most = reach.rating * 0.8

    def wants(now_s: float, given: int) -> float:
        return 0 if 600 <= now_s < 1200 else most

    play = Play(reach, wants).run(20)
    assert (play.demand.request, reason(play)) == (smallest_offer(reach), Reason.PAUSED)
    play.run(0.5)
    assert (play.demand.request, reason(play)) == (reach.rating, Reason.GROWING)


def test_the_smallest_offer_is_one_that_a_meter_can_see() -> None:
    assert smallest_offer(AC) == 6_000
    assert smallest_offer(NO_MINIMUM) == 1_000
    assert smallest_offer(Reach(rating=150_000, minimum=0, step=25_000)) == 25_000
    assert smallest_offer(Reach(rating=600, minimum=0, step=100)) == 600


def test_a_vehicle_that_has_rested_for_half_an_hour_is_full_and_may_go_on() -> None:
    play = Play(AC, lambda now_s, given: 16_000 if now_s < 300 or now_s > 3600 else 100).run(5)
    play.run(FULL_S / 60)
    assert reason(play) is Reason.PAUSED
    play.run(2)
    assert (play.demand.request, reason(play)) == (6_000, Reason.FULL)
    play.run(25)
    assert play.demand.request == 32_000 or reason(play) is Reason.DRAWS_LESS


def test_a_trickle_while_full_is_not_wanting_more() -> None:
    play = Play(DC, lambda now_s, given: 100_000 if now_s < 300 else 4_000 * (now_s % 200 < 60), soc=0.995).run(60)
    assert (play.demand.request, reason(play)) == (10_000, Reason.FULL)
    assert play.changes() == 2


@pytest.mark.parametrize(
    ("soc", "expected"), [(0.5, Reason.PAUSED), (None, Reason.PAUSED), (0.98, Reason.PAUSED), (0.99, Reason.FULL)]
)
def test_a_full_battery_that_rests_is_full(soc: float | None, expected: Reason) -> None:
    play = Play(AC, lambda now_s, given: 16_000 if now_s < 300 else 0, soc=soc).run(10)
    assert reason(play) is expected


def test_a_vehicle_that_needs_more_to_start_than_it_was_given_starts_when_there_is_room() -> None:
    # Takes nothing of less than 13 A; at first there is only room for its minimum.
    play = Play(
        AC, lambda now_s, given: 30_000 if given >= 13_000 else 0, limit=lambda now_s: 6_000 if now_s < 600 else 32_000
    )
    play.run(10 + RETRY_S / 60)
    assert play.draw == 30_000
    play.run(60)
    assert (play.demand.request, play.draw) == (32_000, 30_000)


def test_one_that_rests_on_little_makes_room_in_time_and_is_offered_all_again() -> None:
    play = Play(AC, takes(0), limit=lambda now_s: 12_000).run(LITTLE_S / 60)
    assert play.demand.request == 32_000
    play.run(1)
    assert (play.demand.request, reason(play)) == (6_000, Reason.PAUSED)
    play.run(RETRY_S / 60)
    assert play.demand.request == 32_000
    play.wants, play.limit = takes_part(0.9), lambda now_s: 32_000
    play.run(4)
    assert play.draw > 28_000


def test_full_vehicles_that_are_offered_little_in_turns_are_known_for_full_in_time() -> None:
    play = Play(AC, takes(0), limit=lambda now_s: 6_000 if now_s % 1200 < 600 else 0).run(50)
    assert reason(play) is not Reason.FULL
    play.run(20)
    assert (play.demand.request, reason(play)) == (6_000, Reason.FULL)


def test_a_vehicle_that_takes_five_amperes_of_its_share_does_not_block_the_rest() -> None:
    # SmartEVSE 35.
    play = Play(AC, takes(5_000), limit=lambda now_s: 12_500).run(3)
    assert play.demand.request == 7_000


def test_one_that_has_not_drawn_yet_is_given_time_to_begin() -> None:
    play = Play(AC, takes(0)).run(START_S / 60)
    assert reason(play) is Reason.RATING
    play.run(1)
    assert reason(play) is Reason.PAUSED


def test_being_given_nothing_is_no_sign_of_wanting_nothing() -> None:
    for standing in Standing:
        if standing in (Standing.FINISHED, Standing.UNUSABLE):
            continue
        play = Play(AC, takes(16_000), limit=lambda now_s: 0, standing=always(standing)).run(120)
        assert (play.demand.request, reason(play)) == (32_000, Reason.RATING)


@pytest.mark.parametrize("full", [False, True])
def test_a_resting_vehicle_that_is_given_nothing_stays_what_it_is(full: bool) -> None:
    play = Play(AC, lambda now_s, given: 16_000 if now_s < 300 else 0, soc=1.0 if full else None).run(10)
    before = play.demand
    assert before.reason is (Reason.FULL if full else Reason.PAUSED)
    play.limit, play.standing, play.is_measured = (
        (lambda now_s: 0),
        always(Standing.WITHHELD),
        lambda now_s: now_s < 900,
    )
    play.run(60)
    assert (play.demand.request, reason(play)) == (before.request, before.reason)


def test_the_time_in_which_it_was_given_nothing_does_not_make_it_full() -> None:
    play = Play(AC, lambda now_s, given: 16_000 if now_s < 300 else 0).run(10)
    play.limit = lambda now_s: 0
    play.run(25)
    play.limit = lambda now_s: 32_000
    play.run(10)
    assert reason(play) is Reason.PAUSED
    play.run(25)
    assert reason(play) is Reason.FULL


def test_a_charge_point_that_holds_back_what_it_was_given_is_waited_for_some_minutes() -> None:
    play = Play(AC, takes(0), standing=lambda now_s: Standing.WITHHELD).run(STUCK_S / 60)
    assert reason(play) is Reason.RATING
    play.run(1)
    assert (play.demand.request, reason(play)) == (6_000, Reason.PAUSED)


@pytest.mark.parametrize("standing", [Standing.RESTING, Standing.CHARGING])
def test_without_a_meter_only_the_connectors_word_counts(standing: Standing) -> None:
    play = Play(AC, takes(0), standing=always(standing), is_measured=lambda now_s: False).run(10)
    expected = Reason.PAUSED if standing is Standing.RESTING else Reason.RATING
    assert reason(play) is expected
    play.standing = lambda now_s: Standing.CHARGING
    play.run(0.5)
    assert play.demand.request == 32_000


def test_a_meter_that_falls_silent_gives_the_rating_back() -> None:
    play = Play(AC, takes(10_000), is_measured=lambda now_s: now_s < 600).run(10)
    assert reason(play) is Reason.DRAWS_LESS
    play.run(SILENT_S / 60 + 0.5)
    assert (play.demand.request, reason(play)) == (32_000, Reason.UNMEASURED)


def test_samples_far_apart_prove_nothing() -> None:
    play = Play(AC, takes(10_000), is_measured=lambda now_s: now_s % 600 == 0).run(120)
    assert play.changes() == 0


def test_finished_wants_nothing_and_a_new_start_wants_all() -> None:
    play = Play(
        AC, takes(16_000), standing=lambda now_s: Standing.FINISHED if 300 <= now_s < 600 else Standing.CHARGING
    )
    play.run(6)
    assert (play.demand.request, reason(play)) == (0, Reason.FULL)
    play.run(5)
    assert play.demand.request > 0


def test_a_connector_that_cannot_charge_wants_nothing_after_a_minute_unless_it_draws() -> None:
    play = Play(AC, takes(0), standing=lambda now_s: Standing.UNUSABLE).run(PATIENCE_S / 60)
    assert play.demand.request == 32_000
    play.run(1)
    assert (play.demand.request, reason(play)) == (0, Reason.CANNOT_CHARGE)
    play.standing = lambda now_s: Standing.CHARGING
    play.run(0.2)
    assert play.demand.request == 32_000
    draws = Play(AC, takes(32_000), standing=lambda now_s: Standing.UNUSABLE).run(10)
    assert draws.demand.request == 32_000


def test_it_asks_to_be_looked_at_when_time_alone_changes_something() -> None:
    sight = Sight(now_s=1000.0, standing=Standing.RESTING, given=32_000, is_settled=True)
    demand = estimate(unknown_demand(AC), sight, AC)
    reasons = []
    for _ in range(6):
        if demand.due_s == float("inf"):
            break
        sight = replace(sight, now_s=demand.due_s)
        demand = estimate(demand, sight, AC)
        reasons.append((sight.now_s - 1000, demand.reason))
    assert (START_S, Reason.PAUSED) in reasons
    assert reasons[-1] == (FULL_S, Reason.FULL)
    assert demand.due_s == float("inf")


# Properties

standings = st.sampled_from(Standing)


@drawn(
    st.sampled_from(REACHES),
    st.lists(
        st.tuples(
            st.floats(0, 400),
            standings,
            st.none() | st.integers(0, 150_000),
            st.booleans(),
            st.none() | st.integers(0, 200_000),
            st.none() | st.floats(0, 1),
        ),
        max_size=40,
    ),
)
def test_a_request_is_nothing_or_what_the_connector_can_be_given(
    reach: Reach,
    looks: list[tuple[float, Standing, int | None, bool, int | None, float | None]],
) -> None:
    demand, now_s = unknown_demand(reach), 0.0
    sample: tuple[int, float] | None = None
    for after_s, standing, given, is_settled, draw, soc in looks:
        now_s += after_s
        if draw is not None:
            sample = (draw, now_s - 1)
        sight = Sight(
            now_s=now_s,
            standing=standing,
            given=given,
            is_settled=is_settled,
            draw=sample[0] if sample else None,
            sampled_s=sample[1] if sample else None,
            soc=soc,
        )
        demand = estimate(demand, sight, reach)
        assert demand.request == 0 or reach.minimum <= demand.request <= reach.rating
        assert demand.request > 0 or demand.reason in (Reason.CANNOT_CHARGE, Reason.FULL)
        assert demand.request > 0 or standing in (Standing.FINISHED, Standing.UNUSABLE)
        assert demand.due_s > now_s
        assert 0 < demand.share <= 1


@drawn(
    st.sampled_from(REACHES),
    st.lists(st.tuples(st.floats(0.05, 1.2), st.integers(2, 40)), min_size=1, max_size=5),
    st.floats(0.3, 1.0),
    st.floats(0, 0.02),
)
def test_what_a_vehicle_can_take_it_soon_has(
    reach: Reach, stretches: list[tuple[float, int]], lag: float, noise: float
) -> None:
    play = Play(reach, takes(0), lag=lag, noise=noise)
    for part, minutes in stretches:
        able = part * reach.rating
        play.wants = takes(able)
        play.run(minutes)
        # The last two minutes of each stretch: it is there by then, and stays there.
        if minutes > 4:
            for _, _, given, _ in play.seen[-12:]:
                assert given >= min(0.98 * able, 0.98 * rounded_down(reach, reach.rating))


@drawn(st.sampled_from(REACHES), st.floats(0.05, 1.1), st.integers(0, 10**6))
def test_noise_does_not_move_a_request(reach: Reach, part: float, seed: int) -> None:
    play = Play(reach, takes(part * reach.rating), noise=0.02)
    play.random = Random(seed)
    assert play.run(60).changes() <= 3
