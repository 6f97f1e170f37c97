"""A trial so small that it takes a second: two charge points, two minutes, and a goal that a certain fault misses."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn
from busbar.core.units import ActivePower
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import Scenario, Vehicle, VehicleType
from busbar.simulator.times import Span
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight

_CAR = VehicleType(id="car", battery_wh=60_000, max_power_w=50_000)


def small_depot() -> Depot:
    connector = Connector(id="1", max_rating=50_000, minimum=5_000, step=1_000)
    units = tuple(
        ChargePoint(
            id=f"CP{number}",
            circuit="C1",
            current=CurrentKind.DC,
            max_rating=50_000,
            efficiency_permille=950,
            connectors=(connector,),
        )
        for number in (1, 2)
    )
    circuit = Circuit(
        id="C1",
        default_operating_capacity=ActivePower(w=70_000),
        safe_operating_capacity=ActivePower(w=30_000),
        meter=True,
    )
    return Depot(id="yard", voltage_v=400, circuits=(circuit,), charge_points=units)


def fault(kind: FaultKind, from_s: int, until_s: int, node: str | None = None) -> FaultEvent:
    return FaultEvent(span=Span(from_s=from_s, until_s=until_s), kind=kind, node=node)


SEVERAL = (
    fault(FaultKind.CONNECTION_FLAPPING, 10, 30, "CP1"),
    fault(FaultKind.MESSAGE_LOST, 12, 20),
    fault(FaultKind.STORE_FAILS, 20, 40),
    fault(FaultKind.METER_SILENT, 25, 60, "C1"),
    fault(FaultKind.MESSAGE_REORDERED, 30, 50, "CP2"),
    fault(FaultKind.DEPOT_EDITED, 45, 46),
)


def small_trial(faults: tuple[FaultEvent, ...] = SEVERAL, *, duration_s: int = 120, vehicles: int = 3) -> Scenario:
    depot = small_depot()
    return Scenario(
        id="small",
        name="A small trial",
        story="",
        notes=(),
        depot=depot,
        seed=7,
        strategy=depot.strategy,
        fair_in=FairIn.POWER,
        start=datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
        duration_s=duration_s,
        cycle_s=5,
        lease_s=120,
        voltage_permille=1000,
        vehicles=tuple(
            Vehicle(id=f"car{number}", type=_CAR, arrives_s=0, departs_s=3_600, soc=0.3) for number in range(vehicles)
        ),
        fleets=(),
        schedules=(),
        loads=(),
        events=(),
        expectations=(),
        faults=faults,
    )


@dataclass
class Never(Goal):
    """Missed in every second in which all of certain kinds of fault are in force."""

    kinds: frozenset[FaultKind]

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        now = {event.kind for event in trial.in_force.values() if isinstance(event, FaultEvent)}
        if self.kinds <= now:
            yield Violation(goal="never", at_s=float(sight.at_s), text=" and ".join(sorted(self.kinds)))
