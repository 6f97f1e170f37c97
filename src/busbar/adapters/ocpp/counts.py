"""What is odd about a charge point's messages, counted per kind."""

from collections.abc import Mapping

MOST_KINDS = 64
"""Kinds come from what charge points send; beyond so many they are one kind."""


class Counts:
    """A small bounded tally, which costs nothing where there is nothing to count."""

    __slots__ = ("_by_kind",)

    def __init__(self) -> None:
        self._by_kind: dict[str, int] | None = None

    def add(self, kind: str, times: int = 1) -> None:
        """Count it."""
        if self._by_kind is None:
            self._by_kind = {}
        if kind not in self._by_kind and len(self._by_kind) >= MOST_KINDS:
            kind = "other"
        self._by_kind[kind] = self._by_kind.get(kind, 0) + times

    def of(self, kind: str) -> int:
        """How often so far."""
        return (self._by_kind or {}).get(kind, 0)

    def by_kind(self) -> Mapping[str, int]:
        """All of them."""
        return dict(self._by_kind or {})
