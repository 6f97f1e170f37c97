"""The JSON Schema of scenario files, made from the same tables that the reader reads by.

It says what a schema can say: keys, words, how values are written. That nodes exist, times lie inside the scenario and
figures make sense is for the reader.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from busbar.adapters.files import depot_file
from busbar.core.depot import STRATEGY_NAMES, FairIn
from busbar.core.describe import NodeState
from busbar.core.snapshot import Mode
from busbar.engine.breach_record import BreachCause
from busbar.simulator.expectation import CONDITION_RULES, ConditionRule
from busbar.simulator.fault import FAULT_RULES, FaultKind, FaultRule, Place
from busbar.simulator.scenario_file import SCHEMA

Schema = dict[str, Any]

_NUMBER = r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?"
_CLOCK = r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})"
_NEEDS_NODE = (Place.CHARGE_POINT, Place.METER, Place.CIRCUIT, Place.LIMITED)


def scenario_schema() -> Schema:
    """JSON Schema 2020-12 of `busbar/scenario/1`; values are as YAML 1.2 or JSON give them."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "A depot, the vehicles that come and go, what else happens and goes wrong, and what is expected",
        **_object(
            {
                "schema": {"const": SCHEMA},
                "name": _ref("text"),
                "story": _ref("text"),
                "notes": {"anyOf": [_ref("text"), _list(_ref("text"))]},
                "depot": _ref("depot"),
                "seed": {"type": "integer"},
                "strategy": _words(STRATEGY_NAMES),
                "fair_in": _words(FairIn),
                "start": _pattern(_INSTANT, "When it begins: ISO 8601 with its offset from UTC."),
                "duration": _ref("duration"),
                "cycle": _ref("duration"),
                "lease": _ref("duration"),
                "voltage": _pattern(rf"{_NUMBER}\s*%", "The true voltage as a share of the nominal one."),
                "vehicle_types": _list(_ref("vehicle_type")),
                "vehicles": _list(_ref("vehicle")),
                "fleets": _list(_ref("fleet")),
                "schedules": _list(_ref("schedule")),
                "base_load": _list(_ref("base_load")),
                "events": _list({"oneOf": [*_events(), *_faults()]}),
                "expectations": _list({"oneOf": [*_expectations(), *_holds()]}),
            },
            required=("schema", "name", "depot", "start", "duration"),
        ),
        "anyOf": [{"required": [key]} for key in ("vehicles", "fleets", "schedules")],
        "$defs": _definitions(),
    }


def _definitions() -> Schema:
    quantity = f"-?{_NUMBER}"
    amperes = _pattern(rf"{quantity}\s*(mA|A|kA)", "Amperes.")
    return {
        "text": {"type": ["string", "number", "boolean"]},
        "names": {"anyOf": [_ref("text"), _list(_ref("text"))]},
        "time": _pattern(f"{_CLOCK}|{_INSTANT}", "A time of day, the first one after the start, or an instant."),
        "duration": _pattern(r"[0-9]{1,9}(\.[0-9]{1,6})?\s*(s|min|h)", "As in `90 s`, `15 min`, `12 h`."),
        "delay": _pattern(r"\+?\s*[0-9]{1,9}(\.[0-9]{1,20})?\s*(ms|s|min|h)", "As in `250 ms`, `2.5 s`."),
        "step": _pattern(r"[+-]?\s*[0-9]{1,9}(\.[0-9]{1,20})?\s*(ms|s|min|h)", "As in `1 h`, `-30 s`."),
        "ratio": {
            "description": "A share: `0.3` or `30 %`.",
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*%?\s*$"},
            ],
        },
        "factor": {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*%?\s*$"},
            ]
        },
        "energy": _pattern(rf"{_NUMBER}\s*(Wh|kWh|MWh)", "As in `368 kWh`."),
        "power": _pattern(rf"{_NUMBER}\s*(W|kW|MW)", "As in `150 kW`."),
        "setpoint": _pattern(rf"{_NUMBER}\s*(mA|A|kA|W|kW|MW)", "Amperes per phase (AC), power (DC)."),
        "amount": {
            "anyOf": [
                _pattern(rf"{quantity}\s*(mA|A|kA|W|kW|MW|VA|kVA|MVA)", "Amperes, kVA or kW."),
                {**_object(dict.fromkeys(("L1", "L2", "L3"), amperes)), "minProperties": 1},
            ]
        },
        "depot": {
            "description": "The name of a depot file, or a whole depot (busbar/depot/1).",
            "anyOf": [
                {"type": "string"},
                _object(
                    {
                        "schema": {"const": depot_file.SCHEMA},
                        "depot": {"type": "object"},
                        "circuits": _list({"type": "object"}),
                        "charge_points": _list({"type": "object"}),
                    },
                    required=("schema", "depot"),
                ),
            ],
        },
        **_vehicles(),
        "base_load": _base_load(),
    }


def _vehicles() -> Schema:
    wishes = {"at": _ref("names"), "priority": {"type": "integer"}, "weight": _ref("factor")}
    times = _object(
        {"mean": _ref("time"), "spread": _ref("duration"), "earliest": _ref("time"), "latest": _ref("time")},
        required=("mean",),
    )
    socs = _object(dict.fromkeys(("mean", "spread", "lowest", "highest"), _ref("ratio")), required=("mean",))
    one, drawn = _ref("time"), {"anyOf": [_ref("time"), times]}
    name, count = _ref("text"), {"type": "integer", "minimum": 0}
    file = {"file": name, "type": name, "at": _ref("names"), "energy_per_mile": _ref("energy")}
    return {
        "vehicle_type": _object(
            {
                "id": name,
                "battery": _ref("energy"),
                "max_power": _ref("power"),
                **dict.fromkeys(("taper_soc", "end_soc", "target_soc", "uses", "onboard_efficiency"), _ref("ratio")),
                "phases": {"enum": [1, 2, 3]},
            },
            required=("id", "battery", "max_power"),
        ),
        "vehicle": _object(
            {"id": name, "type": name, "arrives": one, "departs": one, "soc": _ref("ratio"), **wishes},
            required=("id", "type", "departs", "soc"),
        ),
        "fleet": _object(
            {
                "id": name,
                "count": count,
                "type": name,
                "arrives": drawn,
                "departs": drawn,
                "soc": {"anyOf": [_ref("ratio"), socs]},
                **wishes,
            },
            required=("id", "count", "type", "arrives", "departs", "soc"),
        ),
        "schedule": {
            "oneOf": [
                _object({"id": name, "count": count, **file}, required=("id", "type", "file")),
                _object({"id": name, "count": count, "vehicles": _list(_ref("vehicle"))}, required=("id", "vehicles")),
            ]
        },
    }


def _base_load() -> Schema:
    whole = {"circuit": _ref("text"), "name": _ref("text"), "noise": _ref("ratio")}
    at_times: Schema = {"type": "object", "minProperties": 1, "additionalProperties": _ref("amount")}
    ways: Mapping[str, Schema] = {
        "constant": _ref("amount"),
        "daily": {**at_times, "propertyNames": _pattern(_CLOCK, "A time of day.")},
        "steps": {**at_times, "propertyNames": _ref("time")},
        "file": _ref("text"),
    }
    return {"oneOf": [_object({**whole, way: value}, required=("circuit", way)) for way, value in ways.items()]}


def _events() -> list[Schema]:
    ways: Mapping[str, Schema] = {
        "envelope": _ref("amount"),
        "mode": _words(Mode),
        "default_operating_capacity": _ref("amount"),
        "out_of_reach": {"const": True},
    }
    return [_event({"node": _ref("text"), way: value}, required=("node", way)) for way, value in ways.items()]


def _event(properties: Schema, required: Iterable[str]) -> Schema:
    times = {"from": _ref("time"), "until": _ref("time"), "for": _ref("duration"), "note": _ref("text")}
    return {**_object({**times, **properties}, required=required), "not": {"required": ["until", "for"]}}


def _faults() -> list[Schema]:
    """One entry for all kinds of which the same has to be said."""
    alike: dict[tuple[object, ...], list[FaultKind]] = {}
    for kind, rule in FAULT_RULES.items():
        alike.setdefault((rule.place, rule.needs, rule.may, rule.needs_end), []).append(kind)
    return [_fault(kinds, FAULT_RULES[kinds[0]]) for kinds in alike.values()]


def _fault(kinds: list[FaultKind], rule: FaultRule) -> Schema:
    values: Mapping[str, Schema] = {
        "share": _ref("ratio"),
        "delay": _ref("delay"),
        "factor": _ref("factor"),
        "step": _ref("step"),
        "nth": {"type": "integer", "minimum": 1},
        "amount": _ref("amount"),
    }
    properties: Schema = {"fault": _words(kinds)}
    if rule.place is not Place.NOWHERE:
        properties["node"] = {**_ref("text"), "description": rule.place.value}
    properties |= {key: values[key] for key in (*rule.needs, *rule.may)}
    needs_node = ("node",) if rule.place in _NEEDS_NODE else ()
    entry = _event(properties, required=("fault", *needs_node, *rule.needs))
    if rule.needs_end:
        entry["anyOf"] = [{"required": ["until"]}, {"required": ["for"]}]
    return {"description": "; ".join(f"{kind}: {FAULT_RULES[kind].happens}" for kind in kinds), **entry}


def _expectations() -> list[Schema]:
    node, ratio = _ref("text"), _ref("ratio")
    return [
        _object({"no_limit_broken": {"const": True}}, required=("no_limit_broken",)),
        _object({"vehicles_ready": ratio}, required=("vehicles_ready",)),
        _object({"peak": _ref("amount"), "node": node}, required=("peak", "node")),
        _object({"ready_by": _ref("time"), "vehicle": _ref("text")}, required=("ready_by",)),
        _object({"energy_delivered": _ref("energy")}, required=("energy_delivered",)),
        _object({"fairness": ratio}, required=("fairness",)),
        _object({"binds": node, "for": _ref("duration")}, required=("binds",)),
    ]


def _holds() -> list[Schema]:
    values: Mapping[str, Schema] = {
        "flow_at_most": {"anyOf": [{"const": "limit"}, _ref("amount")]},
        "mode": _words(Mode),
        "state": _words(NodeState),
        "soc_at_least": _ref("ratio"),
        "reachable": {"type": "boolean"},
        "breaches": {"const": "none"},
        "breach": _words(BreachCause),
    }
    return [_hold(key, rule, values.get(key, _ref("setpoint"))) for key, rule in CONDITION_RULES.items()]


def _hold(key: str, rule: ConditionRule, value: Schema) -> Schema:
    ways: Schema = {
        "always": {"anyOf": [{"const": True}, _object({"from": _ref("time"), "until": _ref("time")})]},
        "at": _ref("time"),
        "by": _ref("time"),
    }
    if key == "breach":
        del ways["always"]
    stays: Schema = {} if key == "breach" else {"stays": {"type": "boolean"}}
    required = (key,) if rule.may_be_everywhere or key == "flow_at_most" else (key, rule.subject)
    entry = _object({**ways, **stays, rule.subject: _ref("text"), key: value, "note": _ref("text")}, required=required)
    rules: list[Schema] = [{"oneOf": [{"required": [way]} for way in ways]}, {"dependentRequired": {"stays": ["by"]}}]
    if key == "flow_at_most":
        rules.append({"anyOf": [{"required": ["node"]}, {"properties": {key: {"const": "limit"}}}]})
    if key == "breaches":
        lasting = {"required": ["stays"], "properties": {"stays": {"const": True}}}
        rules.append({"anyOf": [{"not": {"required": ["by"]}}, lasting]})
    return {"description": rule.says, **entry, "allOf": rules}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": list(required)} if list(required) else found


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _words(words: Iterable[str] | type[StrEnum]) -> Schema:
    return {"enum": [str(word) for word in words]}


def _pattern(pattern: str, description: str) -> Schema:
    return {"type": "string", "pattern": rf"^\s*({pattern})\s*$", "description": description}
