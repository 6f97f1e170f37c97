"""What can be wrong with what we were given, said so that a person can mend it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One offender in a depot, snapshot or scenario."""

    path: str
    """Where, as written in the file: `circuits[2].parent`."""
    rule: str
    """The rule it breaks, as a sentence."""
    fix: str
    """What to write instead."""
    value: str | None = None
    """What was found there; None where the trouble is that nothing was."""
    file: str | None = None
    """The file's name; None where the value came from a program."""
    line: int | None = None
    """The line in that file, counted from 1; None where there is none."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        found = "" if self.value is None else f" = {self.value}"
        return f"{place + ': ' if place else ''}{self.path}{found}: {self.rule} Fix: {self.fix}"


class BusbarError(Exception):
    """This cannot go on; the message says what, where and why."""


class RefusedError(BusbarError):
    """Input was refused whole; `problems` names every offender."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class NotAvailableError(BusbarError):
    """What was asked for is known, and not built yet."""
