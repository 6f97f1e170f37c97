"""Thousands of charge points on one service, on loopback: `make bench-live`.

Each size runs in a process of its own: the service as `busbar serve` runs it (its depot in a SQLite file, synced to
disk before an order leaves), and beside it a process with lean charge points (`lean_stations.py`). Times move by half
within a minute on a shared machine: read ratios, and repeat.
"""

import argparse
import cProfile
import json
import logging
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from busbar.engine.timing import Timing
from live_site import Plan, measured_site
from live_tables import tables

SIZES = "1000,5000,10000"
WITHIN_S = 1_800.0
SMOKE = Plan(
    interval_s=1.0,
    timing=Timing(cycle_s=1.0, ramp_s=1.0, raise_s=0.5, sample_s=1),
    steady_s=1.0,
    step_s=0.5,
    cuts=1,
    overload_cuts=1,
    first_per_s=200.0,
    most_per_s=300.0,
)


def main() -> None:
    """Print a table; with `--json` everything that was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--steady", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--no-overload", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a few seconds of everything, to see that it runs")
    parser.add_argument("--one", action="store_true", help="measure one size in this process, print JSON")
    parser.add_argument("--profile", metavar="FILE", help="with --one: where cProfile writes what took how long")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    sizes = [int(size) for size in chosen.sizes.split(",")]
    if chosen.one:
        plan = SMOKE if chosen.smoke else Plan(steady_s=chosen.steady, cuts=chosen.cuts)
        plan = replace(plan, count=sizes[0], with_overload=not chosen.no_overload)
        print(json.dumps(_one(plan, chosen.profile)))
        return
    found = [_apart(size, chosen) for size in sizes]
    print(json.dumps(found, indent=1) if chosen.json else tables(found))


def _apart(size: int, chosen: argparse.Namespace) -> dict[str, Any]:
    words = ["--one", "--sizes", str(size), "--steady", str(chosen.steady), "--cuts", str(chosen.cuts)]
    words += ["--no-overload"] if chosen.no_overload else []
    words += ["--smoke"] if chosen.smoke else []
    run = subprocess.run(
        [sys.executable, str(Path(__file__)), *words], stdout=subprocess.PIPE, check=True, timeout=WITHIN_S
    )
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def _one(plan: Plan, profile: str | None) -> dict[str, Any]:
    raise_file_limit(plan.count)
    # A service without a terminal writes a line for every connection; that is not what is measured.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if profile is None:
        return measured_site(plan)
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        return measured_site(plan)
    finally:
        profiler.disable()
        profiler.dump_stats(profile)


def raise_file_limit(count: int) -> None:
    """Every connection is an open file, in both processes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    main()
