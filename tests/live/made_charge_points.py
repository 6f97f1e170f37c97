"""Charge points for the loop's tests: no sockets, the real clock, leases that end by themselves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, perf_counter_ns

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves
from busbar.core.units import ActivePower
from busbar.engine.events import (
    Answered,
    Connected,
    Disconnected,
    Event,
    FallbackAnswered,
    Measured,
    Ready,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.orders import Answer, Order, OrderKind
from busbar.engine.timing import Timing

QUICK = Timing(
    cycle_s=0.2,
    lease_s=4,
    renew_s=1.0,
    skew_s=0.2,
    ramp_s=0.3,
    answer_s=1.0,
    raise_s=0.1,
    stale_s=2,
    silent_s=4,
    sample_s=1,
)


def depot(
    units: int = 3,
    *,
    limit_w: int = 200_000,
    fallback_w: int = 0,
    meter: bool = False,
    leaves: Leaves = Leaves.CONNECTOR,
) -> Depot:
    """So many charge points of 150 kW with one connector each, lossless, on one grid connection."""
    return Depot(
        id="yard",
        voltage_v=400,
        leaves=leaves,
        circuits=(
            Circuit(
                id="GC1",
                default_operating_capacity=ActivePower(w=limit_w),
                safe_operating_capacity=ActivePower(w=limit_w // 2),
                meter=meter,
            ),
        ),
        charge_points=tuple(
            ChargePoint(
                id=f"CP{number}",
                circuit="GC1",
                current=CurrentKind.DC,
                max_rating=150_000,
                connectors=(Connector(id="1", max_rating=150_000, minimum=0, step=1000, fallback=fallback_w),),
            )
            for number in range(1, units + 1)
        ),
    )


class SystemClock:
    """The time of this machine."""

    def now_s(self) -> float:
        return monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def us(self) -> int:
        return perf_counter_ns() // 1000


@dataclass
class Unit:
    """A charge point with one connector."""

    connector: str
    fallback_w: int
    wants_w: int = 150_000
    limit_w: int | None = None
    ends_at: datetime | None = None
    has_vehicle: bool = False
    is_connected: bool = False
    connection: int = 0
    refused_until_s: float = 0.0
    answer: Answer = Answer.ACCEPTED
    is_deaf: bool = False
    orders: list[Order] = field(default_factory=list)

    def draw_w(self) -> int:
        """What it draws now."""
        if not self.has_vehicle:
            return 0
        if self.is_deaf:
            return self.wants_w
        in_force = self.ends_at is not None and datetime.now(UTC) < self.ends_at
        return min(self.wants_w, self.limit_w if in_force and self.limit_w is not None else self.fallback_w)


class MadeChargePoints:
    """The port `ChargePoints`."""

    def __init__(self, inbox: Callable[[Event], None]) -> None:
        self.inbox = inbox
        self.units: dict[str, Unit] = {}
        self.served: list[Depot] = []
        self._connections = 0

    def serve_depot(self, depot: Depot) -> None:
        self.served.append(depot)
        for unit in depot.charge_points:
            fallback_w = unit.connectors[0].fallback
            known = self.units.setdefault(unit.id, Unit(connector=f"{unit.id}/1", fallback_w=fallback_w))
            known.fallback_w = fallback_w

    def send(self, order: Order) -> None:
        unit = self.units[order.charge_point]
        unit.orders.append(order)
        asyncio.get_running_loop().call_soon(self._answer, unit, order)

    def _answer(self, unit: Unit, order: Order) -> None:
        if unit.answer is Answer.ACCEPTED:
            if order.kind is OrderKind.STOP:
                self.leave(order.charge_point)
            else:
                unit.limit_w, unit.ends_at = order.limit, order.ends_at
        self.inbox(
            Answered(
                order_id=order.id,
                charge_point=order.charge_point,
                connection=unit.connection,
                answer=unit.answer,
                received_s=monotonic(),
            )
        )

    def disconnect(self, depot_id: str, charge_point: str, *, refuse_for_s: float = 0.0) -> None:
        unit = self.units[charge_point]
        unit.refused_until_s = monotonic() + refuse_for_s
        if unit.is_connected:
            unit.is_connected = False
            self.inbox(Disconnected(charge_point=charge_point, connection=unit.connection, received_s=monotonic()))

    # What the world does

    def connect(self, charge_point: str, *, accepts_fallback: bool = True) -> None:
        unit = self.units[charge_point]
        if monotonic() < unit.refused_until_s:
            return
        self._connections += 1
        unit.connection, unit.is_connected = self._connections, True
        self.inbox(Connected(charge_point=charge_point, connection=unit.connection, received_s=monotonic()))
        self.inbox(
            FallbackAnswered(
                connector=unit.connector, fallback=unit.fallback_w, is_accepted=accepts_fallback, detail="made"
            )
        )
        if unit.has_vehicle:
            self.inbox(VehicleArrived(connector=unit.connector, at=datetime.now(UTC)))
        self.inbox(Ready(charge_point=charge_point, connection=unit.connection, received_s=monotonic()))

    def arrive(self, charge_point: str) -> None:
        unit = self.units[charge_point]
        unit.has_vehicle = True
        self.inbox(VehicleArrived(connector=unit.connector, at=datetime.now(UTC)))

    def leave(self, charge_point: str) -> None:
        unit = self.units[charge_point]
        unit.has_vehicle, unit.limit_w = False, None
        self.inbox(VehicleLeft(connector=unit.connector, at=datetime.now(UTC), received_s=monotonic()))

    def sample(self) -> None:
        """Every connected charge point reports what it draws."""
        for unit in self.units.values():
            if unit.is_connected:
                now = datetime.now(UTC)
                draw_w = unit.draw_w()
                self.inbox(
                    Measured(
                        connector=unit.connector,
                        sampled_at=now,
                        received_s=monotonic(),
                        age_s=0.0,
                        draw=draw_w,
                        power_w=draw_w,
                    )
                )

    def total_w(self) -> int:
        return sum(unit.draw_w() for unit in self.units.values())
