"""The vehicles of a scenario file: types, listed vehicles, fleets to be drawn, schedules from CSV files."""

from collections.abc import Mapping
from dataclasses import replace

from busbar.adapters.files import values
from busbar.adapters.files.fields import Record
from busbar.adapters.files.tree import Mapping as MappingNode
from busbar.core.errors import RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.simulator.reading import Reading, names
from busbar.simulator.scenario import Fleet, Schedule, Spread, Vehicle, VehicleType
from busbar.simulator.schedule_file import Stay
from busbar.simulator.schedule_file import read_vehicles as vehicles_of_file
from busbar.simulator.times import DAY_S, duration_s, moment

Types = Mapping[str, VehicleType]

MOST_VEHICLES = 20_000
_NO_TYPE = VehicleType(id="", battery_wh=1, max_power_w=1)


def read_vehicle_types(reading: Reading) -> Types:
    """Types by id."""
    found: dict[str, VehicleType] = {}
    for record in reading.top.records("vehicle_types"):
        if record is None:
            continue
        end = record.read_or("end_soc", values.state_of_charge, 1.0)
        kind = VehicleType(
            id=record.require("id", values.text, example="bus", instead=""),
            battery_wh=record.require("battery", values.whole("energy", is_limit=True), example="368 kWh", instead=1),
            max_power_w=record.require("max_power", values.whole("power", is_limit=True), example="150 kW", instead=1),
            taper_soc=record.read_or("taper_soc", values.state_of_charge, 0.8),
            end_soc=end,
            target_soc=record.read_or("target_soc", values.state_of_charge, end),
            uses=record.read_or("uses", values.state_of_charge, 1.0),
            phases=record.read_or("phases", values.integer, 3),
            onboard_efficiency=record.read_or("onboard_efficiency", values.state_of_charge, 0.92),
        )
        record.close()
        if kind.target_soc > kind.end_soc:
            record.report("target_soc", rule="Above `end_soc`, where it stops by itself.", fix=f"Write {end:g}.")
        if kind.phases not in (1, 2, 3):
            record.report("phases", rule="A vehicle uses 1, 2 or 3 phases.", fix="Write 1, 2 or 3.")
        for key, value in (
            ("battery", kind.battery_wh),
            ("max_power", kind.max_power_w),
            ("uses", kind.uses),
            ("onboard_efficiency", kind.onboard_efficiency),
        ):
            if not value and record.path_of(key) not in reading.findings.broken:
                record.report(key, rule="Zero.", fix="Write what it really is.")
        if kind.id in found:
            record.report("id", rule="Two vehicle types have this id.", fix="Rename one of the two.")
        found[kind.id] = kind
    return found


def read_vehicles(reading: Reading, top: Record, types: Types) -> tuple[Vehicle, ...]:
    """The vehicles that a record lists one by one."""
    found: list[Vehicle] = []
    for record in top.records("vehicles"):
        if record is None:
            continue
        vehicle = Vehicle(
            id=record.require("id", values.text, example="bus42", instead=""),
            type=_vehicle_type(record, types),
            arrives_s=record.read_or("arrives", moment(reading.calendar), 0),
            departs_s=record.require("departs", moment(reading.calendar), example="05:10", instead=DAY_S),
            soc=record.require("soc", values.state_of_charge, example="31 %", instead=0.0),
            at=_places(reading, record),
            priority=record.read_or("priority", values.integer, 0),
            weight=record.read_or("weight", values.positive, 1.0),
        )
        record.close()
        if vehicle.departs_s <= vehicle.arrives_s:
            record.report("departs", rule="It departs before it arrives.", fix="Correct one of the two.")
        if vehicle.id and vehicle.id in {other.id for other in found}:
            record.report("id", rule="Two vehicles have this id.", fix="Rename one of the two.")
        found.append(vehicle)
    return tuple(found)


def read_fleets(reading: Reading, types: Types) -> tuple[Fleet, ...]:
    """Groups of vehicles that are drawn at random."""
    found = []
    for record in reading.top.records("fleets"):
        if record is None:
            continue
        fleet = Fleet(
            id=record.require("id", values.text, example="evening", instead=""),
            count=record.require("count", values.integer, example="40", instead=0),
            type=_vehicle_type(record, types),
            arrives_s=_times(reading, record, "arrives"),
            departs_s=_times(reading, record, "departs"),
            soc=_socs(reading, record, "soc"),
            at=_places(reading, record),
            priority=record.read_or("priority", values.integer, 0),
            weight=record.read_or("weight", values.positive, 1.0),
        )
        record.close()
        if not 0 <= fleet.count <= MOST_VEHICLES:
            record.report("count", rule=f"From 0 to {MOST_VEHICLES} vehicles are drawn.", fix="Write for example `40`.")
            fleet = replace(fleet, count=0)
        if fleet.departs_s.lowest <= fleet.arrives_s.highest:
            record.report(
                "departs",
                rule="The earliest departure is not after the latest arrival.",
                fix="Give `latest` for `arrives` and `earliest` for `departs`.",
            )
        found.append(fleet)
    return tuple(found)


def read_schedules(reading: Reading, types: Types) -> tuple[Schedule, ...]:
    """Groups of vehicles from CSV files, or listed."""
    found = []
    for record in reading.top.records("schedules"):
        if record is None:
            continue
        name = record.require("id", values.text, example="north", instead="")
        count = record.read("count", values.integer)
        is_listed = record.entry("vehicles") is not None
        vehicles = read_vehicles(reading, record, types) if is_listed else _from_file(reading, record, name, types)
        record.close()
        if vehicles is None:
            continue
        if count is not None and not 0 <= count <= len(vehicles):
            record.report("count", rule=f"There are {len(vehicles)} vehicles.", fix="Write no more, or leave it out.")
        found.append(Schedule(id=name, vehicles=vehicles, count=len(vehicles) if count is None else count))
    return tuple(found)


def _from_file(reading: Reading, record: Record, name: str, types: Types) -> tuple[Vehicle, ...] | None:
    stay = Stay(
        prefix=name,
        type=_vehicle_type(record, types),
        at=_places(reading, record),
        energy_per_mile_wh=record.read("energy_per_mile", values.whole("energy", is_limit=False)),
    )
    file = record.require("file", values.text, example="data/schedule.csv", instead="")
    try:
        vehicles = vehicles_of_file(reading.path.parent / file, stay, reading.calendar) if file else ()
    except RefusedError as error:
        record.findings.broken.add(record.path_of("file"))
        for problem in error.problems:
            reading.findings.add_problem(problem)
        return None
    for place in sorted({place for vehicle in vehicles for place in vehicle.at} - set(stay.at)):
        reading.check_node(record, "file", place)
    return vehicles


def _vehicle_type(record: Record, types: Types) -> VehicleType:
    name = record.require("type", values.text, example="bus", instead="")
    if name and name not in types:
        rule = f"There is no vehicle type {name!r} in this scenario."
        record.report("type", rule=rule, fix=suggestion(name, known_names(types)))
    return types.get(name, _NO_TYPE)


def _places(reading: Reading, record: Record) -> tuple[str, ...]:
    places = record.read("at", names) or ()
    for name in places:
        reading.check_node(record, "at", name)
    return places


def _times(reading: Reading, record: Record, key: str) -> Spread:
    read = moment(reading.calendar)
    entry = record.entry(key)
    if entry is None or not isinstance(entry.node, MappingNode):
        at = record.require(key, read, example="{mean: 20:30, spread: 30 min}", instead=0)
        return Spread(mean=at, lowest=at, highest=at)
    each = Record(entry.node, record.path_of(key), reading.findings)
    mean = each.require("mean", read, example="20:30", instead=0)
    width = each.read_or("spread", duration_s, 1)
    spread = Spread(
        mean=mean,
        spread=width,
        lowest=each.read_or("earliest", read, mean - 3 * width),
        highest=each.read_or("latest", read, mean + 3 * width),
    )
    each.close()
    _check_spread(each, spread, "earliest", "latest")
    return spread


def _socs(reading: Reading, record: Record, key: str) -> Spread:
    read = values.state_of_charge
    entry = record.entry(key)
    if entry is None or not isinstance(entry.node, MappingNode):
        soc = record.require(key, read, example="{mean: 35 %, spread: 10 %}", instead=0.0)
        return Spread(mean=soc, lowest=soc, highest=soc)
    each = Record(entry.node, record.path_of(key), reading.findings)
    mean = each.require("mean", read, example="35 %", instead=0.0)
    width = each.read_or("spread", read, 0.0)
    spread = Spread(
        mean=mean,
        spread=width,
        lowest=each.read_or("lowest", read, max(0.0, mean - 3 * width)),
        highest=each.read_or("highest", read, min(1.0, mean + 3 * width)),
    )
    each.close()
    _check_spread(each, spread, "lowest", "highest")
    return spread


def _check_spread(record: Record, spread: Spread, lowest: str, highest: str) -> None:
    if not spread.lowest <= spread.mean <= spread.highest:
        record.report(
            "mean",
            rule=f"The mean does not lie between `{lowest}` and `{highest}`.",
            fix="Correct one of the three; a time of day is the first one after the start.",
        )
