"""A depot on the bench: charge points that answer when the test says so, and a clock that the test turns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import project
from busbar.core.rooms import rooms
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.units import Current
from busbar.engine.dispatch import Dispatch, Release
from busbar.engine.events import (
    Answered,
    ClockRead,
    Connected,
    Disconnected,
    Measured,
    Ready,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.orders import Answer, Order
from busbar.engine.ports import StoredSetpoint
from busbar.engine.timing import Timing

AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
TIMING = Timing()


def amperes(a: float) -> Current:
    ma = int(a * 1000)
    return Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)


def depot(
    circuits: Mapping[str, float], units: Mapping[str, Sequence[str]], *, fallback: int = 0, top_a: float = 1000
) -> Depot:
    """Circuits (A) below one grid connection; per circuit its charge points, `CP1` or `CP1x2` with two connectors."""
    charge_points = []
    for circuit, names in units.items():
        for name in names:
            unit, _, connectors = name.partition("x")
            charge_points.append(
                ChargePoint(
                    id=unit,
                    circuit=circuit,
                    current=CurrentKind.AC,
                    max_rating=32_000 * int(connectors or 1),
                    connectors=tuple(
                        Connector(id=str(number + 1), max_rating=32_000, minimum=6000, step=1000, fallback=fallback)
                        for number in range(int(connectors or 1))
                    ),
                )
            )
    return Depot(
        id="depot",
        voltage_v=400,
        circuits=(
            Circuit(id="G", default_operating_capacity=amperes(top_a)),
            *(Circuit(id=name, parent="G", default_operating_capacity=amperes(a)) for name, a in circuits.items()),
        ),
        charge_points=tuple(charge_points),
    )


class Bench:
    """Dispatch with everybody connected, trusted and plugged in. (Mutable.)"""

    ends_leases = True
    """What whoever connects says."""

    def __init__(
        self,
        depot: Depot,
        *,
        is_trusted: bool = True,
        stored: Sequence[StoredSetpoint] = (),
        is_connected: bool = True,
    ) -> None:
        self.projection = project(depot)
        self.is_trusted = is_trusted
        ids = (f"order-{number}" for number in count(1))
        self.dispatch = Dispatch(self.projection, TIMING, order_ids=lambda: next(ids))
        self.now_s = 1000.0
        self.connections = count(1)
        self.connection: dict[str, int] = {}
        self.targets = np.zeros(len(self.projection.leaf_ids), dtype=np.int64)
        self.limits: dict[str, Current] = {}
        self.frozen = False
        self.believe()
        self.dispatch.restore(stored, self.now_s)
        for unit in depot.charge_points if is_connected else ():
            self.connect(unit.id)
        for connector in self.projection.leaf_ids if is_connected else ():
            self.arrive(connector)

    def believe(self) -> None:
        for leaf, connector in enumerate(self.projection.leaf_ids if self.is_trusted else ()):
            self.dispatch.believe(connector, int(self.projection.fallback[leaf]))

    # What happens

    def wait(self, seconds: float) -> "Bench":
        self.now_s += seconds
        return self

    def connect(self, unit: str) -> None:
        number, now_s = next(self.connections), self.now_s
        self.connection[unit] = number
        self.dispatch.take(Connected(charge_point=unit, connection=number, received_s=now_s), now_s)
        ready = Ready(charge_point=unit, connection=number, received_s=now_s, ends_leases=self.ends_leases)
        self.dispatch.take(ready, now_s)

    def disconnect(self, unit: str) -> None:
        gone = Disconnected(charge_point=unit, connection=self.connection[unit], received_s=self.now_s)
        self.dispatch.take(gone, self.now_s)

    def arrive(self, connector: str) -> None:
        self.dispatch.take(VehicleArrived(connector=connector, at=AT), self.now_s)

    def leave(self, connector: str) -> None:
        self.dispatch.take(VehicleLeft(connector=connector, at=AT, received_s=self.now_s), self.now_s)

    def draw(self, **values: int) -> None:
        """Samples taken now: `CP1=16000` is connector CP1/1."""
        for unit, value in values.items():
            self.sample(f"{unit}/1", value)

    def sample(self, connector: str, value: int) -> None:
        sample = Measured(connector=connector, sampled_at=AT, received_s=self.now_s, age_s=0.0, draw=value)
        self.dispatch.take(sample, self.now_s)

    def read_clock(self, unit: str, ahead_s: float, *, ours_s: float = 0.0) -> None:
        """`ours_s`: by how much our wall clock was put forward since the beginning."""
        at = AT + timedelta(seconds=self.now_s + ours_s)
        self.dispatch.take(ClockRead(charge_point=unit, ahead_s=ahead_s, at=at, read_s=self.now_s), self.now_s)

    def answer(self, order: Order, answer: Answer = Answer.ACCEPTED) -> None:
        event = Answered(
            order_id=order.id,
            charge_point=order.charge_point,
            connection=self.connection[order.charge_point],
            answer=answer,
            received_s=self.now_s,
        )
        self.dispatch.take(event, self.now_s)

    # What is done

    def aim(self, **targets: int) -> "Bench":
        """A cycle gives these; whoever is not named keeps what it was given last. `CP1_2` is connector CP1/2."""
        for name, value in targets.items():
            unit, _, connector = name.partition("_")
            self.targets[self.projection.leaf_index[f"{unit}/{connector or 1}"]] = value
        n = len(self.projection.leaf_ids)
        snapshot = snapshot_from_arrays(
            self.projection, at=AT, request=np.zeros(n, dtype=np.int64), envelopes=self.limits
        )
        found = rooms(self.projection, snapshot)
        self.dispatch.aim(self.targets, found=found, frozen=np.full(n, self.frozen), now_s=self.now_s)
        return self

    def release(self) -> Release:
        return self.dispatch.release(self.now_s, AT + timedelta(seconds=self.now_s))

    def sent(self) -> dict[str, int]:
        """Releases; what leaves, connector by connector. Nobody answers."""
        return {order.connector: order.limit for order in self.release().orders}

    def settle(self) -> "Bench":
        """Everything that may leave leaves, is acknowledged and followed, until nothing more does."""
        for _ in range(50):
            orders = self.release().orders
            for order in orders:
                self.answer(order)
                self.wait(0.1).sample(order.connector, order.limit)
            if not orders:
                return self
        raise AssertionError("delivery never comes to rest")

    def committed(self) -> dict[str, int]:
        return dict(zip(self.projection.leaf_ids, self.dispatch.committed().tolist(), strict=True))

    def held(self) -> dict[str, str]:
        return {row["connector"]: row["held_back"] for row in self.dispatch.news() if "held_back" in row}
