"""Expectations as a scenario file writes them."""

from typing import Any

from busbar.core.depot import ChargePoint, CurrentKind
from busbar.core.projection import Projection
from busbar.core.units import format_amount, format_ma, format_w
from busbar.simulator.expectation import (
    CONDITION_RULES,
    Always,
    At,
    BreachOf,
    By,
    Condition,
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
from busbar.simulator.scenario import (
    Binds,
    EnergyAtLeast,
    Expectation,
    FairnessAtLeast,
    NoLimitBroken,
    PeakAtMost,
    ReadyBy,
    VehiclesReady,
)
from busbar.simulator.times import FOREVER_S, Calendar, clock_text

Fields = dict[str, Any]


def expectation_fields(calendar: Calendar, projection: Projection, expectation: Expectation) -> Fields:
    """One entry of `expectations`."""
    match expectation:
        case NoLimitBroken():
            return {"no_limit_broken": True}
        case VehiclesReady(at_least=share):
            return {"vehicles_ready": share}
        case PeakAtMost(node=node, at_most=amount):
            return {"peak": format_amount(amount), "node": node}
        case ReadyBy(at_s=at_s, vehicle=vehicle):
            every = {"ready_by": clock_text(calendar, at_s)}
            return every if vehicle is None else every | {"vehicle": vehicle}
        case EnergyAtLeast(at_least_wh=wh):
            return {"energy_delivered": f"{wh} Wh"}
        case FairnessAtLeast(at_least=index):
            return {"fairness": index}
        case Binds(node=node, for_s=for_s):
            return {"binds": node, "for": f"{for_s} s"}
        case Holds(when=when, subject=subject, condition=condition, note=note):
            fields = _when_fields(calendar, when)
            key, value = condition_entry(projection, subject, condition)
            if subject is not None:
                fields[CONDITION_RULES[key].subject] = subject
            fields[key] = value
            return fields | {"note": note} if note else fields


def condition_entry(projection: Projection, subject: str | None, condition: Condition) -> tuple[str, Any]:
    """A condition's key and value."""
    match condition:
        case FlowAtMost(amount=amount):
            return "flow_at_most", "limit" if amount is None else format_amount(amount)
        case InMode(mode=mode):
            return "mode", mode.value
        case InState(state=state):
            return "state", state.value
        case SetpointAtLeast(value=value):
            return "setpoint_at_least", setpoint_text(projection, subject, value)
        case SetpointAtMost(value=value):
            return "setpoint_at_most", setpoint_text(projection, subject, value)
        case DrawAtLeast(value=value):
            return "draw_at_least", setpoint_text(projection, subject, value)
        case DrawAtMost(value=value):
            return "draw_at_most", setpoint_text(projection, subject, value)
        case SocAtLeast(at_least=soc):
            return "soc_at_least", soc
        case Reachable(reachable=reachable):
            return "reachable", reachable
        case NoBreach():
            return "breaches", "none"
        case BreachOf(cause=cause):
            return "breach", cause.value


def setpoint_text(projection: Projection, subject: str | None, value: int) -> str:
    """`16 A` of an AC connector or charge point, `50 kW` of a DC one."""
    node = projection.node_index.get(subject or "")
    above = () if node is None else projection.path(node)
    units = [unit for unit in (projection.subjects[index] for index in above) if isinstance(unit, ChargePoint)]
    is_ac = bool(units) and units[0].current is CurrentKind.AC
    return format_ma(value) if is_ac else format_w(value)


def _when_fields(calendar: Calendar, when: When) -> Fields:
    match when:
        case At(at_s=at_s):
            return {"at": clock_text(calendar, at_s)}
        case By(by_s=by_s, stays=stays):
            by = {"by": clock_text(calendar, by_s)}
            return by | {"stays": True} if stays else by
        case Always(from_s=0, until_s=until_s) if until_s == FOREVER_S:
            return {"always": True}
        case Always(from_s=from_s, until_s=until_s):
            span = {"from": clock_text(calendar, from_s)}
            return {"always": span if until_s == FOREVER_S else span | {"until": clock_text(calendar, until_s)}}
