"""Files as they lie on a disk: read, or refused with a reason that names the file."""

import os
from pathlib import Path

import pytest

from busbar.adapters.files.depot_file import load_depot
from busbar.adapters.files.snapshot_file import load_snapshot
from busbar.core.errors import Problem, RefusedError
from busbar.core.projection import project

# The example of the design, section 8.
DEPOT = """\
schema: busbar/depot/1
depot: {id: elizabeth, name: Two-feeder bus depot (representative), timezone: Australia/Perth, voltage: 415 V,    # line to line
        voltage_margin: 5 %, limit: 2000 kVA, strategy: equal_share, leaves: connector, fair_in: power, require: accepted}
circuits:
  - {id: GC1, name: Grid connection 1, rating: 1500 kVA, default_operating_capacity: 1200 kVA, safe_operating_capacity: 600 kVA, meter: true}
  - {id: C1, parent: GC1, default_operating_capacity: 640 A, safe_operating_capacity: 320 A}
  - {id: C2, parent: GC1, default_operating_capacity: 250 A, base_load: 12 kW}
charge_points:
  - {id: CP1, circuit: C1, current: DC, max_rating: 400 kW, efficiency: 0.94, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 150 kW, min: 10 kW, step: 1 kW, fallback: 0 kW}]}
  - {id: CP2, circuit: C2, current: AC, max_rating: 32 A, power_factor: 0.98,
     connectors: [{id: 1, max_rating: 32 A, min: 6 A, step: 1 A, fallback: 6 A, phases: [L2, L3, L1]}]}
"""  # noqa: E501
SNAPSHOT = """\
schema: busbar/snapshot/1
at: 2026-11-22T22:00:00+08:00
sessions:        # only connectors with a vehicle; request defaults to the connector's rating
  - {connector: CP1/1, request: 120 kW, arrived: 2026-11-22T21:10:00+08:00, departs: 2026-11-23T05:10:00+08:00, energy_needed: 210 kWh, soc: 0.31,
     priority: 2, weight: 1, charging: true, waiting_since: null, stopped_at: null}
base_load: {GC1: 85 kW}          # or per phase in A; everything uncontrolled below the node
modes: {C1: SAFE}
envelopes: {GC1: 700 kW}
"""  # noqa: E501


def refusal(path: Path) -> Problem:
    with pytest.raises(RefusedError) as refused:
        load_depot(path)
    (problem,) = refused.value.problems
    assert problem.file == str(path)
    assert str(path) in str(refused.value)
    return problem


def test_the_examples_of_the_design_are_read(tmp_path: Path) -> None:
    (tmp_path / "depot.yaml").write_text(DEPOT)
    (tmp_path / "now.yaml").write_text(SNAPSHOT)
    depot = load_depot(str(tmp_path / "depot.yaml"))
    assert [circuit.id for circuit in depot.circuits] == ["GC1", "C1", "C2"]
    snapshot = load_snapshot(tmp_path / "now.yaml", project(depot))
    assert snapshot.request.tolist() == [120_000, 0]


def test_every_offender_has_its_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "depot.yaml"
    path.write_text(DEPOT.replace("parent: GC1", "parent: GC7").replace("415 V", "415"))
    with pytest.raises(RefusedError) as refused:
        load_depot(path)
    assert [(problem.path, problem.line) for problem in refused.value.problems] == [
        ("depot.voltage", 2),
        ("circuits[1].parent", 6),
        ("circuits[2].parent", 7),
    ]
    assert str(refused.value).startswith(f"{path}:2: depot.voltage = 415: The unit is missing. Fix: ")


def test_a_missing_file_suggests_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "depot.yaml").write_text(DEPOT)
    problem = refusal(tmp_path / "depo.yaml")
    assert "no such file" in problem.rule
    assert str(tmp_path / "depot.yaml") in problem.fix


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nowhere" / "depot.yaml").rule


def test_a_directory_names_a_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "depot.yaml").write_text(DEPOT)
    problem = refusal(tmp_path)
    assert "directory" in problem.rule
    assert "depot.yaml" in problem.fix


def test_a_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "depot.yaml").write_text(DEPOT)
    assert "cannot be read" in refusal(tmp_path / "depot.yaml" / "depot.yaml").rule


def test_a_file_of_100_mb_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "depot.yaml"
    with path.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    problem = refusal(path)
    assert (problem.path, problem.line, problem.value) == ("document", None, "104857600 bytes")
    assert "larger than 64 MB (100 MB) and was not read" in problem.rule
    assert "right file" in problem.fix


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "depot.yaml"
    path.touch()
    problem = refusal(path)
    assert (problem.path, problem.line, problem.value) == ("document", 1, None)
    assert "empty" in problem.rule
    assert "schema: busbar/depot/1" in problem.fix


def test_a_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "depot.yaml"
    path.write_bytes(b"schema: x\n\x7fELF\x02\x01\x01\x00")
    problem = refusal(path)
    assert (problem.path, problem.line) == ("document", 2)
    assert "binary" in problem.rule
    assert "UTF-8 text" in problem.fix


def test_a_pipe_is_read(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, DEPOT.encode())
    os.close(write)
    try:
        assert load_depot(f"/dev/fd/{read}").id == "elizabeth"
    finally:
        os.close(read)


def test_a_name_that_is_none() -> None:
    with pytest.raises(RefusedError) as refused:
        load_depot("a\0b")
    assert "name" in refused.value.problems[0].rule
