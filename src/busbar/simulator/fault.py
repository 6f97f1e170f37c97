"""What goes wrong in a scenario: each kind of fault, where it strikes, and what has to be said about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from busbar.core.units import Amount
from busbar.simulator.times import Span


class FaultKind(StrEnum):
    """What goes wrong."""

    MESSAGE_LOST = "message_lost"
    MESSAGE_DELAYED = "message_delayed"
    MESSAGE_DUPLICATED = "message_duplicated"
    MESSAGE_REORDERED = "message_reordered"
    ANSWER_LATE = "answer_late"
    ANSWER_NEVER = "answer_never"
    IGNORED = "ignored"
    REFUSED = "refused"
    CONNECTION_DROPPED = "connection_dropped"
    CONNECTION_FLAPPING = "connection_flapping"
    CONNECTION_HALF_OPEN = "connection_half_open"
    REBOOT_TO_FALLBACK = "reboot_to_fallback"
    REBOOT_TO_RATING = "reboot_to_rating"
    REBOOT_KEEPING_PROFILES = "reboot_keeping_profiles"
    REBOOT_LOSING_PROFILES = "reboot_losing_profiles"
    PROFILE_EXPIRED = "profile_expired"
    RAMPS_SLOWLY = "ramps_slowly"
    DRAWS_MORE = "draws_more"
    OPERATOR_OVERRIDE = "operator_override"
    METER_SILENT = "meter_silent"
    METER_FROZEN = "meter_frozen"
    METER_NAN = "meter_nan"
    METER_NEGATIVE_SPIKE = "meter_negative_spike"
    METER_WRONG_UNIT = "meter_wrong_unit"
    METER_OLD = "meter_old"
    BASE_LOAD_STEP = "base_load_step"
    LIMIT_CUT = "limit_cut"
    ENVELOPE_LAPSES = "envelope_lapses"
    CLOCK_STEP = "clock_step"
    STORE_FAILS = "store_fails"
    STORE_SLOW = "store_slow"
    PROCESS_KILLED = "process_killed"
    DEPOT_EDITED = "depot_edited"
    DEPOT_EDITED_WRONGLY = "depot_edited_wrongly"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultEvent:
    """One thing that goes wrong, and when."""

    span: Span
    kind: FaultKind
    node: str | None = None
    """A charge point, a metered circuit or a node with a limit, by kind; None: every charge point, or nowhere."""
    share: float = 1.0
    """Of the messages it strikes."""
    delay_s: float = 0.0
    factor: float = 1.0
    step_s: int = 0
    """How far a clock is put forward; negative: back."""
    nth: int = 1
    """The process dies at so many events after the span begins."""
    amount: Amount | None = None
    note: str = ""


class Place(StrEnum):
    """Where a kind of fault strikes: what its `node` names."""

    CHARGE_POINT = "a charge point"
    CHARGE_POINTS = "a charge point, or all of them where none is named"
    METER = "a circuit with a meter"
    CIRCUIT = "a circuit"
    LIMITED = "the microgrid, a circuit or a charge point"
    CLOCK = "a charge point, or Busbar where none is named"
    NOWHERE = "no node"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRule:
    """What a scenario file says about a kind of fault; every other key is refused."""

    place: Place
    happens: str
    """One sentence."""
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    needs_end: bool = False
    """It means nothing without `until` or `for`."""


def _messages(happens: str, *needs: str) -> FaultRule:
    return FaultRule(place=Place.CHARGE_POINTS, happens=happens, needs=needs, may=("share",))


def _points(happens: str, *needs: str) -> FaultRule:
    return FaultRule(place=Place.CHARGE_POINTS, happens=happens, needs=needs)


def _meter(happens: str, *needs: str) -> FaultRule:
    return FaultRule(place=Place.METER, happens=happens, needs=needs)


def _inside(happens: str, *needs: str, may: tuple[str, ...] = ()) -> FaultRule:
    return FaultRule(place=Place.NOWHERE, happens=happens, needs=needs, may=may)


FAULT_RULES: Mapping[FaultKind, FaultRule] = MappingProxyType(
    {
        FaultKind.MESSAGE_LOST: _messages("Messages are lost, in both directions."),
        FaultKind.MESSAGE_DELAYED: _messages("Messages arrive later.", "delay"),
        FaultKind.MESSAGE_DUPLICATED: _messages("Messages arrive twice."),
        FaultKind.MESSAGE_REORDERED: _messages("Messages overtake each other."),
        FaultKind.ANSWER_LATE: _messages("Orders are carried out; the answer comes later.", "delay"),
        FaultKind.ANSWER_NEVER: _messages("Orders are carried out; no answer comes."),
        FaultKind.IGNORED: _messages("Orders are acknowledged and not carried out."),
        FaultKind.REFUSED: _messages("Orders are refused."),
        FaultKind.CONNECTION_DROPPED: _points("The connection is down for the whole time."),
        FaultKind.CONNECTION_FLAPPING: _points("The connection drops and comes back, again and again."),
        FaultKind.CONNECTION_HALF_OPEN: _points("The connection looks open and carries nothing."),
        FaultKind.REBOOT_TO_FALLBACK: _points("It is off for the time, then offers its fallback until told."),
        FaultKind.REBOOT_TO_RATING: _points("It is off for the time, then offers its rating until told."),
        FaultKind.REBOOT_KEEPING_PROFILES: _points("It is off for the time and still knows its charging profiles."),
        FaultKind.REBOOT_LOSING_PROFILES: _points("It is off for the time and has lost its charging profiles."),
        FaultKind.PROFILE_EXPIRED: _points("Nothing gets through for longer than the lease: it does its fallback."),
        FaultKind.RAMPS_SLOWLY: _points("It takes `factor` times as long to follow a limit.", "factor"),
        FaultKind.DRAWS_MORE: _points("It draws `factor` times what it was told: 1.3 is 30 % more.", "factor"),
        FaultKind.OPERATOR_OVERRIDE: FaultRule(
            place=Place.CHARGE_POINT,
            happens="Somebody sets another limit, `amount`, at the charge point itself.",
            needs=("amount",),
        ),
        FaultKind.METER_SILENT: _meter("No values come."),
        FaultKind.METER_FROZEN: _meter("The same value comes again and again, with fresh times."),
        FaultKind.METER_NAN: _meter("What comes is no number."),
        FaultKind.METER_NEGATIVE_SPIKE: _meter("Single values are large and negative."),
        FaultKind.METER_WRONG_UNIT: _meter("Values are `factor` times the truth: 1000 or 0.001.", "factor"),
        FaultKind.METER_OLD: _meter("Values come later, with the time they were measured at.", "delay"),
        FaultKind.BASE_LOAD_STEP: FaultRule(
            place=Place.CIRCUIT,
            happens="`amount` is added to the base load; negative: generation.",
            needs=("amount",),
        ),
        FaultKind.LIMIT_CUT: FaultRule(
            place=Place.CIRCUIT,
            happens="The depot is edited: `amount` is the default operating capacity.",
            needs=("amount",),
        ),
        FaultKind.ENVELOPE_LAPSES: FaultRule(
            place=Place.LIMITED,
            happens="A limit from outside, `amount`, holds for the time and runs out unrenewed.",
            needs=("amount",),
            needs_end=True,
        ),
        FaultKind.CLOCK_STEP: FaultRule(
            place=Place.CLOCK,
            happens="The clock is put forward, or back, by `step`, and set right at the end.",
            needs=("step",),
        ),
        FaultKind.STORE_FAILS: _inside("Nothing can be stored or read."),
        FaultKind.STORE_SLOW: _inside("Storing and reading take longer.", "delay"),
        FaultKind.PROCESS_KILLED: _inside(
            "Busbar is killed at the `nth` event and started again after the time.", may=("nth",)
        ),
        FaultKind.DEPOT_EDITED: _inside("Somebody makes a valid edit of the depot."),
        FaultKind.DEPOT_EDITED_WRONGLY: _inside("Somebody makes an edit of the depot that is refused as a whole."),
    }
)
