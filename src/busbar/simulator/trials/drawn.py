"""A trial drawn at random: a depot, half an hour of vehicles that come and go, and everything that goes wrong."""

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from busbar.core.depot import ChargePoint, CurrentKind, Depot
from busbar.core.units import ActivePower, Amount, Current
from busbar.simulator.scenario import Load, Scenario, Vehicle, VehicleType
from busbar.simulator.trials.drawn_depot import DrawnDepot, drawn_depot
from busbar.simulator.trials.drawn_faults import drawn_faults

DURATION_S = 1_800
CYCLE_S = 5
LEASE_S = 120
CALM_BEGIN_S, CALM_END_S = 60, 240
"""Nothing goes wrong so long at the start and at the end."""
START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)

_BUS = VehicleType(id="bus", battery_wh=300_000, max_power_w=150_000, end_soc=0.95, target_soc=0.9)
_VAN = VehicleType(id="van", battery_wh=75_000, max_power_w=50_000, target_soc=0.85)
_CAR = VehicleType(id="car", battery_wh=60_000, max_power_w=22_000, target_soc=0.9)
_SMALL = VehicleType(id="small", battery_wh=20_000, max_power_w=7_400, phases=1, uses=0.95)
_DC_TYPES, _AC_TYPES = (_BUS, _BUS, _VAN), (_CAR, _CAR, _SMALL)
_BASE_SHARE = 0.45
"""Of a circuit's base load that is there all the time; what is left is for faults that add to it."""


def drawn_scenario(seed: int) -> Scenario:
    """Half an hour in a depot. The same seed draws the same, whatever the process."""
    random = Random(f"{seed}/drawn")
    drawn = drawn_depot(random)
    depot = replace(drawn.depot, id=f"depot{seed}", name=f"Drawn from seed {seed}")
    vehicles = _vehicles(random, depot)
    loads = _loads(random, drawn)
    faults = drawn_faults(
        random, drawn, seed=seed, from_s=CALM_BEGIN_S, until_s=DURATION_S - CALM_END_S, lease_s=LEASE_S
    )
    return Scenario(
        id=f"trial_{seed}",
        name=f"Trial {seed}",
        story=f"Half an hour in which {len(faults)} things go wrong.",
        notes=(f"Drawn: `busbar simulate --faults --seed {seed}`.",),
        depot=depot,
        seed=seed,
        strategy=depot.strategy,
        fair_in=depot.fair_in,
        start=START,
        duration_s=DURATION_S,
        cycle_s=CYCLE_S,
        lease_s=LEASE_S,
        voltage_permille=random.randint(960, 1040),
        vehicles=vehicles,
        fleets=(),
        schedules=(),
        loads=loads,
        events=(),
        expectations=(),
        faults=faults,
    )


def _vehicles(random: Random, depot: Depot) -> tuple[Vehicle, ...]:
    """As many as there are connectors, more or less: some are there, others come; some leave, others stay."""
    found: list[Vehicle] = []
    for unit in depot.charge_points:
        for _ in unit.connectors:
            arrives_s = 0
            while arrives_s < DURATION_S and (not arrives_s or random.random() < 0.5):
                if arrives_s or random.random() < 0.5:
                    arrives_s += random.randint(5, 900)
                vehicle = _vehicle(random, unit, len(found) + 1, arrives_s)
                found.append(vehicle)
                arrives_s = vehicle.departs_s + random.randint(10, 120)
    return tuple(found)


def _vehicle(random: Random, unit: ChargePoint, number: int, arrives_s: int) -> Vehicle:
    kind = random.choice(_DC_TYPES if unit.current is CurrentKind.DC else _AC_TYPES)
    leaves_soon = random.random() < 0.4
    return Vehicle(
        id=f"{kind.id}{number}",
        type=kind,
        arrives_s=arrives_s,
        departs_s=arrives_s + (random.randint(180, 1_200) if leaves_soon else random.randint(1_800, 14_400)),
        # Close to its end now and then: it tapers, and stops by itself.
        soc=round(random.uniform(0.75, 0.9) if random.random() < 0.15 else random.uniform(0.1, 0.6), 2),
        at=(unit.id,),
        priority=random.choice((0, 0, 1, 2)),
        weight=random.choice((1.0, 1.0, 2.0)),
    )


def _loads(random: Random, drawn: DrawnDepot) -> tuple[Load, ...]:
    """Base load of the circuits whose meters see it, in steps; noise included it stays below its share."""
    found = []
    for circuit, most_w in drawn.base_w.items():
        at_s, points = 0, []
        while at_s < DURATION_S:
            points.append((at_s, _base(random, drawn, circuit, most_w * _BASE_SHARE * random.uniform(0.4, 1.0))))
            at_s += random.randint(120, 900)
        noise = random.choice((0.0, 0.02, 0.1))
        found.append(Load(circuit=circuit, name="Buildings", points=tuple(points), noise=noise))
    return tuple(found)


def _base(random: Random, drawn: DrawnDepot, circuit: str, power_w: float) -> Amount:
    """Balanced in kW, or in amperes and on some lines more than on others."""
    voltage_v = drawn.depot.voltage_v
    is_high = any(each.id == circuit and each.voltage_v is not None for each in drawn.depot.circuits)
    if is_high or random.random() < 0.6:
        return ActivePower(w=round(power_w))
    # With a power factor below 1 the same amperes are fewer watts: it stays below its share in both.
    each_ma = [round(1000 * power_w / (3**0.5 * voltage_v) * random.uniform(0.2, 1.0)) for _ in range(3)]
    return Current(l1_ma=each_ma[0], l2_ma=each_ma[1], l3_ma=each_ma[2])
