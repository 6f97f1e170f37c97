"""Reading the fields of a record: what is wrong is collected, so that every offender is named at once."""

from collections.abc import Callable
from math import ceil, floor
from typing import NoReturn, TypeVar

from busbar.adapters.files.document import Document
from busbar.adapters.files.tree import Entry, Mapping, Node, Scalar, Sequence, is_null, shown
from busbar.adapters.files.values import text
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.core.units import (
    PHASES,
    SQRT3,
    Amount,
    Phase,
    UnitError,
    current_per_phase,
    parse_amount,
    parse_quantity,
)

Value = TypeVar("Value")

MOST_PROBLEMS = 10_000


class Findings:
    """What is wrong so far with one document, and which paths did not parse."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.broken: set[str] = set()
        self._problems = list(document.problems)

    def add(self, *, path: str, line: int, rule: str, fix: str, value: str | None = None) -> None:
        """Collect one offender."""
        self.add_problem(Problem(path=path, rule=rule, fix=fix, value=value, file=self.document.file, line=line))

    def add_problem(self, problem: Problem) -> None:
        """Collect one offender; raises RefusedError at once when there are too many to be read."""
        self._problems.append(problem)
        if len(self._problems) >= MOST_PROBLEMS:
            self.add_last(problem.line)

    def add_last(self, line: int | None) -> NoReturn:
        """Say that there may be more, and refuse."""
        more = Problem(
            path="document",
            rule=f"{MOST_PROBLEMS} problems were found; there may be more.",
            fix="Mend these first.",
            file=self.document.file,
            line=line,
        )
        raise RefusedError((*self._in_order(), more))

    def refuse_if_any(self) -> None:
        """Raise RefusedError with everything collected, in the order of the file."""
        if self._problems:
            raise RefusedError(self._in_order())

    def _in_order(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._problems, key=lambda problem: problem.line or 0))


class Record:
    """One mapping of the document; fields are asked for by name, and `close` reports the others."""

    def __init__(self, node: Mapping, path: str, findings: Findings) -> None:
        self.node = node
        self.path = path
        self.findings = findings
        self._asked: list[str] = []

    def path_of(self, key: str) -> str:
        """`circuits[2].parent`."""
        return f"{self.path}.{key}" if self.path else key

    def entry(self, key: str) -> Entry | None:
        """The field; None where it is not written, or null."""
        self._asked.append(key)
        entry = self.node.entries.get(key)
        return None if entry is None or is_null(entry.node) else entry

    def read(self, key: str, reader: Callable[[Node], Value]) -> Value | None:
        """An optional field; None where it is not given, or did not parse (then its path is broken)."""
        entry = self.entry(key)
        if entry is None:
            return None
        try:
            return reader(entry.node)
        except UnitError as error:
            self.report(key, rule=error.rule, fix=error.fix)
            return None

    def read_or(self, key: str, reader: Callable[[Node], Value], default: Value) -> Value:
        """An optional field with a default."""
        value = self.read(key, reader)
        return default if value is None else value

    def require(
        self, key: str, reader: Callable[[Node], Value], *, example: str, instead: Value, why: str = ""
    ) -> Value:
        """A field that must be there; `instead` stands in where it is not, or did not parse."""
        value = self.read(key, reader)
        if value is None and self.path_of(key) not in self.findings.broken:
            self.missing(key, example=example, why=why)
        return instead if value is None else value

    def missing(self, key: str, *, example: str, why: str = "") -> None:
        """Report a field that is required and not there."""
        reason = f": {why}" if why else ""
        self.report(key, rule=f"Required, and missing{reason}.", fix=f"Add `{key}: {example}`.")

    def report(self, key: str, *, rule: str, fix: str) -> None:
        """Collect a problem of this field and mark its path as broken."""
        entry = self.node.entries.get(key)
        self.findings.broken.add(self.path_of(key))
        self.findings.add(
            path=self.path_of(key),
            line=self.node.line if entry is None else entry.line,
            rule=rule,
            fix=fix,
            value=None if entry is None or is_null(entry.node) else shown(entry.node),
        )

    def record(self, key: str) -> "Record | None":
        """A field that is a mapping; None where it is not given, or no mapping (then its path is broken)."""
        entry = self.entry(key)
        if entry is None:
            return None
        if not isinstance(entry.node, Mapping):
            self.report(key, rule="A mapping of keys to values is wanted here.", fix=f"Write `{key}: {{...}}`.")
            return None
        return Record(entry.node, self.path_of(key), self.findings)

    def records(self, key: str) -> "list[Record | None]":
        """A field that is a list of mappings; None in place of an item that is no mapping."""
        entry = self.entry(key)
        if entry is None:
            return []
        if not isinstance(entry.node, Sequence):
            self.report(key, rule="A list is wanted here.", fix=f"Write `{key}:` and below it `- {{...}}` lines.")
            return []
        found: list[Record | None] = []
        for index, node in enumerate(entry.node.items):
            path = f"{self.path_of(key)}[{index}]"
            if isinstance(node, Mapping):
                found.append(Record(node, path, self.findings))
                continue
            found.append(None)
            self.findings.broken.add(path)
            self.findings.add(
                path=path,
                line=node.line,
                value=shown(node),
                rule="A mapping of keys to values is wanted here.",
                fix="Write for example `- {id: ...}`.",
            )
        return found

    def close(self) -> None:
        """Report every key that nobody asked for."""
        unknown = self.node.entries.keys() - self._asked
        for key in sorted(unknown, key=lambda key: self.node.entries[key].line):
            fix = suggestion(key, known_names(self._asked))
            self.report(key, rule="There is no such key here.", fix=f"{fix} Otherwise remove it.")

    def amount(
        self,
        key: str,
        *,
        is_limit: bool,
        signed: bool = False,
        voltage_v: int | None = None,
        phases: tuple[Phase, ...] = PHASES,
    ) -> Amount | None:
        """`640 A`, `1200 kVA`, `150 kW` or `{L1: 32 A, ...}` of the given phases; optional.

        `voltage_v` is for the suggestion where power is given per phase.
        """
        entry = self.entry(key)
        if entry is None or not isinstance(entry.node, Mapping):
            return self.read(key, lambda node: _one_amount(node, is_limit=is_limit, signed=signed))
        return self._per_phase(key, entry.node, is_limit, signed, voltage_v, phases)

    def _per_phase(
        self,
        key: str,
        node: Mapping,
        is_limit: bool,
        signed: bool,
        voltage_v: int | None,
        phases: tuple[Phase, ...],
    ) -> Amount | None:
        each = Record(node, self.path_of(key), self.findings)
        values = {}
        for phase in PHASES:
            value = each.read(phase.value, lambda node: _on_one_phase(node, is_limit, signed, voltage_v))
            if value is not None:
                values[phase] = value
        each.close()
        for phase in values:
            if phase not in phases:
                there = ", ".join(phases)
                each.report(phase.value, rule=f"{phase} is not there; there are {there}.", fix="Remove it.")
        if not values and not any(each.path_of(name) in self.findings.broken for name in node.entries):
            self.report(key, rule="It names no phase.", fix="Write for example `{L1: 32 A, L2: 32 A, L3: 25 A}`.")
        if any(each.path_of(name) in self.findings.broken for name in node.entries):
            self.findings.broken.add(self.path_of(key))
        return None if self.path_of(key) in self.findings.broken else current_per_phase(values)


def _one_amount(node: Node, *, is_limit: bool, signed: bool) -> Amount:
    if not isinstance(node, Scalar):
        raise UnitError(
            "One value, or one per phase, is wanted here.",
            "Write for example `640 A` or `{L1: 32 A, L2: 32 A, L3: 25 A}`.",
        )
    return parse_amount(node.text, is_limit=is_limit, signed=signed)


def _on_one_phase(node: Node, is_limit: bool, signed: bool, voltage_v: int | None) -> int:
    dimensions = ("current", "power", "apparent power")
    dimension, value = parse_quantity(text(node), dimensions=dimensions, signed=signed)
    if dimension != "current":
        amperes = "the amperes, for example `32 A`"
        if voltage_v:
            # One phase carries its power at the voltage to neutral.
            amperes = f"`{int(value * SQRT3 * 10 / voltage_v) / 10:g} A` (at {voltage_v} V from line to line)"
        raise UnitError(
            "Per phase only amperes are given; kW and kVA hold for all phases together.",
            f"Write {amperes}, or one value in kW or kVA instead of the list of phases.",
        )
    return floor(value) if is_limit else ceil(value)
