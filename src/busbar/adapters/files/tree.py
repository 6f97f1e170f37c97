"""The positioned tree that a YAML or JSON text becomes: raw scalar texts, each with its line."""

import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from busbar.core.errors import Problem, RefusedError

DEEPEST = 100
"""Levels of nesting; our own files have six."""
LARGEST = 5_000_000
"""Keys and values, counted as if every alias were written out."""
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written; nothing is guessed about its type. (Positional: there are millions.)"""

    text: str
    line: int
    plain: bool
    """Written without quotes: only then can it be null, true or false."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands behind a key."""

    line: int
    """The key's line."""
    node: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order of the file."""

    entries: MappingType[str, Entry]
    line: int


Node = Scalar | Sequence | Mapping


def clipped(text: str) -> str:
    """A text as it is shown in a problem: never longer than a line, and nothing a terminal obeys."""
    short = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in short)


def shown(node: Node) -> str:
    """A node as the value of a problem."""
    match node:
        case Scalar(text=text):
            return clipped(text)
        case Sequence(items=items):
            return f"a list of {len(items)}"
        case Mapping(entries=entries):
            return f"a mapping of {', '.join(clipped(key) for key in list(entries)[:5])}" if entries else "{}"


def is_null(node: Node) -> bool:
    """Whether nothing is given: an empty value, `~` or `null` without quotes."""
    return isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null", "Null", "NULL")


def find(root: Node, path: str) -> tuple[int, Node | None]:
    """The line of `circuits[2].parent` and what stands there; otherwise the line of what it is missing in."""
    line, node = root.line, root
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if number and isinstance(node, Sequence) and int(number) < len(node.items):
            node = node.items[int(number)]
            line = node.line
        elif key and isinstance(node, Mapping) and key in node.entries:
            entry = node.entries[key]
            line, node = entry.line, entry.node
        else:
            return line, None
    return line, node


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet."""

    line: int
    is_mapping: bool
    size_before: int
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[Mapping] = field(default_factory=list)
    key: Node | None = None


class TreeBuilder:
    """Builds a tree from parts in file order, without recursion and within limits.

    What leaves the rest readable (a duplicate key) is collected in `problems`; what does not is raised.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.size = 0
        self._open: list[_Open] = []

    def begin(self, *, is_mapping: bool, line: int) -> None:
        """A list or mapping begins."""
        if len(self._open) >= DEEPEST:
            self.stop(
                line,
                rule=f"Nested deeper than {DEEPEST} levels.",
                fix="Write circuits one after another and let each name its parent.",
            )
        self._grow(1, line)
        self._open.append(_Open(line, is_mapping, self.size))

    def end(self) -> tuple[Node, int]:
        """The innermost list or mapping ends; returns it and how many nodes are in it."""
        done = self._open.pop()
        node: Node
        if done.is_mapping:
            for mapping in done.merged:
                # An own key goes before a merged one, and an earlier merged mapping before a later one.
                for key, entry in mapping.entries.items():
                    done.entries.setdefault(key, entry)
            node = Mapping(done.entries, done.line)
        else:
            node = Sequence(tuple(done.items), done.line)
        self._place(node, done.line)
        return node, self.size - done.size_before + 1

    def add_scalar(self, text: str, *, plain: bool, line: int) -> Scalar:
        """One value, or one key."""
        node = Scalar(text, line, plain)
        self._grow(1, line)
        self._place(node, line)
        return node

    def add_again(self, node: Node, size: int, line: int) -> None:
        """An alias: a node that has been read before, of so many nodes."""
        self._grow(size, line)
        self._place(node, line)

    def report(self, line: int, *, path: str | None = None, rule: str, fix: str, value: str | None = None) -> None:
        """Collect a problem that leaves the rest readable."""
        problem = Problem(path=path or self._path(), rule=rule, fix=fix, value=value, file=self.file, line=line)
        self.problems.append(problem)
        if len(self.problems) >= 1000:
            raise RefusedError(tuple(self.problems))

    def stop(self, line: int, *, rule: str, fix: str, value: str | None = None) -> None:
        """Refuse the text: nothing after this can be understood. Always raises RefusedError."""
        self.report(line, rule=rule, fix=fix, value=value)
        raise RefusedError(tuple(self.problems))

    def _grow(self, count: int, line: int) -> None:
        self.size += count
        if self.size > LARGEST:
            self.stop(
                line,
                rule=f"More than {LARGEST} keys and values once aliases are written out.",
                fix="Remove the aliases that refer to aliases, or split the depot.",
            )

    def _place(self, node: Node, line: int) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self._place_entry(parent, key, node)

    def _place_entry(self, parent: _Open, key: Node, node: Node) -> None:
        if not isinstance(key, Scalar):
            self.report(key.line, rule="A key is not a text.", fix="Write `key: value`.", value=shown(key))
        elif key.plain and key.text == "<<":
            self._merge(parent, key, node)
        elif key.text in parent.entries:
            self.report(
                key.line,
                path=self._path(key.text),
                rule=f"This key is written twice: in lines {parent.entries[key.text].line} and {key.line}.",
                fix="Keep one of the two.",
                value=shown(node),
            )
        else:
            parent.entries[key.text] = Entry(key.line, node)

    def _merge(self, parent: _Open, key: Scalar, node: Node) -> None:
        for mapping in node.items if isinstance(node, Sequence) else (node,):
            if isinstance(mapping, Mapping):
                parent.merged.append(mapping)
            else:
                self.report(
                    key.line,
                    path=self._path("<<"),
                    rule="Only mappings can be merged.",
                    fix="Write `<<: *anchor`, where the anchor marks a mapping.",
                    value=shown(mapping),
                )

    def _path(self, last: str = "") -> str:
        """Where the reader stands, as in `circuits[2].rating`."""
        path = ""
        for level in self._open:
            if not level.is_mapping:
                path += f"[{len(level.items)}]"
            elif isinstance(level.key, Scalar):
                path += f".{clipped(level.key.text)}"
        path = f"{path}.{last}" if last else path
        return path.lstrip(".") or "document"
