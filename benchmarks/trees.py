"""Random depots of depth 4 (microgrid, grid connections, circuits, charge points, connectors), over-subscribed."""

import random
from datetime import UTC, datetime

import numpy as np

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Snapshot, snapshot_from_arrays
from busbar.core.units import PHASES, ActivePower, Amount, Current, Phase

AT = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
CONNECTORS_PER_CHARGE_POINT = 2
CHARGE_POINTS_PER_CIRCUIT = 10
CIRCUITS_PER_GRID_CONNECTION = 25
VOLTAGE_V = 415


def random_depot(connectors: int, *, rows: int, seed: int) -> Depot:
    """`rows` 1: DC only, every limit in kW. `rows` 4: AC and DC, all phase rotations, circuits in A, the rest in kW."""
    rng = random.Random(seed)
    charge_points: list[ChargePoint] = []
    circuits: list[Circuit] = []
    unit_count = -(-connectors // CONNECTORS_PER_CHARGE_POINT)
    circuit_count = -(-unit_count // CHARGE_POINTS_PER_CIRCUIT)
    feeder_count = -(-circuit_count // CIRCUITS_PER_GRID_CONNECTION)
    below: dict[str, float] = {}
    for index in range(unit_count):
        circuit = f"C{index % circuit_count}"
        unit, demand_w = _charge_point(rng, f"P{index}", circuit, rows)
        charge_points.append(unit)
        below[circuit] = below.get(circuit, 0.0) + demand_w
    feeders: dict[str, float] = {}
    for index in range(circuit_count):
        name, parent = f"C{index}", f"G{index % feeder_count}"
        carried_w = below[name] * rng.uniform(0.45, 1.05)
        feeders[parent] = feeders.get(parent, 0.0) + min(carried_w, below[name])
        circuits.append(
            Circuit(id=name, parent=parent, default_operating_capacity=_capacity(carried_w, rows), meter=True,
                    safe_operating_capacity=_capacity(carried_w / 2, rows))
        )  # fmt: skip
    for name, demand_w in feeders.items():
        carried_w = int(demand_w * rng.uniform(0.6, 0.9))
        circuits.append(Circuit(id=name, default_operating_capacity=ActivePower(w=carried_w)))
    return Depot(id="bench", voltage_v=VOLTAGE_V, circuits=tuple(circuits), charge_points=tuple(charge_points))


def _charge_point(rng: random.Random, name: str, circuit: str, rows: int) -> tuple[ChargePoint, float]:
    count = CONNECTORS_PER_CHARGE_POINT
    if rows == 1 or rng.random() < 0.5:
        rating = rng.choice([50_000, 75_000, 150_000])
        wires: list[tuple[Phase, ...]] = [PHASES] * count
        each, current, minimum, step = rating, CurrentKind.DC, 5_000, 100
        demand_w = rating / 0.94
    else:
        rating = rng.choice([16_000, 32_000])
        wires = [_wires(rng) for _ in range(count)]
        each, current, minimum, step = rating, CurrentKind.AC, 6_000, 100
        demand_w = sum(rating / 1000 * 240 * len(phases) for phases in wires) / count
    most = int(rating * rng.choice([1.0, 1.5, 2.0]))
    unit = ChargePoint(
        id=name, circuit=circuit, current=current, max_rating=most,
        efficiency_permille=940 if current is CurrentKind.DC else 1000,
        connectors=tuple(
            Connector(id=str(i), max_rating=each, minimum=minimum, step=step, phases=tuple(phases))
            for i, phases in enumerate(wires)
        ),
    )  # fmt: skip
    return unit, demand_w * count


def _wires(rng: random.Random) -> tuple[Phase, ...]:
    return PHASES if rng.random() < 0.6 else (rng.choice(PHASES),)


def _capacity(carried_w: float, rows: int) -> Amount:
    if rows == 1:
        return ActivePower(w=int(carried_w))
    each = int(carried_w / (3**0.5 * VOLTAGE_V) * 1000)
    return Current(l1_ma=each, l2_ma=each, l3_ma=each)


def random_snapshot(projection: Projection, *, seed: int, refused_minima: bool = False) -> Snapshot:
    """Nine in ten connectors have a vehicle; every metered circuit has a base load; all times known.

    `refused_minima`: hardly anything is available, so that about half of the minima do not fit.
    """
    rng = np.random.default_rng(seed)
    n = len(projection.leaf_ids)
    present = rng.random(n) < 0.9
    request = (projection.max_rating * rng.uniform(0.3, 1.0, n)).astype(np.int64)
    base: dict[str, Amount] = {}
    for circuit in projection.depot.circuits:
        if not circuit.meter:
            if refused_minima:
                # Its own figure: what the circuits carry is not to fill the grid connection as well.
                base[circuit.id] = ActivePower(w=0)
            continue
        match circuit.default_operating_capacity:
            case ActivePower(w=w):
                share = _scarce(w, 1.2e5, rng) if refused_minima else w * rng.uniform(0.0, 0.1)
                base[circuit.id] = ActivePower(w=int(share))
            case Current(l1_ma=ma):
                assert ma is not None
                share = _scarce(ma, 1.1e5, rng) if refused_minima else ma * rng.uniform(0.0, 0.1)
                base[circuit.id] = Current(l1_ma=int(share), l2_ma=int(share), l3_ma=int(share))
            case _:
                raise AssertionError("trees are made of A and kW")
    return snapshot_from_arrays(
        projection,
        at=AT,
        request=request,
        present=present,
        base_load=base,
        arrived_ago_s=rng.integers(0, 36_000, n).astype(float),
        departs_in_s=rng.permutation(n) + 3_600.0,
        energy_needed_wh=rng.integers(10_000, 300_000, n).astype(float),
        soc=rng.uniform(0.1, 0.9, n),
    )


def _scarce(limit: float, left: float, rng: np.random.Generator) -> float:
    """A base load that leaves room for about half of the minima below a circuit (20 connectors)."""
    return max(0.0, limit - left / 2 * float(rng.uniform(0.8, 1.2)))


def random_projection(connectors: int, *, rows: int, seed: int = 1) -> Projection:
    """A random depot, laid out."""
    return project(random_depot(connectors, rows=rows, seed=seed))
