"""What `busbar simulate` shows of trials: one of them, or many together."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.entrypoints.words import plural
from busbar.simulator.fault import FaultKind
from busbar.simulator.trials.pairs import ALL_PAIRS
from busbar.simulator.trials.replay import Replayed
from busbar.simulator.trials.totals import Totals
from busbar.simulator.trials.trial import Violation

_MOST_LINES = 12


def replay_command(seed: int) -> str:
    """The one command that runs a seed's trial again."""
    return f"busbar simulate --faults --seed {seed}"


def trial_text(replayed: Replayed) -> RenderableType:
    """One trial: what was missed, what was expected, what it was made of."""
    scenario, result = replayed.scenario, replayed.result
    title = Text().append(f"{scenario.id}: {scenario.name}\n", style="bold")
    happened = f"{plural(len(scenario.faults), 'fault')}, {plural(result.cycles, 'cycle')}, {result.frames:,} frames"
    lives = f", {plural(result.lives, 'life')}" if result.lives == 1 else f", {result.lives} lives"
    title.append(f"seed {replayed.seed}, {happened} ({result.struck} fared badly){lives}\ndigest {result.digest}")
    parts: list[RenderableType] = [title, Text(), _violations(result.violations)]
    for verdict in replayed.verdicts:
        mark = ("✔ met ", "green") if verdict.is_met else ("✖ NOT MET ", "bold red")
        parts.append(Text().append(*mark).append(verdict.sentence))
    if replayed.not_judged:
        kept = plural(replayed.not_judged, "expectation")
        parts.append(Text(f"▲ {kept} of a whole night not judged: only where nothing goes wrong.", style="yellow"))
    if result.figures:
        parts += [Text(), _table("Worst", ((name, f"{value:.1f} s") for name, value in sorted(result.figures.items())))]
    return Group(*parts)


def _violations(found: tuple[Violation, ...]) -> RenderableType:
    if not found:
        return Text("✔ No goal was missed.", style="green")
    lines = [
        Text().append(f"✖ {each.goal} ", style="bold red").append(f"at {each.at_s:.0f} s: {each.text}")
        for each in found[:_MOST_LINES]
    ]
    if len(found) > _MOST_LINES:
        lines.append(Text(f"and {len(found) - _MOST_LINES} more"))
    return Group(*lines)


def totals_text(totals: Totals) -> RenderableType:
    """Many trials: what was missed first, then how much they were worth."""
    cost = (
        "" if totals.ms_per_cycle is None else f", {totals.ms_per_cycle:.1f} ms of one core each with all around them"
    )
    seeds = ", ".join(f"{first}:{until}" for first, until in totals.seeds)
    title = Text().append(f"{plural(totals.trials, 'trial')} (seeds {seeds or 'none'})\n", style="bold")
    title.append(f"{totals.cycles:,} cycles{cost}; {totals.frames:,} frames, {totals.struck:,} of them fared badly\n")
    title.append(f"Busbar was started again {plural(totals.lives - totals.trials, 'time')}\ndigest {totals.digest}")
    parts: list[RenderableType] = [title, Text()]
    if totals.failed:
        parts.append(Text(f"✖ {plural(totals.failed, 'trial')} missed a goal.", style="bold red"))
        parts.append(_table("Missed", ((goal, f"{count:,}") for goal, count in sorted(totals.violations.items()))))
        for failing in totals.failing[:_MOST_LINES]:
            first = failing.texts[0] if failing.texts else ", ".join(failing.goals)
            parts.append(Text(f"{replay_command(failing.seed)}    {first}"))
    else:
        parts.append(Text("✔ No goal was missed.", style="green"))
    if totals.figures:
        figures = ((name, f"{worst.value:.1f} s (seed {worst.seed})") for name, worst in totals.figures.items())
        parts += [Text(), _table("Worst", figures)]
    parts += [Text(), Text(f"{len(totals.pairs)} of {len(ALL_PAIRS)} pairs of faults met."), Text(), _faults(totals)]
    return Group(*parts)


def _faults(totals: Totals) -> Table:
    """Every kind, two beside each other."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for _ in range(2):
        table.add_column("Fault", no_wrap=True)
        table.add_column("Times", justify="right")
    kinds = list(FaultKind)
    half = (len(kinds) + 1) // 2
    for left, right in zip(kinds[:half], [*kinds[half:], None], strict=False):
        row = [left.value, f"{totals.faults.get(left.value, 0):,}"]
        row += ["", ""] if right is None else [right.value, f"{totals.faults.get(right.value, 0):,}"]
        table.add_row(*row)
    return table


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title, no_wrap=True)
    table.add_column("", justify="right")
    for name, value in rows:
        table.add_row(name, value)
    return table
