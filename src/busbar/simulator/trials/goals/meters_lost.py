"""R5: a meter that is lost, frozen or absurd: nothing is raised below it after 15 s, and its node is SAFE after 60 s.

Each sample is judged by what really flowed and by what the circuit can carry, not by what Busbar made of it. One is
*good* unless it is no number, certainly absurd, or hundreds of times less than the truth after a jump (a wrong unit).
So follows what `core/metering.py` is held to:

- *Lost*: 60 s and a cycle after the last good sample was taken the node is SAFE (silent, not a number, too old, wrong
  unit, unless no number came for a minute before it: then nobody can tell); from 15 s after it until then no order
  raises a connector below; one that was decided before may leave later by as long as a slow store takes
  (`STORED_WITHIN_S` at most). A process that was started has heard nothing: its nodes are SAFE until it has.
- *Absurd*: three certainly absurd samples among the last ten, and the node is SAFE in the next cycle. One or two are
  spikes, and what was taken before the last good one is not looked at: it tells nothing new. Certainly absurd is what
  is clearly beyond 1.13 times the largest limit of the node as generation, or beyond 3 times as import (`MOST_EXPORT`,
  `MOST_IMPORT`); a spike that the node could carry is no different from the truth.
- *Frozen*: the same value for 60 s and a cycle, in which what charge points below draw was clearly away from all that
  it was around the time when the meter froze: SAFE. (A meter that freezes while they ramp may have shown what they
  draw then, and their own samples are too far apart to tell.) It counts only while every charge point with a vehicle
  can say what it draws, and not for a minute after a vehicle left: what it drew may count for so long.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from busbar.core.depot import Depot
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, Amount, ApparentPower
from busbar.core.wiring import circuit_voltages
from busbar.engine.events import NodeMeasured
from busbar.engine.loop import STORED_WITHIN_S
from busbar.engine.moment import Moment
from busbar.engine.orders import Order
from busbar.engine.timing import Timing
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.trials.meters import Meter
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight

_EXPORT, _IMPORT = 1.3, 3.5
"""Certainly absurd beyond so many times the largest limit: more than `core/metering.py` asks, whatever the voltage."""
_THOUSANDTH = 400
"""A sample so many times less than the truth is in a wrong unit."""
_LEAST_W = 3_000
"""Where less flows nobody can tell a wrong unit."""
_CLEARLY = 2
"""What charge points draw has moved clearly when it moved by so many times what `core/metering.py` asks: a meter's
resolution is 1 % of the limit, at least 1 kW, and at least two of the smallest steps it was ever seen to make."""
_WINDOW, _ABSURD = 10, 3
_KEEP_QUIET = frozenset(
    kind
    for kind in FaultKind
    if kind.value.startswith(("message_", "connection_", "reboot_", "answer_"))
    or kind in (FaultKind.PROFILE_EXPIRED, FaultKind.CLOCK_STEP)
)
"""While one of these is in force, or shortly after, charge points may not say what they draw."""


@dataclass(slots=True)
class _Watched:
    """One metered node. (Mutable.)"""

    good_s: float | None = None
    """When the last good sample was taken that this process has heard; None: none yet."""
    number_s: float | None = None
    """When the last sample with a number in it was taken; None: none yet."""
    judged: NodeMeasured | None = None
    step_w: float = 0.0
    """The smallest change between two samples, in this life; 0: none yet."""
    good_w: float = 0.0
    absurd: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    absurd_s: float | None = None
    """Since when too many of the last samples are; None: they are not."""
    is_normal: bool = False
    """By the last cycle."""
    below_w: list[float] = field(default_factory=list)
    """What charge points below drew in the last seconds."""
    frozen_s: float | None = None
    """Since when it is frozen; None: it is not."""
    frozen_between_w: tuple[float, float] = (0.0, 0.0)
    """What charge points below drew around then, at least and at most."""
    moved_s: float | None = None
    """Since when they clearly draw something else."""


class MetersLost(Goal):
    """R5: a meter that is lost, frozen or absurd makes its node SAFE in time."""

    def __init__(self) -> None:
        self._life = 0
        self._nodes: dict[str, _Watched] = {}
        self._told: dict[str, int] = {}
        """What each connector was told last, in this life."""
        self._committed: dict[str, int] = {}
        """By the last cycle, in this life."""
        self._most: dict[str, float] = {}
        """Circuit -> the largest of its limits in W, of this depot."""
        self._most_of: Depot | None = None
        self._plugged: frozenset[int] = frozenset()
        self._unclear_s = 0.0
        """When charge points last could not say what they draw, or a vehicle left without a last sample."""

    # What meters say

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """Judge what each meter has just said."""
        self._begin_life(trial)
        if trial.process is None:
            return ()
        plugged = frozenset(
            leaf for leaf, outlet in enumerate(trial.yard.outlets) if outlet is not None and outlet.vehicle is not None
        )
        if self._plugged - plugged or not _can_be_heard(trial, plugged):
            self._unclear_s = sight.now_s
        self._plugged = plugged
        for name, meter in trial.meters.items():
            watched = self._nodes.setdefault(name, _Watched())
            said = meter.said
            if said is not None and said is not watched.judged and said.received_s >= trial.process.began_s:
                before, watched.judged = watched.judged, said
                if before is not None:
                    watched.step_w = _smaller(watched.step_w, before.power_w, said.power_w)
                self._judge(trial, sight, meter, watched, said)
            self._follow_frozen(trial, sight, meter, watched)
        return ()

    def _begin_life(self, trial: Trial) -> None:
        if trial.lives != self._life:
            self._life = trial.lives
            self._nodes, self._told, self._committed = {}, {}, {}

    def _judge(self, trial: Trial, sight: Sight, meter: Meter, watched: _Watched, said: NodeMeasured) -> None:
        if said.fault or said.power_w is None:
            return
        most_w = self._most_w(trial, meter.node)
        taken_s = said.received_s - said.age_s
        if watched.good_s is not None and taken_s <= watched.good_s:
            # It is older than what is known already, and nobody need look at it.
            return
        # Whoever has heard no number for a minute does not know a jump when one comes.
        is_held_against = watched.number_s is not None and taken_s - watched.number_s <= trial.timing.silent_s
        watched.number_s = taken_s
        taken_at = max(0, min(sight.at_s, round(sight.at_s - said.age_s)))
        true_w = float(trial.sight_at(taken_at).flow.total_w[meter.inner])
        # It shows as a jump. Whoever has seen next to nothing before, or nothing in this life, does not know the unit.
        is_in_wrong_unit = (
            watched.good_s is not None
            and is_held_against
            and min(abs(true_w), abs(watched.good_w)) >= max(_LEAST_W, most_w / 50)
            and abs(said.power_w) * _THOUSANDTH < abs(true_w)
        )
        is_absurd = not -_EXPORT * most_w <= said.power_w <= _IMPORT * most_w
        is_like_before = (
            watched.good_s is not None and taken_s - watched.good_s < 50 and _are_alike(watched.good_w, true_w)
        )
        watched.absurd.append(is_absurd or (is_in_wrong_unit and is_like_before))
        if sum(watched.absurd) < _ABSURD:
            watched.absurd_s = None
        elif watched.absurd_s is None:
            watched.absurd_s = sight.now_s
        if not is_absurd and not is_in_wrong_unit:
            watched.good_s, watched.good_w = taken_s, said.power_w

    def _most_w(self, trial: Trial, node: str) -> float:
        """The largest of a circuit's limits, in W; the edited ones and the first ones."""
        if self._most_of is not trial.depot:
            self._most_of, self._most = trial.depot, {}
        if node not in self._most:
            found = [*_limits_w(trial.scenario.depot, node), *_limits_w(trial.depot, node)]
            self._most[node] = max(found, default=inf)
        return self._most[node]

    def _follow_frozen(self, trial: Trial, sight: Sight, meter: Meter, watched: _Watched) -> None:
        below_w = float(sight.flow.total_w[meter.inner] - sight.base_rows[meter.inner, TOTAL])
        # By one sample and the time to settle.
        around_s = int(trial.timing.sample_s + trial.timing.ramp_s)
        watched.below_w = [*watched.below_w[-around_s:], below_w]
        if not any(fault.kind is FaultKind.METER_FROZEN for fault in meter.faults.values()):
            watched.frozen_s = watched.moved_s = None
            return
        if len(meter.faults) > 1:
            # What it showed before, late or in a wrong unit, is no sample to be held against.
            self._unclear_s = sight.now_s
        if watched.frozen_s is None:
            watched.frozen_s = sight.now_s
        if sight.now_s - watched.frozen_s <= around_s:
            least_w, most_w = watched.frozen_between_w if sight.now_s > watched.frozen_s else (below_w, below_w)
            watched.frozen_between_w = min(least_w, *watched.below_w), max(most_w, *watched.below_w)
        least_w, most_w = watched.frozen_between_w
        resolution_w = max(1_000.0, self._most_w(trial, meter.node) / 100, 2 * watched.step_w)
        has_moved = max(below_w - most_w, least_w - below_w) > _CLEARLY * resolution_w
        if not has_moved or self._unclear_s > sight.now_s - 60:
            watched.moved_s = None
        elif watched.moved_s is None:
            watched.moved_s = sight.now_s

    # What Busbar does

    def ordered(self, trial: Trial, order: Order) -> Iterable[Violation]:
        """Nothing rises below a meter that has been lost for 15 s, as long as its node is taken for NORMAL."""
        self._begin_life(trial)
        now_s = trial.clock.now_s()
        before = max(self._told.get(order.connector, 0), self._committed.get(order.connector, order.limit))
        if order.limit > before:
            within_s = trial.timing.stale_s
            if FaultKind.STORE_SLOW in trial.in_force_kinds():
                within_s += STORED_WITHIN_S
            for name in _above(trial, order.connector):
                watched = self._nodes.get(name)
                if watched is None or not watched.is_normal or watched.good_s is None:
                    continue
                if trial.process is not None and name in trial.process.loop.control.metered.modes:
                    # SAFE since the cycle that this order is of.
                    continue
                lost_s = now_s - watched.good_s
                if lost_s > within_s:
                    yield Violation(
                        goal="R5",
                        at_s=trial.clock.passed_s,
                        text=f"{order.connector} is raised from {before} to {order.limit} below {name}, "
                        f"whose meter was lost {lost_s:.1f} s ago",
                    )
        self._told[order.connector] = order.limit

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        """Nodes whose meters are not to be believed are SAFE."""
        self._begin_life(trial)
        if trial.process is not None:
            # Each by itself: that charge points' ratings hold them down together says nothing of one of them.
            values = trial.process.loop.control.dispatch.commitments().tolist()
            self._committed = dict(zip(moment.projection.leaf_ids, values, strict=True))
        now_s, timing = trial.clock.now_s(), trial.timing
        for name in trial.meters:
            watched, found = self._nodes.setdefault(name, _Watched()), moment.conditions.get(name)
            if found is None:
                continue
            is_safe = found.mode is Mode.SAFE
            if not is_safe and not watched.is_normal:
                # What was absurd before is forgiven.
                watched.absurd.clear()
                watched.absurd_s = None
            was_normal, watched.is_normal = watched.is_normal, not is_safe
            why = _why_safe(watched, now_s, timing)
            if is_safe:
                if was_normal and watched.good_s is not None:
                    trial.worst("R5 meter lost until SAFE", now_s - watched.good_s)
                continue
            if why:
                yield Violation(goal="R5", at_s=trial.clock.passed_s, text=f"{name} is not SAFE: {why}")


def _can_be_heard(trial: Trial, plugged: frozenset[int]) -> bool:
    """Whether every charge point with a vehicle can say what it draws."""
    if any(isinstance(each, FaultEvent) and each.kind in _KEEP_QUIET for each in trial.in_force.values()):
        return False
    return all(unit.link.is_connected for unit in trial.yard.units.values() if not plugged.isdisjoint(unit.leaves))


def _why_safe(watched: _Watched, now_s: float, timing: Timing) -> str:
    """Why a node has to be SAFE by now; empty: it need not be."""
    within_s = timing.silent_s + timing.cycle_s
    if watched.good_s is None:
        return "this process has heard no good sample of its meter"
    if now_s - watched.good_s > within_s:
        return f"the last good sample of its meter was taken {now_s - watched.good_s:.0f} s ago"
    # A cycle that is seen now may have looked a little earlier.
    if watched.absurd_s is not None and now_s - watched.absurd_s > timing.cycle_s + 1:
        return f"{sum(watched.absurd)} of the last {_WINDOW} samples of its meter are absurd"
    if watched.moved_s is not None and now_s - watched.moved_s > within_s:
        return f"its meter has not moved with its charge points for {now_s - watched.moved_s:.0f} s"
    return ""


def _smaller(step_w: float, before_w: int | None, now_w: int | None) -> float:
    if before_w is None or now_w is None or before_w == now_w:
        return step_w
    return min(step_w or abs(now_w - before_w), abs(now_w - before_w))


def _are_alike(one_w: float, other_w: float) -> bool:
    return 0.55 < abs(one_w) / max(1.0, abs(other_w)) < 1.8


def _above(trial: Trial, connector: str) -> Iterable[str]:
    projection = trial.yard.projection
    leaf = projection.leaf_index[connector]
    return [projection.node_ids[node] for node in projection.path(int(projection.leaf_node[leaf]))]


def _limits_w(depot: Depot, node: str) -> list[float]:
    """A circuit's limits, in W."""
    voltages_v = circuit_voltages(depot)
    return [
        _as_w(amount, voltages_v[node])
        for each in depot.circuits
        if each.id == node
        for amount in (each.default_operating_capacity, each.rating)
        if amount is not None
    ]


def _as_w(amount: Amount, voltage_v: int) -> float:
    match amount:
        case ActivePower(w=w):
            return float(w)
        case ApparentPower(va=va):
            return float(va)
        case _:
            return sum(each or 0 for each in amount.per_phase_ma()) / 1000 * voltage_v / 3**0.5
