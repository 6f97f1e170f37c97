"""`busbar accept --live`: a served process, charge points over sockets, and the same expectations."""

import json
from pathlib import Path

from busbar.entrypoints.cli import main

SCENARIO = """\
schema: busbar/scenario/1
name: A charge point is lost and comes back
story: Two cars share 70 kW; one charge point is lost for three seconds, then less is allowed.
notes: [Nothing is real.]
depot:
  schema: busbar/depot/1
  depot: {id: yard, voltage: 400 V}
  circuits:
    - {id: C1, default_operating_capacity: 70 kW, safe_operating_capacity: 30 kW, meter: true}
  charge_points:
    - {id: CP1, circuit: C1, current: DC, max_rating: 50 kW, efficiency: 0.95, connectors: [{id: 1, max_rating: 50 kW}]}
    - {id: CP2, circuit: C1, current: DC, max_rating: 50 kW, efficiency: 0.95, connectors: [{id: 1, max_rating: 50 kW}]}
start: 2026-11-22T18:00:00Z
duration: 14 s
cycle: 1 s
lease: 30 s
vehicle_types: [{id: car, battery: 60 kWh, max_power: 50 kW}]
vehicles:
  - {id: car1, type: car, departs: "19:00", soc: 30 %, at: CP1}
  - {id: car2, type: car, departs: "19:00", soc: 30 %, at: CP2}
events:
  - {from: "18:00:05", until: "18:00:08", node: CP1, fault: connection_dropped}
  - {from: "18:00:08", until: "18:00:09", node: CP2, fault: message_reordered}
  - {from: "18:00:08", node: C1, envelope: 50 kW}
expectations:
  - {by: "18:00:05", connector: CP1/1, draw_at_least: 20 kW}
  - {by: "18:00:08", charge_point: CP1, reachable: false}
  - {by: "18:00:12", stays: true, charge_point: CP1, reachable: true}
  - {by: "18:00:13", connector: CP2/1, draw_at_most: 24 kW}
  - no_limit_broken: true
  - {peak: 71 kW, node: C1}
  - {always: true, connector: CP2/1, draw_at_most: 5 kW, note: This is not so}
"""


def test_a_scenario_runs_against_real_processes_and_is_judged_as_in_made_up_time(tmp_path: Path) -> None:
    path = tmp_path / "lost.yaml"
    path.write_text(SCENARIO)
    code = main(["accept", str(path), "--live", "--for", "14", "--report", str(tmp_path / "told")])
    [told] = json.loads((tmp_path / "told" / "acceptance.json").read_text())["scenarios"]
    assert told["failure"] is None
    assert [each["met"] for each in told["expectations"]] == [True] * 6 + [False], told["expectations"]
    assert code == 1
    # A real process takes no orders about its frames, and says so.
    assert [line for line in told["skipped"] if "message reordered at CP2" in line] == told["skipped"]
    assert told["digest"] is None
    assert told["replay"] == f"busbar accept {path} --seed 1 --live --speed 1 --for 14"
    assert told["figures"]["connections"] >= 3
