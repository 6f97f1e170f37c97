"""A small depot in trouble: the scenario that goals are tried on, with what a test wants to go wrong.

One metered grid connection GC1; below it C1 with two AC charge points, and C2 with a DC charge point of two connectors
and one of one. A vehicle is plugged in everywhere from the start, and wants more than there is.
"""

from dataclasses import replace
from datetime import UTC, datetime

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn, Sharing
from busbar.core.units import ActivePower, ApparentPower, Current
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import Event, Load, Scenario, Vehicle, VehicleType
from busbar.simulator.times import Span

START = datetime(2026, 7, 14, 18, tzinfo=UTC)
STAYS_S = 10**6
BUS = VehicleType(id="bus", battery_wh=400_000, max_power_w=90_000)
VAN = VehicleType(id="van", battery_wh=80_000, max_power_w=22_000)


def amperes(value: float) -> Current:
    """The same on every phase."""
    return Current(l1_ma=round(value * 1000), l2_ma=round(value * 1000), l3_ma=round(value * 1000))


def kilowatts(value: float) -> ActivePower:
    """In total."""
    return ActivePower(w=round(value * 1000))


def made_depot() -> Depot:
    """150 kVA for 250 kW of connectors; half of it where nobody sees GC1."""
    ac = Connector(id="1", max_rating=32_000, minimum=6_000, step=1_000, fallback=6_000)
    dc = Connector(id="1", max_rating=90_000, minimum=5_000, step=1_000, fallback=5_000)
    return Depot(
        id="trial",
        voltage_v=400,
        circuits=(
            Circuit(
                id="GC1",
                default_operating_capacity=ApparentPower(va=150_000),
                safe_operating_capacity=ApparentPower(va=75_000),
                meter=True,
            ),
            Circuit(id="C1", parent="GC1", default_operating_capacity=amperes(50)),
            Circuit(id="C2", parent="GC1", default_operating_capacity=kilowatts(120)),
        ),
        charge_points=(
            ChargePoint(id="CP1", circuit="C1", current=CurrentKind.AC, max_rating=32_000, connectors=(ac,)),
            ChargePoint(id="CP2", circuit="C1", current=CurrentKind.AC, max_rating=32_000, connectors=(ac,)),
            ChargePoint(
                id="CP3",
                circuit="C2",
                current=CurrentKind.DC,
                max_rating=120_000,
                efficiency_permille=940,
                sharing=Sharing.PARALLEL,
                connectors=(dc, replace(dc, id="2")),
            ),
            ChargePoint(
                id="CP4",
                circuit="C2",
                current=CurrentKind.DC,
                max_rating=90_000,
                efficiency_permille=940,
                connectors=(dc,),
            ),
        ),
    )


def made_vehicles() -> tuple[Vehicle, ...]:
    """One per connector, from the start to the end."""

    def vehicle(name: str, kind: VehicleType, at: str, soc: float) -> Vehicle:
        return Vehicle(id=name, type=kind, arrives_s=0, departs_s=STAYS_S, soc=soc, at=(at,))

    return (
        vehicle("van1", VAN, "CP1", 0.2),
        vehicle("van2", VAN, "CP2", 0.3),
        vehicle("bus1", BUS, "CP3", 0.2),
        vehicle("bus2", BUS, "CP3", 0.3),
        vehicle("bus3", BUS, "CP4", 0.1),
    )


def fault(
    kind: FaultKind,
    from_s: int,
    until_s: int,
    node: str | None = None,
    *,
    share: float = 1.0,
    delay_s: float = 0.0,
    factor: float = 1.0,
    step_s: int = 0,
    nth: int = 1,
    amount: ActivePower | ApparentPower | Current | None = None,
) -> FaultEvent:
    """Something that goes wrong from a second up to another."""
    return FaultEvent(
        span=Span(from_s=from_s, until_s=until_s),
        kind=kind,
        node=node,
        share=share,
        delay_s=delay_s,
        factor=factor,
        step_s=step_s,
        nth=nth,
        amount=amount,
    )


def made_trial(
    *faults: FaultEvent,
    duration_s: int = 600,
    depot: Depot | None = None,
    vehicles: tuple[Vehicle, ...] | None = None,
    base_load_w: int = 20_000,
    loads: tuple[Load, ...] | None = None,
    events: tuple[Event, ...] = (),
    seed: int = 1,
) -> Scenario:
    """The small depot for some minutes, in which these faults happen. `loads` in place of a constant one at GC1."""
    workshop = Load(circuit="GC1", name="Workshop", points=((0, ActivePower(w=base_load_w)),))
    return Scenario(
        id="trial",
        name="A small depot in trouble",
        story="Five vehicles want more than there is.",
        notes=(),
        depot=depot or made_depot(),
        seed=seed,
        strategy="equal_share",
        fair_in=FairIn.POWER,
        start=START,
        duration_s=duration_s,
        cycle_s=5,
        lease_s=120,
        voltage_permille=1000,
        vehicles=made_vehicles() if vehicles is None else vehicles,
        fleets=(),
        schedules=(),
        loads=(workshop,) if loads is None else loads,
        events=events,
        expectations=(),
        faults=faults,
    )
