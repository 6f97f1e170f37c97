"""Expectations over time in a scenario file: `always`, `at` or `by`, what it is about, and one condition."""

from collections.abc import Callable

from busbar.adapters.files import values
from busbar.adapters.files.fields import Record
from busbar.adapters.files.tree import Mapping, Node, Scalar
from busbar.core.depot import ChargePoint, CurrentKind, Leaves
from busbar.core.describe import NodeState
from busbar.core.projection import NodeKind
from busbar.core.snapshot import Mode
from busbar.core.units import UnitError
from busbar.engine.breach_record import BreachCause
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
from busbar.simulator.reading import CIRCUITS, ENVELOPED, Reading, line, which
from busbar.simulator.times import FOREVER_S, moment

WHEN = ("always", "at", "by")

_CONNECTORS: dict[str, Callable[..., Condition]] = {
    "setpoint_at_least": SetpointAtLeast,
    "setpoint_at_most": SetpointAtMost,
    "draw_at_least": DrawAtLeast,
    "draw_at_most": DrawAtMost,
}


def read_holds(reading: Reading, record: Record) -> Holds | None:
    """One expectation over time; None where its condition could not be read."""
    when = _when(reading, record)
    note = record.read_or("note", line, "")
    key = which(record, tuple(CONDITION_RULES))
    if key is None:
        for name in ("node", "connector", "vehicle", "charge_point"):
            record.entry(name)
        return None
    subject = _subject(reading, record, key)
    condition = _condition(reading, record, key, subject)
    if condition is None:
        return None
    _check_together(record, key, when, condition, subject)
    return Holds(when=when, subject=subject, condition=condition, note=note)


def _when(reading: Reading, record: Record) -> When:
    read = moment(reading.calendar)
    entry = record.entry("always")
    if record.entry("by") is not None:
        by_s = record.read_or("by", read, 0)
        reading.check_inside(record, "by", by_s, is_end=True)
        return By(by_s=by_s, stays=record.read_or("stays", values.boolean, False))
    if record.entry("at") is not None:
        at_s = record.read_or("at", read, 0)
        reading.check_inside(record, "at", at_s, is_end=True)
        return At(at_s=at_s)
    if entry is None or not isinstance(entry.node, Mapping):
        if record.read("always", values.boolean) is False:
            record.report("always", rule="Only true can be expected.", fix="Write true.")
        return Always()
    each = Record(entry.node, record.path_of("always"), reading.findings)
    begin, end = each.read_or("from", read, 0), each.read_or("until", read, FOREVER_S)
    each.close()
    reading.check_inside(each, "from", begin, is_end=False)
    if end != FOREVER_S:
        reading.check_inside(each, "until", end, is_end=True)
    if end <= begin:
        each.report("until", rule="It ends before it begins.", fix="Correct one of the two.")
    return Always(from_s=begin, until_s=end)


def _subject(reading: Reading, record: Record, key: str) -> str | None:
    rule = CONDITION_RULES[key]
    if record.entry(rule.subject) is None and (rule.may_be_everywhere or _is_limit(record, key)):
        return None
    if key == "soc_at_least":
        return record.require("vehicle", values.text, example="bus12", instead="")
    kinds: dict[str, tuple[NodeKind, ...]] = {
        "node": CIRCUITS if key == "mode" else ENVELOPED,
        "connector": (NodeKind.CONNECTOR,),
        "charge_point": (NodeKind.CHARGE_POINT,),
    }
    wanted = kinds[rule.subject]
    if rule.subject == "connector" and _shares_among_charge_points(reading):
        wanted = (NodeKind.CONNECTOR, NodeKind.CHARGE_POINT)
    if rule.subject == "connector" and NodeKind.CHARGE_POINT not in wanted:
        _check_is_connector(reading, record)
        if record.path_of("connector") in record.findings.broken:
            return record.read("connector", values.text)
    return reading.node(record, rule.subject, wanted)


def _check_is_connector(reading: Reading, record: Record) -> None:
    """Whoever names a charge point is told its connectors, not the nearest name."""
    name, projection = record.read("connector", values.text), reading.projection
    node = None if projection is None or name is None else projection.node_index.get(name)
    if projection is not None and node is not None and projection.kinds[node] is NodeKind.CHARGE_POINT:
        below = ", ".join(f"`{projection.node_ids[each]}`" for each in list(projection.children(node))[:4])
        record.report("connector", rule=f"{name} is a charge point.", fix=f"Name one of its connectors: {below}.")


def _shares_among_charge_points(reading: Reading) -> bool:
    return reading.projection is not None and reading.projection.depot.leaves is Leaves.CHARGE_POINT


def _condition(reading: Reading, record: Record, key: str, subject: str | None) -> Condition | None:
    match key:
        case "flow_at_most":
            if _is_limit(record, key):
                return FlowAtMost(amount=None)
            amount = record.amount("flow_at_most", is_limit=True)
            return None if amount is None else FlowAtMost(amount=amount)
        case "mode":
            mode = record.read("mode", values.one_of(Mode))
            return None if mode is None else InMode(mode=mode)
        case "state":
            state = record.read("state", values.one_of(NodeState))
            return None if state is None else InState(state=state)
        case "soc_at_least":
            soc = record.read("soc_at_least", values.state_of_charge)
            return None if soc is None else SocAtLeast(at_least=soc)
        case "reachable":
            reachable = record.read("reachable", values.boolean)
            return None if reachable is None else Reachable(reachable=reachable)
        case "breaches":
            return None if record.read("breaches", _none) is None else NoBreach()
        case "breach":
            cause = record.read("breach", values.one_of(BreachCause))
            return None if cause is None else BreachOf(cause=cause)
        case _:
            read = values.setpoint(_current(reading, subject), is_limit=key.endswith("at_most"))
            value = record.read(key, read)
            return None if value is None else _CONNECTORS[key](value=value)


def _check_together(record: Record, key: str, when: When, condition: Condition, subject: str | None) -> None:
    if isinstance(condition, FlowAtMost) and condition.amount is not None and subject is None:
        record.missing("node", example="GC1")
    if isinstance(condition, BreachOf) and isinstance(when, Always):
        record.report(key, rule="No breach is wanted all the time.", fix='Write `by: "22:00"` in place of `always`.')
    if isinstance(condition, BreachOf) and isinstance(when, By) and when.stays:
        record.report("stays", rule="A breach that was recorded stays recorded.", fix="Remove it.")
    if isinstance(condition, NoBreach) and isinstance(when, By) and not when.stays:
        record.report(
            key,
            rule="Before the first breach there is none, so this says nothing.",
            fix="Add `stays: true` (none from that time on), or write `always: true`.",
        )


def _is_limit(record: Record, key: str) -> bool:
    """`flow_at_most: limit`."""
    entry = record.node.entries.get(key)
    return key == "flow_at_most" and entry is not None and getattr(entry.node, "text", "") == "limit"


def _none(node: Node) -> str:
    # `none` without quotes is a text; YAML's own nothing is `null`.
    if not isinstance(node, Scalar) or node.text != "none":
        raise UnitError("Only `none` can be expected.", "Write `none`, or `breach: CAUSE` for one that has to come.")
    return node.text


def _current(reading: Reading, subject: str | None) -> CurrentKind | None:
    projection = reading.projection
    node = None if projection is None or subject is None else projection.node_index.get(subject)
    if projection is None or node is None:
        return None
    for above in projection.path(node):
        unit = projection.subjects[above]
        if isinstance(unit, ChargePoint):
            return unit.current
    return None
