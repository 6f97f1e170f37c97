"""The fill's plain twin: the same sharing in exact arithmetic, step by step, to be read and to be compared with.

It shares no code with the fill and its kernels and is slow. Setpoints, reservations and verdicts must be equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import floor, isfinite, lcm

from busbar.core.allocation import Verdict
from busbar.core.depot import FairIn
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.snapshot import TURN_S, Snapshot, least
from busbar.core.strategies import STRATEGIES, Strategy
from busbar.core.twin_limits import Exact, twin_available

SNAP = Fraction(1, 10**6)
"""A share this near to a step, in steps, counts as that step, where it fits."""


@dataclass(frozen=True, kw_only=True)
class TwinResult:
    """One value per leaf, in leaf order; mA (AC) or W at the vehicle (DC)."""

    setpoint: list[int]
    reserved: list[int]
    verdict: list[int]
    """As in `allocation.Verdict`."""
    share: list[Fraction]
    """What the raising gave, before it was rounded."""


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """What one leaf brings along."""

    index: int
    request: int
    """At least the minimum and at most the rating; 0: nothing is wanted, or nothing can be given."""
    minimum: int
    step: int
    steps: tuple[int, ...]
    """The only values it takes; empty: the minimum and every multiple of the step above it."""
    idle: int
    """Reserved in any case: the fallback, or what is committed."""
    needs_margin: bool
    tier: int
    share: Fraction
    """Setpoint per level."""
    offset: Fraction

    floor: int
    """Up to what is reserved for it anyway, a leaf takes nothing from anybody."""

    def at(self, level: Fraction) -> Fraction:
        """What it takes at a level."""
        return min(Fraction(self.request), max(Fraction(self.floor), self.share * (level - self.offset)))

    def level_of(self, value: int) -> Fraction:
        """The level at which it takes that much."""
        return self.offset + value / self.share

    def after(self, value: int) -> int | None:
        """The next value it takes; None where a list of steps has no more."""
        if self.steps:
            return next((step for step in self.steps if step > value), None)
        return self.minimum if value < self.minimum else (value // self.step + 1) * self.step


class _Room:
    """What is left at every node and row. A row is counted in units in which its weights and limits are whole."""

    def __init__(self, projection: Projection, available: Sequence[Sequence[Exact | None]]) -> None:
        self.limit: dict[tuple[int, int], int] = {}
        """(node, row) -> what is available, where it is limited."""
        columns: list[list[tuple[int, int]]] = [[] for _ in projection.classes]
        """Per load class: (row, what one unit of setpoint puts there)."""
        for row, weights in enumerate(projection.whole_weights):
            limits = {node: limit for node, rows in enumerate(available) if (limit := rows[row]) is not None}
            unit = lcm(weights.scale, *{limit.denominator for limit in limits.values()})
            for node, limit in limits.items():
                self.limit[node, row] = limit.numerator * (unit // limit.denominator)
            for load, weight in enumerate(weights.of_class):
                if weight > 0:
                    columns[load].append((row, weight * (unit // weights.scale)))
        self.puts: list[list[tuple[tuple[int, int], int]]] = []
        """Per leaf: (node, row) and what one unit of setpoint puts there, for every limited row on its path."""
        for leaf, load in zip(projection.leaf_node.tolist(), projection.leaf_class.tolist(), strict=True):
            places = [((node, row), weight) for node in projection.path(leaf) for row, weight in columns[load]]
            self.puts.append([(place, weight) for place, weight in places if place in self.limit])
        self.left: dict[tuple[int, int], Exact] = {}

    def set_aside(self, reserved: Sequence[int]) -> None:
        """Begin anew: everything is left but what is reserved per leaf."""
        self.left = dict(self.limit)
        for leaf, amount in enumerate(reserved):
            self.take(leaf, amount)

    def fits(self, leaf: int, amount: int) -> bool:
        """Whether that much more fits along the leaf's path; nothing always does."""
        return amount <= 0 or all(weight * amount <= self.left[place] for place, weight in self.puts[leaf])

    def take(self, leaf: int, amount: Exact) -> None:
        """Take it from every row along the leaf's path."""
        if amount:
            exact = amount.numerator if amount.denominator == 1 else amount
            for place, weight in self.puts[leaf]:
                self.left[place] -= weight * exact


def twin_balance(
    projection: Projection,
    snapshot: Snapshot,
    *,
    strategy: str | Strategy = "equal_share",
    fair_in: FairIn | str = FairIn.POWER,
    available: Sequence[Sequence[Exact | None]] | None = None,
) -> TwinResult:
    """Admit, raise tier by tier, round down and hand out the rest: design section 5, exactly.

    `available` [N][rows] in place of what the snapshot leaves; None on a row that is not limited.
    """
    given = twin_available(projection, snapshot) if available is None else available
    chosen = STRATEGIES[strategy] if isinstance(strategy, str) else strategy
    leaves, order = _leaves(projection, snapshot, chosen, FairIn(fair_in))
    reserved = [leaf.idle for leaf in leaves]

    room = _Room(projection, given)

    verdict = [Verdict.NOTHING_WANTED] * len(leaves)
    room.set_aside(reserved)
    for leaf in order:
        verdict[leaf.index] = _admit(leaf, room, reserved)
    admitted = [leaf for leaf in order if verdict[leaf.index] == Verdict.ADMITTED]

    share = [Fraction(0)] * len(leaves)
    for tier in sorted({leaf.tier for leaf in admitted}):
        for index, value in _raise([leaf for leaf in admitted if leaf.tier == tier], room).items():
            share[index] = value

    setpoint, wish = [0] * len(leaves), [0] * len(leaves)
    for leaf in admitted:
        setpoint[leaf.index], wish[leaf.index] = _round_down(leaf, share[leaf.index])
        reserved[leaf.index] = max(leaf.idle, setpoint[leaf.index])
    room.set_aside(reserved)
    for leaf in admitted:
        if wish[leaf.index] > setpoint[leaf.index]:
            _step_up(leaf, wish[leaf.index], room, reserved, setpoint)
    _hand_out(admitted, room, reserved, setpoint)
    return TwinResult(setpoint=setpoint, reserved=reserved, verdict=verdict, share=share)


def _leaves(
    projection: Projection, snapshot: Snapshot, strategy: Strategy, fair_in: FairIn
) -> tuple[list[_Leaf], list[_Leaf]]:
    """Every leaf, and those that want something by tier and order."""
    ranking = strategy(projection, snapshot)
    leaves = []
    for index, minimum in enumerate(least(projection, snapshot).tolist()):
        in_service = bool(projection.in_service[index])
        steps = projection.allowed_steps[projection.steps_first[index] : projection.steps_last[index]]
        wants = in_service and snapshot.present[index] and not snapshot.out_of_reach[index]
        request = int(snapshot.request[index]) if wants and minimum <= projection.max_rating[index] else 0
        load = int(projection.leaf_class[index])
        on_lines = [projection.weights[line][load] for line in range(TOTAL)]
        per_unit = projection.weights[TOTAL][load] if fair_in is FairIn.POWER else max(on_lines)
        due = snapshot.waiting_for_s[index] >= TURN_S
        request = min(max(request, minimum), int(projection.max_rating[index])) if request > 0 else 0
        idle = max(int(projection.fallback[index]), int(snapshot.committed[index])) if in_service else 0
        leaves.append(
            _Leaf(
                index=index,
                request=request,
                minimum=minimum,
                step=int(projection.step[index]),
                steps=tuple(steps.tolist()),
                idle=idle,
                floor=max(minimum, min(request, idle)),
                # Stopped for want of room, and its turn has not come.
                needs_margin=bool(isfinite(snapshot.stopped_ago_s[index]) and not snapshot.charging[index] and not due),
                tier=int(ranking.tier[index]),
                share=Fraction(float(ranking.weight[index])) / per_unit,
                offset=Fraction(float(ranking.offset[index])),
            )
        )
    order = [leaves[index] for index in ranking.order if leaves[index].request > 0]
    return leaves, sorted(order, key=lambda leaf: leaf.tier)


def _admit(leaf: _Leaf, room: _Room, reserved: list[int]) -> int:
    """Reserve the minimum where it fits; who was stopped for want of room needs one step more to fit."""
    more = max(0, leaf.minimum - reserved[leaf.index])
    if not room.fits(leaf.index, more):
        return Verdict.NO_ROOM
    if leaf.needs_margin:
        following = leaf.after(leaf.minimum)
        if following is not None and not room.fits(leaf.index, following - reserved[leaf.index]):
            return Verdict.RESTART_GAP
    room.take(leaf.index, more)
    reserved[leaf.index] += more
    return Verdict.ADMITTED


def _raise(leaves: Sequence[_Leaf], room: _Room) -> dict[int, Fraction]:
    """One level rises: again and again to where the next row is full, where everybody in that row freezes."""
    rising = {leaf.index: leaf for leaf in leaves}
    found: dict[int, Fraction] = {}
    bends = _bends(leaves)
    while rising:
        rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for bend, index, change in bends.at:
            for place, weight in room.puts[index] if index in rising else ():
                rows.setdefault(place, []).append((bend, weight * change))
        # Where fallbacks alone are above the limit, nothing is left.
        left = {place: max(0, room.left[place] * bends.fine) for place in rows}
        full_at = {place: _level_when_full(row, left[place]) for place, row in rows.items()}
        level = min((level for level in full_at.values() if level is not None), default=None)
        full = {place for place in rows if full_at[place] == level}
        # Where no row will ever be full, everybody reaches the request.
        frozen = [
            leaf
            for leaf in rising.values()
            if level is None or any(place in full for place, _ in room.puts[leaf.index])
        ]
        for leaf in frozen:
            found[leaf.index] = Fraction(leaf.request) if level is None else leaf.at(level / bends.unit)
            room.take(leaf.index, found[leaf.index] - leaf.floor)
            del rising[leaf.index]
    return found


@dataclass(frozen=True, kw_only=True)
class _Bends:
    """Where leaves begin to take more than their floor, and where they have all of their request, by level."""

    unit: int
    """Parts of a level in which every bend is at a whole number of them."""
    fine: int
    """Parts of a unit of setpoint in which everybody takes a whole number more with each part of a level."""
    at: Sequence[tuple[int, int, int]]
    """Level, leaf, and how much more than before (or less) it takes from there on with each part of a level."""


def _bends(leaves: Sequence[_Leaf]) -> _Bends:
    span = {leaf.index: (leaf.level_of(leaf.floor), leaf.level_of(leaf.request)) for leaf in leaves}
    unit = lcm(*(level.denominator for levels in span.values() for level in levels))
    rises = {leaf.index: leaf.share / unit for leaf in leaves}
    fine = lcm(*(rise.denominator for rise in rises.values()))
    begins = [(int(begin * unit), index, int(rises[index] * fine)) for index, (begin, _) in span.items()]
    ends = [(int(end * unit), index, -int(rises[index] * fine)) for index, (_, end) in span.items()]
    return _Bends(unit=unit, fine=fine, at=sorted(begins + ends))


def _level_when_full(row: Sequence[tuple[int, int]], left: Exact) -> Fraction | None:
    """The highest level at which what the leaves take above their floors fits; None where it fits at any level.

    `row`: the bends of those in it.
    """
    taken, rise, reached = 0, 0, 0
    for bend, change in row:
        then = taken + rise * (bend - reached)
        if then > left:
            return reached + Fraction(left - taken, rise)
        taken, rise, reached = then, rise + change, bend
    return None


def _round_down(leaf: _Leaf, share: Fraction) -> tuple[int, int]:
    """The value a share surely covers, and the one it is within a millionth of a step of (0: none)."""
    if leaf.steps:
        sure = max(value for value in leaf.steps if value <= leaf.floor)
        steps = list(pairwise(leaf.steps))
    else:
        sure = max(leaf.minimum, leaf.floor // leaf.step * leaf.step)
        count = floor(share / leaf.step)
        steps = [((times - 1) * leaf.step, times * leaf.step) for times in (count - 1, count, count + 1)]
    wish = 0
    for below, value in steps:
        near = SNAP * (value - below)
        if not leaf.minimum < value <= leaf.request:
            continue
        if value < share - near:
            sure = max(sure, value)
        elif value <= share + near:
            wish = value
    return sure, wish


def _step_up(leaf: _Leaf, value: int, room: _Room, reserved: list[int], setpoint: list[int]) -> bool:
    more = max(0, value - reserved[leaf.index])
    if not room.fits(leaf.index, more):
        return False
    room.take(leaf.index, more)
    reserved[leaf.index] += more
    setpoint[leaf.index] = value
    return True


def _hand_out(order: Sequence[_Leaf], room: _Room, reserved: list[int], setpoint: list[int]) -> None:
    """One step each in order, again and again, until nobody can take one more."""
    waiting = list(order)
    while waiting:
        waiting = [
            leaf
            for leaf in waiting
            if (value := leaf.after(setpoint[leaf.index])) is not None
            and value <= leaf.request
            and _step_up(leaf, value, room, reserved, setpoint)
        ]
