"""What `soak.py` wrote, as Markdown."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from soak_verdict import freed_share, judge, trend

BEGIN, END = "<!-- soak -->", "<!-- /soak -->"
KEEP_DAYS = 90
"""What `busbar serve` keeps where it is told nothing else."""
_DAY_S = 86_400
_CYCLE_S = 5
_MB, _GB = 1024, 1024**2
_MOST_TABLES = 4
_MEASURING = ("sampled", "looked around")

Document = Mapping[str, Any]


def tables(run: Document) -> str:
    """How it went, what it measured, and the rulings."""
    rows = [*_how_it_went(run), *_processes(run)]
    if "end" in run:
        rows += _database(run)
    lines = ["| | |", "|---|---|", *(f"| {name} | {found} |" for name, found in rows)]
    lines += ["", "| rule | | found |", "|---|---|---|"]
    lines += [f"| {ruling.rule} | {ruling.verdict} | {ruling.found} |" for ruling in judge(run)]
    return "\n".join(lines)


def write_into(page: Path, run: Document) -> None:
    """Put the tables between the page's markers."""
    put_into(page, tables(run), begin=BEGIN, end=END)


def put_into(page: Path, found: str, *, begin: str, end: str) -> None:
    """Put text between two markers."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(f"({begin}\n).*({end})", lambda m: f"{m[1]}{found}\n{m[2]}", text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")


def _how_it_went(run: Document) -> list[tuple[str, str]]:
    options, last = run["options"], run["samples"][-1]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(last["cycles"].items()))
    minutes = (last["at_s"] - run["samples"][0]["at_s"]) / 60
    breaches = ", ".join(f"{count} `{cause}`" for cause, count in sorted(last["breaches"].items())) or "none"
    done = ", ".join(f"{what} {count}×" for what, count in run["done"].items() if what not in _MEASURING)
    return [
        ("charge points", f"{options['charge_points']}, for {minutes:.0f} minutes"),
        ("of them", ", ".join(f"{len(names)} {kind}" for kind, names in run["misbehaving"].items()) or "all honest"),
        ("cycles", f"{outcomes}; {last['overruns']} longer than their interval"),
        ("setpoints", ", ".join(f"{count} {result}" for result, count in sorted(last["setpoints"].items()))),
        ("connections that came back", f"{max(0, last['connections'] - options['charge_points'])}"),
        ("done meanwhile", done),
        ("breaches, by cause", breaches),
        ("log lines at level error", ", ".join(f"{n} {event}" for event, n in last["faults"].items()) or "none"),
    ]


def _processes(run: Document) -> list[tuple[str, str]]:
    samples = run["samples"]
    seconds = max(1.0, samples[-1]["at_s"] - samples[0]["at_s"])
    found = []
    for role in samples[-1]["server"]:
        series = [sample["server"][role] for sample in samples if role in sample["server"]]
        kb = [each["resident_kb"] for each in series]
        files, threads = [each["open_files"] for each in series], [each["threads"] for each in series]
        cpu = (series[-1]["cpu_s"] - series[0]["cpu_s"]) / seconds
        thirds = " → ".join(f"{kb[len(kb) * third // 3 - (third == 3)] / _MB:.0f}" for third in range(4))
        found.append(
            (
                role,
                f"{thirds} MB at the start and after each third, at most {max(kb) / _MB:.0f} MB; "
                f"{min(files)} to {max(files)} open files; {min(threads)} to {max(threads)} threads; "
                f"{cpu:.0%} of a core",
            )
        )
    return found


def _database(run: Document) -> list[tuple[str, str]]:
    samples, end = run["samples"], run["end"]
    times_s = [sample["at_s"] for sample in samples]
    growth = trend(times_s, [sample["database_kb"] for sample in samples])
    pruned, largest = end["pruned"], max(sample["wal_kb"] for sample in samples)
    each_kb = pruned["cycles_kb"] / max(1, pruned["of_cycles"])
    kept_per_day = _kept_per_s(run) * _DAY_S
    parts = list(end["tables_kb"].items())[:_MOST_TABLES]
    still = sum(after["wal_kb"] == before["wal_kb"] for before, after in pairwise(samples))
    return [
        ("database", f"{end['database_kb'] / _MB:.1f} MB at the end, {growth.per_hour:+.0f} kB an hour"),
        ("made of", ", ".join(f"`{name}` {kb / _MB:.1f} MB" for name, kb in parts)),
        ("a kept cycle", f"{each_kb:.1f} kB ({pruned['of_cycles']} kept)"),
        (
            f"kept for {KEEP_DAYS} days",
            f"{each_kb * kept_per_day * KEEP_DAYS / _GB:.1f} GB at the pace of this run "
            f"({kept_per_day / _DAY_S:.2f} a second), {each_kb * KEEP_DAYS * _DAY_S / _CYCLE_S / _GB:.1f} GB "
            f"at one every {_CYCLE_S} s; no more after that",
        ),
        ("forgetting half", f"{pruned['freed_kb'] / _MB:.1f} MB free again, {freed_share(pruned):.0%} of their share"),
        (
            "its log of writes",
            f"at most {largest / _MB:.1f} MB, unchanged in {still} of {len(samples) - 1} half minutes",
        ),
    ]


def _kept_per_s(run: Document) -> float:
    samples = run["samples"]
    seconds = max(1.0, samples[-1]["at_s"] - samples[0]["at_s"])
    return float((samples[-1]["kept_cycles"] - samples[0]["kept_cycles"]) / seconds)
