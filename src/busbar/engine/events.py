"""What charge points and meters report. Events mark the world as changed; the loop re-reads and decides.

Connectors are named as everywhere (`CP1/1`). `received_s` is the monotonic clock of this process.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from busbar.engine.orders import Answer


class ConnectorState(StrEnum):
    """What a connector says of itself."""

    FREE = "free"
    OCCUPIED = "occupied"
    """A vehicle is plugged in, and nothing is known of its charging (preparing, reserved for it, finishing)."""
    CHARGING = "charging"
    PAUSED_BY_VEHICLE = "paused_by_vehicle"
    PAUSED_BY_CHARGE_POINT = "paused_by_charge_point"
    FINISHING = "finishing"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargePointFacts:
    """What a charge point says it is and can do; None: it did not say."""

    protocol: str
    """`ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`."""
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None
    rate_units: tuple[str, ...] = ()
    """`A`, `W`: what its setpoints may be given in; empty: it did not say."""
    most_stack_level: int | None = None
    most_periods: int | None = None
    most_profiles: int | None = None
    connectors: int | None = None
    quirks: str | None = None
    """The entry of the quirk table that applies; None: none does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connected:
    """A charge point opened a connection; whatever it had before is over."""

    charge_point: str
    connection: int
    """Counts the connections of this process; never used twice in it."""
    received_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Disconnected:
    """That connection is gone. Nothing more will be answered on it."""

    charge_point: str
    connection: int
    received_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """A charge point said what it is and can do."""

    charge_point: str
    facts: ChargePointFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class FallbackAnswered:
    """A charge point was told a connector's fallback, and answered. Sent on every connection before it is ready."""

    connector: str
    fallback: int
    is_accepted: bool
    detail: str = ""
    """What it answered, in its own words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A charge point has been asked everything it is asked on a new connection; setpoints may be sent."""

    charge_point: str
    connection: int
    received_s: float
    ramp_s: float | None = None
    """How long its vehicles take to follow a setpoint, where its quirk entry says so."""
    shortest_interval_s: float = 0.0
    """It does not take setpoints more often than this (decreases are sent all the same)."""
    ends_leases: bool = True
    """Its setpoints end by themselves in a way that units keep; where not, a value counts until another is in force."""
    is_whole: bool = False
    """On this connection it is told one limit for all of its connectors (`Order.whole`)."""
    was_whole: bool = False
    """Before it was, or may have been: by an earlier process, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleArrived:
    """A vehicle may charge on a connector from now on, or was found there after a restart."""

    connector: str
    at: datetime
    """When it began (aware UTC); for one found again, when it began first."""
    id_tag: str | None = None
    vehicle: str | None = None
    """The vehicle's own id, where it gives one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleLeft:
    """A vehicle does not charge there any more: its setpoints are void."""

    connector: str
    at: datetime
    received_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StateChanged:
    """A connector says it is in another state."""

    connector: str
    state: ConnectorState
    at: datetime
    detail: str = ""
    """An error code, where it is faulted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a connector draws. Only live samples: what a charge point replays later is kept elsewhere."""

    connector: str
    sampled_at: datetime
    """By the charge point's clock, corrected by what is known of its skew (aware UTC)."""
    received_s: float
    age_s: float
    """How old the sample was when it was received, at least 0."""
    draw: int | None
    """In the connector's unit: mA on its most loaded phase, or W at the vehicle, rounded up; None: not known."""
    power_w: int | None = None
    phases_ma: tuple[int | None, int | None, int | None] | None = None
    """On the connector's own wires, in order."""
    energy_wh: int | None = None
    """Its register."""
    soc: float | None = None
    """0 to 1."""
    doubt_s: float = 0.0
    """How much older than that it may be: its charge point's clock looks slow, or its messages are late."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockRead:
    """How far a charge point's clock is ahead of ours (behind: negative), by its freshest message of late."""

    charge_point: str
    ahead_s: float
    at: datetime
    """By our wall clock, at `read_s`."""
    read_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What became of an order."""

    order_id: str
    charge_point: str
    connection: int
    answer: Answer
    received_s: float
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeMeasured:
    """What flows at a power node, by its own meter. Currents at the node's own voltage; import positive."""

    node: str
    received_s: float
    age_s: float = 0.0
    """How old the sample was when it was received."""
    phases_ma: tuple[int | None, int | None, int | None] | None = None
    """L1, L2, L3, signed; None: it does not say."""
    power_w: int | None = None
    """Total, signed; None: it does not say."""
    fault: str = ""
    """Why there is no value: the meter answered nonsense or not at all. Empty: there is one."""


Event = (
    Connected
    | Disconnected
    | Described
    | FallbackAnswered
    | Ready
    | VehicleArrived
    | VehicleLeft
    | StateChanged
    | Measured
    | ClockRead
    | Answered
    | NodeMeasured
)
