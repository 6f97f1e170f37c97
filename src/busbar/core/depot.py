"""The depot as it is stored: circuits, charge points, connectors, and the rules they must keep."""

from dataclasses import dataclass
from enum import StrEnum

from busbar.core.units import PHASES, Amount, Phase


class CurrentKind(StrEnum):
    """What a charge point delivers to the vehicle."""

    AC = "AC"
    DC = "DC"


class Leaves(StrEnum):
    """Whether strategies share among connectors or among whole charge points."""

    CONNECTOR = "connector"
    CHARGE_POINT = "charge_point"

    @property
    def plural(self) -> str:
        """What shares are shared among: `connectors`, `charge points`."""
        return f"{self.value.replace('_', ' ')}s"


class Sharing(StrEnum):
    """How a charge point with several vehicles divides what it is given among its own connectors."""

    PARALLEL = "parallel"
    """Evenly, at the same time; what one cannot use goes to the others."""
    SEQUENTIAL = "sequential"
    """One vehicle after the other, in order of arrival."""
    UNVERIFIED = "unverified"
    """Not known: it may apply a limit for the whole unit to every connector."""


class FairIn(StrEnum):
    """The unit in which shares are compared."""

    POWER = "power"
    CURRENT = "current"


class Trust(StrEnum):
    """How well a fallback is believed (design section 6); what a depot may require."""

    ACCEPTED = "accepted"
    VERIFIED = "verified"


STRATEGY_NAMES = (
    "equal_share",
    "weighted_share",
    "first_come",
    "priority",
    "earliest_departure",
    "least_laxity",
    "lowest_soc",
)
"""Every strategy there is; `core/strategies.py` has one function for each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connector:
    """What a vehicle plugs into. Values in mA per phase (AC) or W at the vehicle (DC), whole numbers."""

    id: str
    """Unique within its charge point; outside it the connector is `CHARGE_POINT/ID`."""
    max_rating: int
    minimum: int
    """Below it charging stops: a setpoint is 0 or at least this."""
    step: int
    """Setpoints above the minimum are multiples of it; at least 1."""
    fallback: int = 0
    """What it does by itself when it has not heard from Busbar in time."""
    steps: tuple[int, ...] = ()
    """The only values above 0 the unit takes, ascending; empty: every multiple of `step`."""
    phases: tuple[Phase, ...] = PHASES
    """AC: the grid phases its own wires sit on, in order."""
    line_to_line: bool = False
    """AC: connected between its two phases instead of to neutral."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargePoint:
    """One physical unit with one OCPP identity."""

    id: str
    circuit: str
    current: CurrentKind
    max_rating: int
    """mA per phase (AC) or W at the vehicle (DC)."""
    connectors: tuple[Connector, ...]
    name: str | None = None
    efficiency_permille: int = 1000
    """W at the vehicle per 1000 W of supply; 1000 for AC, where the charger is in the vehicle."""
    power_factor_permille: int = 980
    idle_load_w: int = 0
    """What the unit draws by itself; counts as base load of its circuit."""
    in_service: bool = True
    """False: isolated or not yet built, by a named person's word; counts nothing."""
    sharing: Sharing | None = None
    """How it shares among its connectors; None: not said, which is `unverified` where it has several."""
    module_size: int | None = None
    """DC: W of one power module, where an output is fed by whole modules; None: it may take any part."""
    outputs: int | None = None
    """How many connectors may run at once; None: all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Circuit:
    """A protected conductor that feeds other circuits or charge points."""

    id: str
    default_operating_capacity: Amount
    """What may flow in normal operation, base load included."""
    name: str | None = None
    parent: str | None = None
    """The circuit that feeds it; None for a top-level circuit, where the public grid comes in."""
    safe_operating_capacity: Amount | None = None
    """What charge points may draw while nobody sees the circuit; None: the same as the default."""
    rating: Amount | None = None
    """Breaker, cable or transformer; None: not given."""
    voltage_v: int | None = None
    """Line to line, where it differs from the depot's; None: the parent's."""
    phases: tuple[Phase, ...] | None = None
    """The phases it has; None: the parent's, all three at the top."""
    base_load: Amount | None = None
    """A declared constant load that Busbar does not control, all of it below this circuit; None: none declared."""
    meter: bool | str = False
    """True: values come from outside; a text: the meter's address; False: no meter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Depot:
    """One site as it is stored."""

    id: str
    voltage_v: int
    """Nominal, line to line; amperes at other voltages are referred to it."""
    name: str | None = None
    timezone: str = "UTC"
    voltage_margin_permille: int = 50
    """How far the voltage may sag or rise, each way."""
    base_power_factor_permille: int = 900
    """Power factor of base load that is given in kW."""
    limit: Amount | None = None
    """A limit on the sum of all grid connections; None: none."""
    strategy: str = "equal_share"
    leaves: Leaves = Leaves.CONNECTOR
    fair_in: FairIn = FairIn.POWER
    require: Trust = Trust.ACCEPTED
    circuits: tuple[Circuit, ...] = ()
    charge_points: tuple[ChargePoint, ...] = ()
