"""The depot file (design section 8): YAML or JSON to a depot, and back."""

import os
from dataclasses import replace
from typing import Any

from busbar.adapters.files import values
from busbar.adapters.files.document import Document, read_document
from busbar.adapters.files.fields import Findings, Record
from busbar.adapters.files.schema import check_schema
from busbar.adapters.files.tree import Mapping, Node, Scalar, clipped, find
from busbar.core.depot import (
    ChargePoint,
    Circuit,
    Connector,
    CurrentKind,
    Depot,
    FairIn,
    Leaves,
    Sharing,
    Trust,
)
from busbar.core.depot_rules import check_depot
from busbar.core.units import PHASES, Amount, Current, Phase, format_amount, format_ma, format_w
from busbar.core.wiring import circuit_phases

SCHEMA = "busbar/depot/1"

# What stands in where a record did not parse; its path is broken, so nothing judges it.
_NOTHING = Current(l1_ma=0, l2_ma=0, l3_ma=0)
_NO_CIRCUIT = Circuit(id="", default_operating_capacity=_NOTHING)
_NO_CHARGE_POINT = ChargePoint(id="", circuit="", current=CurrentKind.DC, max_rating=0, connectors=())
_NO_CONNECTOR = Connector(id="", max_rating=0, minimum=0, step=1)


def load_depot(path: str | os.PathLike[str]) -> Depot:
    """Read, parse and check a depot file; raises RefusedError with every offender, its file and line."""
    return parse_depot(read_document(path))


def parse_depot(document: Document) -> Depot:
    """A document as a checked depot; raises RefusedError with every offender."""
    findings = Findings(document)
    top = Record(document.root, "", findings)
    check_schema(top, SCHEMA, required=True)
    depot = _depot(top)
    top.close()
    for problem in check_depot(depot, broken=frozenset(findings.broken)):
        line, node = find(document.root, problem.path)
        as_written = clipped(node.text) if isinstance(node, Scalar) else problem.value
        findings.add_problem(replace(problem, file=document.file, line=line, value=as_written))
    findings.refuse_if_any()
    return depot


def _depot(top: Record) -> Depot:
    site = top.record("depot")
    if site is None:
        if "depot" not in top.findings.broken:
            top.missing("depot", example="{id: north, voltage: 415 V}")
        top.findings.broken |= {"depot.id", "depot.voltage"}
        site = Record(Mapping({}, top.node.line), "depot", top.findings)
        depot_id, voltage_v = "", 0
    else:
        depot_id = site.require("id", values.text, example="north", instead="")
        voltage_v = site.require(
            "voltage",
            values.whole_volts,
            example="415 V",
            instead=0,
            why="amperes and kVA mean nothing without the voltage from line to line",
        )
    depot = Depot(
        id=depot_id,
        voltage_v=voltage_v,
        name=site.read("name", values.text),
        timezone=site.read_or("timezone", values.timezone, "UTC"),
        voltage_margin_permille=site.read_or("voltage_margin", values.permille, 50),
        base_power_factor_permille=site.read_or("base_power_factor", values.permille, 900),
        limit=site.amount("limit", is_limit=True, voltage_v=voltage_v),
        strategy=site.read_or("strategy", values.text, "equal_share"),
        leaves=site.read_or("leaves", values.one_of(Leaves), Leaves.CONNECTOR),
        fair_in=site.read_or("fair_in", values.one_of(FairIn), FairIn.POWER),
        require=site.read_or("require", values.one_of(Trust), Trust.ACCEPTED),
        circuits=tuple(_circuit(record, voltage_v) for record in top.records("circuits")),
        charge_points=tuple(_charge_point(record, voltage_v) for record in top.records("charge_points")),
    )
    site.close()
    _check_phases_written(depot, top)
    return depot


def _circuit(record: Record | None, voltage_v: int) -> Circuit:
    if record is None:
        return _NO_CIRCUIT
    own_voltage_v = record.read("voltage", values.whole_volts)
    at_v = own_voltage_v or voltage_v
    default = record.amount("default_operating_capacity", is_limit=True, voltage_v=at_v)
    if default is None and record.path_of("default_operating_capacity") not in record.findings.broken:
        record.missing("default_operating_capacity", example="640 A", why="what may flow in normal operation")
    circuit = Circuit(
        id=record.require("id", values.text, example="C1", instead=""),
        default_operating_capacity=default or _NOTHING,
        name=record.read("name", values.text),
        parent=record.read("parent", values.text),
        safe_operating_capacity=record.amount("safe_operating_capacity", is_limit=True, voltage_v=at_v),
        rating=record.amount("rating", is_limit=True, voltage_v=at_v),
        voltage_v=own_voltage_v,
        phases=record.read("phases", values.phase_list),
        # Read with its sign, because generation deserves words of its own.
        base_load=record.amount("base_load", is_limit=False, signed=True, voltage_v=at_v),
        meter=record.read("meter", values.meter) or False,
    )
    record.close()
    return circuit


def _check_phases_written(depot: Depot, top: Record) -> None:
    """Refuse `{L1: 9 A, L2: 9 A, L3: 9 A}` on a circuit with fewer phases.

    Three equal values become one, so the core cannot tell that phases were named; here it is still seen.
    """
    if any(path.endswith((".phases", ".parent")) for path in top.findings.broken):
        return  # What is inherited is not known then.
    phases = circuit_phases(depot)
    for index, circuit in enumerate(depot.circuits):
        there = circuit.phases or phases[circuit.id]
        if set(there) == set(PHASES):
            continue
        for key in ("default_operating_capacity", "safe_operating_capacity", "rating", "base_load"):
            path = f"circuits[{index}].{key}"
            _, node = find(top.node, path)
            if not isinstance(node, Mapping) or path in top.findings.broken:
                continue
            amount = getattr(circuit, key)
            if not isinstance(amount, Current) or len(set(amount.per_phase_ma())) > 1:
                continue
            for phase in (phase for phase in PHASES if phase not in there):
                named = Record(node, path, top.findings)
                named.report(phase.value, rule=f"{phase} is not there; there are {', '.join(there)}.", fix="Remove it.")


def _charge_point(record: Record | None, voltage_v: int) -> ChargePoint:
    if record is None:
        return _NO_CHARGE_POINT
    current = record.require("current", _current_kind, example="DC", instead=None)
    limit = values.setpoint(current, is_limit=True, voltage_v=voltage_v)
    charge_point = ChargePoint(
        id=record.require("id", values.text, example="CP1", instead=""),
        circuit=record.require(
            "circuit", values.text, example="C1", instead="", why="a charge point hangs on a circuit"
        ),
        current=current or CurrentKind.DC,
        max_rating=record.require(
            "max_rating", limit, example="32 A" if current is CurrentKind.AC else "150 kW", instead=0
        ),
        connectors=tuple(_connector(item, current, voltage_v) for item in record.records("connectors")),
        name=record.read("name", values.text),
        efficiency_permille=record.read_or("efficiency", values.permille, 1000 if current is CurrentKind.AC else 940),
        power_factor_permille=record.read_or("power_factor", values.permille, 980),
        idle_load_w=record.read_or("idle_load", values.whole("power", is_limit=False), 0),
        in_service=record.read_or("in_service", values.boolean, True),
        sharing=record.read("sharing", values.one_of(Sharing)),
        module_size=record.read("module_size", values.whole("power", is_limit=True)),
        outputs=record.read("outputs", values.integer),
    )
    record.close()
    return charge_point


def _current_kind(node: Node) -> CurrentKind | None:
    return values.one_of(CurrentKind)(node)


def _connector(record: Record | None, current: CurrentKind | None, voltage_v: int) -> Connector:
    if record is None:
        return _NO_CONNECTOR
    is_ac = current is CurrentKind.AC
    phases: tuple[Phase, ...] = record.read("phases", values.phase_list) or PHASES
    line_to_line = record.read_or("line_to_line", values.boolean, False)
    if current is CurrentKind.DC:
        for key in ("phases", "line_to_line"):
            if record.entry(key) is not None and record.path_of(key) not in record.findings.broken:
                record.report(
                    key,
                    rule="Only AC connectors have this: a DC charge point draws from all three phases.",
                    fix=f"Leave `{key}` out.",
                )
    wires = len(phases) or 3
    limit = values.setpoint(current, is_limit=True, voltage_v=voltage_v, phases=wires)
    load = values.setpoint(current, is_limit=False, voltage_v=voltage_v, phases=wires)
    connector = Connector(
        id=record.require("id", values.text, example="1", instead=""),
        max_rating=record.require("max_rating", limit, example="32 A" if is_ac else "150 kW", instead=0),
        minimum=record.read_or("min", load, 6000 if is_ac else 0),
        step=record.read_or("step", load, 100),
        fallback=record.read_or("fallback", load, 0),
        steps=record.read_or("steps", values.list_of(limit), ()),
        phases=phases,
        line_to_line=line_to_line,
    )
    record.close()
    return connector


def dump_depot(depot: Depot) -> dict[str, Any]:
    """A depot as mappings, lists and texts; written as YAML or JSON it reads back equal."""
    site = {
        "id": depot.id,
        "name": depot.name,
        "timezone": depot.timezone,
        "voltage": f"{depot.voltage_v} V",
        "voltage_margin": _ratio(depot.voltage_margin_permille),
        "base_power_factor": _ratio(depot.base_power_factor_permille),
        "limit": _amount(depot.limit),
        "strategy": depot.strategy,
        "leaves": depot.leaves.value,
        "fair_in": depot.fair_in.value,
        "require": depot.require.value,
    }
    return {
        "schema": SCHEMA,
        "depot": _given(site),
        "circuits": [_dump_circuit(circuit) for circuit in depot.circuits],
        "charge_points": [_dump_charge_point(unit) for unit in depot.charge_points],
    }


def _dump_circuit(circuit: Circuit) -> dict[str, Any]:
    return _given(
        {
            "id": circuit.id,
            "name": circuit.name,
            "parent": circuit.parent,
            "rating": _amount(circuit.rating),
            "default_operating_capacity": _amount(circuit.default_operating_capacity),
            "safe_operating_capacity": _amount(circuit.safe_operating_capacity),
            "voltage": None if circuit.voltage_v is None else f"{circuit.voltage_v} V",
            "phases": _phases(circuit.phases),
            "base_load": _amount(circuit.base_load),
            "meter": circuit.meter,
        }
    )


def _dump_charge_point(unit: ChargePoint) -> dict[str, Any]:
    is_ac = unit.current is CurrentKind.AC
    return _given(
        {
            "id": unit.id,
            "name": unit.name,
            "circuit": unit.circuit,
            "current": unit.current.value,
            "max_rating": _setpoint(unit.max_rating, unit.current),
            "efficiency": None if is_ac else _ratio(unit.efficiency_permille),
            "power_factor": _ratio(unit.power_factor_permille),
            "idle_load": format_w(unit.idle_load_w),
            "in_service": unit.in_service,
            "sharing": unit.sharing.value if unit.sharing else None,
            "module_size": None if unit.module_size is None else format_w(unit.module_size),
            "outputs": unit.outputs,
            "connectors": [_dump_connector(connector, unit.current) for connector in unit.connectors],
        }
    )


def _dump_connector(connector: Connector, current: CurrentKind) -> dict[str, Any]:
    is_ac = current is CurrentKind.AC
    return _given(
        {
            "id": connector.id,
            "max_rating": _setpoint(connector.max_rating, current),
            "min": _setpoint(connector.minimum, current),
            "step": _setpoint(connector.step, current),
            "fallback": _setpoint(connector.fallback, current),
            "steps": [_setpoint(step, current) for step in connector.steps] or None,
            "phases": _phases(connector.phases) if is_ac else None,
            "line_to_line": connector.line_to_line if is_ac else None,
        }
    )


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _amount(amount: Amount | None) -> str | dict[str, str] | None:
    return None if amount is None else format_amount(amount)


def _setpoint(value: int, current: CurrentKind) -> str:
    return format_ma(value) if current is CurrentKind.AC else format_w(value)


def _phases(phases: tuple[Phase, ...] | None) -> list[str] | None:
    return None if phases is None else [phase.value for phase in phases]


def _ratio(permille: int) -> str:
    return f"{permille // 1000}.{permille % 1000:03d}".rstrip("0").rstrip(".")
