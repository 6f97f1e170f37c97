"""The faults of a scenario file: entries of `events` with the key `fault`."""

from busbar.adapters.files import values
from busbar.adapters.files.fields import Record
from busbar.core.depot import ChargePoint, Circuit, CurrentKind
from busbar.core.depot_rules import check_depot
from busbar.core.projection import NodeKind
from busbar.core.units import ActivePower, Amount, Current
from busbar.simulator.fault import FAULT_RULES, FaultEvent, FaultKind, FaultRule, Place
from busbar.simulator.reading import CIRCUITS, ENVELOPED, Reading, factor, share
from busbar.simulator.scenario import with_capacity
from busbar.simulator.times import FOREVER_S, Span, delay_s, step_s

KEYS = ("share", "delay", "factor", "step", "nth", "amount")
"""What a fault may say besides when, where and why; `FAULT_RULES` tells which may say what."""
WRONG_UNITS = (1000.0, 0.001)

_POINT = (NodeKind.CHARGE_POINT,)


def read_fault(reading: Reading, record: Record, span: Span) -> FaultEvent | None:
    """One fault; None where its kind is not known."""
    kind = record.read("fault", values.one_of(FaultKind))
    if kind is None:
        for key in ("node", *KEYS):
            record.entry(key)
        return None
    rule = FAULT_RULES[kind]
    _check_keys(record, kind, rule)
    fault = FaultEvent(
        span=span,
        kind=kind,
        node=_node(reading, record, rule.place),
        share=record.read_or("share", share, 1.0),
        delay_s=record.read_or("delay", delay_s, 0.0),
        factor=record.read_or("factor", factor, 1.0),
        step_s=record.read_or("step", step_s, 0),
        nth=record.read_or("nth", values.integer, 1),
        amount=_amount(record, kind),
    )
    _check_span(reading, record, fault, rule)
    _check_figures(record, fault)
    _check_place(reading, record, fault, rule.place)
    return fault


def _check_keys(record: Record, kind: FaultKind, rule: FaultRule) -> None:
    examples = {"delay": "5 s", "factor": "1.3", "step": "1 h", "amount": "60 kW"}
    if kind is FaultKind.METER_WRONG_UNIT:
        examples["factor"] = "1000"
    for key in KEYS:
        if key in rule.needs:
            if record.entry(key) is None:
                record.missing(key, example=examples[key], why=rule.happens.removesuffix("."))
        elif key not in rule.may and record.entry(key) is not None:
            takes = ", ".join(f"`{name}`" for name in (*rule.needs, *rule.may)) or "none of its own"
            record.report(key, rule=f"A fault `{kind}` has no such key; its keys: {takes}.", fix="Remove it.")


def _node(reading: Reading, record: Record, place: Place) -> str | None:
    match place:
        case Place.NOWHERE:
            if record.entry("node") is not None:
                record.report("node", rule="This kind of fault is at no node.", fix="Remove it.")
            return None
        case Place.CHARGE_POINTS | Place.CLOCK:
            if record.entry("node") is None:
                return None
            return reading.node(record, "node", _POINT)
        case Place.CHARGE_POINT:
            return reading.node(record, "node", _POINT)
        case Place.METER | Place.CIRCUIT:
            return reading.node(record, "node", CIRCUITS)
        case Place.LIMITED:
            return reading.node(record, "node", ENVELOPED)


def _amount(record: Record, kind: FaultKind) -> Amount | None:
    if kind is FaultKind.BASE_LOAD_STEP:
        return record.amount("amount", is_limit=False, signed=True)
    return record.amount("amount", is_limit=True)


def _check_span(reading: Reading, record: Record, fault: FaultEvent, rule: FaultRule) -> None:
    span = fault.span
    end = "for" if record.entry("for") is not None else "until"
    reading.check_inside(record, "from", span.from_s, is_end=False)
    if span.until_s != FOREVER_S:
        reading.check_inside(record, end, span.until_s, is_end=True)
    elif rule.needs_end and not {record.path_of("until"), record.path_of("for")} & record.findings.broken:
        record.missing("until", example='"21:30"', why=rule.happens.removesuffix("."))
    lasts_s = min(span.until_s, reading.duration_s) - span.from_s
    if fault.kind is FaultKind.PROFILE_EXPIRED and 0 < lasts_s <= reading.lease_s:
        record.report(
            end,
            rule=f"Not longer than the lease of {reading.lease_s} s, so no profile expires.",
            fix=f"Write for example `for: {2 * reading.lease_s} s`, or take `connection_dropped`.",
        )


def _check_figures(record: Record, fault: FaultEvent) -> None:
    if fault.nth < 1:
        record.report("nth", rule="Counted from 1.", fix="Write `1` for the first event.")
    if record.entry("factor") is None or record.path_of("factor") in record.findings.broken:
        return
    if fault.kind is FaultKind.METER_WRONG_UNIT and fault.factor not in WRONG_UNITS:
        record.report("factor", rule="W for kW, or kW for W.", fix="Write `1000` or `0.001`.")
    if fault.kind in (FaultKind.DRAWS_MORE, FaultKind.RAMPS_SLOWLY) and fault.factor <= 1:
        record.report("factor", rule="Not more than 1, so nothing goes wrong.", fix="Write for example `1.3`.")


def _check_place(reading: Reading, record: Record, fault: FaultEvent, place: Place) -> None:
    """What the node itself has to be like."""
    projection = reading.projection
    if projection is None or fault.node is None or record.path_of("node") in record.findings.broken:
        return
    subject = projection.subjects[projection.node_index[fault.node]]
    if isinstance(subject, Circuit) and place is Place.METER and not subject.meter:
        metered = [circuit.id for circuit in projection.depot.circuits if circuit.meter]
        fix = f"Name {', '.join(metered[:5])}." if metered else "Give it a meter in the depot."
        record.report("node", rule=f"Circuit {subject.id} has no meter.", fix=fix)
    if fault.amount is None:
        return
    if isinstance(subject, ChargePoint) and fault.kind is FaultKind.OPERATOR_OVERRIDE:
        is_ac = subject.current is CurrentKind.AC
        if not isinstance(fault.amount, Current if is_ac else ActivePower):
            wanted = "amperes, for example `16 A`" if is_ac else "kW, for example `50 kW`"
            record.report(
                "amount",
                rule=f"{subject.id} is {subject.current}: its limit is in other units.",
                fix=f"Write {wanted}.",
            )
    if fault.kind is FaultKind.LIMIT_CUT:
        check_capacity(reading, record, "amount", fault.node, fault.amount)


def check_capacity(reading: Reading, record: Record, key: str, node: str, limit: Amount) -> None:
    """Report a capacity that the depot could not have."""
    if reading.projection is None or record.path_of("node") in record.findings.broken:
        return
    for problem in check_depot(with_capacity(reading.projection.depot, node, limit)):
        rule = f"The depot's `{problem.path}` would then be refused: {problem.rule}"
        record.report(key, rule=rule, fix="Choose a capacity that keeps that rule.")
