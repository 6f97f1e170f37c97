"""Strategies: who is raised first, who counts for how much, and whose turn it is."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from busbar.core.balance import balance
from busbar.core.depot import STRATEGY_NAMES, ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Snapshot, snapshot_from_arrays
from busbar.core.strategies import STRATEGIES, Ranking, equal_share, least_laxity, turn_due, turn_order
from busbar.core.units import ActivePower

AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
NAN = float("nan")


def yard(count: int, *, limit_w: int, minimum_w: int = 0, step_w: int = 1) -> Projection:
    """DC connectors of 100 kW without losses below one circuit in kW."""
    return project(
        Depot(
            id="depot",
            voltage_v=400,
            circuits=(Circuit(id="C1", default_operating_capacity=ActivePower(w=limit_w)),),
            charge_points=tuple(
                ChargePoint(
                    id=f"CP{index}",
                    circuit="C1",
                    current=CurrentKind.DC,
                    max_rating=100_000,
                    connectors=(Connector(id="1", max_rating=100_000, minimum=minimum_w, step=step_w),),
                    power_factor_permille=1000,
                )
                for index in range(count)
            ),
        )
    )


def seen(projection: Projection, request: list[int] | None = None, **columns: list[float]) -> Snapshot:
    arrays: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
    wanted = projection.max_rating if request is None else np.array(request)
    return snapshot_from_arrays(projection, at=AT, request=wanted, **arrays)


def shares(strategy: str, projection: Projection, snapshot: Snapshot) -> list[int]:
    return [int(value) for value in balance(projection, snapshot, strategy=strategy).setpoint]


def test_every_strategy_that_a_depot_may_name_is_there() -> None:
    assert set(STRATEGIES) == set(STRATEGY_NAMES)


def test_equal_share_gives_everybody_the_same_and_hands_on_what_is_not_used() -> None:
    projection = yard(3, limit_w=90_000)
    assert shares("equal_share", projection, seen(projection)) == [30_000] * 3
    assert shares("equal_share", projection, seen(projection, [10_000, 100_000, 100_000])) == [
        10_000,
        40_000,
        40_000,
    ]


def test_weighted_share_gives_in_proportion() -> None:
    projection = yard(3, limit_w=60_000)
    assert shares("weighted_share", projection, seen(projection, weight=[1.0, 2.0, 3.0])) == [
        10_000,
        20_000,
        30_000,
    ]


def test_first_come_serves_who_arrived_first_and_unknown_arrivals_last() -> None:
    projection = yard(4, limit_w=150_000)
    snapshot = seen(projection, arrived_ago_s=[10.0, 3600.0, NAN, 60.0])
    assert shares("first_come", projection, snapshot) == [0, 100_000, 0, 50_000]


def test_priority_serves_the_higher_first_and_shares_among_equals() -> None:
    projection = yard(3, limit_w=140_000)
    assert shares("priority", projection, seen(projection, priority=[1, 5, 1])) == [20_000, 100_000, 20_000]


def test_earliest_departure_serves_who_leaves_first_and_unknown_departures_last() -> None:
    projection = yard(4, limit_w=160_000)
    snapshot = seen(projection, departs_in_s=[7200.0, 600.0, 7200.0, NAN])
    assert shares("earliest_departure", projection, snapshot) == [30_000, 100_000, 30_000, 0]


def test_lowest_soc_serves_the_emptiest_by_whole_percent() -> None:
    projection = yard(4, limit_w=120_000)
    snapshot = seen(projection, soc=[0.309, 0.301, 0.8, NAN])
    assert shares("lowest_soc", projection, snapshot) == [60_000, 60_000, 0, 0]


def test_least_laxity_evens_out_the_laxity_left_after_the_step() -> None:
    """100 kWh at 100 kW take an hour; who leaves in 60 minutes has none to spare, in 62.5 minutes 150 s."""
    projection = yard(2, limit_w=100_000)
    snapshot = seen(projection, departs_in_s=[3600.0, 3750.0], energy_needed_wh=[100_000.0, 100_000.0])
    # Laxity after 300 s at x: laxity - 300 + 300 x / 100 kW, equal for 75 kW and 25 kW.
    assert shares("least_laxity", projection, snapshot) == [75_000, 25_000]


def test_least_laxity_serves_those_it_knows_nothing_of_with_what_is_left() -> None:
    projection = yard(3, limit_w=120_000)
    snapshot = seen(
        projection,
        departs_in_s=[NAN, 3600.0, 3600.0],
        energy_needed_wh=[50_000.0, NAN, 100_000.0],
    )
    assert shares("least_laxity", projection, snapshot) == [10_000, 10_000, 100_000]


def test_least_laxity_ranks_finite_numbers_whatever_is_unknown() -> None:
    projection = yard(3, limit_w=10_000)
    snapshot = seen(projection, [0, 1, 100_000], departs_in_s=[NAN, 0.0, -5.0], energy_needed_wh=[1.0, 1e6, 0.0])
    ranking = least_laxity(projection, snapshot)
    assert np.isfinite(ranking.weight).all()
    assert np.isfinite(ranking.offset).all()
    assert (ranking.weight > 0).all()


def test_minima_come_before_anybody_is_raised_and_in_the_order_of_tiers() -> None:
    projection = yard(3, limit_w=25_000, minimum_w=10_000)
    assert shares("priority", projection, seen(projection, priority=[0, 0, 9])) == [10_000, 0, 15_000]


def test_a_strategy_may_be_any_function_of_projection_and_snapshot() -> None:
    def last_first(projection: Projection, snapshot: Snapshot) -> Ranking:
        count = len(projection.leaf_ids)
        return Ranking(
            tier=np.arange(count)[::-1].astype(np.int64),
            weight=np.ones(count),
            offset=np.zeros(count),
            order=np.arange(count, dtype=np.int32),
        )

    projection = yard(3, limit_w=150_000)
    allocation = balance(projection, seen(projection), strategy=last_first)
    assert allocation.setpoint.tolist() == [0, 50_000, 100_000]
    assert allocation.strategy == "last_first"


def test_an_unknown_strategy_is_an_error() -> None:
    projection = yard(1, limit_w=1)
    with pytest.raises(KeyError):
        balance(projection, seen(projection), strategy="whoever_shouts")


def test_an_unknown_unit_of_fairness_is_an_error() -> None:
    projection = yard(1, limit_w=1)
    with pytest.raises(ValueError, match="loudness"):
        balance(projection, seen(projection), fair_in="loudness")


def test_without_any_history_the_order_is_that_of_the_depot() -> None:
    projection = yard(4, limit_w=1)
    assert turn_order(seen(projection)).tolist() == [0, 1, 2, 3]


def test_the_order_of_turns() -> None:
    """In a turn, then due with the longest wait first, then past the turn, youngest first, then waiting for less."""
    projection = yard(7, limit_w=1)
    snapshot = seen(
        projection,
        charging=[False, True, True, False, False, True, True],
        charging_for_s=[NAN, 700.0, 100.0, NAN, NAN, 600.0, 599.0],
        waiting_for_s=[599.0, NAN, NAN, 600.0, 4000.0, NAN, NAN],
    )
    assert turn_order(snapshot).tolist() == [2, 6, 4, 3, 5, 1, 0]
    assert turn_due(snapshot).tolist() == [False, False, False, True, True, False, False]


def test_who_arrived_first_comes_first_among_equals() -> None:
    projection = yard(3, limit_w=1)
    assert turn_order(seen(projection, arrived_ago_s=[5.0, 50.0, NAN])).tolist() == [1, 0, 2]


def test_who_charges_since_nobody_knows_when_began_at_the_latest_stop() -> None:
    projection = yard(3, limit_w=1)
    snapshot = seen(
        projection,
        charging=[True, True, False],
        charging_for_s=[NAN, 300.0, NAN],
        waiting_for_s=[NAN, NAN, 650.0],
        stopped_ago_s=[NAN, NAN, 650.0],
    )
    # 650 s ago somebody was stopped, perhaps for its sake: its turn is over.
    assert turn_order(snapshot).tolist() == [1, 2, 0]


def test_ranking_alike_whatever_is_wanted() -> None:
    projection = yard(2, limit_w=1)
    ranking = equal_share(projection, seen(projection, [0, 5]))
    assert ranking.tier.tolist() == [0, 0]
    assert ranking.weight.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("numbers", [(-7, 0, 5), (0, 10**9, 10**12), (2, 3, 4), (0, 1, 2)])
def test_tiers_may_be_any_numbers_and_the_lowest_comes_first(numbers: tuple[int, int, int]) -> None:
    projection = yard(6, limit_w=250_000)

    def in_tiers(projection: Projection, snapshot: Snapshot) -> Ranking:
        first, second, third = numbers
        tier = np.array([second, first, third, second, first, third], dtype=np.int64)
        return replace(equal_share(projection, snapshot), tier=tier)

    snapshot = snapshot_from_arrays(projection, at=AT, request=np.full(6, 100_000))
    found = balance(projection, snapshot, strategy=in_tiers)
    assert found.setpoint.tolist() == [25_000, 100_000, 0, 25_000, 100_000, 0]
