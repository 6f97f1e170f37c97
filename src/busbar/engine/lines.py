"""Charge points and connectors as delivery sees them: what each was sent, what it answered, what is wanted of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from busbar.core import commitment as ledgers
from busbar.core.commitment import Commitment
from busbar.engine.orders import Order, OrderKind
from busbar.engine.timing import Timing

NONE_S = float("-inf")
MOST_UNANSWERED = 2
"""After so many orders in a row without an answer the connection is closed."""
REFUSED_RAISE_S = 30.0
"""A raise that was refused is not tried again sooner."""
REFUSED_LOWER_S = 2.0
"""A decrease that was refused, likewise."""
REFUSED_RENEWAL_S = 10.0
NOT_SENT_S = 1.0
STOP_AGAIN_S = 60.0
"""A session that was to be stopped and goes on is stopped again after that."""
CLEARED_AT, STOPPED_AT = 2, 3
"""Steps of an escalation: sent again, cleared and set, stopped."""


class Held(StrEnum):
    """Why a setpoint that is wanted has not been sent."""

    NO_ROOM = "no_room"
    """What others may still draw takes the room."""
    OUT_OF_REACH = "out_of_reach"
    IN_FLIGHT = "in_flight"
    """Its charge point has an order to answer."""
    UNANSWERED = "unanswered"
    """Its charge point left an order unanswered: nothing is raised there."""
    TOO_SOON = "too_soon"
    METER = "meter"
    """A meter above it is silent."""
    NOT_ANEW = "not_anew"
    """It has acknowledged nothing since the restart."""
    REFUSED = "refused"


@dataclass(slots=True, kw_only=True)
class Unit:
    """A charge point. (Mutable: it follows events.)"""

    id: str
    lines: "list[Line]" = field(default_factory=list)
    connection: int | None = None
    is_ready: bool = False
    in_flight: Order | None = None
    in_flight_s: float = 0.0
    unanswered: int = 0
    """Orders in a row that it left unanswered on this connection."""
    is_in_service: bool = True
    is_clock_near: bool = True
    """Near enough for leases."""
    wall_s: float | None = None
    """Our wall clock (Unix seconds) less now_s when its clock was read last; None: it was not."""
    ends_leases: bool | None = None
    """None: it has not been greeted yet."""
    ramp_s: float | None = None
    shortest_interval_s: float = 0.0
    sent_s: float = -1e9
    is_whole: bool = False
    """It is told one limit for all of its connectors."""
    times: int = 1
    """How many times it may take that limit (`charger.times_taken`)."""
    max_rating: int = 0

    @property
    def is_empty(self) -> bool:
        """None of its connectors has a vehicle."""
        return not any(line.has_vehicle for line in self.lines)

    @property
    def is_reachable(self) -> bool:
        """Whether it can be told something now."""
        return self.is_in_service and self.is_ready and self.connection is not None

    @property
    def is_leased(self) -> bool:
        """Whether its setpoints end by themselves, and in time."""
        return self.is_clock_near and self.ends_leases is not False


@dataclass(slots=True, kw_only=True)
class Line:
    """A connector. (Mutable: it follows events.)"""

    id: str
    leaf: int
    unit: Unit
    ledger: Commitment
    rating: int
    minimum: int
    fallback: int
    """What the depot file says."""
    former: int | None = None
    """What counted as its fallback before the depot was edited; None: it was not, or the new one is believed."""
    has_vehicle: bool = False
    target: int | None = None
    """What the last cycle gave it; None: nothing yet."""
    wanted_since_s: float | None = None
    """Since when it waits for what it is given now; None: it was given nothing yet."""
    value: int | None = None
    """The last value sent in this session that was not refused and whose lease has not ended; None: none was."""
    sent_s: float = -1e9
    raised_s: float = -1e9
    raise_answered_s: float = NONE_S
    """When it acknowledged the last raise; minus infinity: none, in this process."""
    raise_not_before_s: float = -1e9
    lower_not_before_s: float = -1e9
    lowering_since_s: float | None = None
    """Since when more is committed than it is meant to have, and has not become less."""
    lowering_from: int = 0
    """What was committed when that was looked at last."""
    step: int = 0
    """How far its disobedience has been escalated."""
    escalated_s: float = -1e9
    refusals: int = 0
    """Decreases and renewals that it refused in a row."""
    is_lowering_refused: bool = False
    """A decrease was among them."""
    is_to_be_stopped: bool = False
    """By a person's word."""
    stop_again_s: float = -1e9
    is_to_be_renewed: bool = False
    stored: int = 0
    """What it counted for when that was last handed out to be stored; the store may have failed since."""
    is_stored_leased: bool = True
    """Whether that was said to end by itself."""
    drawn: int | None = None
    """Its last sample, before it was attributed; None: there was none of this vehicle."""
    drawn_s: float = NONE_S
    held: Held | None = None
    state: str = ""
    """Of the last order: sent, acknowledged, settled, refused, no_answer, not_sent."""

    @property
    def is_stopping(self) -> bool:
        """Its session is to end: by a person's word, or because nothing else makes it go down."""
        return (
            self.is_to_be_stopped
            or self.step >= STOPPED_AT
            or (self.is_lowering_refused and self.refusals >= STOPPED_AT)
        )

    @property
    def wanted(self) -> int | None:
        """What it is meant to have; None: nobody has said."""
        if not self.has_vehicle and self.unit.is_whole:
            return 0
        return 0 if self.is_stopping else self.target

    @property
    def is_silent(self) -> bool:
        """Nothing was sent to it yet since the restart, and it may hold what an earlier process sent."""
        return self.value is None and not self.ledger.may_rise


def forget_session(line: Line) -> None:
    """The vehicle has left: its setpoints are void, and nothing of it is held against the next one."""
    if not line.unit.is_whole:
        # On a new connection somebody else may have come since.
        line.ledger = ledgers.when_vehicle_left(line.ledger, is_empty=line.unit.is_ready)
        line.value = None
    # The limit of a whole unit goes on without the vehicle, for its neighbours to use: its part has to be taken back.
    line.has_vehicle, line.target, line.wanted_since_s, line.drawn = False, None, None, None
    line.lowering_since_s, line.step, line.refusals, line.is_lowering_refused = None, 0, 0, False
    line.is_to_be_stopped, line.is_to_be_renewed, line.held = False, False, None
    line.raise_not_before_s = line.lower_not_before_s = line.stop_again_s = line.escalated_s = -1e9


def doubt_leases(unit: Unit) -> None:
    """What was sent to a charge point whose leases do not hold counts until another value takes its place."""
    if not unit.is_leased:
        for line in unit.lines:
            line.ledger = ledgers.when_leases_do_not_hold(line.ledger)


def trust_leases(unit: Unit) -> None:
    """What was sent ends by itself, where its clock was read and agrees with ours, and it was greeted: what was doubted
    before a restart may be so because it ends nothing."""
    if unit.is_leased and unit.ends_leases is not None and unit.wall_s is not None:
        for line in unit.lines:
            line.ledger = ledgers.when_leases_hold_again(line.ledger, wall_s=unit.wall_s)


def ramp_s(unit: Unit, timing: Timing) -> float:
    """How long a vehicle there takes to follow, at most."""
    return timing.ramp_s if unit.ramp_s is None else max(unit.ramp_s, timing.ramp_s)


def expiry_s(unit: Unit, timing: Timing) -> float:
    """After that a value that was sent there has no effect any more."""
    return timing.lease_s + timing.skew_s + ramp_s(unit, timing)


def in_effect(line: Line, now_s: float) -> int:
    """The value that is believed to hold: the last one sent, or what is left from before.

    After a restart that is what was stored, though it may count for more: until a fallback is believed anew the rating
    does.
    """
    if line.value is not None:
        return line.value
    stored = ledgers.may_come(line.ledger, now_s) if line.is_silent else ()
    return max(stored) if stored else ledgers.allowed(line.ledger, now_s)


def lowering_kind(line: Line) -> OrderKind:
    """How a value is sent to a connector that did not obey, or refused."""
    return OrderKind.CLEAR_AND_SET if max(line.step, line.refusals) >= CLEARED_AT else OrderKind.SET


def escalate(line: Line, now_s: float, timing: Timing) -> bool:
    """It was told, had time to follow, and draws more by its own meter: the next step, when it is due."""
    if not _disobeys(line) or not line.has_vehicle or not line.unit.is_reachable or line.unit.in_flight:
        return False
    if now_s - line.escalated_s < ramp_s(line.unit, timing) + 2 * timing.sample_s:
        return False
    line.step, line.escalated_s = min(STOPPED_AT, line.step + 1), now_s
    line.is_to_be_renewed = True
    return True


def _disobeys(line: Line) -> bool:
    """By its own ledger; in a unit that is limited as a whole, by that of a connector that has nobody to blame."""
    return line.ledger.disobeys or (
        line.unit.is_whole and any(other.ledger.disobeys and not other.has_vehicle for other in line.unit.lines)
    )
