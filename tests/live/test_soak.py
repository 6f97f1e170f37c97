"""The soak runs, measures the server, rules over what it found, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from soak_depot import Edit, depot_document, misbehaving
from soak_gauges import metered
from soak_table import tables, write_into
from soak_verdict import Verdict, is_broken, judge, rises, trend

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"
COUNT = 6
SOAK_WITHIN_S = 240.0
HOUR = [30.0 * number for number in range(121)]


def series(*, kb_per_hour: float, noise_kb: float = 200.0, warm_up_kb: float = 0.0) -> list[float]:
    """An hour of memory: a rise, noise, and what is taken in the first ten minutes."""
    random = Random(7)
    return [
        250_000 + kb_per_hour * at_s / 3600 + warm_up_kb * min(1.0, at_s / 600) + random.gauss(0, noise_kb)
        for at_s in HOUR
    ]


def verdict(values: Sequence[float], *, most_per_hour: float = 8_192, times_s: Sequence[float] = HOUR) -> Verdict:
    return rises("memory", times_s, values, most_per_hour=most_per_hour, unit="kB").verdict


def test_a_leak_is_flagged() -> None:
    assert verdict(series(kb_per_hour=10_000)) is Verdict.BROKEN


def test_memory_that_is_taken_at_the_start_is_no_leak() -> None:
    assert verdict(series(kb_per_hour=0, warm_up_kb=40_000)) is Verdict.KEPT


def test_a_rise_that_noise_hides_is_neither_flagged_nor_called_flat() -> None:
    assert verdict(series(kb_per_hour=8_192, noise_kb=20_000)) is Verdict.OPEN


def test_one_file_that_is_left_open_every_five_minutes_is_flagged() -> None:
    left = [20.0 + at_s // 300 for at_s in HOUR]
    assert verdict(left, most_per_hour=5) is Verdict.BROKEN
    assert verdict([20.0] * len(HOUR), most_per_hour=5) is Verdict.KEPT


def test_a_run_that_is_too_short_proves_nothing() -> None:
    assert verdict(series(kb_per_hour=500_000)[:12], times_s=HOUR[:12]) is Verdict.OPEN


def test_a_slope_is_found_with_an_error_that_grows_where_samples_are_alike() -> None:
    steady = trend(HOUR, series(kb_per_hour=12_000))
    assert abs(steady.per_hour - 12_000) < steady.error_per_hour < 300
    random, drift = Random(3), [0.0]
    for _ in HOUR[1:]:
        drift.append(0.95 * drift[-1] + random.gauss(0, 60))
    alike = trend(HOUR, drift)
    assert abs(alike.per_hour) < alike.error_per_hour
    assert alike.error_per_hour > 3 * steady.error_per_hour


def sample(at_s: float, **other: Any) -> dict[str, Any]:
    server = {
        "service": {"pid": 11, "resident_kb": 250_000, "open_files": 220, "threads": 8, "cpu_s": at_s / 10},
        "store": {"pid": 12, "resident_kb": 90_000, "open_files": 22, "threads": 8, "cpu_s": at_s / 50},
    }
    return {
        "at_s": at_s,
        "server": server,
        "database_kb": 1000 + at_s,
        "wal_kb": 4023,
        "kept_cycles": round(at_s / 5),
        "cycle_number": round(at_s / 5) + 1,
        "cycles": {"APPLIED": round(at_s / 5)},
        "overruns": 0,
        "failures": 0,
        "breaches": {},
        "setpoints": {"sent": 3},
        "connected": 200,
        "connections": 210,
        "faults": {},
        **other,
    }


def run_of(samples: Sequence[dict[str, Any]], **end: Any) -> dict[str, Any]:
    pruned = {"cycles": 350, "of_cycles": 700, "cycles_kb": 4000.0, "freed_kb": 1990.0}
    ended = {"exit_code": 0, "ended_within_s": 1.0, "database": "ok", "database_kb": 5000.0, "tables_kb": {"cycles": 9}}
    return {
        "options": {"charge_points": 200},
        "misbehaving": {"flapping": ["CP004"]},
        "samples": list(samples),
        "done": {"envelope cut": 6},
        "refused": {},
        "end": {**ended, "pruned": pruned, **end},
    }


def broken(run: dict[str, Any]) -> list[str]:
    return [ruling.rule for ruling in judge(run) if ruling.verdict is Verdict.BROKEN]


def test_a_quiet_hour_breaks_no_rule() -> None:
    rulings = judge(run_of([sample(at_s) for at_s in HOUR]))
    assert {ruling.verdict for ruling in rulings} == {Verdict.KEPT}
    assert not is_broken(rulings)


@pytest.mark.parametrize(
    ("rule", "last"),
    [
        ("cycles", {"failures": 1}),
        ("cycles", {"cycle_number": round(HOUR[-2] / 5) + 1}),
        ("our own orders", {"breaches": {"commanded": 1, "base_load": 2}}),
        ("one life", {"server": {"service": sample(0)["server"]["service"]}}),
        ("log of writes", {"wal_kb": 90_000}),
        ("connected", {"connected": 120}),
    ],
)
def test_each_rule_is_broken_by_what_it_forbids(rule: str, last: dict[str, Any]) -> None:
    run = run_of([*(sample(at_s) for at_s in HOUR[:-1]), sample(HOUR[-1], **last)])
    assert broken(run) == [rule]


def test_a_connection_is_no_leak_and_a_file_beside_them_is() -> None:
    def with_files(at_s: float, connected: int, leaked: float) -> dict[str, Any]:
        found = sample(at_s, connected=connected)
        found["server"]["service"]["open_files"] = round(20 + connected + leaked)
        return found

    assert broken(run_of([with_files(at_s, 180 + round(at_s / 180), 0) for at_s in HOUR])) == []
    assert broken(run_of([with_files(at_s, 200, at_s / 180) for at_s in HOUR])) == ["open files, service"]


def test_an_end_that_is_none_and_cycles_that_stay_break_their_rules() -> None:
    samples = [sample(at_s) for at_s in HOUR]
    stuck = {"cycles": 350, "of_cycles": 700, "cycles_kb": 4000.0, "freed_kb": 300.0}
    assert broken(run_of(samples, exit_code=-9)) == ["the end"]
    assert broken(run_of(samples, database="malformed")) == ["the end"]
    assert broken(run_of(samples, pruned=stuck)) == ["pruning"]
    assert broken({**run_of(samples), "refused": {"depot edited: refused": 1}}) == ["asked"]


def test_the_table_stands_between_the_markers_of_a_page(tmp_path: Path) -> None:
    page, run = tmp_path / "soak.md", run_of([sample(at_s) for at_s in HOUR])
    page.write_text("before\n<!-- soak -->\nold\n<!-- /soak -->\nafter\n")
    write_into(page, run)
    text = page.read_text()
    assert text.startswith("before\n<!-- soak -->\n| | |")
    assert text.endswith("|\n<!-- /soak -->\nafter\n")
    assert "old" not in text
    assert "5.7 kB (700 kept)" in text
    write_into(page, run)
    assert page.read_text() == text


def test_the_metrics_of_a_server_are_read() -> None:
    text = (
        "# HELP busbar_cycles Cycles\n"
        'busbar_cycles_total{depot="soak",outcome="APPLIED"} 12.0\n'
        'busbar_cycles_total{depot="soak",outcome="FAILED"} 0.0\n'
        'busbar_cycle_number{depot="soak"} 17.0\n'
        'busbar_breaches_total{cause="commanded",depot="soak"} 2.0\n'
        'busbar_charge_points_connected{depot="soak"} 190.0\n'
    )
    found = metered(text)
    assert (found["cycles"], found["cycle_number"], found["connected"]) == ({"APPLIED": 12}, 17, 190)
    assert (found["breaches"], found["failures"]) == ({"commanded": 2}, 0)


def test_the_depot_is_as_large_as_it_is_asked_for() -> None:
    document = depot_document(200, Edit(has_spare=True, narrow="C3"))
    assert len(document["charge_points"]) == 201
    assert sum(len(unit["connectors"]) == 2 for unit in document["charge_points"]) >= 40
    assert sum("parent" not in circuit for circuit in document["circuits"]) == 2
    assert 20 <= sum(len(names) for names in misbehaving(200).values()) <= 40


def started(folder: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SOAK), "--charge-points", str(COUNT), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def working_in(folder: Path) -> list[str]:
    """Processes that were told of a file in it."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in words:
                found.append(words)
    return found


def test_a_few_seconds_of_it_are_sampled_and_ruled_over_and_nothing_is_left_behind(tmp_path: Path) -> None:
    folder, out = tmp_path / "work", tmp_path / "soak.json"
    folder.mkdir()
    process = started(folder, "--minutes", "0.4", "--sample", "3", "--cut-every", "20", "--out", str(out))
    said, complaints = process.communicate(timeout=SOAK_WITHIN_S)
    run = json.loads(out.read_text())
    rulings = {ruling.rule: ruling for ruling in judge(run)}
    assert process.returncode == is_broken(list(rulings.values())), complaints
    # One of so few that is just coming back is too many.
    assert {rule for rule, ruling in rulings.items() if ruling.verdict is Verdict.BROKEN} <= {"connected"}, said
    first, last = run["samples"][0], run["samples"][-1]
    assert len(run["samples"]) == 9
    assert set(last["server"]) == {"service", "store"}
    for each in last["server"].values():
        assert each["resident_kb"] > 10_000
        assert each["open_files"] > 5
        assert each["threads"] >= 1
    assert sum(last["cycles"].values()) > sum(first["cycles"].values())
    assert last["kept_cycles"] > 0
    assert last["database_kb"] > 0
    assert last["connections"] >= COUNT
    assert {"envelope cut", "strategy changed", "depot edited", "connector held"} <= set(run["done"])
    assert run["listener"]["heard"] > 0
    assert run["charge_points"]["said"]["charge_points"] == COUNT
    assert tables(run).rstrip() == said.rstrip()
    assert working_in(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_stopped_it_leaves_no_process_behind(tmp_path: Path, how: signal.Signals) -> None:
    folder, out = tmp_path / "work", tmp_path / "soak.json"
    folder.mkdir()
    process = started(folder, "--minutes", "30", "--sample", "1", "--out", str(out))
    until_s = time.monotonic() + SOAK_WITHIN_S
    while not out.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.2)
    process.send_signal(how)
    said, complaints = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert "Traceback" not in complaints
        assert "| the end | kept |" in said
        assert json.loads(out.read_text())["end"]["exit_code"] == 0
        assert list(folder.iterdir()) == []
    until_s = time.monotonic() + 30
    while found := working_in(folder):
        assert time.monotonic() < until_s, found
        time.sleep(0.2)
