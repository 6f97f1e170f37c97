"""Who is raised to what, as far as it is safe: the gate, in the right order (design section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from busbar.core.projection import Projection
from busbar.core.release import Gate, stepped_down
from busbar.core.snapshot import Bools, Ints
from busbar.engine.lines import Held, Line
from busbar.engine.timing import Timing

WORTHWHILE = 1000
"""A part of a raise is sent by itself where it is at least 1 A or 1 kW."""
Raise = tuple[Line, int]
"""A connector, and the value it is raised to."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """What is left at every node, twice. A setpoint has to fit both ways."""

    projection: Projection
    committed: Ints
    """[n] the most each connector may still draw."""
    told: Ints
    """[n] the most it may draw as long as it hears from us."""
    for_committed: Gate
    for_told: Gate
    """Where fallbacks do not fit, what is committed says nothing any more; what flows has to fit all the same."""
    frozen: Bools

    def take(self, line: Line, value: int) -> None:
        """Count a value for a connector from now on."""
        self.for_committed.take(line.leaf, value - int(self.committed[line.leaf]))
        self.for_told.take(line.leaf, value - int(self.told[line.leaf]))


def raises_that_fit(lines: Sequence[Line], room: Room, timing: Timing, now_s: float) -> list[Raise]:
    """Who waits for a minimum comes first, the oldest first; then who runs. Says of all others what holds them."""
    found: list[Raise] = []
    busy: set[str] = set()
    waiting = [line for line in lines if _waits(line, room)]
    running = [line for line in lines if not _waits(line, room)]
    for line in (*sorted(waiting, key=_turn), *sorted(running, key=_turn)):
        value = _most(line, room)
        line.held = Held.IN_FLIGHT if line.unit.id in busy else _why_not(line, value, room, timing, now_s)
        if line.held is None:
            room.take(line, value)
            found.append((line, value))
            busy.add(line.unit.id)
        elif line.unit.is_reachable and _waits(line, room):
            # What is freed for somebody's minimum is not nibbled away by those who run.
            room.take(line, line.minimum)
    return found


def _waits(line: Line, room: Room) -> bool:
    """It is given nothing yet, and its minimum is more than counts for it anyway."""
    return not line.value and line.minimum > room.committed[line.leaf]


def _turn(line: Line) -> tuple[float, int]:
    """Whoever has waited longest is first; leaves in order where they have waited alike."""
    return (line.wanted_since_s or 0.0, line.leaf)


def _most(line: Line, room: Room) -> int:
    """The most it can be raised to now; its present value where nothing fits."""
    leaf, target, before = line.leaf, line.wanted or 0, line.value or 0
    told, committed = int(room.told[leaf]), int(room.committed[leaf])
    if room.for_told.is_over(leaf):
        # A limit fell, or somebody disobeys: nothing is raised below it until it fits.
        return before
    fits = target
    if fits > told:
        fits = told + room.for_told.most_more(leaf, fits - told)
    if fits > committed:
        fits = committed + room.for_committed.most_more(leaf, fits - committed)
    if fits >= target:
        return target
    value = stepped_down(room.projection, leaf, fits)
    return value if value - before >= WORTHWHILE or not before else before


def _why_not(line: Line, value: int, room: Room, timing: Timing, now_s: float) -> Held | None:
    unit = line.unit
    if not unit.is_reachable:
        return Held.OUT_OF_REACH
    if unit.in_flight is not None:
        return Held.IN_FLIGHT
    if value <= (line.value or 0):
        return Held.NO_ROOM
    if unit.unanswered and now_s < unit.sent_s + timing.renew_s:
        # Its other connectors' renewals would tell that it answers again; where there are none, this one has to.
        return Held.UNANSWERED
    if unit.is_whole and unit.times > 1 and any(each.ledger.unsettled for each in unit.lines):
        # It may take the limit for every connector: one would rise to it while another has yet to come down.
        return Held.NO_ROOM
    if not line.ledger.may_rise and value > room.committed[line.leaf]:
        return Held.NOT_ANEW
    if room.frozen[line.leaf]:
        return Held.METER
    if now_s < line.raise_not_before_s:
        return Held.REFUSED
    if now_s < line.raised_s + timing.raise_s or now_s < unit.sent_s + unit.shortest_interval_s:
        return Held.TOO_SOON
    return None
