"""R2, R3 and R4: what really flows, at every node and row, second by second.

Above a limit (by more than the tolerance of breaches) there may only flow what cannot be brought down: base load, what
disobeys, what is out of reach until its lease, skew and ramp have passed, and fallbacks. More than that is allowed for
a time only: 15 s after a limit fell or base load rose (longer by as long as Busbar is dead, or cannot read what people
stored, or is lied to by a meter up to the time by which it has to call the node SAFE; where it believes one that is
frozen or in a wrong unit, more may flow without any change), and 15 s after Busbar can know that somebody disobeys, or
obeys again and can make room for those that do not (one sample and the settle time after it began), and then no more
than is disobeyed by.
"""

from collections.abc import Iterable
from functools import reduce

import numpy as np

from busbar.core.breach import BreachRules
from busbar.core.snapshot import Bools
from busbar.engine.orders import Order
from busbar.simulator.fault import FaultKind
from busbar.simulator.physics import NO_LIMIT
from busbar.simulator.trail import Floats, Ints
from busbar.simulator.trials.happening import METERS
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight, Unit

REACTION_S = 15.0
LOOK_S = 2.0
"""The truth is looked at once a second, and a meter speaks every two."""
RESTART_S = 30.0
"""Controlling again after a restart."""
OUT_OF_REACH_S = 30.0
"""Whoever was struck by faults of messages or connection so lately may not have heard the last order."""
MISLED_S = 3 * REACTION_S
"""What a meter said wrongly is looked at for so long."""
ROWS = ("L1", "L2", "L3", "total")
_STORE = (FaultKind.STORE_FAILS, FaultKind.STORE_SLOW)
_MISLEADING = (FaultKind.METER_FROZEN, FaultKind.METER_WRONG_UNIT)
_UNHEARD = frozenset(
    (
        FaultKind.MESSAGE_LOST,
        FaultKind.MESSAGE_DELAYED,
        FaultKind.MESSAGE_REORDERED,
        FaultKind.MESSAGE_DUPLICATED,
        FaultKind.ANSWER_LATE,
        FaultKind.ANSWER_NEVER,
        FaultKind.REFUSED,
    )
)


class FlowsFit(Goal):
    """R2 to R4: flows keep to the limits, also when those fall, base load rises, or charge points are out of reach."""

    def __init__(self) -> None:
        self._limit: Ints | None = None
        self._base: Ints | None = None
        self._disobeyed: Ints | None = None
        """[n] how far each connector disobeyed a second ago."""
        self._changed_s: Floats = np.zeros(0)
        """[M, 4] when a limit fell or base load rose last."""
        self._may_until_s: Floats = np.zeros(0)
        """[M, 4] until when what is above may be what that left."""
        self._disobeys_until_s: Floats = np.zeros(0)
        self._unheard_s: dict[str, tuple[float, float]] = {}
        """Charge point -> since when, and when last, it was out of reach."""
        self._told: list[Ints] = []
        """[n] of the last seconds."""
        self._skewed: set[str] = set()
        """Connectors whose lease was stamped by a wrong clock."""
        self._fallback: Ints = np.zeros(0, dtype=np.int64)
        self._rules = BreachRules()
        self._tolerated_of: tuple[Ints, Ints] | None = None
        """Limits, and what may flow under them."""

    def ordered(self, trial: Trial, order: Order) -> Iterable[Violation]:
        """Leases that a wrong clock stamped end when they end."""
        if abs(trial.clock.ahead_s) > trial.timing.skew_s:
            self._skewed.add(order.connector)
        else:
            self._skewed.discard(order.connector)
        return ()

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """One second."""
        disobeyed = self._disobedience(trial, sight)
        for name, unit in trial.yard.units.items():
            self._note_reach(name, unit, sight.now_s)
        self._note_changes(trial, sight, disobeyed)
        tolerated = self._tolerated(sight.limit)
        over: Bools = sight.flow_rows > tolerated
        if not over.any():
            return
        self._note_reactions(trial, sight, over)
        floor = sight.base_rows + trial.yard.rows_of(self._floor(trial, sight, disobeyed)) + 2
        unavoidable = np.maximum(floor, tolerated)
        by_disobedience = tolerated + trial.yard.rows_of(disobeyed) + 2
        is_told = sight.now_s < self._disobeys_until_s
        most = np.where(is_told, np.maximum(unavoidable, by_disobedience), unavoidable)
        wrong = over & (sight.flow_rows > most) & (sight.now_s >= self._may_until_s)
        projection = trial.yard.projection
        for inner, row in np.argwhere(wrong).tolist():
            node = projection.node_ids[int(projection.frame.nodes[inner])]
            changed_s = self._changed_s[inner, row]
            since = "nothing changed" if changed_s <= 0 else f"{sight.now_s - changed_s:.0f} s after a change"
            text = (
                f"{node} {ROWS[row]}: {sight.flow_rows[inner, row]} flows, limit {sight.limit[inner, row]}, base load "
                f"{sight.base_rows[inner, row]}, {most[inner, row]} could not be helped, {since}"
            )
            yield Violation(goal=self._goal(trial, sight, changed_s), at_s=sight.at_s, text=text)

    def _goal(self, trial: Trial, sight: Sight, changed_s: float) -> str:
        timing = trial.timing
        if changed_s <= 0 or sight.now_s - changed_s > timing.expiry_s + 2 * REACTION_S:
            return "R2"
        return "R4" if any(sight.now_s - last < timing.expiry_s for _, last in self._unheard_s.values()) else "R3"

    # What changed

    def _note_changes(self, trial: Trial, sight: Sight, disobeyed: Ints) -> None:
        if self._limit is None or self._base is None or self._disobeyed is None:
            self._changed_s = np.zeros(sight.limit.shape)
            self._may_until_s = np.zeros(sight.limit.shape)
            self._disobeys_until_s = np.zeros(sight.limit.shape)
            self._fallback = trial.yard.projection.fallback
        else:
            until_s = sight.now_s + REACTION_S + LOOK_S
            if sight.limit is not self._limit or sight.base_rows is not self._base:
                changed = (sight.limit < self._limit) | (sight.base_rows > self._base)
                self._changed_s = np.where(changed, sight.now_s, self._changed_s)
                self._may_until_s = np.where(changed, until_s, self._may_until_s)
            if disobeyed.any() or self._disobeyed.any():
                seen_s = trial.timing.sample_s + trial.timing.ramp_s
                news = self._news_of_disobedience(trial, disobeyed, self._disobeyed)
                self._disobeys_until_s = np.where(news, until_s + seen_s, self._disobeys_until_s)
        self._limit, self._base, self._disobeyed = sight.limit, sight.base_rows, disobeyed
        self._wait_for_busbar(trial, sight)
        self._wait_for_word(trial, sight, disobeyed)

    def _news_of_disobedience(self, trial: Trial, disobeyed: Ints, before: Ints) -> Bools:
        """[M, 4] what has to be seen first, by one sample and the time to settle: that somebody disobeys by more;
        or obeys again, and could be lowered for those that do not."""
        rows_of = trial.yard.rows_of
        more: Bools = rows_of(disobeyed) > rows_of(before) + 10
        is_back: Bools = rows_of(np.where(disobeyed == 0, before, 0)) > 10
        return more | is_back

    def _wait_for_busbar(self, trial: Trial, sight: Sight) -> None:
        """Time does not count while Busbar cannot know, or is not there."""
        pending = sight.now_s < self._may_until_s
        pending_disobedience = sight.now_s < self._disobeys_until_s
        process, until_s = trial.process, sight.now_s + REACTION_S + LOOK_S
        is_away = process is None or sight.now_s - process.began_s < RESTART_S
        is_blind = any(getattr(event, "kind", None) in _STORE for event in trial.in_force.values())
        if is_away or is_blind:
            self._may_until_s = np.where(pending, until_s, self._may_until_s)
            self._disobeys_until_s = np.where(pending_disobedience, until_s, self._disobeys_until_s)
        lies = [fault for meter in trial.meters.values() for fault in meter.faults.values()]
        if lies or _lied_lately(trial, sight):
            delay_s = max((fault.delay_s for fault in lies), default=0.0)
            silent_s = trial.timing.silent_s + trial.timing.cycle_s + delay_s + REACTION_S
            young = pending & (sight.now_s - self._changed_s < silent_s)
            self._may_until_s = np.where(young, until_s, self._may_until_s)
        self._follow_misled(trial, sight.now_s)

    def _follow_misled(self, trial: Trial, now_s: float) -> None:
        """More may flow where a frozen meter, or one in a wrong unit, is believed: at its node and above. When that has
        to be found out is R5's."""
        projection = trial.yard.projection
        safe = trial.process.loop.control.metered.modes if trial.process is not None else {}
        for name, meter in trial.meters.items():
            if name not in safe and any(fault.kind in _MISLEADING for fault in meter.faults.values()):
                inner = projection.frame.inner_of[list(projection.path(projection.node_index[name]))]
                self._may_until_s[inner] = np.maximum(self._may_until_s[inner], now_s + MISLED_S)

    def _wait_for_word(self, trial: Trial, sight: Sight, disobeyed: Ints) -> None:
        """Nobody knows what one that is out of reach does, until it is back and has said so."""
        hidden = disobeyed.any() and any(
            name in self._unheard_s and disobeyed[unit.leaves.start : unit.leaves.stop].any()
            for name, unit in trial.yard.units.items()
        )
        if hidden:
            seen_s = trial.timing.sample_s + trial.timing.ramp_s
            pending = sight.now_s < self._disobeys_until_s
            until_s = sight.now_s + seen_s + REACTION_S + LOOK_S
            self._disobeys_until_s = np.where(
                pending, np.maximum(until_s, self._disobeys_until_s), self._disobeys_until_s
            )

    def _note_reactions(self, trial: Trial, sight: Sight, over: Bools) -> None:
        """How long it took to be back under, where nothing else stood in the way."""
        if trial.process is None or self._unheard_s or trial.in_force_kinds() & METERS or self._disobeyed is None:
            return
        if self._disobeyed.any() or _lied_lately(trial, sight):
            return
        late = over & (self._changed_s > 0)
        if late.any():
            trial.worst("over after a change, s", float((sight.now_s - self._changed_s)[late].max()))

    # What cannot be helped

    def _disobedience(self, trial: Trial, sight: Sight) -> Ints:
        """[n] how far each draws above what it was told during the last seconds, which is what its ramp allows."""
        self._told.append(sight.told)
        del self._told[: -int(trial.timing.ramp_s) - 1]
        rightful = reduce(np.maximum, self._told).copy()
        for unit in trial.yard.units.values():
            if unit.has_forgotten or unit.behaviours:
                # It is held to what it is told now: a ramp is for those who follow.
                part = slice(unit.leaves.start, unit.leaves.stop)
                rightful[part] = np.minimum(rightful[part], sight.told[part])
        found: Ints = np.maximum(0, sight.draw - rightful)
        return found

    def _floor(self, trial: Trial, sight: Sight, disobeyed: Ints) -> Ints:
        """[n] what nobody can bring below."""
        floor = np.minimum(sight.draw, self._fallback)
        timing = trial.timing
        for name, unit in trial.yard.units.items():
            part = slice(unit.leaves.start, unit.leaves.stop)
            unheard_s = self._unheard_s[name][0] if name in self._unheard_s else None
            for leaf in unit.leaves:
                if trial.yard.projection.leaf_ids[leaf] in self._skewed and unheard_s is not None:
                    floor[leaf] = sight.draw[leaf]
            if unheard_s is not None and sight.now_s - unheard_s <= timing.expiry_s + LOOK_S:
                floor[part] = sight.draw[part]
        return np.where(disobeyed > 0, sight.draw, floor)

    def _note_reach(self, name: str, unit: Unit, now_s: float) -> None:
        """Whether it may not have heard the last order, and since when."""
        is_struck = any(fault.kind in _UNHEARD for fault in unit.link.weather.faults.values())
        is_out = not unit.link.is_connected or is_struck or unit.refuses
        if is_out:
            since_s = self._unheard_s.get(name, (now_s, now_s))[0]
            self._unheard_s[name] = (since_s, now_s)
        elif name in self._unheard_s and now_s - self._unheard_s[name][1] > OUT_OF_REACH_S:
            del self._unheard_s[name]

    def _tolerated(self, limit: Ints) -> Ints:
        """Limits and their tolerance, worked out anew where they are others."""
        if self._tolerated_of is None or self._tolerated_of[0] is not limit:
            least = np.array([self._rules.least_ma] * 3 + [self._rules.least_w])
            share = np.where(limit == NO_LIMIT, 0, limit // 1000 * self._rules.tolerance_permille)
            self._tolerated_of = limit, limit + np.where(limit == NO_LIMIT, 0, np.maximum(share, least))
        return self._tolerated_of[1]


def _lied_lately(trial: Trial, sight: Sight) -> bool:
    return sight.now_s - trial.meters_lied_s < MISLED_S
