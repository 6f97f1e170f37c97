"""What `busbar accept` shows: a line for each scenario, and what was not as expected."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.entrypoints.words import plural
from busbar.simulator.acceptance.accepted import Accepted, How

_MOST_LINES = 12
_HOW = {How.TRIAL: "trial", How.CYCLES: "cycle by cycle", How.LIVE: "live"}


def acceptance_text(accepted: Sequence[Accepted]) -> RenderableType:
    """All of it."""
    red = [each for each in accepted if not each.is_met]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("", "Scenario", "Played", "Expectations met", "Goals missed", "Faults", "Left out", "Took"):
        table.add_column(title, justify="left" if title in ("", "Scenario", "Played") else "right", no_wrap=True)
    for each in accepted:
        mark = Text("✔", style="green") if each.is_met else Text("✖", style="bold red")
        figures = (f"{each.met} of {each.expected}", f"{each.goals_missed}", f"{each.faults}", f"{each.skipped}")
        table.add_row(mark, each.id, _HOW[each.how], *figures, f"{each.wall_s:.0f} s")
    parts: list[RenderableType] = [table, Text()]
    for each in red:
        parts += [*_why(each), Text()]
    words = (f"✖ {plural(len(red), 'scenario')} not as expected.", "bold red")
    parts.append(Text(*(words if red else ("✔ All as expected.", "green"))))
    return Group(*parts)


def _why(red: Accepted) -> list[RenderableType]:
    """What was not as expected of one, and how to see it again."""
    document = red.document
    lines = [red.failure] if red.failure else []
    lines += [f"{each['expectation']} Found: {each['found']}" for each in document["expectations"] if not each["met"]]
    lines += [f"{each['goal']} at {each['at']}: {each['text']}" for each in document["missed"]]
    more = len(lines) - _MOST_LINES
    shown = [Text().append("  ✖ ", style="bold red").append(line) for line in lines[:_MOST_LINES]]
    if more > 0:
        shown.append(Text(f"    and {more} more"))
    return [Text(f"{red.id}: {red.name}", style="bold"), *shown, Text(f"  {red.replay}")]
