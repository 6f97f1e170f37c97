"""The scenario file (`busbar/scenario/1`): YAML or JSON to a scenario, every offender refused at once."""

import os
from dataclasses import replace
from pathlib import Path

from busbar.adapters.files import values
from busbar.adapters.files.depot_file import load_depot, parse_depot
from busbar.adapters.files.document import Document, read_document
from busbar.adapters.files.fields import Findings, Record
from busbar.adapters.files.schema import check_schema
from busbar.adapters.files.tree import Mapping, Node
from busbar.core.depot import STRATEGY_NAMES, Depot, FairIn
from busbar.core.errors import RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import project
from busbar.core.units import UnitError
from busbar.simulator.event_fields import read_events, read_loads
from busbar.simulator.expectation import Holds, SocAtLeast
from busbar.simulator.expectation_fields import read_expectations
from busbar.simulator.reading import Reading, line, lines
from busbar.simulator.scenario import ReadyBy, Scenario
from busbar.simulator.times import DAY_S, Calendar, duration_s
from busbar.simulator.vehicle_fields import (
    read_fleets,
    read_schedules,
    read_vehicle_types,
    read_vehicles,
)

SCHEMA = "busbar/scenario/1"

MOST_CYCLES = 200_000
_NO_DEPOT = Depot(id="", voltage_v=1)


def load_scenario(path: str | os.PathLike[str]) -> Scenario:
    """Read and check a scenario, its depot and its CSV files; raises RefusedError with every offender."""
    return parse_scenario(read_document(path))


def parse_scenario(document: Document) -> Scenario:
    """A document as a scenario; other files are found relative to it. Raises RefusedError with every offender."""
    path, findings = Path(document.file), Findings(document)
    top = Record(document.root, "", findings)
    check_schema(top, SCHEMA, required=True)
    depot = _depot(top, path)
    zone = "UTC" if depot is None else depot.timezone
    start = top.read("start", values.instant(zone))
    if start is None:
        if "start" not in findings.broken:
            top.missing("start", example="2026-07-14T18:00:00+08:00", why="when the simulated night begins")
        # Nothing else can be placed in time.
        findings.refuse_if_any()
    assert start is not None, "a missing `start` has been refused"
    reading = Reading(
        path=path,
        top=top,
        calendar=Calendar(start=start, timezone=zone),
        projection=None if depot is None else project(depot),
        duration_s=top.require("duration", duration_s, example="12 h", instead=DAY_S),
        lease_s=top.read_or("lease", duration_s, 90),
    )
    types = read_vehicle_types(reading)
    events, faults = read_events(reading)
    scenario = Scenario(
        id=path.stem,
        name=top.require("name", values.text, example="A winter night", instead=""),
        story=top.read_or("story", line, ""),
        notes=top.read("notes", lines) or (),
        depot=depot or _NO_DEPOT,
        seed=top.read_or("seed", values.integer, 1),
        strategy=top.read_or("strategy", _strategy, (depot or _NO_DEPOT).strategy),
        fair_in=top.read_or("fair_in", values.one_of(FairIn), (depot or _NO_DEPOT).fair_in),
        start=start,
        duration_s=reading.duration_s,
        cycle_s=top.read_or("cycle", duration_s, 60),
        lease_s=reading.lease_s,
        voltage_permille=_voltage(top, depot),
        vehicles=read_vehicles(reading, top, types),
        fleets=read_fleets(reading, types),
        schedules=read_schedules(reading, types),
        loads=read_loads(reading),
        events=events,
        expectations=read_expectations(reading),
        faults=faults,
    )
    _check_cycles(reading, scenario)
    _check_vehicles(reading, scenario)
    top.close()
    findings.refuse_if_any()
    return scenario


def _depot(top: Record, path: Path) -> Depot | None:
    """The depot the scenario names, or holds as a whole; None, and reported, where it is refused."""
    entry = top.entry("depot")
    inline = entry.node if entry is not None and isinstance(entry.node, Mapping) else None
    name = "" if inline else top.require("depot", values.text, example="depot.yaml", instead="")
    if not inline and not name:
        return None
    try:
        if inline is None:
            return load_depot(path.parent / name)
        return parse_depot(Document(file=top.findings.document.file, root=inline))
    except RefusedError as error:
        for problem in error.problems:
            top.findings.add_problem(problem if inline is None else replace(problem, path=f"depot.{problem.path}"))
        return None


def _voltage(top: Record, depot: Depot | None) -> int:
    permille = top.read_or("voltage", _permille_of_nominal, 1000)
    margin = 1000 if depot is None else depot.voltage_margin_permille
    if abs(permille - 1000) > margin:
        top.report(
            "voltage",
            rule=f"Outside the depot's voltage_margin of {margin / 10:g} %.",
            fix=f"Write from {100 - margin / 10:g} % to {100 + margin / 10:g} %.",
        )
    return permille


def _check_cycles(reading: Reading, scenario: Scenario) -> None:
    if scenario.duration_s // scenario.cycle_s > MOST_CYCLES:
        reading.top.report(
            "duration", rule=f"More than {MOST_CYCLES} cycles.", fix="Give a longer `cycle` or a shorter night."
        )
    elif scenario.duration_s % scenario.cycle_s:
        reading.top.report(
            "duration", rule="Not a whole number of cycles.", fix=f"Write a multiple of {scenario.cycle_s} s."
        )


def _check_vehicles(reading: Reading, scenario: Scenario) -> None:
    ids = {vehicle.id for vehicle in scenario.vehicles}
    groups = [("fleets", fleet.id) for fleet in scenario.fleets]
    groups += [("schedules", schedule.id) for schedule in scenario.schedules]
    names = [name for _, name in groups]
    for key, name in groups:
        if names.count(name) > 1:
            reading.top.report(key, rule=f"The id {name!r} is used twice.", fix="Rename one of the two.")
            break
    expected = {item.vehicle for item in scenario.expectations if isinstance(item, ReadyBy)} - {None}
    expected |= {
        item.subject
        for item in scenario.expectations
        if isinstance(item, Holds) and isinstance(item.condition, SocAtLeast)
    }
    from_file = {vehicle.id for schedule in scenario.schedules for vehicle in schedule.vehicles}
    drawn = {
        f"{fleet.id}{number:0{len(str(fleet.count))}d}"
        for fleet in scenario.fleets
        for number in range(1, fleet.count + 1)
    }
    for name in sorted(name for name in expected if name and name not in ids | from_file | drawn):
        fix = suggestion(name, known_names(sorted(ids | from_file | drawn)))
        reading.top.report("expectations", rule=f"There is no vehicle {name!r}.", fix=fix)
    if not ids and not groups:
        reading.top.missing("vehicles", example="[{id: bus1, type: bus, departs: 05:00, soc: 30 %}]")


def _strategy(node: Node) -> str:
    word = values.text(node)
    if word not in STRATEGY_NAMES:
        raise UnitError("There is no strategy of this name.", suggestion(word, known_names(STRATEGY_NAMES)))
    return word


def _permille_of_nominal(node: Node) -> int:
    word = values.text(node).strip()
    if not word.endswith("%"):
        raise UnitError("Not a share of the nominal voltage.", "Write for example `97 %`.")
    try:
        return round(float(word[:-1]) * 10)
    except ValueError:
        raise UnitError("Not a number.", "Write for example `97 %`.") from None
