"""Made-up depots for what the shipped scenarios do not show: limits in kW, delta windings, no margin."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from made_scenarios import made
from witness_cases import Finding, findings

KW_DEPOT = """\
schema: busbar/depot/1
depot: {id: kw, timezone: America/Denver, voltage: 208 V, voltage_margin: 5 %}
circuits:
  - {id: GC1, voltage: 480 V, default_operating_capacity: 150 kW, safe_operating_capacity: 60 kW, meter: true}
  - {id: F1, parent: GC1, default_operating_capacity: 90 kW}
  - {id: C1, parent: GC1, voltage: 208 V, default_operating_capacity: 100 A}
charge_points:
  - {id: DC1, circuit: F1, current: DC, max_rating: 150 kW, efficiency: 0.95,
     connectors: [{id: 1, max_rating: 80 kW, min: 5 kW, step: 1 kW}, {id: 2, max_rating: 80 kW, min: 5 kW, step: 1 kW}]}
  - {id: AC1, circuit: C1, current: AC, max_rating: 48 A, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 48 A, min: 6 A, step: 1 A, phases: [L1, L2], line_to_line: true}]}
  - {id: AC2, circuit: C1, current: AC, max_rating: 48 A, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 48 A, min: 6 A, step: 1 A, phases: [L2, L3], line_to_line: true}]}
  - {id: AC3, circuit: C1, current: AC, max_rating: 48 A, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 48 A, min: 6 A, step: 1 A, phases: [L3, L1], line_to_line: true}]}
  - {id: AC4, circuit: C1, current: AC, max_rating: 80 A, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 80 A, min: 6 A, step: 1 A, phases: [L1, L2], line_to_line: true}]}
"""
KW_SCENARIO = """\
schema: busbar/scenario/1
name: Limits in kW at 480 V, line-to-line vans at 208 V
depot: depot.yaml
seed: 5
start: 2026-07-14T18:00:00-06:00
duration: 3 h
cycle: 60 s
vehicle_types:
  - {id: bus, battery: 400 kWh, max_power: 80 kW, taper_soc: 90 %, end_soc: 95 %, target_soc: 90 %}
  - {id: van, battery: 80 kWh, max_power: 16 kW, target_soc: 90 %, onboard_efficiency: 90 %}
vehicles:
  - {id: bus1, type: bus, at: DC1, arrives: "18:10", departs: "20:50", soc: 20 %}
  - {id: bus2, type: bus, at: DC1, arrives: "18:20", departs: "20:50", soc: 20 %}
  - {id: van1, type: van, at: AC1, departs: "20:50", soc: 20 %}
  - {id: van2, type: van, at: AC2, departs: "20:50", soc: 20 %}
  - {id: van3, type: van, at: AC3, departs: "20:50", soc: 20 %}
  - {id: van4, type: van, at: AC4, departs: "20:50", soc: 20 %}
base_load:
  - {circuit: GC1, name: Workshop, daily: {"18:00": 40 kW, "20:00": 20 kW}}
"""
DELTA_DEPOT = """\
schema: busbar/depot/1
depot: {id: delta, timezone: America/Denver, voltage: 208 V, voltage_margin: 5 %}
circuits:
  - {id: GC1, voltage: 480 V, default_operating_capacity: 50 A}
  - {id: C1, parent: GC1, voltage: 208 V, default_operating_capacity: 200 A}
charge_points:
  - {id: AC1, circuit: C1, current: AC, max_rating: 150 A, power_factor: 1,
     connectors: [{id: 1, max_rating: 150 A, min: 6 A, step: 1 A, phases: [L1, L2], line_to_line: true}]}
"""
DELTA_SCENARIO = """\
schema: busbar/scenario/1
name: One van behind a delta winding
depot: depot.yaml
seed: 5
start: 2026-07-14T18:00:00-06:00
duration: 10 min
cycle: 60 s
vehicle_types:
  - {id: van, battery: 80 kWh, max_power: 60 kW, target_soc: 90 %}
vehicles:
  - {id: van1, type: van, at: AC1, departs: "18:10", soc: 20 %}
"""
MARGIN_DEPOT = """\
schema: busbar/depot/1
depot: {id: margin, timezone: Europe/Berlin, voltage: 400 V, voltage_margin: MARGIN %}
circuits:
  - {id: GC1, default_operating_capacity: 400 A}
  - {id: C1, parent: GC1, default_operating_capacity: 250 A}
charge_points:
  - {id: DC1, circuit: C1, current: DC, max_rating: 200 kW, efficiency: 0.95, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 200 kW, min: 5 kW, step: 0.1 kW}]}
"""
MARGIN_SCENARIO = """\
schema: busbar/scenario/1
name: One bus at the end of long cables
depot: depot.yaml
seed: 5
start: 2026-07-14T18:00:00+02:00
duration: 10 min
cycle: 60 s
vehicle_types:
  - {id: bus, battery: 400 kWh, max_power: 200 kW, target_soc: 90 %}
vehicles:
  - {id: bus1, type: bus, at: DC1, departs: "18:10", soc: 20 %}
"""


@cache
def in_kw() -> tuple[Finding, ...]:
    """Limits in kW above, amperes and line-to-line connectors below a transformer."""
    return _findings(KW_SCENARIO, KW_DEPOT)


@cache
def behind_delta(*, line_to_line: bool) -> tuple[Finding, ...]:
    """A limit in A on the delta side of a transformer, with one load on the other: from line to line, or to neutral."""
    wired = "[L1, L2], line_to_line: true"
    return _findings(DELTA_SCENARIO, DELTA_DEPOT if line_to_line else DELTA_DEPOT.replace(wired, "[L1]"))


@cache
def with_margin(percent: int, longer: float) -> tuple[Finding, ...]:
    """One DC charge point that fills its circuit of 250 A, with this margin, at the end of cables so much longer."""
    return _findings(MARGIN_SCENARIO, MARGIN_DEPOT.replace("MARGIN", str(percent)), longer)


def _findings(scenario: str, depot: str, longer: float = 1.0) -> tuple[Finding, ...]:
    with TemporaryDirectory() as folder:
        return findings(made(Path(folder), scenario, "", depot), longer=longer)
