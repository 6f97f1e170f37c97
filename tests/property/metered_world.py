"""A small made-up depot in a closed loop: real balance, real metering, a dispatch of a few lines, meters that lag."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.units import Current
from busbar.engine.events import Measured, NodeMeasured
from busbar.engine.metering import Metered, Metering
from busbar.simulator.physics import leaf_loads

AT = datetime(2026, 11, 22, tzinfo=UTC)
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def amperes(value: int) -> Current:
    return Current(l1_ma=value * 1000, l2_ma=value * 1000, l3_ma=value * 1000)


def small_depot(*, limit_a: int = 200, cars: int = 6, buses: int = 1) -> Depot:
    """Cars on a metered circuit, a bus beside it, all on a metered grid connection."""
    circuits = (
        Circuit(id="GC", default_operating_capacity=amperes(limit_a), safe_operating_capacity=amperes(60), meter=True),
        Circuit(
            id="C1",
            parent="GC",
            default_operating_capacity=amperes(limit_a * 3 // 4),
            safe_operating_capacity=amperes(40),
            meter=True,
        ),
    )
    car = Connector(id="1", max_rating=32_000, minimum=6_000, step=100)
    bus = Connector(id="1", max_rating=60_000, minimum=5_000, step=100)
    units = [
        ChargePoint(id=f"CP{k}", circuit="C1", current=CurrentKind.AC, max_rating=32_000, connectors=(car,))
        for k in range(1, cars + 1)
    ]
    units += [
        ChargePoint(
            id=f"DC{k}",
            circuit="GC",
            current=CurrentKind.DC,
            max_rating=60_000,
            efficiency_permille=940,
            connectors=(bus,),
        )
        for k in range(1, buses + 1)
    ]
    return Depot(id="yard", voltage_v=400, circuits=circuits, charge_points=tuple(units))


@dataclass(slots=True)
class World:
    """Moves second by second. (Mutable: it is a world.)"""

    depot: Depot
    own_every_s: int = 10
    own_delay_s: int = 0
    node_delay_s: int = 0
    ramp_s: int = 3
    """A vehicle follows its setpoint so long after it was acknowledged."""
    tells_phases: bool = True
    follows: float = 1.0
    """What part of its setpoint a vehicle draws."""
    voltage_permille: int = 1000
    now_s: int = 0
    base_a: dict[str, Floats] = field(default_factory=dict)
    """Node -> A on L1, L2, L3 that hang on it, not on what is below."""
    projection: Projection = field(init=False)
    metering: Metering = field(init=False)
    wants: Ints = field(init=False)
    setpoint: Ints = field(init=False)
    committed: Ints = field(init=False)
    draw: Ints = field(init=False)
    lowered_s: Floats = field(init=False)
    orders: deque[tuple[int, int, int]] = field(default_factory=deque)
    """When a vehicle follows, which, to what."""
    on_the_way: list[tuple[int, object]] = field(default_factory=list)
    line_ma: Floats = field(init=False)
    history: list[Ints] = field(default_factory=list)
    """Setpoints, cycle by cycle."""
    commitments: list[Ints] = field(default_factory=list)
    flows: list[dict[str, Floats]] = field(default_factory=list)
    estimates: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.projection = project(self.depot)
        n = len(self.projection.leaf_ids)
        self.metering = Metering(self.projection, now_s=0.0)
        self.wants = self.projection.max_rating.copy()
        self.setpoint, self.committed, self.draw = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.lowered_s = np.full(n, -np.inf)
        # In phase with each other: magnitudes add up.
        self.line_ma = np.abs(leaf_loads(self.projection, self.voltage_permille).line_ma)

    def flow_ma(self, node_id: str) -> Floats:
        """What really flows at a node: mA on L1, L2, L3."""
        node = self.projection.node_index[node_id]
        leaves = slice(int(self.projection.first_leaf[node]), int(self.projection.last_leaf[node]))
        drawn = (self.line_ma[leaves] * self.draw[leaves, None]).sum(axis=0)
        return np.asarray(drawn + self.base_ma(node_id))

    def base_ma(self, node_id: str) -> Floats:
        """The true base load of a node: what hangs on it and on what is below it."""
        below = ("GC", "C1") if node_id == "GC" else (node_id,)
        return np.asarray(np.sum([1000 * self.base_a.get(name, np.zeros(3)) for name in below], axis=0))

    def estimate_ma(self, node_id: str) -> Floats | None:
        """What the last cycle took it for; None: nothing yet."""
        found = self.estimates[-1].get(node_id)
        assert found is None or isinstance(found, Current)
        return None if found is None else np.array([found.l1_ma, found.l2_ma, found.l3_ma], dtype=np.float64)

    def run(self, seconds: int, *, cycle_s: int = 5) -> None:
        for _ in range(seconds):
            self.now_s += 1
            self._vehicles_follow()
            self._meters_speak()
            for arrives_s, event in [item for item in self.on_the_way if item[0] <= self.now_s]:
                self.on_the_way.remove((arrives_s, event))
                if isinstance(event, NodeMeasured):
                    self.metering.node_measured(event)
                elif isinstance(event, Measured):
                    self.metering.connector_measured(event)
                    self._settle(event)
            self.flows.append({name: self.flow_ma(name) for name in ("GC", "C1")})
            if self.now_s % cycle_s == 0:
                self._cycle()

    def _vehicles_follow(self) -> None:
        while self.orders and self.orders[0][0] <= self.now_s:
            _, leaf, value = self.orders.popleft()
            self.draw[leaf] = int(value * self.follows)
        self.draw = np.minimum(self.draw, self.wants)

    def _meters_speak(self) -> None:
        for name in ("GC", "C1"):
            flow = np.rint(self.flow_ma(name)).astype(int)
            arrives_s = self.now_s + self.node_delay_s
            phases = (int(flow[0]), int(flow[1]), int(flow[2]))
            event = NodeMeasured(
                node=name, received_s=float(arrives_s), age_s=float(self.node_delay_s), phases_ma=phases
            )
            self.on_the_way.append((arrives_s, event))
        for leaf, name in enumerate(self.projection.leaf_ids):
            if (self.now_s + 3 * leaf) % self.own_every_s:
                continue
            arrives_s, draw = self.now_s + self.own_delay_s, int(self.draw[leaf])
            tells = self.tells_phases and bool(self.projection.is_ac[leaf])
            event_of_own = Measured(
                connector=name,
                sampled_at=AT + timedelta(seconds=self.now_s),
                received_s=float(arrives_s),
                age_s=float(self.own_delay_s),
                draw=draw,
                phases_ma=(draw, draw, draw) if tells else None,
            )
            self.on_the_way.append((arrives_s, event_of_own))

    def _settle(self, event: Measured) -> None:
        """What was lowered is free when a sample from after the acknowledgement shows it."""
        leaf = self.projection.leaf_index[event.connector]
        taken_s = event.received_s - event.age_s
        assert event.draw is not None
        if taken_s > self.lowered_s[leaf] and event.draw <= self.setpoint[leaf]:
            self.committed[leaf] = self.setpoint[leaf]

    def _cycle(self) -> None:
        found: Metered = self.metering.cycle(now_s=float(self.now_s), committed=self.committed)
        snapshot = snapshot_from_arrays(
            self.projection, at=AT, request=self.wants, base_load=found.base_load, modes=found.modes
        )
        wanted = balance(self.projection, snapshot).setpoint
        lower = np.flatnonzero(wanted < self.setpoint)
        for leaf in lower.tolist():
            self._send(leaf, int(wanted[leaf]))
            self.lowered_s[leaf] = self.now_s + 1
        # Raised only when nothing that was lowered is still on its way.
        if not len(lower) and not (self.committed > self.setpoint).any() and not found.no_raise:
            for leaf in np.flatnonzero(wanted > self.setpoint).tolist():
                self._send(leaf, int(wanted[leaf]))
                self.committed[leaf] = wanted[leaf]
        self.history.append(self.setpoint.copy())
        self.commitments.append(self.committed.copy())
        self.estimates.append(dict(found.base_load))

    def _send(self, leaf: int, value: int) -> None:
        self.setpoint[leaf] = value
        self.orders.append((self.now_s + self.ramp_s, leaf, value))
