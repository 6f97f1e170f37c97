"""The nearest known name to one that is not known: what a person most likely meant."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

_ALL = 100
"""Up to this many names are all compared; of more, the neighbours in two alphabetical orders."""
_NEIGHBOURS = 16
_LONGEST = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownNames:
    """Names made ready for many questions: a depot of 100 000 connectors may have as many typing errors."""

    forward: tuple[str, ...]
    """In alphabetical order."""
    backward: tuple[str, ...]
    """Spelt backwards, in alphabetical order: finds what differs at its beginning."""


def known_names(names: Iterable[str]) -> KnownNames:
    """Make names ready for `nearest`; n log n."""
    forward = tuple(sorted(set(names)))
    return KnownNames(forward=forward, backward=tuple(sorted(name[::-1] for name in forward)))


def nearest(word: str, known: KnownNames) -> str | None:
    """The known name most like `word`; None where none is alike. The same answer for the same names."""
    if len(word) > _LONGEST:
        return None
    candidates = [name for name in _candidates(word, known) if len(name) <= _LONGEST]
    same_letters = [name for name in candidates if name.lower() == word.lower()]
    matches = same_letters or get_close_matches(word, candidates, n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggestion(word: str, known: KnownNames) -> str:
    """A sentence that names the nearest name, or else the first few there are."""
    match = nearest(word, known)
    if match is not None:
        return f"Did you mean `{match}`?"
    if not known.forward:
        return "There is none."
    first = ", ".join(f"`{name[:_LONGEST]}`" for name in known.forward[:8])
    return f"There is {first}{' and more' if len(known.forward) > 8 else ''}."


def _candidates(word: str, known: KnownNames) -> list[str]:
    if len(known.forward) <= _ALL:
        return list(known.forward)
    here, there = bisect_left(known.forward, word), bisect_left(known.backward, word[::-1])
    around = known.forward[max(0, here - _NEIGHBOURS) : here + _NEIGHBOURS]
    mirrored = known.backward[max(0, there - _NEIGHBOURS) : there + _NEIGHBOURS]
    return sorted({*around, *(name[::-1] for name in mirrored)})
