"""The sum of many trials, and its file: parts that ran at different times or places add up to one."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from busbar.core.errors import BusbarError
from busbar.simulator.fault import FaultKind
from busbar.simulator.trials.pairs import ALL_PAIRS
from busbar.simulator.trials.summary import Summary

SCHEMA = "busbar/trials/2"
MOST_FAILING = 1_000
"""Seeds that are named; all of them are counted."""
_TEXTS = 3
_NO_DIGEST = "0" * 64

Range = tuple[int, int]
"""Seeds from the first up to, not including, the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """A seed whose trial missed a goal."""

    seed: int
    goals: tuple[str, ...]
    texts: tuple[str, ...]
    """The first violations, in words."""
    commit: str = ""
    """Of the Busbar that missed them; empty: an installed package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worst:
    """The largest value of a figure, and the seed that it came from."""

    value: float
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Many trials together. Adding is in any order and any grouping the same."""

    upon: str = ""
    """The scenario that they are drawn upon, and for how long; empty: each draws its own depot."""
    seeds: tuple[Range, ...] = ()
    """Which ran: ascending, none next to another."""
    failed: int = 0
    """Trials that missed a goal."""
    failing: tuple[Failing, ...] = ()
    """The first of them, by seed."""
    mended: tuple[Failing, ...] = ()
    """Trials that missed a goal once and, run again, miss none; by seed. All sums are of their first runs."""
    commits: Mapping[str, int] = field(default_factory=dict)
    """Commit -> how many trials were run of it first."""
    violations: Mapping[str, int] = field(default_factory=dict)
    """Goal -> how often it was missed."""
    digest: str = _NO_DIGEST
    """Of all trials, whatever their order."""
    cycles: int = 0
    frames: int = 0
    struck: int = 0
    lives: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    """Kind -> how many there were."""
    pairs: Mapping[str, int] = field(default_factory=dict)
    """`kind+kind` -> in how many trials they met."""
    figures: Mapping[str, Worst] = field(default_factory=dict)
    cpu_s: float = 0.0
    """Of the processor, for all trials together."""

    @property
    def trials(self) -> int:
        """How many ran."""
        return sum(until - first for first, until in self.seeds)

    @property
    def ms_per_cycle(self) -> float | None:
        """What a simulated cycle costs the processor, everything around it included; None before the first."""
        return 1000 * self.cpu_s / self.cycles if self.cycles else None

    def has(self, seed: int) -> bool:
        """Whether that seed ran already."""
        return any(first <= seed < until for first, until in self.seeds)


def of_one(summary: Summary, *, upon: str = "", commit: str = "") -> Totals:
    """A single trial. `commit`: of the Busbar that it ran."""
    has_failed = bool(summary.missed)
    failing = _failing(summary, commit)
    return Totals(
        upon=upon,
        seeds=((summary.seed, summary.seed + 1),),
        failed=int(has_failed),
        failing=(failing,) if has_failed else (),
        commits={commit: 1},
        violations=dict(summary.missed),
        digest=summary.digest or _NO_DIGEST,
        cycles=summary.cycles,
        frames=summary.frames,
        struck=summary.struck,
        lives=summary.lives,
        faults={kind.value: count for kind, count in summary.faults.items()},
        pairs={"+".join(sorted(kind.value for kind in pair)): 1 for pair in summary.pairs},
        figures={name: Worst(value=value, seed=summary.seed) for name, value in summary.figures.items()},
        cpu_s=summary.cpu_s,
    )


def _failing(summary: Summary, commit: str) -> Failing:
    texts = tuple(f"{each.goal} at {each.at_s:.0f} s: {each.text}" for each in summary.violations[:_TEXTS])
    return Failing(seed=summary.seed, goals=tuple(sorted(summary.missed)), texts=texts, commit=commit)


def run_again(totals: Totals, summary: Summary, *, commit: str = "") -> Totals:
    """With a trial that had failed and was run again: mended where it misses nothing now.

    Raises BusbarError where it had not failed.
    """
    before = next((each for each in totals.failing if each.seed == summary.seed), None)
    if before is None:
        raise BusbarError(f"seed {summary.seed} is not among those that failed")
    rest = tuple(each for each in totals.failing if each is not before)
    if summary.missed:
        still = sorted((*rest, _failing(summary, commit)), key=lambda each: each.seed)
        return replace(totals, failing=tuple(still))
    mended = sorted((*totals.mended, before), key=lambda each: each.seed)
    return replace(totals, failing=rest, failed=totals.failed - 1, mended=tuple(mended[:MOST_FAILING]))


def added(one: Totals, other: Totals) -> Totals:
    """Both together. Raises BusbarError where a seed is in both, which would count twice, or they are of different
    depots."""
    if other.seeds:
        refuse_another(one, other.upon)
    failing = sorted((*one.failing, *other.failing), key=lambda each: each.seed)
    return Totals(
        upon=one.upon if one.seeds else other.upon,
        seeds=_united((*one.seeds, *other.seeds)),
        failed=one.failed + other.failed,
        failing=tuple(failing[:MOST_FAILING]),
        mended=tuple(sorted((*one.mended, *other.mended), key=lambda each: each.seed)[:MOST_FAILING]),
        commits=_sum(one.commits, other.commits),
        violations=_sum(one.violations, other.violations),
        digest=f"{int(one.digest, 16) ^ int(other.digest, 16):064x}",
        cycles=one.cycles + other.cycles,
        frames=one.frames + other.frames,
        struck=one.struck + other.struck,
        lives=one.lives + other.lives,
        faults=_sum(one.faults, other.faults),
        pairs=_sum(one.pairs, other.pairs),
        figures=_worse(one.figures, other.figures),
        cpu_s=one.cpu_s + other.cpu_s,
    )


def refuse_another(totals: Totals, upon: str) -> None:
    """Raises BusbarError where trials upon that do not add up to these: they are of different depots."""
    if totals.seeds and totals.upon != upon:
        raise BusbarError(f"trials upon {_drawn(upon)} do not add up with trials upon {_drawn(totals.upon)}")


def _drawn(upon: str) -> str:
    return upon or "depots of their own"


def _united(ranges: Iterable[Range]) -> tuple[Range, ...]:
    found: list[Range] = []
    for first, until in sorted(ranges):
        if found and first < found[-1][1]:
            raise BusbarError(f"seed {first} is in both parts; it would count twice")
        if found and first == found[-1][1]:
            found[-1] = (found[-1][0], until)
        else:
            found.append((first, until))
    return tuple(found)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))


def _worse(one: Mapping[str, Worst], other: Mapping[str, Worst]) -> dict[str, Worst]:
    found = dict(one)
    for name, worst in other.items():
        known = found.get(name)
        # The smaller seed where both are the same: the order of adding does not matter.
        if known is None or (worst.value, -worst.seed) > (known.value, -known.seed):
            found[name] = worst
    return dict(sorted(found.items()))


def as_document(totals: Totals) -> dict[str, Any]:
    """For a file, or for programs."""
    return {
        "schema": SCHEMA,
        "upon": totals.upon,
        "trials": totals.trials,
        "seeds": [list(each) for each in totals.seeds],
        "failed": totals.failed,
        "failing": [_as_failing(each) for each in totals.failing],
        "mended": [_as_failing(each) for each in totals.mended],
        "commits": dict(sorted(totals.commits.items())),
        "violations": dict(sorted(totals.violations.items())),
        "digest": totals.digest,
        "cycles": totals.cycles,
        "frames": totals.frames,
        "struck": totals.struck,
        "lives": totals.lives,
        "faults": {kind.value: totals.faults.get(kind.value, 0) for kind in FaultKind},
        "pairs_met": len(totals.pairs),
        "pairs_possible": len(ALL_PAIRS),
        "pairs": dict(sorted(totals.pairs.items())),
        "figures": {name: {"value": worst.value, "seed": worst.seed} for name, worst in totals.figures.items()},
        "cpu_s": round(totals.cpu_s, 3),
        "ms_per_cycle": None if totals.ms_per_cycle is None else round(totals.ms_per_cycle, 3),
    }


def _as_failing(failing: Failing) -> dict[str, Any]:
    texts = list(failing.texts)
    return {"seed": failing.seed, "goals": list(failing.goals), "texts": texts, "commit": failing.commit}


def _from_failing(document: Mapping[str, Any]) -> Failing:
    return Failing(
        seed=int(document["seed"]),
        goals=tuple(document["goals"]),
        texts=tuple(document["texts"]),
        commit=str(document["commit"]),
    )


def from_document(document: Mapping[str, Any]) -> Totals:
    """What `as_document` wrote. Raises BusbarError where it is something else."""
    if document.get("schema") != SCHEMA:
        raise BusbarError(f"not a sum of trials: its schema is {document.get('schema')!r}, not {SCHEMA!r}")
    try:
        return Totals(
            upon=str(document.get("upon", "")),
            seeds=tuple((int(first), int(until)) for first, until in document["seeds"]),
            failed=int(document["failed"]),
            failing=tuple(_from_failing(each) for each in document["failing"]),
            mended=tuple(_from_failing(each) for each in document["mended"]),
            commits={str(commit): int(count) for commit, count in document["commits"].items()},
            violations={str(goal): int(count) for goal, count in document["violations"].items()},
            digest=f"{int(document['digest'], 16):064x}",
            cycles=int(document["cycles"]),
            frames=int(document["frames"]),
            struck=int(document["struck"]),
            lives=int(document["lives"]),
            faults={str(kind): int(count) for kind, count in document["faults"].items() if count},
            pairs={str(pair): int(count) for pair, count in document["pairs"].items()},
            figures={
                str(name): Worst(value=float(worst["value"]), seed=int(worst["seed"]))
                for name, worst in document["figures"].items()
            },
            cpu_s=float(document["cpu_s"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BusbarError(f"not a sum of trials: {error!r}") from error


def read_totals(path: Path) -> Totals:
    """The sum in a file; an empty one where there is no such file. Raises BusbarError."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Totals()
    except OSError as error:
        raise BusbarError(f"{path} cannot be read: {error.strerror}") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BusbarError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BusbarError(f"{path} is not a sum of trials")
    return from_document(document)


def write_totals(totals: Totals, path: Path) -> None:
    """Whole or not at all: a run that is stopped leaves what it had before. Raises BusbarError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(as_document(totals), indent=1) + "\n")
        os.replace(beside, path)
    except OSError as error:
        raise BusbarError(f"{path} cannot be written: {error.strerror}") from error
