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
_UNITS = (", %", ", s")
_COUNTS = ("R7 trials", "R9 ")
"""How figures begin that are numbers of something; the others are seconds, unless their name ends with a unit."""


def replay_command(seed: int, options: str = "") -> str:
    """The one command that runs a seed's trial again. `options`: a scenario file, and for how long it is played."""
    return f"busbar simulate {options}{' ' if options else ''}--faults --seed {seed}"


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
        parts.append(
            Text(f"▲ {kept} of a whole night not judged here: `--report` and `busbar accept` do.", style="yellow")
        )
    if result.figures:
        parts += [Text(), _table("Worst", (_figure(*each) for each in sorted(result.figures.items())))]
    return Group(*parts)


def _figure(name: str, value: float) -> tuple[str, str]:
    """Its name, and its value with the unit."""
    for unit in _UNITS:
        if name.endswith(unit):
            return name.removesuffix(unit), f"{value:.1f} {unit[-1]}"
    return (name, f"{value:.0f}") if name.startswith(_COUNTS) else (name, f"{value:.1f} s")


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


def totals_text(totals: Totals, options: str = "") -> RenderableType:
    """Many trials: what was missed first, then how much they were worth. `options`: as for `replay_command`."""
    cost = (
        "" if totals.ms_per_cycle is None else f", {totals.ms_per_cycle:.1f} ms of one core each with all around them"
    )
    seeds = ", ".join(f"{first}:{until}" for first, until in totals.seeds)
    upon = f" upon {totals.upon}" if totals.upon else ""
    title = Text().append(f"{plural(totals.trials, 'trial')}{upon} (seeds {seeds or 'none'})\n", style="bold")
    title.append(f"{totals.cycles:,} cycles{cost}; {totals.frames:,} frames, {totals.struck:,} of them fared badly\n")
    title.append(f"Busbar was started again {plural(totals.lives - totals.trials, 'time')}\ndigest {totals.digest}")
    parts: list[RenderableType] = [title, Text()]
    if totals.failed:
        parts.append(Text(f"✖ {plural(totals.failed, 'trial')} missed a goal.", style="bold red"))
        for failing in totals.failing[:_MOST_LINES]:
            first = failing.texts[0] if failing.texts else ", ".join(failing.goals)
            parts.append(Text(f"{replay_command(failing.seed, options)}    {first}"))
    else:
        parts.append(Text(f"✔ No goal {'is' if totals.mended else 'was'} missed.", style="green"))
    if totals.mended:
        parts.append(Text(f"{plural(len(totals.mended), 'trial')} missed one before it was mended; run again: none."))
    if totals.violations:
        parts.append(_table("Missed", ((goal, f"{count:,}") for goal, count in sorted(totals.violations.items()))))
    if totals.figures:
        figures = ((*_figure(name, worst.value), f"(seed {worst.seed})") for name, worst in totals.figures.items())
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


def _table(title: str, rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title, no_wrap=True)
    table.add_column("", justify="right")
    for row in rows:
        table.add_row(*row)
    return table
