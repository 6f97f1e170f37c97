"""R7: Busbar is not safe by idling. In calm windows charge points have what an independent optimum gives them.

Calm: no fault or event is in force or has ended within a lease, skew and ramp; every charge point is connected and
does as it is told; the process is a minute old; and for 40 s no vehicle came or went. Then

- what the profiles of all charge points together let them draw, on the supply side, is at least 98 % of what
  `core/twin.py` gives on the snapshots of these 40 s (the least of them: base load is noisy, requests move), and so
  it is for every leaf, less what rounding to steps and a raise that is not worth sending leave;
- nothing that the optimum rests on is more timid than the truth: no node is SAFE, no charge point is taken for out of
  reach, every vehicle that would charge is asked for, and one that takes all that it is given is given more;
- nobody waits longer than the turns of design section 5 say.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

import numpy as np

from busbar.core.depot import Leaves
from busbar.core.projection import NodeKind
from busbar.core.rows import TOTAL
from busbar.core.snapshot import TURN_S, Mode
from busbar.core.split import split
from busbar.core.twin import twin_balance
from busbar.engine.moment import Moment
from busbar.engine.raising import WORTHWHILE
from busbar.simulator.battery import acceptable_w
from busbar.simulator.fault import FaultEvent
from busbar.simulator.trail import Floats, Ints, Trail
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight, Unit

SHARE = 0.98
STEADY_S = 40.0
"""What is compared has been so for so long."""
YOUNG_S = 60.0
"""A process so young is still finding out."""
LOOK_S = 1.0
"""So much, and a cycle, less than the whole window is a whole window."""
DELIVERED_S = 45.0
"""To stop one, wait until its draw has settled, and start another."""
TAKES_ALL_S = 60.0
"""A vehicle that has taken all of its request for so long wants more."""
_TAKES, _MORE = 0.97, 1.1


@dataclass(frozen=True, kw_only=True)
class _Optimum:
    """What the twin gives at one cycle, by connector: worked out where it is compared with, as most are not."""

    now_s: float
    moment: Moment

    @cached_property
    def setpoint(self) -> Ints:
        """[n]"""
        return np.array(_by_connector(self.moment), dtype=np.int64)

    @property
    def per_unit_w(self) -> Floats:
        """[n] on the supply side."""
        projection = self.moment.projection
        return np.array([float(projection.weights[TOTAL][load]) for load in projection.leaf_class])

    @property
    def names(self) -> tuple[str, ...]:
        """[n]"""
        return self.moment.projection.leaf_ids

    @property
    def allowance(self) -> Ints:
        """[n] what rounding, and raises not worth sending, may leave."""
        return np.maximum(self.moment.projection.step, WORTHWHILE)


class NotIdle(Goal):
    """R7: where nothing is wrong, nothing that could be given is kept back."""

    def __init__(self) -> None:
        self._disturbed_s = 0.0
        """When something was wrong last, or began or ended."""
        self._happening: frozenset[int] = frozenset()
        self._vehicles: tuple[object, ...] = ()
        self._moved_s = 0.0
        """When a vehicle came or went last."""
        self._began_s = 0.0
        """When the process did."""
        self._moment: Moment | None = None
        self._optima: deque[_Optimum] = deque()
        self._takes_all_s: list[int] = []
        """[n] for how many seconds each has taken all that it asks for, and could take more."""
        self._waits_s: list[int] = []
        """[n] for how many calm seconds each has waited."""
        self._unasked_s: list[int] = []
        """[n] for how many seconds each would have charged and was asked for nothing."""
        self._said: set[str] = set()
        self._judged = 0

    # Whether it is calm

    def _note(self, trial: Trial, sight: Sight) -> None:
        happening = frozenset(trial.in_force)
        is_wrong = (
            happening != self._happening
            or trial.process is None
            or any(isinstance(each, FaultEvent) for each in trial.in_force.values())
            or any(
                unit.is_odd or not unit.link.is_connected or _has_forgotten(trial, unit)
                for unit in trial.yard.units.values()
            )
        )
        if is_wrong and sight.at_s:
            self._disturbed_s = sight.now_s
        self._happening = happening
        vehicles = tuple(None if outlet is None else outlet.vehicle for outlet in trial.yard.outlets)
        if vehicles != self._vehicles:
            self._moved_s = sight.now_s
        self._vehicles = vehicles

    def _calm_s(self, trial: Trial, now_s: float) -> float:
        """For how long all has been calm; negative: it is not."""
        process = trial.process
        if process is None:
            return -1.0
        self._began_s = process.began_s
        return min(now_s - self._disturbed_s - trial.timing.expiry_s, now_s - process.began_s - YOUNG_S)

    # Every cycle

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        """What the optimum is now."""
        self._moment = moment
        now_s = trial.clock.now_s()
        if self._calm_s(trial, now_s) > -STEADY_S:
            self._optima.append(_Optimum(now_s=now_s, moment=moment))
        while self._optima and now_s - self._optima[0].now_s > STEADY_S:
            self._optima.popleft()
        return ()

    # Every second

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """Compare, where it is calm."""
        self._note(trial, sight)
        calm_s, moment = self._calm_s(trial, sight.now_s), self._moment
        self._see_vehicles(trial, sight, moment, is_calm=calm_s >= 0)
        if calm_s < 0 or moment is None or sight.now_s - self._moved_s < STEADY_S:
            return
        if moment.projection.node_ids != trial.yard.projection.node_ids:
            return
        for text in (*self._timid(trial, sight, moment), *self._below_optimum(trial, sight), *self._waiting(trial)):
            subject = text.partition(" ")[0]
            if subject not in self._said:
                self._said.add(subject)
                yield Violation(goal="R7", at_s=sight.at_s, text=text)

    def _below_optimum(self, trial: Trial, sight: Sight) -> Iterable[str]:
        optima = self._optima
        if not optima or optima[-1].now_s - optima[0].now_s < STEADY_S - LOOK_S - trial.timing.cycle_s:
            return
        last = optima[-1]
        if any(each.names != last.names for each in optima):
            return
        self._judged += 1
        given, told = np.array([each.setpoint for each in optima]), sight.told
        least, most = given.min(axis=0), given.max(axis=0)
        told_w = float(np.minimum(told, most) @ last.per_unit_w)
        # Of each leaf the least: while turns change, nobody has all of it yet.
        least_w = float(least @ last.per_unit_w)
        if least_w > 0:
            trial.worst("R7 less than the optimum, %", max(0.0, 100 * (1 - told_w / least_w)))
        if told_w < SHARE * least_w:
            yield f"depot is told {told_w:.0f} W together, {least_w:.0f} W would fit"
        for leaf in np.flatnonzero(told + last.allowance < SHARE * least).tolist():
            yield f"{last.names[leaf]} is told {told[leaf]}, {least[leaf]} would be its part"

    def _timid(self, trial: Trial, sight: Sight, moment: Moment) -> Iterable[str]:
        """What is less than the truth in what Busbar believes."""
        snapshot, ids = moment.snapshot, moment.projection.leaf_ids
        ordered = {each.subject for each in moment.overrides}
        for node, mode in snapshot.modes.items():
            if mode is Mode.SAFE and node not in ordered:
                cause = moment.conditions[node].cause if node in moment.conditions else None
                yield f"{node} is SAFE ({cause}), and nothing is wrong with its meter"
        has_forgotten = sight.now_s - self._began_s > trial.timing.expiry_s + YOUNG_S
        has_forgotten &= sight.now_s - self._moved_s > trial.timing.expiry_s
        for leaf, name in enumerate(ids):
            counted, most = (
                int(snapshot.committed[leaf]),
                max(int(sight.told[leaf]), int(trial.yard.projection.fallback[leaf])),
            )
            if snapshot.out_of_reach[leaf]:
                yield f"{name} is taken for out of reach, and is connected"
            elif counted > most and has_forgotten:
                yield f"{name} counts for {counted}, and can draw no more than {most}"
            elif self._unasked_s[leaf] >= DELIVERED_S:
                yield f"{name} has a vehicle that would charge, and is not asked for anything"
            elif self._takes_all_s[leaf] >= TAKES_ALL_S:
                yield f"{name} has taken all of {snapshot.request[leaf]} for a minute, and is taken to want no more"

    # Vehicles

    def _wants(self, trial: Trial, leaf: int) -> bool:
        outlet = trial.yard.outlets[leaf]
        if outlet is None or outlet.vehicle is None or outlet.transaction is None:
            return False
        return acceptable_w(outlet.vehicle.kind, int(outlet.vehicle.stored_ws)) > 0

    def _see_vehicles(self, trial: Trial, sight: Sight, moment: Moment | None, *, is_calm: bool) -> None:
        n = len(sight.told)
        if len(self._waits_s) != n:
            self._waits_s, self._takes_all_s, self._unasked_s = ([0] * n for _ in range(3))
        told, minimum = sight.told.tolist(), trial.yard.projection.minimum.tolist()
        is_held = [value < max(1, least) for value, least in zip(told, minimum, strict=True)]
        if not is_calm:
            self._takes_all_s, self._unasked_s = [0] * n, [0] * n
            self._waits_s = [
                waits_s if waits_s and is_held[leaf] and self._wants(trial, leaf) else 0
                for leaf, waits_s in enumerate(self._waits_s)
            ]
            return
        requests = [0] * n if moment is None else moment.snapshot.request.tolist()
        for leaf, outlet in enumerate(trial.yard.outlets):
            wants, request = self._wants(trial, leaf), requests[leaf]
            takes_all = (
                outlet is not None
                and 0 < request <= told[leaf]
                and outlet.acceptable() > _MORE * request + WORTHWHILE
                and sight.draw[leaf] >= _TAKES * request
            )
            self._waits_s[leaf] = self._waits_s[leaf] + 1 if wants and is_held[leaf] else 0
            self._unasked_s[leaf] = self._unasked_s[leaf] + 1 if wants and not request else 0
            self._takes_all_s[leaf] = self._takes_all_s[leaf] + 1 if takes_all else 0

    def _waiting(self, trial: Trial) -> Iterable[str]:
        """Whoever has waited for more turns than there have to be. Promised where the minima are equal.

        Not among the connectors of a charge point that is a leaf: it serves who came first (docs/charger_based.md).
        """
        projection, is_by_unit = trial.yard.projection, trial.depot.leaves is Leaves.CHARGE_POINT
        wants = [leaf for leaf in range(len(self._waits_s)) if self._wants(trial, leaf)]
        for leaf in (each for each, waits_s in enumerate(self._waits_s) if waits_s > TURN_S):
            turns = 0
            for node in projection.path(int(projection.leaf_node[leaf])):
                below = [each for each in wants if projection.first_leaf[node] <= each < projection.last_leaf[node]]
                served = sum(not self._waits_s[each] for each in below)
                are_equal = len({(projection.minimum[each], projection.leaf_class[each]) for each in below}) == 1
                if not are_equal or not served or (is_by_unit and projection.kinds[node] is NodeKind.CHARGE_POINT):
                    turns = 10**6 if len(below) > 1 else turns
                else:
                    turns = max(turns, ceil(len(below) / served) - 1)
            if self._waits_s[leaf] > turns * TURN_S + trial.timing.cycle_s + DELIVERED_S:
                yield f"{projection.leaf_ids[leaf]} has waited for {self._waits_s[leaf]} s, for {turns} turns"

    def ended(self, trial: Trial, trail: Trail) -> Iterable[Violation]:
        """Whether anything was compared at all."""
        trial.worst("R7 seconds compared", float(self._judged))
        trial.worst("R7 trials in which nothing was compared", float(not self._judged))
        return ()


def _has_forgotten(trial: Trial, unit: Unit) -> bool:
    """With a vehicle: nobody is told anything, and nothing is counted, where none is."""
    return any((outlet := trial.yard.outlets[leaf]) is not None and outlet.vehicle for leaf in unit.has_forgotten)


def _by_connector(moment: Moment) -> list[int]:
    """Where charge points share, each divides its part by its own rule, and the parts are filled as any requests."""
    projection, snapshot, shared = moment.projection, moment.snapshot, moment.shared
    strategy, fair_in = projection.depot.strategy, projection.depot.fair_in
    if shared is not None:
        whole = twin_balance(shared.projection, shared.snapshot, strategy=strategy, fair_in=fair_in)
        part = split(shared.projection, shared.snapshot, np.array(whole.setpoint, dtype=np.int64)).setpoint
        snapshot = replace(snapshot, request=np.minimum(snapshot.request, part))
    return twin_balance(projection, snapshot, strategy=strategy, fair_in=fair_in).setpoint
