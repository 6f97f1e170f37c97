"""Every refusal of a snapshot document, on a projection of a small depot. No disk."""

from datetime import UTC, datetime

import numpy as np
import pytest

from busbar.adapters.files.depot_file import parse_depot
from busbar.adapters.files.document import parse_document
from busbar.adapters.files.snapshot_file import parse_snapshot
from busbar.core.errors import Problem, RefusedError
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Mode, Snapshot
from busbar.core.units import ActivePower, Current

DEPOT = """\
schema: busbar/depot/1
depot: {id: north, voltage: 415 V, timezone: Australia/Perth}
circuits:
  - {id: GC1, default_operating_capacity: 1200 kVA, safe_operating_capacity: 600 kVA, meter: true}
  - {id: C1, parent: GC1, default_operating_capacity: 640 A}
  - {id: S1, parent: C1, default_operating_capacity: 63 A, phases: [L1]}
charge_points:
  - {id: CP1, circuit: C1, current: DC, max_rating: 150 kW, in_service: false,
     connectors: [{id: 1, max_rating: 150 kW}, {id: 2, max_rating: 150 kW}]}
  - {id: CP2, circuit: S1, current: AC, max_rating: 32 A, connectors: [{id: 1, max_rating: 32 A, phases: [L1]}]}
"""

GOOD = """\
schema: busbar/snapshot/1
at: 2026-11-22T22:00:00+08:00
sessions:
  - connector: CP1/1
    request: 120 kW
    arrived: 2026-11-22T21:10:00+08:00
    departs: 2026-11-23T05:10:00+08:00
    energy_needed: 210 kWh
    soc: 31 %
    priority: 2
    weight: 1.5
    charging: true
    charging_since: 2026-11-22T13:30:00Z
    waiting_since: null
  - connector: CP2/1
base_load: {GC1: 85 kW, S1: -3 A}
modes: {C1: SAFE, GC1: NORMAL}
envelopes: {GC1: 700 kW, north: 1 MW, CP1: 90 kW}
committed: {CP1/2: 30 kW}
"""


@pytest.fixture(scope="module", name="projection")
def _projection() -> Projection:
    return project(parse_depot(parse_document(DEPOT.encode(), file="depot.yaml")))


def snapshot_of(text: str, projection: Projection) -> Snapshot:
    return parse_snapshot(parse_document(text.encode(), file="now.yaml"), projection)


def refusals(text: str, projection: Projection) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as refused:
        snapshot_of(text, projection)
    return refused.value.problems


def test_a_snapshot_is_read_in_leaf_order(projection: Projection) -> None:
    snapshot = snapshot_of(GOOD, projection)
    first, second, third = (projection.leaf_index[name] for name in ("CP1/1", "CP1/2", "CP2/1"))
    assert snapshot.at == datetime(2026, 11, 22, 14, tzinfo=UTC)
    assert snapshot.present[[first, second, third]].tolist() == [True, False, True]
    assert snapshot.request[[first, second, third]].tolist() == [120_000, 0, 32_000]
    assert snapshot.arrived_ago_s[first] == 3000
    assert snapshot.departs_in_s[first] == 25_800
    assert snapshot.charging_for_s[first] == 1800
    assert (snapshot.soc[first], snapshot.weight[first], snapshot.priority[first]) == (0.31, 1.5, 2)
    assert snapshot.energy_needed_wh[first] == 210_000
    assert np.isnan(snapshot.waiting_for_s[first])
    assert snapshot.charging.tolist().count(True) == 1
    assert snapshot.out_of_reach[second]
    assert snapshot.committed[second] == 30_000
    assert snapshot.base_load == {
        "GC1": ActivePower(w=85_000),
        "S1": Current(l1_ma=-3000, l2_ma=-3000, l3_ma=-3000),
    }
    assert snapshot.modes == {"C1": Mode.SAFE}
    assert set(snapshot.envelopes) == {"GC1", "north", "CP1"}


def test_the_time_alone_is_enough(projection: Projection) -> None:
    snapshot = snapshot_of("at: 2026-11-22T22:00:00+08:00\n", projection)
    assert not snapshot.present.any()


CASES = [
    ("unknown connector", "connector: CP1/1", "connector: CP1/11", "sessions[0].connector", "CP1/11", "no connector",
     "`CP1/1`"),
    ("charge point as connector", "connector: CP1/1", "connector: CP1", "sessions[0].connector", "CP1",
     "a charge point, not a connector", "`CP1/1`"),
    ("no connector", "connector: CP2/1", "priority: 1", "sessions[1].connector", None, "missing", "connector: CP1/1"),
    ("two sessions", "connector: CP2/1", "connector: CP1/1 #", "sessions[1].connector", "CP1/1",
     "in lines 4 and 15", "Keep one"),
    ("A for DC", "120 kW", "120 A", "sessions[0].request", "120 A", "not amperes", "150 kW"),
    ("kW for AC", "connector: CP2/1", "{connector: CP2/1, request: 7 kW}", "sessions[1].request", "7 kW",
     "amperes per phase", "`29.2 A`"),
    ("negative request", "120 kW", "-120 kW", "sessions[0].request", "-120 kW", "Negative", "zero"),
    ("weight of zero", "weight: 1.5", "weight: 0", "sessions[0].weight", "0", "above zero", "`1`"),
    ("weight not finite", "weight: 1.5", "weight: inf", "sessions[0].weight", "inf", "finite", "`1`"),
    ("negative weight", "weight: 1.5", "weight: -1", "sessions[0].weight", "-1", "above zero", "`1`"),
    ("soc outside", "soc: 31 %", "soc: 31", "sessions[0].soc", "31", "from 0 to 1", "`31 %`"),
    ("negative soc", "soc: 31 %", "soc: -0.1", "sessions[0].soc", "-0.1", "from 0 to 1", "0.31"),
    ("departs first", "departs: 2026-11-23", "departs: 2026-11-21", "sessions[0].departs",
     "2026-11-21T05:10:00+08:00", "before it arrived", "Correct"),
    ("naive time", "at: 2026-11-22T22:00:00+08:00", "at: 2026-11-22T22:00:00", "at", "2026-11-22T22:00:00",
     "offset from UTC", "`2026-11-22T22:00:00+08:00`"),
    ("no time", "at: 2026-11-22T22:00:00+08:00", "at: soon", "at", "soon", "ISO 8601", "+08:00"),
    ("far off", "at: 2026-11-22T22:00:00+08:00", "at: 0001-01-01T00:00:00+08:00", "at",
     "0001-01-01T00:00:00+08:00", "year", "2026"),
    ("priority in words", "priority: 2", "priority: high", "sessions[0].priority", "high", "whole number", "`2`"),
    ("charging in words", "charging: true", "charging: on", "sessions[0].charging", "on", "Neither", "Write true"),
    ("energy without unit", "210 kWh", "210", "sessions[0].energy_needed", "210", "unit is missing", "`210 kWh`"),
    ("energy in kW", "210 kWh", "210 kW", "sessions[0].energy_needed", "210 kW", "energy is wanted", "`210 kWh`"),
    ("unknown key", "soc:", "socc:", "sessions[0].socc", "31 %", "no such key", "`soc`"),
    ("unknown node", "{GC1: 85 kW", "{GC11: 85 kW", "base_load.GC11", "85 kW", "no node", "`GC1`"),
    ("base load of the depot", "{GC1: 85 kW", "{north: 85 kW", "base_load.north", "85 kW", "the microgrid", "GC1"),
    ("base load of a charge point", "{GC1: 85 kW", "{CP1: 85 kW", "base_load.CP1", "85 kW", "a charge point", "`C1`"),
    ("base load of a connector", "{GC1: 85 kW", "{CP1/1: 85 kW", "base_load.CP1/1", "85 kW", "a connector", "`C1`"),
    ("base load without phase", "S1: -3 A", "S1: {L2: 1 A}", "base_load.S1.L2", "1 A", "L2 is not there", "Remove"),
    ("unknown mode", "C1: SAFE", "C1: safe", "modes.C1", "safe", "none of NORMAL, SAFE", "`SAFE`"),
    ("mode of a connector", "C1: SAFE", "CP2/1: SAFE", "modes.CP2/1", "SAFE", "a connector", "`S1`"),
    ("negative envelope", "700 kW", "-700 kW", "envelopes.GC1", "-700 kW", "Negative", "zero"),
    ("envelope of a connector", "CP1: 90 kW", "CP1/1: 90 kW", "envelopes.CP1/1", "90 kW", "a connector", "`CP1`"),
    ("envelope of nothing", "CP1: 90 kW", "CP11: 90 kW", "envelopes.CP11", "90 kW", "no node", "`CP1`"),
    ("negative committed", "30 kW", "-30 kW", "committed.CP1/2", "-30 kW", "Negative", "zero"),
    ("committed in A", "30 kW", "30 A", "committed.CP1/2", "30 A", "not amperes", "kW"),
    ("implausible", "30 kW", "1200.001 kW", "committed.CP1/2", "1200.001 kW", "plausible", "`150 kW`"
     .strip("`")),
    ("committed of nothing", "CP1/2", "CP1/3", "committed.CP1/3", "30 kW", "no connector", "CP1/"),
    ("list as mapping", "{C1: SAFE, GC1: NORMAL}", "[C1]", "modes", "a list of 1", "mapping", "modes: {"),
    ("session as text", "- connector: CP2/1", "- CP2/1", "sessions[1]", "CP2/1", "mapping", "{id:"),
    ("depot file", "busbar/snapshot/1", "busbar/depot/1", "schema", "busbar/depot/1", "only schema", "snapshot/1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "path", "value", "rule", "fix"), [given[1:] for given in CASES], ids=[given[0] for given in CASES]
)
def test_a_refusal_says_where_what_why_and_what_instead(
    projection: Projection, old: str, new: str, path: str, value: str | None, rule: str, fix: str
) -> None:
    text = GOOD.replace(old, new, 1)
    (problem,) = refusals(text, projection)
    line = text[: text.index(new)].count("\n") + 1
    assert (problem.path, problem.file, problem.line, problem.value) == (path, "now.yaml", line, value)
    assert rule in problem.rule
    assert fix in problem.fix


def test_all_offenders_are_reported(projection: Projection) -> None:
    text = GOOD.replace("CP1/1", "CP9/1").replace("120 kW", "120").replace("85 kW", "nan").replace("at:", "att:")
    found = refusals(text, projection)
    assert [(problem.path, problem.line) for problem in found] == [
        ("at", 1),
        ("att", 2),
        ("sessions[0].connector", 4),
        ("sessions[0].request", 5),
        ("base_load.GC1", 16),
    ]
