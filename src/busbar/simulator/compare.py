"""One scenario, every strategy, either leaf: what each delivers, as a table for people and as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from busbar.core.depot import STRATEGY_NAMES, FairIn, Leaves
from busbar.simulator.play import play
from busbar.simulator.results import totals
from busbar.simulator.scenario import Scenario, sharing_among

Progress = Callable[[str, str, int, int], None]
"""Called after each cycle with scenario, strategy, how many cycles are done, and how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One scenario played with one strategy that shares among one kind of leaf."""

    scenario: str
    name: str
    strategy: str
    leaves: Leaves
    fair_in: FairIn
    seed: int
    totals: dict[str, Any]
    limits_broken: int


def compare(
    scenario: Scenario,
    *,
    strategies: Sequence[str] = STRATEGY_NAMES,
    leaves: Sequence[Leaves] = (),
    seed: int | None = None,
    progress: Progress | None = None,
) -> tuple[Line, ...]:
    """Play the scenario once with each strategy, all else the same: same vehicles, same base load, same events.

    With each of `leaves` in turn; where none is given, with the depot's own.
    """
    lines = []
    for strategy, leaf in product(strategies, leaves or (scenario.depot.leaves,)):

        def advance(done: int, count: int, strategy: str = strategy) -> None:
            if progress is not None:
                progress(scenario.id, strategy, done, count)

        played = play(sharing_among(replace(scenario, strategy=strategy), leaf), seed=seed, progress=advance)
        lines.append(
            Line(
                scenario=scenario.id,
                name=scenario.name,
                strategy=strategy,
                leaves=leaf,
                fair_in=scenario.fair_in,
                seed=played.seed,
                totals=totals(played),
                limits_broken=len(played.excesses),
            )
        )
    return tuple(lines)


def as_markdown(lines: Sequence[Line]) -> str:
    """One table per scenario; the same bytes for the same scenario and seed."""
    parts = []
    for scenario in dict.fromkeys(line.scenario for line in lines):
        chosen = [line for line in lines if line.scenario == scenario]
        needed = chosen[0].totals["energy_needed_wh"] / 1000
        parts.append(
            f"**{chosen[0].name}** (`{scenario}`, seed {chosen[0].seed}; "
            f"{chosen[0].totals['vehicles']} vehicles need {needed:,.0f} kWh; fair in {chosen[0].fair_in.value})\n\n"
            "| strategy | shared among | energy delivered | vehicles ready | energy short | fairness | minutes bound "
            "| limits broken |\n"
            "|---|---|---:|---:|---:|---:|---:|---:|\n" + "".join(_row(line) for line in chosen)
        )
    return "\n".join(parts)


def _row(line: Line) -> str:
    found = line.totals
    return (
        f"| `{line.strategy}` | {line.leaves.plural} | {found['energy_delivered_wh'] / 1000:,.0f} kWh "
        f"| {found['vehicles_ready']} of {found['vehicles']} | {found['energy_short_wh'] / 1000:,.1f} kWh "
        f"| {found['fairness']:.3f} | {found['minutes_bound']:.0f} | {line.limits_broken} |\n"
    )


def as_document(lines: Sequence[Line]) -> dict[str, Any]:
    """The same for programs (`busbar/comparison/1`)."""
    return {
        "schema": "busbar/comparison/1",
        "lines": [
            {
                "scenario": line.scenario,
                "strategy": line.strategy,
                "leaves": line.leaves.value,
                "fair_in": line.fair_in.value,
                "seed": line.seed,
                **line.totals,
                "limits_broken": line.limits_broken,
            }
            for line in lines
        ],
    }
