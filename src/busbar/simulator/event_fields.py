"""What happens in a scenario file besides vehicles: base loads over time, and events."""

from collections.abc import Callable
from dataclasses import replace

from busbar.adapters.files import values
from busbar.adapters.files.fields import Record
from busbar.adapters.files.tree import Node, Scalar
from busbar.core.depot import Circuit
from busbar.core.errors import RefusedError
from busbar.core.projection import NodeKind
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, Amount, UnitError
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.fault_fields import check_capacity, read_fault
from busbar.simulator.load_file import read_load
from busbar.simulator.reading import CIRCUITS, ENVELOPED, Reading, line, which
from busbar.simulator.scenario import (
    CapacityEvent,
    EnvelopeEvent,
    Event,
    Load,
    ModeEvent,
    OutOfReachEvent,
)
from busbar.simulator.times import Span, duration_s, moment, time_of_day

_EVENTS = ("envelope", "mode", "default_operating_capacity", "out_of_reach", "fault")
_LOADS = ("constant", "daily", "steps", "file")


def read_loads(reading: Reading) -> tuple[Load, ...]:
    """Base loads over time."""
    return tuple(_load(reading, record) for record in reading.top.records("base_load") if record is not None)


def read_events(reading: Reading) -> tuple[tuple[Event, ...], tuple[FaultEvent, ...]]:
    """Events, and what goes wrong, each in the order of the file."""
    found: list[Event] = []
    faults: list[FaultEvent] = []
    for record in reading.top.records("events"):
        if record is None:
            continue
        span = _span(reading, record)
        note = record.read_or("note", line, "")
        event = _event(reading, record, span)
        record.close()
        if isinstance(event, FaultEvent):
            faults.append(replace(event, note=note))
        elif event is not None:
            _check_overlap(reading, record, event, found)
            found.append(replace(event, note=note))
    return tuple(found), tuple(faults)


def _load(reading: Reading, record: Record) -> Load:
    circuit = reading.node(record, "circuit", CIRCUITS)
    _check_may_load(reading, record, "circuit", circuit)
    name = record.read_or("name", values.text, f"base load at {circuit}")
    noise = record.read_or("noise", values.state_of_charge, 0.0)
    given = which(record, _LOADS)
    points: tuple[tuple[int, Amount], ...] = ()
    if given == "constant":
        amount = record.amount("constant", is_limit=False, signed=True)
        points = () if amount is None else ((0, amount),)
    elif given == "file":
        points = _points_of_file(reading, record)
    elif given is not None:
        read = time_of_day if given == "daily" else moment(reading.calendar)
        points = _points(reading, record, given, read)
    record.close()
    if given == "daily" and any(not isinstance(amount, ActivePower) for _, amount in points):
        record.report("daily", rule="A daily curve is in kW.", fix="Write for example `{18:00: 80 kW}`.")
        points = ()
    return Load(
        circuit=circuit,
        name=name,
        points=points or ((0, ActivePower(w=0)),),
        is_daily=given == "daily",
        is_curve=given == "daily",
        noise=noise,
    )


def _points_of_file(reading: Reading, record: Record) -> tuple[tuple[int, Amount], ...]:
    name = record.read("file", values.text)
    try:
        return () if name is None else read_load(reading.path.parent / name, reading.calendar)
    except RefusedError as error:
        for problem in error.problems:
            reading.findings.add_problem(problem)
        return ()


def _points(reading: Reading, record: Record, key: str, read: Callable[[Node], int]) -> tuple[tuple[int, Amount], ...]:
    each = record.record(key)
    if each is None:
        return ()
    points: dict[int, Amount] = {}
    for name in each.node.entries:
        amount = each.amount(name, is_limit=False, signed=True)
        try:
            at_s = read(Scalar(name, each.node.entries[name].line, True))
        except UnitError as error:
            each.report(name, rule=error.rule, fix=error.fix)
            continue
        if at_s in points:
            each.report(name, rule="This time is given twice.", fix="Keep one of the two.")
        elif amount is not None:
            points[at_s] = amount
    if not each.node.entries:
        record.report(key, rule="It names no time.", fix="Write for example `{18:00: 80 kW, 22:00: 40 kW}`.")
    return tuple(sorted(points.items(), key=lambda point: point[0]))


def _check_may_load(reading: Reading, record: Record, key: str, circuit: str) -> None:
    """Only what is metered may carry a load that moves (design section 4)."""
    projection = reading.projection
    if projection is None or circuit not in projection.node_index:
        return
    for node in projection.path(projection.node_index[circuit]):
        subject = projection.subjects[node]
        if not isinstance(subject, Circuit):
            continue
        if subject.base_load is not None:
            record.report(
                key,
                rule=f"Circuit {subject.id} declares a constant base_load, which is all of it.",
                fix="Remove that from the depot, or this load from the scenario.",
            )
        if not subject.meter:
            record.report(
                key,
                rule=f"Circuit {subject.id} has no meter, so nobody would see this load there.",
                fix=f"Give {subject.id} a meter in the depot, or put the load at a metered circuit above it.",
            )
            return


def _span(reading: Reading, record: Record) -> Span:
    read = moment(reading.calendar)
    begin = record.read_or("from", read, 0)
    end = record.read("until", read)
    lasts_s = record.read("for", duration_s)
    if end is not None and end <= begin:
        record.report("until", rule="It ends before it begins.", fix="Correct one of the two.")
    if lasts_s is not None and record.entry("until") is not None:
        record.report("for", rule="Does not go together with `until`.", fix="Keep one of the two.")
    elif lasts_s is not None:
        end = begin + lasts_s
    return Span(from_s=begin) if end is None else Span(from_s=begin, until_s=end)


def _check_overlap(reading: Reading, record: Record, event: Event, earlier: list[Event]) -> None:
    """Two of one kind at one node and time would contradict each other."""
    for other in earlier:
        is_same = type(other) is type(event) and other.node == event.node
        if is_same and other.span.from_s < event.span.until_s and event.span.from_s < other.span.until_s:
            record.report("node", rule="Another event of this kind holds there at that time.", fix="Separate them.")


def _event(reading: Reading, record: Record, span: Span) -> Event | FaultEvent | None:
    match which(record, _EVENTS):
        case "envelope":
            node = reading.node(record, "node", ENVELOPED)
            limit = record.amount("envelope", is_limit=True)
            return None if limit is None else EnvelopeEvent(span=span, node=node, limit=limit)
        case "mode":
            node = reading.node(record, "node", CIRCUITS)
            mode = record.read("mode", values.one_of(Mode))
            return None if mode is None else ModeEvent(span=span, node=node, mode=mode)
        case "default_operating_capacity":
            node = reading.node(record, "node", CIRCUITS)
            limit = record.amount("default_operating_capacity", is_limit=True)
            if limit is None:
                return None
            check_capacity(reading, record, "default_operating_capacity", node, limit)
            return CapacityEvent(span=span, node=node, limit=limit)
        case "out_of_reach":
            node = reading.node(record, "node", (NodeKind.CHARGE_POINT,))
            if record.read("out_of_reach", values.boolean) is False:
                record.report("out_of_reach", rule="It is out of reach or not listed.", fix="Write true.")
            return OutOfReachEvent(span=span, node=node)
        case "fault":
            fault = read_fault(reading, record, span)
            if fault is not None and fault.kind is FaultKind.BASE_LOAD_STEP and fault.node is not None:
                _check_may_load(reading, record, "node", fault.node)
            return fault
        case _:
            record.entry("node")
            return None
