"""A depot under control whose charge points share: what they are given is split, sent and seen by connector."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import numpy as np

from busbar.core.audit import audit
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves, Sharing
from busbar.core.units import ActivePower
from busbar.engine.control import Control
from busbar.engine.cycle import Cycle, run_cycle_to_connectors
from busbar.engine.events import Answered, Connected, Measured, Ready, VehicleArrived
from busbar.engine.orders import Answer
from busbar.engine.ports import Evidence, TrustLevel
from busbar.engine.timing import Timing
from busbar.engine.what_if import WhatIf, ask
from busbar.entrypoints.api.documents import explanation_document, status_document
from busbar.entrypoints.api.models import Explanation, Status

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def depot(leaves: Leaves, *, limit_w: int = 100_000, fallback_w: int = 0) -> Depot:
    """CP1 with two connectors, CP2 with one, 80 kW each, lossless."""

    def unit(name: str, connectors: int) -> ChargePoint:
        plugs = tuple(
            Connector(id=str(number), max_rating=80_000, minimum=0, step=1000, fallback=fallback_w)
            for number in range(1, connectors + 1)
        )
        return ChargePoint(
            id=name,
            circuit="GC1",
            current=CurrentKind.DC,
            max_rating=100_000,
            connectors=plugs,
            sharing=Sharing.PARALLEL,
        )

    limit = ActivePower(w=limit_w)
    circuit = Circuit(id="GC1", default_operating_capacity=limit, safe_operating_capacity=limit)
    return Depot(
        id="yard", voltage_v=400, leaves=leaves, circuits=(circuit,), charge_points=(unit("CP1", 2), unit("CP2", 1))
    )


class Yard:
    """A control with every vehicle there and every charge point answering at once."""

    def __init__(self, at: Depot) -> None:
        ids = count(1)
        self.now_s, self.number = 1.0, 0
        self.control = Control(at, Timing(), order_ids=lambda: f"o{next(ids)}", now_s=0.0)
        for unit in at.charge_points:
            self.control.take(Connected(charge_point=unit.id, connection=1, received_s=1.0), 1.0)
            self.control.take(Ready(charge_point=unit.id, connection=1, received_s=1.0), 1.0)
            for plug in unit.connectors:
                name = f"{unit.id}/{plug.id}"
                believed = Evidence(
                    connector=name, trust=TrustLevel.ACCEPTED, fallback=plug.fallback, at=NOON, detail="said so"
                )
                self.control.accept([believed])
                self.control.take(VehicleArrived(connector=name, at=NOON), 1.0)
        self.told: dict[str, int] = {}

    def cycle(self) -> Cycle:
        """One more, five seconds later; what was told before is drawn, and what is told is acknowledged."""
        self.now_s += 5
        control, self.number = self.control, self.number + 1
        for connector, value in self.told.items():
            control.take(
                Measured(connector=connector, sampled_at=NOON, received_s=self.now_s, age_s=0.0, draw=value), self.now_s
            )
        depot = control.stored_depot
        found = run_cycle_to_connectors(
            control.shared,
            control.look(NOON, self.now_s),
            number=self.number,
            trigger="clock",
            clock_us=lambda: 0,
            strategy=depot.strategy,
            fair_in=depot.fair_in,
            before=control.before,
        )
        found = control.conclude(found, now_s=self.now_s)
        self.release()
        return found

    def release(self) -> None:
        for _ in range(10):
            orders = self.control.release(NOON, self.now_s).orders
            for order in orders:
                self.told[order.connector] = order.limit
                self.control.take(
                    Answered(
                        order_id=order.id,
                        charge_point=order.charge_point,
                        connection=1,
                        answer=Answer.ACCEPTED,
                        received_s=self.now_s,
                    ),
                    self.now_s,
                )

    def settle(self, cycles: int = 8) -> Cycle:
        for _ in range(cycles):
            found = self.cycle()
        return found


def test_charge_points_share_evenly_and_each_splits_its_part() -> None:
    yard = Yard(depot(Leaves.CHARGE_POINT))
    found = yard.settle()
    assert yard.told == {"CP1/1": 25_000, "CP1/2": 25_000, "CP2/1": 50_000}
    by_connector = Yard(depot(Leaves.CONNECTOR))
    by_connector.settle()
    assert by_connector.told == {"CP1/1": 34_000, "CP1/2": 33_000, "CP2/1": 33_000}
    assert found.record.inputs["leaves"] == "charge_point"


def test_a_fallback_of_whoever_stands_idle_is_counted_beside_what_its_neighbour_is_given() -> None:
    at = depot(Leaves.CHARGE_POINT, limit_w=60_000, fallback_w=10_000)
    yard = Yard(at)
    yard.control.vehicles.hold({"CP1/2"})
    found = yard.settle()
    projection = yard.control.projection
    assert audit(projection, found.snapshot, found.allocation) == []
    reserved = np.maximum(found.setpoint, 10_000)
    assert int(reserved.sum()) <= 60_000
    assert yard.told["CP1/1"] > 10_000


def test_the_cycle_that_switches_the_leaves_or_the_strategy_raises_nothing() -> None:
    yard = Yard(depot(Leaves.CONNECTOR))
    yard.settle()
    before = dict(yard.told)
    yard.control.use(depot(Leaves.CHARGE_POINT), now_s=yard.now_s)
    yard.cycle()
    assert all(yard.told[connector] <= value for connector, value in before.items())
    assert yard.told["CP1/1"] == 25_000
    yard.settle()
    assert yard.told["CP2/1"] == 50_000
    yard.control.use(replace(depot(Leaves.CHARGE_POINT), strategy="first_come"), now_s=yard.now_s)
    before = dict(yard.told)
    yard.cycle()
    assert all(yard.told[connector] <= value for connector, value in before.items())


def test_a_moment_shows_both_and_what_if_compares_them_on_the_same_snapshot() -> None:
    yard = Yard(depot(Leaves.CHARGE_POINT))
    cycle = yard.settle()
    moment = yard.control.watch(cycle, at=NOON, now_s=yard.now_s).moment
    assert moment.shared is not None
    assert moment.shared.allocation.setpoint.tolist() == [50_000, 50_000]
    assert moment.setpoint.tolist() == [25_000, 25_000, 50_000]
    compared = ask(moment, WhatIf(leaves=Leaves.CONNECTOR))
    assert compared.before.allocation.setpoint.tolist() == [25_000, 25_000, 50_000]
    assert sorted(compared.after.allocation.setpoint.tolist()) == [33_000, 33_000, 34_000]
    other = Yard(depot(Leaves.CONNECTOR))
    its = other.control.watch(other.settle(), at=NOON, now_s=other.now_s).moment
    assert ask(its, WhatIf(leaves=Leaves.CHARGE_POINT)).after.allocation.setpoint.tolist() == [25_000, 25_000, 50_000]


def test_the_interface_says_who_splits_and_which_circuit_holds_the_charge_point() -> None:
    yard = Yard(depot(Leaves.CHARGE_POINT))
    moment = yard.control.watch(yard.settle(), at=NOON, now_s=yard.now_s).moment
    explanation = Explanation.model_validate(explanation_document(moment, "CP1/1"))
    assert "split by the charge point" in explanation.sentence
    assert explanation.bound_by is not None
    assert explanation.bound_by.node == "GC1"
    status = Status.model_validate(status_document(moment, age_s=0.0, stale_after_s=15.0, last_event=""))
    assert status.leaves == "charge_point"
    assert {each.id: each.setpoint.value for each in status.connectors if each.setpoint} == yard.told
    assert all(each.bound_by and each.bound_by.node == "GC1" for each in status.connectors)
