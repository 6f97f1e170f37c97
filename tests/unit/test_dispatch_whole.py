"""Delivery to charge points that are told one limit for all of their connectors, rule by rule."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from delivery_bench import TIMING, Bench, depot

from busbar.core.depot import Depot, Leaves, Sharing
from busbar.core.projection import project
from busbar.engine.events import Ready
from busbar.engine.orders import Answer, Order, OrderKind


def shared(units: Sequence[str] = ("CP1x2", "CP2"), *, sharing: Sharing | None = Sharing.PARALLEL) -> Depot:
    """On 60 A; charge points share."""
    at = depot({"A": 60}, {"A": units})
    return replace(
        at,
        leaves=Leaves.CHARGE_POINT,
        charge_points=tuple(replace(unit, sharing=sharing) for unit in at.charge_points),
    )


class WholeBench(Bench):
    """Every charge point is told one limit."""

    is_whole = True

    def connect(self, unit: str) -> None:
        super().connect(unit)
        self.dispatch.take(
            Ready(charge_point=unit, connection=self.connection[unit], received_s=self.now_s, is_whole=self.is_whole),
            self.now_s,
        )

    def one(self) -> Order:
        (order,) = self.release().orders
        return order

    def raw(self) -> dict[str, int]:
        """What the ledgers hold, before it is handed to who draws it."""
        return dict(zip(self.projection.leaf_ids, self.dispatch.commitments().tolist(), strict=True))


@pytest.fixture
def bench() -> WholeBench:
    return WholeBench(shared())


def running(bench: WholeBench) -> WholeBench:
    """CP1 has 30 A, 20 of them for its first connector; CP2 has 10 A."""
    bench.aim(CP1=20_000, CP1_2=10_000, CP2=10_000)
    bench.settle()
    for name in ("CP1/1", "CP1/2", "CP2/1"):
        bench.sample(name, bench.raw()[name])
    bench.wait(6)
    return bench


def test_an_order_is_the_sum_of_the_parts_and_a_new_value_for_every_connector(bench: WholeBench) -> None:
    bench.aim(CP1=20_000, CP1_2=10_000)
    first = bench.one()
    assert (first.connector, first.limit, first.whole) == ("CP1/1", 20_000, 20_000)
    bench.answer(first)
    second = bench.one()
    assert (second.connector, second.limit, second.whole) == ("CP1/2", 10_000, 30_000)
    bench.answer(second)
    assert bench.raw() == {"CP1/1": 20_000, "CP1/2": 10_000, "CP2/1": 0}


def test_one_order_lowers_everybody_who_is_to_have_less(bench: WholeBench) -> None:
    running(bench).aim(CP1=12_000, CP1_2=6000)
    assert bench.one().whole == 18_000
    assert bench.sent() == {}


def test_one_renewal_renews_all_and_one_lease_is_stored_for_each(bench: WholeBench) -> None:
    running(bench).wait(TIMING.renew_s)
    released = bench.release()
    assert sorted(order.charge_point for order in released.orders) == ["CP1", "CP2"]
    assert {(row.connector, row.value) for row in released.to_store} >= {("CP1/1", 20_000), ("CP1/2", 10_000)}
    for order in released.orders:
        bench.answer(order)
    bench.wait(TIMING.renew_s - 1)
    assert bench.sent() == {}
    bench.wait(TIMING.expiry_s - TIMING.renew_s)
    assert bench.raw()["CP1/2"] == 10_000


def test_what_was_not_sent_or_refused_is_so_for_everybody(bench: WholeBench) -> None:
    running(bench).aim(CP1=12_000, CP1_2=6000)
    for said in (Answer.NOT_SENT, Answer.REFUSED):
        bench.answer(bench.one(), said)
        assert bench.raw()["CP1/1"] == 20_000
        assert bench.raw()["CP1/2"] == 10_000
        bench.wait(3)
    assert bench.one().whole == 18_000


def test_nobody_has_come_down_before_all_together_have(bench: WholeBench) -> None:
    running(bench).aim(CP1=20_000, CP1_2=0)
    bench.answer(bench.one())
    # The first connector has taken what the second gave up: each is within its part or below.
    bench.wait(1).sample("CP1/2", 0)
    bench.sample("CP1/1", 30_000)
    assert sum(bench.raw().values()) == 40_000
    bench.wait(1).sample("CP1/2", 0)
    bench.sample("CP1/1", 20_000)
    assert sum(bench.raw().values()) == 30_000


def test_an_old_sample_of_one_settles_nothing(bench: WholeBench) -> None:
    running(bench)
    bench.sample("CP1/2", 0)
    bench.wait(1).aim(CP1=10_000)
    bench.answer(bench.one())
    bench.wait(1).sample("CP1/1", 12_000)
    assert bench.raw()["CP1/1"] == 20_000
    bench.sample("CP1/2", 8000)
    assert bench.raw()["CP1/1"] == 10_000


def test_a_connector_above_its_part_does_not_disobey_while_the_unit_does_not(bench: WholeBench) -> None:
    running(bench)
    for _ in range(10):
        bench.wait(5).sample("CP1/1", 5000)
        bench.sample("CP1/2", 25_000)
    assert bench.dispatch.troubled() == {}
    # And nobody who looks at connectors sees one that does.
    assert bench.committed()["CP1/2"] == 25_000
    assert bench.dispatch.given()["CP1/1"][0] == 5000
    for _ in range(10):
        bench.wait(5).sample("CP1/1", 15_000)
        bench.sample("CP1/2", 25_000)
    assert set(bench.dispatch.troubled()) & {"CP1/1", "CP1/2"}


def test_the_part_of_a_vehicle_that_left_counts_until_it_was_taken_back(bench: WholeBench) -> None:
    running(bench).leave("CP1/2")
    assert bench.raw()["CP1/2"] == 10_000
    order = bench.one()
    assert (order.connector, order.limit, order.whole) == ("CP1/2", 0, 20_000)
    bench.answer(order)
    assert bench.raw()["CP1/2"] == 10_000
    bench.wait(1).sample("CP1/1", 20_000)
    assert bench.raw()["CP1/2"] == 0


def test_an_empty_unit_is_taken_back_and_then_left_alone(bench: WholeBench) -> None:
    running(bench).leave("CP1/2")
    bench.leave("CP1/1")
    bench.aim(CP1=0, CP1_2=0)
    order = bench.one()
    assert order.whole == 0
    bench.answer(order)
    assert bench.sent() == {}
    bench.wait(TIMING.ramp_s + 1).release()
    assert bench.raw()["CP1/1"] == bench.raw()["CP1/2"] == 0
    bench.wait(TIMING.renew_s)
    assert {order.charge_point for order in bench.release().orders} == {"CP2"}


def test_where_sharing_is_not_verified_the_limit_counts_once_per_connector() -> None:
    bench = WholeBench(shared(sharing=None))
    # It may have been told in another way before: nobody is told anything before all have come down.
    bench.wait(TIMING.ramp_s + 1)
    running(bench)
    bench.wait(TIMING.renew_s)
    orders = {order.charge_point: order for order in bench.release().orders}
    whole = orders["CP1"].whole
    assert whole == 15_000
    assert 2 * whole <= bench.raw()["CP1/1"] + bench.raw()["CP1/2"]
    assert orders["CP2"].whole == 10_000


def test_while_one_is_above_a_limit_that_each_may_take_the_other_may_rise_to_it() -> None:
    bench = WholeBench(shared(("CP1x2",), sharing=None))
    bench.wait(TIMING.ramp_s + 1)
    bench.aim(CP1=20_000, CP1_2=20_000).settle().wait(6)
    bench.sample("CP1/1", 20_000)
    bench.sample("CP1/2", 0)
    bench.aim(CP1=10_000, CP1_2=10_000)
    bench.answer(bench.one())
    bench.wait(1).sample("CP1/1", 18_000)
    bench.sample("CP1/2", 0)
    assert sum(bench.raw().values()) >= 18_000 + 10_000
    bench.wait(1).sample("CP1/1", 10_000)
    bench.sample("CP1/2", 0)
    assert sum(bench.raw().values()) == 20_000


def test_told_in_another_way_it_counts_what_it_was_told_before_until_the_lease_is_over(bench: WholeBench) -> None:
    running(bench)
    bench.disconnect("CP1")
    bench.is_whole = False
    bench.connect("CP1")
    # Until all have come down to their fallbacks nobody is told more: one may still draw its neighbour's part.
    assert "CP1/1" not in bench.sent()
    assert bench.raw()["CP1/1"] >= 20_000
    bench.wait(TIMING.ramp_s + 1)
    order = next(order for order in bench.release().orders if order.charge_point == "CP1")
    assert order.whole is None
    bench.answer(order)
    bench.aim(CP1=6000)
    assert bench.raw()["CP1/1"] == 20_000
    bench.wait(TIMING.expiry_s)
    bench.sample("CP1/1", 6000)
    bench.release()
    assert bench.raw()["CP1/1"] < 20_000


def test_a_stop_is_for_its_connector_and_lowers_the_unit_first(bench: WholeBench) -> None:
    running(bench)
    bench.dispatch.stop("CP1/1")
    order = bench.one()
    assert (order.kind, order.connector, order.whole) == (OrderKind.STOP, "CP1/1", None)


def test_wiring_on_which_one_limit_means_nothing_ends_that_way(bench: WholeBench) -> None:
    running(bench)
    bench.dispatch.use(project(replace(shared(), leaves=Leaves.CONNECTOR)))
    assert bench.dispatch.reachable() == frozenset()
    assert np.array_equal(bench.dispatch.commitments(), [20_000, 10_000, 10_000])
    assert bench.release().orders == ()
