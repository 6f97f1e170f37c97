"""What a charge point says and is told, before it is put into the words of OCPP 1.6 or 2.0.1."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

from busbar.simulator.stations.offers import Abilities
from busbar.simulator.stations.outlets import Outlet, Transaction
from busbar.simulator.stations.profiles import Profile, RateUnit
from busbar.simulator.stations.samples import DEFAULT_MEASURANDS, Sample

Payload = dict[str, Any]


class CallKind(Enum):
    """What a call is for."""

    BOOT = "boot"
    HEARTBEAT = "heartbeat"
    STATUS = "status"
    AUTHORIZE = "authorize"
    START = "start"
    STOP = "stop"
    CHANGE = "change"
    """A transaction's state changed (2.0.1)."""
    SAMPLE = "sample"


KEPT = frozenset({CallKind.START, CallKind.STOP, CallKind.CHANGE, CallKind.SAMPLE})
"""What belongs to a transaction is kept while there is no connection, and sent later."""


@dataclass(slots=True)
class Call:
    """Something a charge point has to say. (Mutable: it may have to be said again.)"""

    kind: CallKind
    action: str
    make: Callable[[], Payload]
    """Makes its content when it is sent: an id that it names may not have been known before."""
    at_s: float
    outlet: int | None = None
    """Which outlet it is about, by place."""
    transaction: Transaction | None = None
    attempts: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the central system answered, as far as a charge point cares."""

    is_accepted: bool = True
    interval_s: int | None = None
    transaction: str | None = None


class Reason(Enum):
    """Why a transaction ended."""

    VEHICLE_LEFT = "vehicle_left"
    REMOTE = "remote"
    NOT_AUTHORIZED = "not_authorized"
    REBOOT = "reboot"
    POWER_LOST = "power_lost"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Begin a transaction on an outlet."""

    outlet: int
    id_tag: str
    profile: Profile | None
    remote_start: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """End the transaction of an outlet."""

    outlet: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """Boot anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Say:
    """Send such a message now; of all outlets where none is named."""

    kind: CallKind
    outlet: int | None = None


Wish = Start | Stop | Restart | Say
"""What is to be done once an order has been answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """An order, answered."""

    payload: Payload
    status: str = ""
    """Accepted, Rejected ... as it was answered; empty where the answer has none."""
    profile: Profile | None = None
    """The charging profile that was offered."""
    outlet: int | None = None
    wish: Wish | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An order that cannot be answered: a CALLERROR."""

    code: str
    description: str


@dataclass(slots=True)
class Configuration:
    """What a central system may change. (Mutable.) 0: never."""

    heartbeat_s: int = 300
    sample_s: int = 10
    aligned_s: int = 0
    """How often idle outlets report too."""
    ping_s: int = 0
    """Taken note of; a charge point finds out by unanswered calls."""
    measurands: tuple[str, ...] = DEFAULT_MEASURANDS
    secret: str | None = None
    """The password it shows when it connects."""


@dataclass(slots=True)
class State:
    """A charge point as it is now, as far as OCPP sees it. (Mutable.)"""

    id: str
    model: str
    outlets: tuple[Outlet, ...]
    is_ac: bool
    """Its unit: mA per phase where true, W at the vehicle where false."""
    w_per_a: float
    """AC: W that one ampere on each of its phases makes."""
    abilities: Abilities
    refuses: Callable[[Profile], str]
    """What it refuses though it keeps all rules: why; empty: nothing."""
    own_limit: Callable[[int | None, float], tuple[int, float]]
    """Outlet (None: all together) and time -> what it may draw by its profiles and rating, and until when."""
    configuration: Configuration
    profiles: tuple[Profile, ...] = ()
    booted_by: str = "PowerUp"
    """Why it booted last, in the words of 2.0.1."""

    def place(self, number: int) -> int | None:
        """The place of the outlet that OCPP calls so; None: there is none."""
        return next((place for place, outlet in enumerate(self.outlets) if outlet.number == number), None)


class Speech(Protocol):
    """One version of OCPP."""

    @property
    def subprotocol(self) -> str:
        """What is negotiated."""
        ...

    @property
    def schemas(self) -> str:
        """Where its schemas are."""
        ...

    @property
    def names_transactions(self) -> bool:
        """Whether the charge point names its transactions itself."""
        ...

    def boot(self, state: State, at_s: float) -> Call:
        """It has just been switched on."""
        ...

    def heartbeat(self, at_s: float) -> Call:
        """It is there."""
        ...

    def status(self, state: State, place: int | None, at_s: float) -> Call | None:
        """How an outlet (None: the whole unit) is; None: there is no such message."""
        ...

    def authorize(self, state: State, place: int, id_tag: str, at_s: float) -> Call:
        """Asks whether a vehicle may charge."""
        ...

    def begin(self, place: int, outlet: Outlet, at_s: float, *, is_offline: bool) -> Call:
        """A transaction began."""
        ...

    def change(
        self, place: int, outlet: Outlet, at_s: float, *, is_offline: bool, is_asked: bool = False
    ) -> Call | None:
        """A transaction draws, or draws no longer, or somebody asked; None: there is no such message."""
        ...

    def end(self, place: int, outlet: Outlet, at_s: float, reason: Reason, *, is_offline: bool) -> Call:
        """A transaction ended."""
        ...

    def sample(
        self, place: int, outlet: Outlet, samples: tuple[Sample, ...], at_s: float, context: str, *, is_offline: bool
    ) -> Call:
        """What an outlet draws."""
        ...

    def status_of(self, outlet: Outlet) -> str:
        """An outlet's status in its words."""
        ...

    def reply(self, call: Call, payload: Payload) -> Reply:
        """Understand an answer."""
        ...

    def obey(self, state: State, action: str, payload: Payload, at_s: float) -> Done | Fault:
        """Do as told and answer; the payload keeps the schema. Changes the state."""
        ...


def stamp(at_s: float) -> str:
    """`2026-11-22T14:00:00.250Z`."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant_s(text: str) -> float:
    """The other way round; without an offset UTC is meant. Raises ValueError."""
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def rate_units(is_ac: bool) -> tuple[RateUnit, ...]:
    """What a charge point takes limits in."""
    return (RateUnit.A, RateUnit.W) if is_ac else (RateUnit.W,)
