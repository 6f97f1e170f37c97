"""A scenario as the text of a file that reads back to the same scenario.

Also of one that was made by a program: a failing scenario that was made smaller is a file again.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import yaml

from busbar.adapters.files.depot_file import dump_depot
from busbar.core.errors import BusbarError
from busbar.core.projection import project
from busbar.core.units import ActivePower, format_amount
from busbar.simulator.expectation_text import expectation_fields
from busbar.simulator.fault import FAULT_RULES, FaultEvent
from busbar.simulator.scenario import (
    FOREVER_S,
    CapacityEvent,
    EnvelopeEvent,
    Event,
    Fleet,
    Load,
    ModeEvent,
    OutOfReachEvent,
    Scenario,
    Schedule,
    Span,
    Spread,
    Vehicle,
    VehicleType,
)
from busbar.simulator.scenario_file import SCHEMA
from busbar.simulator.times import Calendar, clock_text

Fields = dict[str, Any]


def scenario_text(scenario: Scenario, depot_file: str | None = None) -> str:
    """The scenario as YAML; save it as its id and `.yaml`, beside the depot's file, and it reads back equal.

    `depot_file` names a file that holds the scenario's depot; None: the depot is written into the scenario. Vehicles
    and loads that came from CSV files are written out. Raises BusbarError for what no file can say (two vehicle types
    with one id, a curve that is not daily).
    """
    calendar = Calendar(start=scenario.start, timezone=scenario.depot.timezone)
    document = {
        "schema": SCHEMA,
        "name": scenario.name,
        "story": scenario.story or None,
        "notes": list(scenario.notes) or None,
        "depot": depot_file if depot_file is not None else dump_depot(scenario.depot),
        "seed": scenario.seed,
        "strategy": scenario.strategy,
        "fair_in": scenario.fair_in.value,
        "start": scenario.start.isoformat(),
        "duration": f"{scenario.duration_s} s",
        "cycle": f"{scenario.cycle_s} s",
        "lease": f"{scenario.lease_s} s",
        "voltage": f"{scenario.voltage_permille / 10:g} %",
        "vehicle_types": [_type_fields(kind) for kind in _types(scenario)],
        "vehicles": [_vehicle_fields(calendar, vehicle) for vehicle in scenario.vehicles],
        "fleets": [_fleet_fields(calendar, fleet) for fleet in scenario.fleets],
        "schedules": [_schedule_fields(calendar, schedule) for schedule in scenario.schedules],
        "base_load": [_load_fields(calendar, load) for load in scenario.loads],
        "events": [_event_fields(calendar, event) for event in scenario.events]
        + [_fault_fields(calendar, fault) for fault in scenario.faults],
        "expectations": [
            expectation_fields(calendar, project(scenario.depot), expectation) for expectation in scenario.expectations
        ],
    }
    written = {key: value for key, value in document.items() if value is not None and value != []}
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True, default_flow_style=None, width=10**6)


def _types(scenario: Scenario) -> list[VehicleType]:
    """Every type in use, once."""
    found: dict[str, VehicleType] = {}
    for kind in _types_in_use(scenario):
        if found.setdefault(kind.id, kind) != kind:
            raise BusbarError(f"two vehicle types have the id {kind.id!r}; no scenario file can say that")
    return list(found.values())


def _types_in_use(scenario: Scenario) -> Iterable[VehicleType]:
    yield from (vehicle.type for vehicle in scenario.vehicles)
    yield from (fleet.type for fleet in scenario.fleets)
    yield from (vehicle.type for schedule in scenario.schedules for vehicle in schedule.vehicles)


def _type_fields(kind: VehicleType) -> Fields:
    return {
        "id": kind.id,
        "battery": f"{kind.battery_wh} Wh",
        "max_power": f"{kind.max_power_w} W",
        "taper_soc": kind.taper_soc,
        "end_soc": kind.end_soc,
        "target_soc": kind.target_soc,
        "uses": kind.uses,
        "phases": kind.phases,
        "onboard_efficiency": kind.onboard_efficiency,
    }


def _vehicle_fields(calendar: Calendar, vehicle: Vehicle) -> Fields:
    stay: Fields = {
        "id": vehicle.id,
        "type": vehicle.type.id,
        "arrives": clock_text(calendar, vehicle.arrives_s),
        "departs": clock_text(calendar, vehicle.departs_s),
        "soc": vehicle.soc,
    }
    return stay | _wishes(vehicle)


def _wishes(vehicle: Vehicle | Fleet) -> Fields:
    """Where it may stand and how much it counts, where that is said."""
    wishes: Fields = {}
    if vehicle.at:
        wishes["at"] = list(vehicle.at)
    if vehicle.priority:
        wishes["priority"] = vehicle.priority
    if vehicle.weight != 1:
        wishes["weight"] = vehicle.weight
    return wishes


def _fleet_fields(calendar: Calendar, fleet: Fleet) -> Fields:
    fields: Fields = {
        "id": fleet.id,
        "count": fleet.count,
        "type": fleet.type.id,
        "arrives": _times(calendar, fleet.arrives_s),
        "departs": _times(calendar, fleet.departs_s),
        "soc": _socs(fleet.soc),
    }
    return fields | _wishes(fleet)


def _times(calendar: Calendar, spread: Spread) -> str | Fields:
    if _is_one(spread):
        return clock_text(calendar, _whole(spread.mean))
    return {
        "mean": clock_text(calendar, _whole(spread.mean)),
        "spread": f"{_whole(spread.spread)} s",
        "earliest": clock_text(calendar, _whole(spread.lowest)),
        "latest": clock_text(calendar, _whole(spread.highest)),
    }


def _socs(spread: Spread) -> float | Fields:
    if _is_one(spread):
        return spread.mean
    return {"mean": spread.mean, "spread": spread.spread, "lowest": spread.lowest, "highest": spread.highest}


def _is_one(spread: Spread) -> bool:
    return not spread.spread and spread.lowest == spread.mean == spread.highest


def _whole(seconds: float) -> int:
    if seconds != int(seconds):
        raise BusbarError(f"a time of {seconds!r} s is not whole; no scenario file can say that")
    return int(seconds)


def _schedule_fields(calendar: Calendar, schedule: Schedule) -> Fields:
    """With its vehicles: the CSV file they came from is not needed any more."""
    vehicles = [_vehicle_fields(calendar, vehicle) for vehicle in schedule.vehicles]
    return {"id": schedule.id, "count": schedule.count, "vehicles": vehicles}


def _load_fields(calendar: Calendar, load: Load) -> Fields:
    fields: Fields = {"circuit": load.circuit, "name": load.name}
    if load.is_daily != load.is_curve:
        raise BusbarError(
            f"the base load {load.name!r} is a curve or daily, and not both; no scenario file can say that"
        )
    if load.is_daily:
        if any(not isinstance(amount, ActivePower) for _, amount in load.points):
            raise BusbarError(f"the daily base load {load.name!r} is not in kW; no scenario file can say that")
        fields["daily"] = {_of_day(at_s): format_amount(amount) for at_s, amount in load.points}
    else:
        fields["steps"] = {clock_text(calendar, at_s): format_amount(amount) for at_s, amount in load.points}
    if load.noise:
        fields["noise"] = load.noise
    return fields


def _of_day(at_s: int) -> str:
    return f"{at_s // 3600:02d}:{at_s % 3600 // 60:02d}:{at_s % 60:02d}"


def _span_fields(calendar: Calendar, span: Span) -> Fields:
    fields: Fields = {"from": clock_text(calendar, span.from_s)}
    if span.until_s != FOREVER_S:
        fields["until"] = clock_text(calendar, span.until_s)
    return fields


def _event_fields(calendar: Calendar, event: Event) -> Fields:
    fields = _span_fields(calendar, event.span) | {"node": event.node}
    match event:
        case EnvelopeEvent(limit=limit):
            fields["envelope"] = format_amount(limit)
        case ModeEvent(mode=mode):
            fields["mode"] = mode.value
        case CapacityEvent(limit=limit):
            fields["default_operating_capacity"] = format_amount(limit)
        case OutOfReachEvent():
            fields["out_of_reach"] = True
    return _noted(fields, event.note)


def _fault_fields(calendar: Calendar, fault: FaultEvent) -> Fields:
    fields = _span_fields(calendar, fault.span)
    if fault.node is not None:
        fields["node"] = fault.node
    fields["fault"] = fault.kind.value
    values: Mapping[str, Any] = {
        "share": fault.share,
        "delay": f"{Decimal(repr(fault.delay_s)):f} s",
        "factor": fault.factor,
        "step": f"{fault.step_s} s",
        "nth": fault.nth,
        "amount": None if fault.amount is None else format_amount(fault.amount),
    }
    rule = FAULT_RULES[fault.kind]
    fields |= {key: values[key] for key in (*rule.needs, *rule.may)}
    return _noted(fields, fault.note)


def _noted(fields: Fields, note: str) -> Fields:
    return fields | {"note": note} if note else fields
