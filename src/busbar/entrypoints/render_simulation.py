"""What `busbar simulate`, `busbar compare` and `busbar demo` show of played scenarios."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.entrypoints.words import LIMIT_WORDS, plural, sharing
from busbar.simulator.compare import Line
from busbar.simulator.played import Played
from busbar.simulator.results import Holding, Verdict, holdings, minutes, totals, verdicts

_MOST = 8


def simulation_text(played: Played) -> RenderableType:
    """What was expected and found, the night in figures, and what held vehicles back."""
    scenario = played.scenario
    title = Text().append(f"{scenario.id}: {scenario.name}\n", style="bold")
    settings = f"{sharing(scenario.strategy, scenario.depot.leaves, scenario.fair_in)}, seed {played.seed}"
    cycles = ", ".join(f"{count} {outcome}" for outcome, count in played.outcomes.items())
    title.append(f"{settings}, {len(played.at_s)} cycles ({cycles})")
    parts: list[RenderableType] = [title, Text(), _expectations(verdicts(played))]
    if played.violations:
        parts += [Text(), Text(f"✖ The audit refused {plural(len(played.violations), 'value')}.", style="red")]
    parts += [Text(), _totals(played)]
    held = holdings(played)
    if held:
        parts += [Text(), Text("Held back by", style="bold"), _holdings(played, held)]
    return Group(*parts)


def _expectations(found: Sequence[Verdict]) -> Table:
    table = Table.grid(padding=(0, 1))
    for verdict in found:
        mark = Text("✔ met", style="green") if verdict.is_met else Text("✖ NOT MET", style="bold red")
        table.add_row(mark, Text(f"{verdict.expectation} Found: {verdict.found}."))
    return table


def _totals(played: Played) -> Text:
    figures = totals(played)
    text = Text(f"{figures['vehicles_ready']} of {plural(figures['vehicles'], 'vehicle')} ready on departure; ")
    text.append(f"{_kwh(figures['energy_delivered_wh'])} delivered, {_kwh(figures['energy_needed_wh'])} needed, ")
    text.append(f"{_kwh(figures['energy_supplied_wh'])} drawn from the grid.")
    if figures["vehicles_without_connector"]:
        text.append(f" {plural(figures['vehicles_without_connector'], 'vehicle')} found no free connector.")
    return text


def _kwh(value_wh: int) -> str:
    return f"{round(value_wh / 1000):,} kWh"


def _holdings(played: Played, found: Sequence[Holding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in found[:_MOST]:
        where = _where(played, one.node)
        how_long, who = minutes(one.seconds), plural(one.vehicles, "vehicle")
        table.add_row("", where, LIMIT_WORDS.get(one.limit, one.limit), how_long, who)
    if len(found) > _MOST:
        table.add_row("", f"and {len(found) - _MOST} more", "", "", "")
    return table


def comparison_text(lines: Sequence[Line]) -> RenderableType:
    """One table per scenario, a line per strategy and what it shares among."""
    parts: list[RenderableType] = []
    for scenario in dict.fromkeys(line.scenario for line in lines):
        chosen = [line for line in lines if line.scenario == scenario]
        needed = _kwh(chosen[0].totals["energy_needed_wh"])
        title = Text().append(f"{scenario}: {chosen[0].name}\n", style="bold")
        who = plural(chosen[0].totals["vehicles"], "vehicle")
        title.append(f"seed {chosen[0].seed}, fair in {chosen[0].fair_in.value}, {who} need {needed}\n")
        parts += [Text(), title, _strategies(chosen)] if parts else [title, _strategies(chosen)]
    return Group(*parts)


def _strategies(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("Strategy", "Shared among"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Ready", "Delivered", "Short", "Fairness", "Minutes bound", "Limits broken"):
        table.add_column(heading, justify="right")
    for line in lines:
        found = line.totals
        table.add_row(
            line.strategy,
            line.leaves.plural,
            f"{found['vehicles_ready']} of {found['vehicles']}",
            _kwh(found["energy_delivered_wh"]),
            _kwh(found["energy_short_wh"]),
            f"{found['fairness']:.3f}",
            f"{found['minutes_bound']:.0f}",
            f"✖ {line.limits_broken}" if line.limits_broken else "none",
        )
    return table


def demo_text(played: Played, report: Path) -> Text:
    """The night in a few lines, and what to open to see it."""
    figures = totals(played)
    broken = len(played.excesses)
    text = Text().append(f"{played.scenario.name}\n", style="bold")
    text.append(f"{' '.join(played.scenario.story.split())}\n\n")
    if broken:
        text.append("✖ ", style="bold red").append(f"Limits were broken {broken} times.\n")
    else:
        text.append("✔ ", style="green")
        text.append(f"No limit was broken at any node, in {len(played.at_s)} cycles.\n")
    ready, count = figures["vehicles_ready"], figures["vehicles"]
    mark, style = ("✔ ", "green") if ready == count else ("▲ ", "yellow")
    text.append(mark, style=style)
    text.append(f"{ready} of {plural(count, 'vehicle')} were ready when they left.\n")
    for one in holdings(played)[:3]:
        text.append("▲ ", style="yellow")
        limit = LIMIT_WORDS.get(one.limit, one.limit)
        who, how_long = plural(one.vehicles, "vehicle"), minutes(one.seconds)
        text.append(f"{_where(played, one.node)} ({limit}) held back {who} for {how_long}.\n")
    return text.append(f"\nOpen {report} to see it.")


def _where(played: Played, node: str) -> str:
    return "The depot as a whole" if node == played.scenario.depot.id else node
