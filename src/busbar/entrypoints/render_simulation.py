"""What `busbar simulate` and `busbar demo` show of a played scenario."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.entrypoints.words import LIMIT_WORDS, plural
from busbar.simulator.played import Played
from busbar.simulator.results import Holding, Verdict, holdings, minutes, totals, verdicts

_MOST = 8


def simulation_text(played: Played) -> RenderableType:
    """What was expected and found, the night in figures, and what held vehicles back."""
    scenario = played.scenario
    title = Text(f"{scenario.id}: {scenario.name}\n", style="bold")
    settings = f"{scenario.strategy}, fair in {scenario.fair_in.value}, seed {played.seed}"
    cycles = ", ".join(f"{count} {outcome}" for outcome, count in played.outcomes.items())
    title.append(f"{settings}, {len(played.at_s)} cycles ({cycles})", style="not bold")
    parts: list[RenderableType] = [title, Text(), _expectations(verdicts(played))]
    if played.violations:
        parts += [Text(), Text(f"✖ The audit refused {plural(len(played.violations), 'value')}.", style="red")]
    parts += [Text(), _totals(played)]
    held = holdings(played)
    if held:
        parts += [Text(), Text("Held back by", style="bold"), _holdings(held)]
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


def _holdings(found: Sequence[Holding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in found[:_MOST]:
        how_long, who = minutes(one.seconds), plural(one.vehicles, "vehicle")
        table.add_row("", one.node, LIMIT_WORDS.get(one.limit, one.limit), how_long, who)
    if len(found) > _MOST:
        table.add_row("", f"and {len(found) - _MOST} more", "", "", "")
    return table


def demo_text(played: Played) -> Text:
    """The night in a few lines."""
    figures = totals(played)
    broken = len(played.excesses)
    text = Text(f"{played.scenario.name}\n", style="bold")
    text.append(f"{' '.join(played.scenario.story.split())}\n\n", style="not bold")
    if broken:
        text.append("✖ ", style="bold red").append(f"Limits were broken {broken} times.\n", style="not bold")
    else:
        text.append("✔ ", style="green")
        text.append(f"No limit was broken at any node, in {len(played.at_s)} cycles.\n", style="not bold")
    ready, count = figures["vehicles_ready"], figures["vehicles"]
    mark, style = ("✔ ", "green") if ready == count else ("▲ ", "yellow")
    text.append(mark, style=style)
    text.append(f"{ready} of {plural(count, 'vehicle')} were ready when they left.\n", style="not bold")
    for one in holdings(played)[:3]:
        text.append("▲ ", style="yellow")
        limit = LIMIT_WORDS.get(one.limit, one.limit)
        text.append(
            f"{one.node} ({limit}) held back {plural(one.vehicles, 'vehicle')} for {minutes(one.seconds)}.\n",
            style="not bold",
        )
    text.rstrip()
    return text
