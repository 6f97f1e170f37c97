"""How good are the tests of the core and the engine? Change the code in thousands of small ways and see who notices.

    python benchmarks/mutants.py run                       every mutant of every group
    python benchmarks/mutants.py run --sample 45 breach    so many of each module, drawn at random by --seed
    python benchmarks/mutants.py run --again fill          only those, once more, that nobody noticed
    python benchmarks/mutants.py left fill                 what nobody noticed
    python benchmarks/mutants.py table                     the tables of docs/mutants.md

Which modules a group has, and which tests are to notice, stands in `mutants.yaml`. What became of every mutant is kept
in `reports/mutants`: one that has been met is not met again as long as its function is the same, so a run that was
interrupted goes on where it was.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "reports" / "mutants"
ENVIRONMENT = {
    # The kernels run as plain Python, the only way in which they can be changed in place.
    "NUMBA_DISABLE_JIT": "1",
    "BUSBAR_HYPOTHESIS_PROFILE": "mutants",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--assert=plain", "--tb=line")

Rows = dict[str, dict[str, Any]]
"""What became of mutants, by their keys."""


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "benchmarks" / "mutants.yaml").read_text(encoding="utf-8"))
    return found


def _kept(group: str) -> Rows:
    path = KEPT / f"{group}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _keep(group: str, rows: Rows) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{group}.json").write_text(json.dumps(rows, indent=0), encoding="utf-8")


def run(group: str, args: argparse.Namespace) -> None:
    """Let mutants of a group meet its tests."""
    import pytest  # After the environment is what it must be.

    from mutants_made import Mutants, load
    from mutants_run import Meeting

    names = [name for name in _settings()["groups"][group]["modules"] if args.module in (None, name)]
    made = [Mutants(load(name)) for name in names]
    kept, chosen = _kept(group), []
    for each in made:
        keys = each.keys
        Random(f"{args.seed} {each.module.__name__}").shuffle(keys)
        known = set(keys)
        kept = {key: row for key, row in kept.items() if row["module"] != each.module.__name__ or key in known}
        for key in keys[: args.sample]:
            if (key in kept and kept[key]["verdict"] == "survived") if args.again else key not in kept:
                chosen.append((each, key))
    Random(args.seed).shuffle(chosen)
    _keep(group, kept)
    print(f"{group}: {len(chosen)} mutants to meet", file=sys.stderr)
    if not chosen:
        return
    meeting = Meeting(
        modules=[each.module for each in made],
        mutants=(mutant for each, key in chosen if (mutant := each.written(key))),
        told=_teller(group, kept, len(chosen)),
        until_s=time.monotonic() + args.minutes * 60,
        most_cpu_s=args.seconds,
    )
    os.chdir(ROOT)
    code = pytest.main([*OPTIONS, "-k", "not compiled", *_settings()["groups"][group]["tests"]], plugins=[meeting])
    _keep(group, kept)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(int(code))


def _teller(group: str, kept: Rows, count: int) -> Callable[[Any], None]:
    """What notes the outcome of each mutant, and says how far it is."""
    began, done = time.monotonic(), [0]
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    of_all = {"on": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit}

    def told(outcome: Any) -> None:
        mutant = outcome.mutant
        said = {"verdict": outcome.verdict, "by": outcome.by, "tests": outcome.tests, "took_s": outcome.took_s}
        what = {"module": mutant.module, "function": mutant.function, "line": mutant.line, "change": mutant.change}
        kept[mutant.key] = {**what, **said, **of_all}
        done[0] += 1
        if done[0] % 50 == 0:
            _keep(group, kept)
            left = sum(row["verdict"] == "survived" for row in kept.values())
            print(f"{done[0]}/{count} in {time.monotonic() - began:.0f} s, {left} left", file=sys.stderr)

    return told


def left(group: str) -> None:
    """Print what nobody noticed."""
    rows = [row for row in _kept(group).values() if row["verdict"] == "survived"]
    for row in sorted(rows, key=lambda row: (row["module"], row["line"])):
        print(f"{row['module']}:{row['line']} {row['function']} ({row['tests']} tests, {row['took_s']} s)")
        print("    " + row["change"].replace("\n", "\n    "))


def table() -> None:
    """Put the tables into docs/mutants.md."""
    from mutants_made import Mutants, load
    from mutants_table import tables, write_into

    settings = _settings()
    rows = [row for group in settings["groups"] for row in _kept(group).values()]
    names = {name for group in settings["groups"].values() for name in group["modules"]}
    met = {row["module"].removeprefix("busbar.") for row in rows}
    totals = {name: len(Mutants(load(name)).keys) for name in sorted(names & met)}
    write_into(ROOT / "docs" / "mutants.md", tables(rows, totals, settings["left"]))


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "left", "table"])
    parser.add_argument("groups", nargs="*", help="of mutants.yaml; none: all of them")
    parser.add_argument("--module", help="only this one of the group")
    parser.add_argument("--sample", type=int, help="so many mutants of each module; left out: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--seconds", type=float, default=math.inf, help="of processor time for one mutant, at most")
    parser.add_argument("--again", action="store_true", help="only those once more that nobody noticed")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "src"))
    if args.what == "table":
        table()
        return
    for group in args.groups or _settings()["groups"]:
        if args.what == "left":
            left(group)
        elif len(args.groups) == 1:
            run(group, args)
        else:
            # Each in a process of its own: what one group has loaded would be the other's to carry.
            options = [each for each in sys.argv[2:] if each not in args.groups]
            subprocess.run([sys.executable, __file__, "run", group, *options], check=True)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    main()
