"""A small scenario on disk, with parts that a test may change."""

from pathlib import Path

from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario

DEPOT = """\
schema: busbar/depot/1
depot: {id: small, timezone: Australia/Perth, voltage: 415 V, voltage_margin: 0 %}
circuits:
  - {id: GC1, default_operating_capacity: 150 kVA, safe_operating_capacity: 60 kVA, meter: true}
  - {id: C1, parent: GC1, default_operating_capacity: 120 A}
charge_points:
  - {id: CP1, circuit: C1, current: DC, max_rating: 100 kW, efficiency: 0.95, power_factor: 1,
     connectors: [{id: 1, max_rating: 80 kW, min: 5 kW, step: 1 kW, fallback: 0 kW},
                  {id: 2, max_rating: 80 kW, min: 5 kW, step: 1 kW, fallback: 0 kW}]}
  - {id: CP2, circuit: GC1, current: AC, max_rating: 32 A, power_factor: 1,
     connectors: [{id: 1, max_rating: 32 A, min: 6 A, step: 1 A, phases: [L2, L3, L1]}]}
"""

SCENARIO = """\
schema: busbar/scenario/1
name: Two buses and a van
depot: depot.yaml
seed: 5
start: 2026-07-14T18:00:00+08:00
duration: 4 h
cycle: 60 s
vehicle_types:
  - {id: bus, battery: 200 kWh, max_power: 80 kW, taper_soc: 80 %, end_soc: 95 %, target_soc: 70 %}
  - {id: van, battery: 40 kWh, max_power: 10 kW, target_soc: 90 %, phases: 1, onboard_efficiency: 90 %}
vehicles:
  - {id: bus1, type: bus, at: CP1, arrives: "18:10", departs: "21:30", soc: 30 %}
  - {id: bus2, type: bus, at: CP1, arrives: "18:20", departs: "21:40", soc: 40 %}
  - {id: van1, type: van, at: CP2, departs: "21:00", soc: 50 %}
base_load:
  - {circuit: GC1, name: Workshop, daily: {"18:00": 40 kW, "20:00": 20 kW}, noise: 10 %}
"""
EXPECTED = """\
expectations:
  - no_limit_broken: true
"""


def write_scenario(folder: Path, scenario: str = SCENARIO, more: str = EXPECTED, depot: str = DEPOT) -> Path:
    """Write depot and scenario; returns the scenario's path."""
    (folder / "depot.yaml").write_text(depot)
    path = folder / "night.yaml"
    path.write_text(scenario + more)
    return path


def made(folder: Path, scenario: str = SCENARIO, more: str = EXPECTED, depot: str = DEPOT) -> Scenario:
    """The same, read back."""
    return load_scenario(write_scenario(folder, scenario, more, depot))
