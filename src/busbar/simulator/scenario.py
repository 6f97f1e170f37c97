"""The scenario: a depot, the vehicles that come and go, what else happens, and what is expected of the night.

Times are whole seconds from the scenario's start; energies in Wh, powers in W at the vehicle.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from busbar.core.depot import Depot, FairIn, Leaves
from busbar.core.snapshot import Mode
from busbar.core.units import Amount
from busbar.simulator.expectation import Holds
from busbar.simulator.fault import FaultEvent
from busbar.simulator.times import FOREVER_S as FOREVER_S
from busbar.simulator.times import Span as Span


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleType:
    """A kind of vehicle."""

    id: str
    battery_wh: int
    max_power_w: int
    """The most its battery takes, reached below `taper_soc`."""
    taper_soc: float = 0.8
    """Above it the battery is held at constant voltage, and the power it takes falls in a straight line with the
    state of charge."""
    end_soc: float = 1.0
    """Where it stops by itself."""
    target_soc: float = 1.0
    """What it needs to leave with; at most `end_soc`."""
    uses: float = 1.0
    """How much of what it could draw it really draws."""
    phases: int = 3
    """AC: how many of the connector's wires it uses."""
    onboard_efficiency: float = 0.92
    """AC: what its own charger passes on to the battery."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """One vehicle's stay."""

    id: str
    type: VehicleType
    arrives_s: int
    departs_s: int
    soc: float
    """State of charge on arrival, 0 to 1."""
    at: tuple[str, ...] = ()
    """Nodes below which it may be plugged in, anywhere in the depot where there is none; at the first free connector
    of the emptiest charge point."""
    priority: int = 0
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A normal distribution, cut off at both ends."""

    mean: float
    spread: float = 0.0
    """Standard deviation."""
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Vehicles that are drawn at random."""

    id: str
    count: int
    type: VehicleType
    arrives_s: Spread
    departs_s: Spread
    soc: Spread
    at: tuple[str, ...] = ()
    priority: int = 0
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Vehicles from a file; where `count` is below their number, that many are drawn without repetition."""

    id: str
    vehicles: tuple[Vehicle, ...]
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Something at a circuit that Busbar does not control, over time; generation is negative."""

    circuit: str
    name: str
    points: tuple[tuple[int, Amount], ...]
    """Second and value, ascending: of the day in local time where `is_daily`, of the scenario otherwise."""
    is_daily: bool = False
    """Repeats every day."""
    is_curve: bool = False
    """Straight lines between the points (kW only); otherwise each value holds until the next."""
    noise: float = 0.0
    """How far it strays, up and down, as a share of itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvelopeEvent:
    """A limit from outside."""

    span: Span
    node: str
    limit: Amount
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModeEvent:
    """A node is not seen: its meter is lost."""

    span: Span
    node: str
    mode: Mode
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityEvent:
    """A circuit's default operating capacity is changed in the depot."""

    span: Span
    node: str
    limit: Amount
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutOfReachEvent:
    """Nothing gets through to a charge point; when its lease ends it does its fallback."""

    span: Span
    node: str
    note: str = ""


Event = EnvelopeEvent | ModeEvent | CapacityEvent | OutOfReachEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class NoLimitBroken:
    """At no node does more flow than its limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehiclesReady:
    """At least this share of the vehicles leaves with what it needs."""

    at_least: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PeakAtMost:
    """No more than this ever flows at a node."""

    node: str
    at_most: Amount


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyBy:
    """A vehicle, or every vehicle that is there by then, has what it needs at this time."""

    at_s: int
    vehicle: str | None
    """None: all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyAtLeast:
    """The vehicles take this much in all."""

    at_least_wh: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FairnessAtLeast:
    """Jain's index of what each vehicle got of what it needed, from 1/n (one got all) to 1 (all the same)."""

    at_least: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Binds:
    """A node's limit holds vehicles back for at least so long: the story is about it."""

    node: str
    for_s: int


Expectation = NoLimitBroken | VehiclesReady | PeakAtMost | ReadyBy | EnergyAtLeast | FairnessAtLeast | Binds | Holds


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that decides how a simulated night goes, but for the seed that may be put in place of its own."""

    id: str
    """The file's name without its ending."""
    name: str
    story: str
    """A sentence or two on what happens."""
    notes: tuple[str, ...]
    """What is real, what is assumed, where it comes from."""
    depot: Depot
    seed: int
    strategy: str
    fair_in: FairIn
    start: datetime
    duration_s: int
    cycle_s: int
    lease_s: int
    """How long a charge point obeys its last setpoint when it hears nothing more."""
    voltage_permille: int
    """The true voltage, as a share of the nominal one; the depot's voltage margin has to cover it."""
    vehicles: tuple[Vehicle, ...]
    fleets: tuple[Fleet, ...]
    schedules: tuple[Schedule, ...]
    loads: tuple[Load, ...]
    events: tuple[Event, ...]
    expectations: tuple[Expectation, ...]
    faults: tuple[FaultEvent, ...] = ()
    """What goes wrong; only an acceptance run plays it."""


def with_capacity(depot: Depot, circuit_id: str, limit: Amount) -> Depot:
    """The depot with another default operating capacity of one circuit."""
    return replace(
        depot,
        circuits=tuple(
            replace(circuit, default_operating_capacity=limit) if circuit.id == circuit_id else circuit
            for circuit in depot.circuits
        ),
    )


def sharing_among(scenario: Scenario, leaves: Leaves | None) -> Scenario:
    """The scenario with strategies sharing among connectors or among charge points; None: as its depot says."""
    return scenario if leaves is None else replace(scenario, depot=replace(scenario.depot, leaves=leaves))
