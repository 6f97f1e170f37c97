"""What the next balance has to know of delivery: what counts in any case, and who is not to be asked for more."""

from dataclasses import dataclass

import numpy as np

from busbar.core import commitment as ledgers
from busbar.core.headroom import Rooms
from busbar.core.release import Gate, held_down
from busbar.core.snapshot import MOST_COMMITTED, Bools, Ints
from busbar.engine.book import Book
from busbar.engine.lines import Line, in_effect

LOWERING_S = 15.0
"""A draw that has not come down so long after it was lowered is counted where it was, at everybody's expense."""
LOWERING_AGAIN_S = 75.0
"""After that it is believed once more, in case there is room for all of it by now."""


@dataclass(frozen=True, kw_only=True)
class Reservations:
    """What the next snapshot has to know of delivery; arrays in leaf order."""

    committed: Ints
    """What counts for each leaf in any case."""
    out_of_reach: Bools
    at_most: Ints
    """Nobody is asked to draw more than that: a draw that does not come down is not raised because it is counted."""


def reserve(book: Book, found: Rooms | None) -> Reservations:
    """What counts for every connector. `found`: the rooms of the last cycle; None: there was none."""
    n = len(book.lines)
    raw, out_of_reach = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    doubtful: list[int] = []
    lingering: list[int] = []
    at_most = np.full(n, np.iinfo(np.int64).max)
    committed = book.committed.tolist()
    for leaf, line in enumerate(book.lines):
        if not line.unit.is_in_service:
            continue
        if not line.unit.is_reachable:
            out_of_reach[leaf], raw[leaf] = True, committed[leaf]
        elif not line.has_vehicle:
            raw[leaf] = committed[leaf]
        elif _does_not_come_down(line, committed[leaf], book.now_s):
            raw[leaf], at_most[leaf] = committed[leaf], in_effect(line, book.now_s)
            if not line.ledger.disobeys:
                lingering.append(leaf)
        else:
            raw[leaf] = line.ledger.fallback
            if line.ledger.fallback > line.fallback:
                doubtful.append(leaf)
    if lingering and found is not None:
        gate = Gate(book.projection, book.ratings, found, book.told, book.drawn)
        _lower_what_does_not_fit([book.lines[leaf] for leaf in lingering], at_most, gate)
    counted = held_down(book.ratings, raw, book.drawn)
    if doubtful and found is not None:
        _leave_out_what_does_not_fit(doubtful, counted, Gate(book.projection, book.ratings, found, raw, book.drawn))
    return Reservations(
        # A sample that cannot be right must not stop the balance of everybody else.
        committed=np.minimum(counted, MOST_COMMITTED * book.projection.max_rating),
        out_of_reach=out_of_reach,
        at_most=at_most,
    )


def _leave_out_what_does_not_fit(doubtful: list[int], counted: Ints, gate: Gate) -> None:
    """Where fallbacks that are not believed do not fit, those in reach share what there is by their setpoints.

    Reserved at their ratings they would be given their ratings, all of them, as that reserves nothing more.
    """
    for leaf in doubtful:
        if gate.is_over(leaf):
            counted[leaf] = 0


def _lower_what_does_not_fit(lingering: list[Line], at_most: Ints, gate: Gate) -> None:
    """Where what flows does not fit, those that count for more than they were told go down to their fallbacks too.

    What counts for them in any case would otherwise let them keep what they have, as that reserves nothing more.
    """
    for line in lingering:
        if gate.is_over(line.leaf):
            at_most[line.leaf] = min(int(at_most[line.leaf]), line.fallback)


def _does_not_come_down(line: Line, committed: int, now_s: float) -> bool:
    if line.ledger.disobeys:
        return True
    since_s = line.lowering_since_s
    if since_s is None or not LOWERING_S <= now_s - since_s < LOWERING_AGAIN_S:
        return False
    # It may have come down since that was looked at, a cycle ago.
    return line.target is None or _is_above(line, committed, line.target)


def _is_above(line: Line, committed: int, target: int) -> bool:
    """More is committed than it is meant to have."""
    return ledgers.is_beyond(committed, max(target, line.ledger.fallback))


def watch_lowering(line: Line, committed: int, target: int, now_s: float) -> None:
    """Note since when more is committed for a connector than it is meant to have, and does not become less."""
    if not _is_above(line, committed, target):
        line.lowering_since_s = None
    elif (
        line.lowering_since_s is None
        or committed < line.lowering_from
        or now_s - line.lowering_since_s >= LOWERING_AGAIN_S
    ):
        line.lowering_since_s = now_s
    line.lowering_from = committed
