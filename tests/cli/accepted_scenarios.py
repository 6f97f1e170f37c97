"""Scenarios so small that accepting one takes a second or two."""

from pathlib import Path

SILENT = """\
schema: busbar/scenario/1
name: A meter falls silent
story: Nobody sees what else flows, and less is given.
notes: [Nothing is real.]
depot:
  schema: busbar/depot/1
  depot: {id: yard, voltage: 400 V}
  circuits:
    - {id: C1, default_operating_capacity: 70 kW, safe_operating_capacity: 30 kW, meter: true}
  charge_points:
    - {id: CP1, circuit: C1, current: DC, max_rating: 50 kW, efficiency: 0.95, connectors: [{id: 1, max_rating: 50 kW}]}
start: 2026-11-22T18:00:00Z
duration: 150 s
cycle: 5 s
lease: 120 s
vehicle_types: [{id: car, battery: 60 kWh, max_power: 50 kW}]
vehicles: [{id: car1, type: car, departs: "19:00", soc: 30 %}]
events:
  - {from: "18:00:30", for: 100 s, node: C1, fault: meter_silent}
expectations:
  - {at: "18:00:25", node: C1, mode: NORMAL}
  - {at: "18:00:25", connector: CP1/1, setpoint_at_least: 45 kW}
  - {by: "18:01:45", node: C1, mode: SAFE, note: Nobody sees it}
  - {at: "18:02", connector: CP1/1, setpoint_at_most: 30 kW}
  - no_limit_broken: true
  - {peak: 60 kW, node: C1}
"""
RED = '  - {at: "18:02", connector: CP1/1, setpoint_at_least: 45 kW, note: Too much to ask for}\n'


def write_scenario(folder: Path, name: str = "silent", more: str = "") -> Path:
    """A file of it."""
    path = folder / f"{name}.yaml"
    path.write_text(SILENT + more)
    return path
