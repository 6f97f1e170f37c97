"""Expectations as sentences."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from busbar.core.projection import Projection
from busbar.core.units import Amount, format_amount
from busbar.simulator.expectation import (
    Always,
    At,
    BreachOf,
    By,
    DrawAtLeast,
    DrawAtMost,
    FlowAtMost,
    Holds,
    InMode,
    InState,
    NoBreach,
    Reachable,
    SetpointAtLeast,
    SetpointAtMost,
    SocAtLeast,
    When,
)
from busbar.simulator.expectation_text import setpoint_text
from busbar.simulator.scenario import (
    Binds,
    EnergyAtLeast,
    FairnessAtLeast,
    NoLimitBroken,
    PeakAtMost,
    ReadyBy,
    VehiclesReady,
)
from busbar.simulator.times import FOREVER_S, Calendar

NightExpectation = NoLimitBroken | VehiclesReady | PeakAtMost | ReadyBy | EnergyAtLeast | FairnessAtLeast | Binds
"""What is expected of the night as a whole."""


def expectation_words(calendar: Calendar, projection: Projection, holds: Holds) -> str:
    """`From 20:00 to 21:00 no more than 250 A flows at C1.`"""
    return f"{_when_words(calendar, holds.when)} {_condition_words(projection, holds)}."


def night_words(calendar: Calendar, expectation: NightExpectation) -> str:
    """`GC1 holds vehicles back for 30 min or more, all told.`"""
    match expectation:
        case NoLimitBroken():
            return "No limit of any node is broken."
        case VehiclesReady(at_least=share):
            return f"At least {100 * share:.0f} % of the vehicles are ready when they leave."
        case PeakAtMost(node=node, at_most=amount):
            return f"Never more than {amount_words(amount)} at {node}."
        case ReadyBy(at_s=at_s, vehicle=vehicle):
            return f"{vehicle or 'Every vehicle'} is ready by {calendar.label(at_s)}."
        case EnergyAtLeast(at_least_wh=wh):
            return f"The vehicles take at least {wh / 1000:,.0f} kWh."
        case FairnessAtLeast(at_least=index):
            return f"Jain's fairness index is at least {index:g}."
        case Binds(node=node, for_s=for_s):
            return f"{node} holds vehicles back for {duration_words(for_s)} or more, all told."


def duration_words(seconds: int) -> str:
    """`20 s`, `45 min`, `2 h`, `1 h 30 min`."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def clock_words(calendar: Calendar, at_s: float) -> str:
    """`20:01:10`, local; `20:01` where the minute is full."""
    local = (calendar.start + timedelta(seconds=at_s)).astimezone(ZoneInfo(calendar.timezone))
    return local.strftime("%H:%M:%S" if local.second else "%H:%M")


def amount_words(amount: Amount) -> str:
    """`250 A`, or `L1 32 A, L2 25 A`."""
    text = format_amount(amount)
    return text if isinstance(text, str) else ", ".join(f"{phase} {value}" for phase, value in text.items())


def _when_words(calendar: Calendar, when: When) -> str:
    match when:
        case At(at_s=at_s):
            return f"At {clock_words(calendar, at_s)}"
        case By(by_s=by_s, stays=True):
            return f"From {clock_words(calendar, by_s)} at the latest"
        case By(by_s=by_s):
            return f"By {clock_words(calendar, by_s)}, at some time,"
        case Always(from_s=0, until_s=until_s) if until_s == FOREVER_S:
            return "Always"
        case Always(from_s=from_s, until_s=until_s) if until_s == FOREVER_S:
            return f"From {clock_words(calendar, from_s)} on"
        case Always(from_s=from_s, until_s=until_s):
            return f"From {clock_words(calendar, from_s)} to {clock_words(calendar, until_s)}"


def _condition_words(projection: Projection, holds: Holds) -> str:
    subject = holds.subject
    match holds.condition:
        case FlowAtMost(amount=None):
            return "no more flows at any node than its limit" if subject is None else f"{subject} keeps to its limit"
        case FlowAtMost(amount=amount):
            return f"no more than {'' if amount is None else amount_words(amount)} flows at {subject}"
        case InMode(mode=mode):
            return f"{subject} is in mode {mode}"
        case InState(state=state):
            return f"{subject} is in state {state}"
        case SetpointAtLeast(value=value):
            return f"{subject} is given at least {setpoint_text(projection, subject, value)}"
        case SetpointAtMost(value=value):
            return f"{subject} is given at most {setpoint_text(projection, subject, value)}"
        case DrawAtLeast(value=value):
            return f"{subject} draws at least {setpoint_text(projection, subject, value)}"
        case DrawAtMost(value=value):
            return f"{subject} draws at most {setpoint_text(projection, subject, value)}"
        case SocAtLeast(at_least=soc):
            return f"{subject} has at least {100 * soc:g} %"
        case Reachable(reachable=reachable):
            return f"{subject} can {'' if reachable else 'not '}be reached"
        case NoBreach():
            return "there is no breach anywhere" if subject is None else f"there is no breach at {subject}"
        case BreachOf(cause=cause):
            words, where = cause.value.replace("_", " "), "anywhere" if subject is None else f"at {subject}"
            return f"a breach {where} is put down to this: {words}"
