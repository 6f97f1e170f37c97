"""R9: what is kept of breaches is what really happened: none missed, none invented, begun and ended in time.

The truth is looked at once a second, at every node and row. What Busbar can have seen of it is bounded from both
sides: of a metered node its flow; of any other the sum of the meters and connectors that are the first below it,
each at the least and at the most it was within one sample interval (they are sampled one by one, and rows that a
sample does not give are reckoned at the lowest or highest voltage). Then

- where it was over by more than the tolerance for longer than 20 s and what it takes to see that, a breach is kept
  that began and ended with it;
- no breach begins, nor goes on for longer than it takes to close, where nothing was above the limit;
- a breach opens no sooner than after 20 s, and no later than what it takes to see it.

Compared in true time: stamps are the wall clock's, which may have been set. Nothing is said about seconds in which
Busbar could not know, each counted under its name: it was dead or young, its store was bad, a meter lied, a charge
point was not heard, power was exported.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from busbar.core.snapshot import Bools
from busbar.engine.breach_record import BreachRecord
from busbar.engine.moment import Moment
from busbar.simulator.fault import FaultKind
from busbar.simulator.trail import Ints, Trail
from busbar.simulator.trials.goals.can_be_seen import CanBeSeen, first_below
from busbar.simulator.trials.meters import EVERY_S
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight, Unit

OPEN_S, CLOSE_S = 20, 30
AFTER_S = 30
"""What was wrong with a charge point or the store is over so long after it ended; a process is young for so long."""
AFTER_LIE_S = 75
"""A meter that lied is believed again: SAFE for a minute, three samples, a cycle."""
ROWS = ("L1", "L2", "L3", "total")
_EVER = 10**9
_STORE = (FaultKind.STORE_FAILS, FaultKind.STORE_SLOW)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """A record in true seconds since the start."""

    record: BreachRecord
    inner: int
    """-1: a connector."""
    row: int
    from_s: float
    opened_s: float
    until_s: float


class BreachesTrue(Goal):
    """R9: the breaches on record are those that there were."""

    def __init__(self) -> None:
        self._ahead: list[float] = []
        """By second: how far the wall clock was ahead."""
        self._seen: dict[str, tuple[int, int]] = {}
        """Id -> the seconds in which it was seen open first and last."""
        self._seen_of: CanBeSeen | None = None
        self._why = bytearray()
        """[T * M] why Busbar cannot know, by its number; 0: it can."""
        self._reasons = {"": 0}
        self._wrong_s: dict[str, int] = {}
        """Subject -> until when it is excused."""
        self._unmeasured_of: tuple[Ints, list[bool]] | None = None
        """Base load, and [M] whether there is some that nobody measures."""
        self._names: list[set[str]] = []
        """[M] the ids of whatever is the first seen below each inner node."""

    # Once a second

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """Take down what Busbar can know."""
        self._ahead.append(trial.clock.ahead_s)
        if self._seen_of is None:
            self._seen_of = CanBeSeen(trial)
            self._names = _names_below(trial)
        at_s = sight.at_s
        for unit_id, unit in trial.yard.units.items():
            if _is_unheard(unit):
                self._wrong_s[unit_id] = at_s + AFTER_S
        for node, meter in trial.meters.items():
            if meter.faults:
                self._wrong_s[node] = at_s + AFTER_LIE_S
        if trial.in_force_kinds() & frozenset(_STORE):
            self._wrong_s["store"] = at_s + AFTER_S
        everywhere = self._everywhere(trial, sight)
        why = [everywhere] * len(self._names) if everywhere else self._why_not(trial, sight, self._seen_of)
        self._why += bytes(self._reasons.setdefault(each, len(self._reasons)) for each in why)
        self._seen_of.add(sight)
        return ()

    def _why_not(self, trial: Trial, sight: Sight, seen_of: CanBeSeen) -> list[str]:
        """[M] why Busbar cannot know what flows there; empty: it can."""
        excused = {subject for subject, until_s in self._wrong_s.items() if until_s >= sight.at_s}
        exported: Bools = np.any(sight.flow.line_ma.real < 0, axis=1)
        if self._unmeasured_of is None or self._unmeasured_of[0] is not sight.base_rows:
            unmeasured: Bools = np.any(sight.base_rows > 1.001 * seen_of.added_up(sight.base_rows) + 100, axis=1)
            self._unmeasured_of = sight.base_rows, unmeasured.tolist()
        why = []
        for names, is_metered, exports, is_more in zip(
            self._names, seen_of.metered, exported.tolist(), self._unmeasured_of[1], strict=True
        ):
            is_excused = not names.isdisjoint(excused)
            if exports:
                why.append("exports")
            elif is_metered:
                why.append("meter" if is_excused else "")
            elif is_excused:
                why.append("meter or charge point below")
            else:
                why.append("base load that nobody measures" if is_more else "")
        return why

    def _everywhere(self, trial: Trial, sight: Sight) -> str:
        process = trial.process
        if process is None or sight.now_s - process.began_s < AFTER_S:
            return "process"
        return "store" if self._is_excused("store", sight.at_s) else ""

    def _is_excused(self, subject: str, at_s: int) -> bool:
        return self._wrong_s.get(subject, -1) >= at_s

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        """Which breaches are open."""
        at_s = len(self._ahead)
        for record in moment.breaches:
            self._seen[record.id] = self._seen.get(record.id, (at_s, at_s))[0], at_s
        return ()

    # At the end

    def ended(self, trial: Trial, trail: Trail) -> Iterable[Violation]:
        """Hold what was kept against what happened."""
        counts: Counter[str] = Counter()
        kept = [self._in_true_time(trail, each) for each in trail.breaches]
        if self._seen_of is None:
            return
        truth = _Truth(trial, self._seen_of, np.frombuffer(bytes(self._why), np.uint8), tuple(self._reasons))
        for inner, node in enumerate(trail.projection.frame.nodes.tolist()):
            for row in range(4):
                here = [each for each in kept if (each.inner, each.row) == (inner, row)]
                place = f"{trail.projection.node_ids[node]} {ROWS[row]}"
                yield from truth.missed(inner, row, place, here, counts)
                yield from truth.invented(inner, row, place, here, counts)
        for each in kept:
            if each.inner < 0:
                text = (
                    f"{each.record.node} {each.record.row}: a breach of a connector, which never draws above its rating"
                )
                yield Violation(goal="R9", at_s=each.from_s, text=text)
        for name, count in counts.items():
            trial.worst(f"R9 {name}", float(count))

    def _in_true_time(self, trail: Trail, record: BreachRecord) -> _Kept:
        projection, row = trail.projection, ROWS.index(record.row)
        inner = int(projection.frame.inner_of[projection.node_index[record.node]])
        first_s, last_s = self._seen.get(record.id, (0, 0))
        aheads = {round(each) for each in self._ahead[max(0, first_s - 60) : last_s + 60]} or {0}

        def true_s(at: datetime, about_s: float) -> float:
            """The wall clock is set by so much that only one true time is near when it was seen."""
            wall_s = (at - trail.start).total_seconds()
            return min((wall_s - each for each in aheads), key=lambda each: abs(each - about_s))

        until_s = float(_EVER)
        if record.ended_at is not None:
            about_s = float(last_s - CLOSE_S)
            # Set back meanwhile, the clock has not come to when it opened yet: its end is stamped with that.
            is_held = len(aheads) > 1 and record.ended_at == record.opened_at
            until_s = about_s if is_held else true_s(record.ended_at, about_s)
        return _Kept(
            record=record,
            inner=inner,
            row=row,
            from_s=true_s(record.started_at, first_s - OPEN_S),
            opened_s=true_s(record.opened_at, first_s),
            until_s=until_s,
        )


class _Truth:
    """What Busbar can have seen, as columns of seconds."""

    def __init__(
        self, trial: Trial, seen: CanBeSeen, why: "np.typing.NDArray[np.uint8]", reasons: Sequence[str]
    ) -> None:
        self.slow, self.over, self.within = seen.slow, seen.over, seen.within
        self.above, self.may_be_over = seen.above, seen.may_be_over
        self.why = why.reshape(-1, len(seen.slow))
        self.reasons, self.knows = reasons, self.why == 0
        cycle_s, sample_s = int(trial.timing.cycle_s), trial.timing.sample_s
        self._lags_s = (EVERY_S + cycle_s + 2, sample_s + cycle_s + 2)
        self._opens_s = (EVERY_S + 2 * cycle_s + 3, 2 * sample_s + 2 * cycle_s)

    def missed(self, inner: int, row: int, place: str, kept: list[_Kept], counts: Counter[str]) -> Iterator[Violation]:
        """What was over for long enough and is not kept as long as it lasted."""
        lag_s = self._lags_s[int(self.slow[inner])]
        needed_s = OPEN_S + self._opens_s[int(self.slow[inner])]
        over = self.over[:, inner, row]
        for from_s, until_s in _runs(over):
            if until_s - from_s <= OPEN_S:
                continue
            counts["times over for 20 s"] += 1
            known = [
                (from_s + one, from_s + other)
                for one, other in _runs(self.knows[from_s:until_s, inner])
                if other - one > needed_s
            ]
            if known:
                counts["times over for 20 s, compared"] += 1
            elif until_s - from_s > needed_s:
                why = [each for each in self.why[from_s:until_s, inner].tolist() if each]
                reason = self.reasons[Counter(why).most_common(1)[0][0]]
                counts[f"times over for 20 s, excused: {reason}"] += 1
            else:
                counts["times over for 20 s, too short to be surely seen"] += 1
            for one, other in known:
                if not any(each.from_s <= one + lag_s and each.until_s >= other - lag_s for each in kept):
                    text = f"{place} was over from {one} to {other} s; kept: {_said(kept)}"
                    yield Violation(goal="R9", at_s=one, text=text)

    def invented(
        self, inner: int, row: int, place: str, kept: list[_Kept], counts: Counter[str]
    ) -> Iterator[Violation]:
        """Breaches that begin, or go on, where nothing was above the limit, and those that open too soon or late."""
        is_slow = int(self.slow[inner])
        lag_s, opens_s = self._lags_s[is_slow], self._opens_s[is_slow]
        within = self.within[:, inner, row] & self.knows[:, inner]
        for from_s, until_s in _runs(within):
            for each in kept:
                begins = from_s + 1 < each.from_s < until_s - 1
                goes_on = each.from_s <= from_s + 1 and each.until_s > from_s + lag_s
                if begins or (goes_on and until_s - from_s > CLOSE_S + opens_s):
                    text = f"{place} was within its limit from {from_s} to {until_s} s; kept: {_said([each])}"
                    yield Violation(goal="R9", at_s=from_s, text=text)
        for each in kept:
            counts["breaches kept"] += 1
            known = self.knows[max(0, int(each.from_s) - lag_s) : int(each.opened_s) + 1, inner]
            if not len(known) or not known.all():
                counts["breaches kept, excused"] += 1
                continue
            counts["breaches kept, compared"] += 1
            opens = self.may_be_over[int(each.from_s) : int(each.opened_s) + 1, inner, row]
            if opens.mean() < 0.5:
                text = f"{place} was not over when a breach opened; kept: {_said([each])}"
                yield Violation(goal="R9", at_s=each.from_s, text=text)
            for again_s, until_s in self._again(inner, row, each, lag_s):
                text = f"{place} was above its limit again from {again_s} to {until_s} s; kept: {_said([each])}"
                yield Violation(goal="R9", at_s=again_s, text=text)
            after_s = each.opened_s - each.from_s
            if not OPEN_S - 1 < after_s <= OPEN_S + opens_s:
                text = f"{place}: a breach opened after {after_s:.0f} s; kept: {_said([each])}"
                yield Violation(goal="R9", at_s=each.from_s, text=text)

    def _again(self, inner: int, row: int, kept: _Kept, lag_s: int) -> Iterator[tuple[int, int]]:
        """Where it was above the limit again before the breach could close, for so long that it had to be seen."""
        if kept.until_s >= _EVER:
            return
        from_s, until_s = max(0, int(kept.until_s) + 2), max(0, int(kept.until_s) + CLOSE_S - 1)
        is_above = self.above[from_s:until_s, inner, row] & self.knows[from_s:until_s, inner]
        for one, other in _runs(is_above):
            if other - one >= lag_s:
                yield from_s + one, from_s + other


def _names_below(trial: Trial) -> list[set[str]]:
    projection = trial.yard.projection
    ids, nodes = projection.node_ids, projection.frame.nodes.tolist()
    return [{ids[nodes[each]] for each in first} for first in first_below(projection)]


def _is_unheard(unit: Unit) -> bool:
    """What it draws does not come through, or it says nothing as nothing charges."""
    station = unit.link.station
    is_mute = any(outlet.vehicle is not None and outlet.transaction is None for outlet in station.outlets)
    return not unit.link.is_connected or bool(unit.link.weather.faults) or is_mute


def _runs(is_so: Bools) -> list[tuple[int, int]]:
    """First second, and the one after the last, of everything that is so without a break."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_so, [False]]).astype(np.int8)))
    return [(int(one), int(other)) for one, other in edges.reshape(-1, 2)]


def _said(kept: list[_Kept]) -> str:
    return (
        "; ".join(
            f"{each.from_s:.0f} to {'now' if each.until_s >= _EVER else f'{each.until_s:.0f}'} s, opened at "
            f"{each.opened_s:.0f} s ({each.record.cause.value})"
            for each in kept
        )
        or "nothing"
    )
