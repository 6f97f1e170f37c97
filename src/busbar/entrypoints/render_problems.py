"""What is wrong with the input, one block each."""

from collections.abc import Sequence

from rich.text import Text

from busbar.core.errors import Problem
from busbar.entrypoints.words import plural


def problem_blocks(problems: Sequence[Problem]) -> Text:
    """file:line, path = value, the rule and the fix of every offender, and how many there are."""
    text = Text()
    for problem in problems:
        place = ":".join(str(part) for part in (problem.file, problem.line) if part is not None)
        if place:
            text.append(f"{place}\n", style="bold")
        found = "" if problem.value is None else f" = {problem.value}"
        text.append(f"  {problem.path}{found}\n")
        text.append("  ✖ ", style="red").append(f"{problem.rule}\n")
        if problem.fix:
            text.append("  → ", style="green").append(f"{problem.fix}\n")
        text.append("\n")
    text.append(f"{plural(len(problems), 'problem')}.", style="bold")
    return text
