"""The rules of `soak.py`, and whether a run kept them: samples in, rulings out.

| rule | broken where |
|---|---|
| cycles | a cycle failed, or none was run for longer than `STANDS_S` |
| our own orders | a breach was `commanded` |
| asked | the API or a command refused or did not answer what it was asked |
| one life | a process of the server ended, or another took its place |
| memory | the resident memory of a process certainly rises by more than `MEMORY_KB_PER_HOUR` |
| open files, threads | their number certainly rises by more than `FILES_PER_HOUR`, `THREADS_PER_HOUR` |
| log of writes | the database's WAL was ever larger than `WAL_MOST_KB` |
| pruning | forgetting the older half of all cycles frees less than `FREED_LEAST` of what they take |
| connected | at the end fewer than `CONNECTED_LEAST` of all charge points are |
| the end | the server did not end by itself with exit code 0, or its database is damaged |

A rise is a straight line through the last two thirds of the samples, and certain where it is above the figure by more
than twice its standard error. Where the line could as well be above as below, the rule is `open`: so is every rise in
a run shorter than `SHORTEST_S`, which is still filling what it keeps of its last half hour.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf, sqrt
from typing import Any

import numpy as np

MEMORY_KB_PER_HOUR = 16 * 1024
"""Nothing that lives grows after the first third. What is given back leaves gaps between what stays, which are not
always filled again at once: a step of a few MB now and then."""
FILES_PER_HOUR = 5
THREADS_PER_HOUR = 2
WAL_MOST_KB = 32 * 1024
FREED_LEAST = 0.8
FEWEST_PRUNED = 50
"""Of fewer cycles the file's pages, which are freed whole, say nothing."""
CONNECTED_LEAST = 0.9
STANDS_S = 20.0
SHORTEST_S = 1200.0
_HOUR_S = 3600.0
_FEWEST = 8
"""Samples that a line is drawn through."""

Document = Mapping[str, Any]


class Verdict(StrEnum):
    """What became of a rule."""

    KEPT = "kept"
    OPEN = "open"
    BROKEN = "BROKEN"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """One rule, and why."""

    rule: str
    verdict: Verdict
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """A straight line through a series."""

    per_hour: float
    error_per_hour: float
    """Twice the standard error of the slope; infinite where there are too few samples."""


def trend(times_s: Sequence[float], values: Sequence[float]) -> Trend:
    """The least-squares line, with an error that takes into account that neighbouring samples are alike.

    What is left of one sample says something about the next (lag-1 autocorrelation r), so n samples count for
    n (1 - r) / (1 + r) (Santer et al. 2000, J. Geophys. Res. 105, 7337-7356, equation 6).
    """
    count = len(times_s)
    if count < _FEWEST:
        return Trend(per_hour=0.0, error_per_hour=inf)
    t, y = np.asarray(times_s, dtype=float), np.asarray(values, dtype=float)
    if np.ptp(y) == 0:
        return Trend(per_hour=0.0, error_per_hour=0.0)
    spread = t - t.mean()
    slope = float(spread @ y / (spread @ spread))
    rest = y - y.mean() - slope * spread
    power = float(rest @ rest)
    alike = min(0.99, max(0.0, float(rest[:-1] @ rest[1:]) / power)) if power > 0 else 0.0
    independent = count * (1 - alike) / (1 + alike)
    if independent <= 2:
        return Trend(per_hour=slope * _HOUR_S, error_per_hour=inf)
    error = sqrt(power / (independent - 2) / float(spread @ spread))
    return Trend(per_hour=slope * _HOUR_S, error_per_hour=2 * error * _HOUR_S)


def rises(rule: str, times_s: Sequence[float], values: Sequence[float], *, most_per_hour: float, unit: str) -> Ruling:
    """Whether the last two thirds of a series rise by more than they may."""
    late = [index for index, at_s in enumerate(times_s) if at_s >= times_s[0] + (times_s[-1] - times_s[0]) / 3]
    found = trend([times_s[index] for index in late], [values[index] for index in late])
    verdict = Verdict.OPEN
    if times_s[-1] - times_s[0] < SHORTEST_S:
        return Ruling(rule=rule, verdict=verdict, found=f"{found.per_hour:+.1f} {unit} an hour: too short a run")
    if found.per_hour - found.error_per_hour > most_per_hour:
        verdict = Verdict.BROKEN
    elif found.per_hour + found.error_per_hour <= most_per_hour:
        verdict = Verdict.KEPT
    said = f"{found.per_hour:+.1f} ± {found.error_per_hour:.1f} {unit} an hour, at most {most_per_hour:g}"
    return Ruling(rule=rule, verdict=verdict, found=said)


def judge(run: Document) -> list[Ruling]:
    """Every rule."""
    rulings = [_cycles(run), _commanded(run), _asked(run), _one_life(run), *_slopes(run), _wal(run)]
    end = run.get("end")
    return rulings if end is None else [*rulings, _pruning(end), _connected(run), _ended(end)]


def is_broken(rulings: Sequence[Ruling]) -> bool:
    """Whether any rule was."""
    return any(ruling.verdict is Verdict.BROKEN for ruling in rulings)


def _ruled(rule: str, is_kept: bool, found: str) -> Ruling:
    return Ruling(rule=rule, verdict=Verdict.KEPT if is_kept else Verdict.BROKEN, found=found)


def _cycles(run: Document) -> Ruling:
    samples = run["samples"]
    failed = samples[-1]["failures"] + samples[-1]["cycles"].get("FAILED", 0)
    stood_s = _longest_stand_s(samples)
    said = f"{sum(samples[-1]['cycles'].values())} cycles, {failed} failed; none for {stood_s:.0f} s"
    return _ruled("cycles", failed == 0 and stood_s <= STANDS_S, said)


def _longest_stand_s(samples: Sequence[Document]) -> float:
    """From the first sample to the last one that shows the same cycle."""
    longest_s, since_s = 0.0, samples[0]["at_s"]
    for before, after in pairwise(samples):
        if after["cycle_number"] != before["cycle_number"]:
            since_s = after["at_s"]
        longest_s = max(longest_s, after["at_s"] - since_s)
    return float(longest_s)


def _commanded(run: Document) -> Ruling:
    breaches = run["samples"][-1]["breaches"]
    commanded = breaches.get("commanded", 0)
    return _ruled("our own orders", commanded == 0, f"{commanded} of {sum(breaches.values())} breaches")


def _asked(run: Document) -> Ruling:
    refused = sum(run["refused"].values())
    first = next(iter(run["refused"]), "")
    said = f"{refused} of {sum(run['done'].values())} things were refused{': ' if first else ''}{first}"
    return _ruled("asked", refused == 0, said)


def _one_life(run: Document) -> Ruling:
    lives = {tuple(sorted((role, each["pid"]) for role, each in sample["server"].items())) for sample in run["samples"]}
    names = ", ".join(sorted({role for life in lives for role, _ in life}))
    return _ruled(
        "one life", len(lives) == 1, f"{names}: {'the same' if len(lives) == 1 else 'not the same'} all along"
    )


def _slopes(run: Document) -> Iterator[Ruling]:
    samples = run["samples"]
    times_s = [sample["at_s"] for sample in samples]
    for role in samples[0]["server"]:
        if not all(role in sample["server"] for sample in samples):
            continue

        def of(what: str, role: str = role) -> list[float]:
            return [sample["server"][role][what] for sample in samples]

        # A connection is an open file: of how many there are, connections say nothing about leaks.
        sockets = [sample["connected"] if role == "service" else 0 for sample in samples]
        files = [there - socket for there, socket in zip(of("open_files"), sockets, strict=True)]
        kb = rises(f"memory, {role}", times_s, of("resident_kb"), most_per_hour=MEMORY_KB_PER_HOUR, unit="kB")
        yield kb
        yield rises(f"open files, {role}", times_s, files, most_per_hour=FILES_PER_HOUR, unit="files")
        yield rises(f"threads, {role}", times_s, of("threads"), most_per_hour=THREADS_PER_HOUR, unit="threads")


def _wal(run: Document) -> Ruling:
    largest = max(sample["wal_kb"] for sample in run["samples"])
    return _ruled("log of writes", largest <= WAL_MOST_KB, f"at most {largest:.0f} kB, may be {WAL_MOST_KB} kB")


def _pruning(end: Document) -> Ruling:
    pruned = end["pruned"]
    share = freed_share(pruned)
    said = (
        f"{pruned['cycles']} of {pruned['of_cycles']} cycles forgotten: {share:.0%} of their share of the file is free"
    )
    if pruned["cycles"] < FEWEST_PRUNED:
        return Ruling(rule="pruning", verdict=Verdict.OPEN, found=f"{said}; too few to tell")
    return _ruled("pruning", share >= FREED_LEAST, said)


def freed_share(pruned: Document) -> float:
    """What forgetting cycles freed, of what so many cycles take in the tables that hold them."""
    if not pruned["of_cycles"]:
        return 0.0
    taken_kb = pruned["cycles_kb"] * pruned["cycles"] / pruned["of_cycles"]
    return float(pruned["freed_kb"] / taken_kb) if taken_kb else 0.0


def _connected(run: Document) -> Ruling:
    connected, there = run["samples"][-1]["connected"], run["options"]["charge_points"]
    return _ruled("connected", connected >= CONNECTED_LEAST * there, f"{connected} of {there} at the end")


def _ended(end: Document) -> Ruling:
    is_kept = end["exit_code"] == 0 and end["database"] == "ok"
    said = f"exit code {end['exit_code']} after {end['ended_within_s']:.1f} s, database {end['database']}"
    return _ruled("the end", is_kept, said)
