"""Three simulated days in which everything goes wrong, and whether anything grows meanwhile: `make soak-trials`.

The real engine and OCPP layer, charge points, faults and goals of a trial (docs/trials.md), with a real SQLite file.
Once per simulated hour it is written down what is there. Exit code 1 where something certainly grows or a goal is
missed.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.trials.drawn import drawn_scenario
from busbar.simulator.trials.drawn_upon import drawn_upon
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.trial import Trial
from soak_store import sqlite_kept
from soak_table import put_into
from soak_verdict import Ruling, Verdict, rises

DEPOT_SEED = 52
"""A depot of 24 connectors (`tests/benchmarks/test_soak_trials.py` counts them)."""
SEED = 1
MEMORY_KB_PER_HOUR = 1024
"""Per simulated hour. Goals keep some bytes of every second until the end: 0.2 MB an hour."""
OBJECTS_PER_HOUR = 2_000
FILE_KB_PER_HOUR = 256
"""Cycles are forgotten after six hours; breaches and charging sessions are kept for good, and are few."""
MOST_VIOLATIONS = 20
BEGIN, END = "<!-- soak-trials -->", "<!-- /soak-trials -->"
Document = dict[str, Any]


def soak_scenario(hours: int, file: str | None = None) -> Scenario:
    """The depot and what happens in it."""
    found = replace(drawn_scenario(DEPOT_SEED), faults=()) if file is None else load_scenario(file)
    return drawn_upon(found, seed=SEED, duration_s=3600 * hours)


def soaked(scenario: Scenario, out: Path | None) -> Document:
    """Play it, and measure once per simulated hour."""
    samples: list[Document] = []
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(prefix="busbar-soak-") as folder:
        path = Path(folder) / "soak.sqlite"
        with sqlite_kept(path) as kept:

            def measure(at_s: int, duration_s: int) -> None:
                if at_s % 3600:
                    return
                samples.append(_sample(trial, at_s, path, time.process_time() - began_s))
                print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
                if out is not None:
                    out.write_text(json.dumps(_run(scenario, trial, samples), indent=1) + "\n")

            trial = Trial(scenario, seed=SEED, goals=all_goals(), keeps_trail=False, kept=kept, progress=measure)
            result = trial.run()
            samples.append(_sample(trial, scenario.duration_s, path, time.process_time() - began_s))
    return _run(scenario, trial, samples) | {"digest": result.digest, "is_whole": True}


def _sample(trial: Trial, at_s: int, path: Path, cpu_s: float) -> Document:
    gc.collect()
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = {file.name: file.stat().st_size // 1024 for file in path.parent.iterdir()}
    return {
        "at_s": at_s,
        "cpu_s": round(cpu_s, 1),
        "resident_kb": resident_pages * 4,
        "objects": len(gc.get_objects()),
        "database_kb": files.get(path.name, 0),
        "wal_kb": files.get(f"{path.name}-wal", 0),
        "cycles": trial.cycles,
        "lives": trial.lives,
        "violations": len(trial.violations),
    }


def _run(scenario: Scenario, trial: Trial, samples: Sequence[Document]) -> Document:
    connectors = sum(len(unit.connectors) for unit in scenario.depot.charge_points)
    return {
        "connectors": connectors,
        "hours": scenario.duration_s / 3600,
        "faults": len(scenario.faults),
        "vehicles": len(scenario.vehicles),
        "is_whole": False,
        "violations": [f"{each.goal} at {each.at_s:.0f} s: {each.text}" for each in trial.violations[:MOST_VIOLATIONS]],
        "samples": list(samples),
    }


def judge(run: Mapping[str, Any]) -> list[Ruling]:
    """Every rule: straight lines through the last two thirds, as in `soak_verdict.py`."""
    samples = run["samples"]
    times_s = [sample["at_s"] for sample in samples]

    def rule(name: str, what: str, most: float, unit: str) -> Ruling:
        return rises(name, times_s, [sample[what] for sample in samples], most_per_hour=most, unit=unit)

    missed = samples[-1]["violations"]
    found = f"{missed} violations" if missed else "none was missed"
    return [
        rule("memory", "resident_kb", MEMORY_KB_PER_HOUR, "kB"),
        rule("live objects", "objects", OBJECTS_PER_HOUR, "objects"),
        rule("database", "database_kb", FILE_KB_PER_HOUR, "kB"),
        rule("log of writes", "wal_kb", FILE_KB_PER_HOUR, "kB"),
        Ruling(rule="goals", verdict=Verdict.BROKEN if missed else Verdict.KEPT, found=found),
    ]


def table(run: Mapping[str, Any]) -> str:
    """As Markdown."""
    samples, rulings = run["samples"], judge(run)
    last = samples[-1]
    every = max(1, -(-(len(samples) - 1) // 12))
    shown = [*samples[:-1:every], last]
    lines = [
        "| | |",
        "|---|---|",
        f"| simulated | {last['at_s'] / 3600:g} of {run['hours']:g} hours, {run['connectors']} connectors |",
        f"| went wrong | {run['faults']} faults drawn for {run['hours']:g} hours; started {last['lives']} times |",
        f"| cycles | {last['cycles']:,}, {1000 * last['cpu_s'] / max(1, last['cycles']):.1f} ms of one core each |",
        "",
        "| simulated hour | memory | live objects | database | its log of writes |",
        "|---|---|---|---|---|",
        *(
            f"| {each['at_s'] / 3600:g} | {each['resident_kb'] / 1024:.1f} MB | {each['objects']:,} | "
            f"{each['database_kb'] / 1024:.2f} MB | {each['wal_kb'] / 1024:.2f} MB |"
            for each in shown
        ),
        "",
        "| rule | | found |",
        "|---|---|---|",
        *(f"| {each.rule} | {each.verdict.value} | {each.found} |" for each in rulings),
    ]
    return "\n".join(lines)


def main() -> int:
    """Soak, or write the table of an earlier soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=72, help="simulated; 72 by default")
    parser.add_argument("--scenario", metavar="FILE", help="in its depot; by default one of 24 connectors")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the figures there, every hour")
    parser.add_argument("--table", type=Path, metavar="FILE.json", help="write the table of this run, and run nothing")
    parser.add_argument("--into", type=Path, metavar="FILE.md", help="with --table: into this page")
    given = parser.parse_args()
    if given.table is not None:
        run = json.loads(given.table.read_text())
        if given.into is None:
            print(table(run))
        else:
            put_into(given.into, table(run), begin=BEGIN, end=END)
        return 0
    run = soaked(soak_scenario(given.hours, given.scenario), given.out)
    if given.out is not None:
        given.out.write_text(json.dumps(run, indent=1) + "\n")
    print(table(run))
    return 1 if any(ruling.verdict is Verdict.BROKEN for ruling in judge(run)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
