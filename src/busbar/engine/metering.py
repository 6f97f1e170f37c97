"""The meters of one depot in the engine: samples in, and once a cycle what they say of every metered node.

No IO and no clock: what is reported is kept until the cycle looks at it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from busbar.core.base_load import (
    BaseLoadRules,
    Entitled,
    Estimate,
    as_amount,
    confirmed_s,
    drawn_between,
    first_drawn,
    found_hidden,
    lifted,
    lowered,
    most_drawn,
    settled,
    tells_all,
)
from busbar.core.depot import Circuit
from busbar.core.draws import Sitting, empty_history, moved, on_rows, remember, sitting
from busbar.core.limits import Caps
from busbar.core.metering import (
    Cause,
    Condition,
    MeterRules,
    MeterState,
    Plausible,
    Reading,
    compare,
    condition,
    is_absurd,
    observe,
    passed,
    plausible,
)
from busbar.core.projection import Projection
from busbar.core.snapshot import Mode
from busbar.core.units import PHASES, Amount
from busbar.engine.events import Measured, NodeMeasured
from busbar.engine.timing import Timing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_WAITING = 256
"""Samples of one node between two cycles; of more, the oldest are forgotten."""
_MOST_READINGS = 128
_SHORTEST_GAP_S = 1.0
"""Readings are remembered no closer than this, so that they reach back over a minute."""
_MOST_OWN_SAMPLES = 4096
"""Connectors' samples that wait; more are put in their place without waiting for the cycle."""

OwnSample = tuple[int, float, float, tuple[float, float, float], float]
"""Leaf, when it was taken, draw, amperes of its wires, W; NaN where not told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metered:
    """What the meters say in one cycle."""

    modes: Mapping[str, Mode]
    """For `Snapshot.modes`: nodes that are SAFE."""
    base_load: Mapping[str, Amount]
    """For `Snapshot.base_load`: metered nodes that are NORMAL."""
    no_raise: frozenset[str]
    """Nodes below which nothing is raised."""
    conditions: Mapping[str, Condition]
    """Every metered node, and those a person has put into SAFE."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSamples:
    """The newest sample of every connector; arrays in leaf order."""

    taken_s: Floats
    """[n] minus infinity: there is none."""
    draw: Floats
    """[n] in the leaf's unit."""
    rows: Floats
    """[n, 4] the most that it puts on L1, L2, L3 (mA, referred) and total (W)."""


@dataclass(slots=True)
class _Meter:
    """One metered node. (Mutable: it lives as long as the node.)"""

    node: int
    leaves: slice
    bounds: Plausible
    state: MeterState
    estimate: Estimate = field(default_factory=Estimate)
    waiting: deque[NodeMeasured] = field(default_factory=lambda: deque(maxlen=_MOST_WAITING))
    readings: deque[Reading] = field(default_factory=lambda: deque(maxlen=_MOST_READINGS))
    """Good ones of the last minutes, the newest last."""
    compared_s: float = -np.inf
    """The last reading that was held against the draws was taken then."""


class Metering:
    """Lives as long as its depot; `use` carries it over an edit."""

    def __init__(
        self,
        projection: Projection,
        *,
        now_s: float,
        timing: Timing | None = None,
        base_load_rules: BaseLoadRules | None = None,
    ) -> None:
        timing = timing or Timing()
        self._rules = MeterRules(stale_s=timing.stale_s, silent_s=timing.silent_s, safe_s=timing.safe_s)
        self._base_load_rules = base_load_rules or BaseLoadRules()
        self._own: list[OwnSample] = []
        self._lay_out(projection, now_s, {})
        n = len(projection.leaf_ids)
        self._history = empty_history(n)
        self._committed: Ints | None = None
        self._raised_s, self._lowered_s = np.full(n, -np.inf), np.full(n, -np.inf)

    def use(self, projection: Projection, *, now_s: float) -> None:
        """Go on with an edited depot: what is known of nodes and connectors that are still there is kept.

        A node at another voltage, and a connector that is wired otherwise, begin anew.
        """
        self._place_own_samples()
        before = self._projection
        same = [
            (leaf, before.leaf_index[name])
            for name, leaf in projection.leaf_index.items()
            if name in before.leaf_index and _is_wired_alike(before, before.leaf_index[name], projection, leaf)
        ]
        to, of = (np.array(column, dtype=np.int64) for column in (zip(*same, strict=True) if same else ((), ())))
        n = len(projection.leaf_ids)
        self._history = moved(self._history, n=n, to=to, of=of)
        raised_s, lowered_s = np.full(n, -np.inf), np.full(n, -np.inf)
        raised_s[to], lowered_s[to] = self._raised_s[of], self._lowered_s[of]
        self._raised_s, self._lowered_s = raised_s, lowered_s
        if self._committed is not None:
            committed = np.zeros(n, dtype=np.int64)
            committed[to] = self._committed[of]
            self._committed = committed
        kept = self._meters if projection.depot.voltage_v == before.depot.voltage_v else {}
        self._lay_out(
            projection,
            now_s,
            {name: meter for name, meter in kept.items() if _is_there(before, meter, name, projection)},
        )

    def _lay_out(self, projection: Projection, now_s: float, kept: Mapping[str, _Meter]) -> None:
        self._projection = projection
        self._sits: Sitting = sitting(projection)
        self._meters: dict[str, _Meter] = {}
        frame = projection.frame
        for node, subject in enumerate(projection.subjects):
            if not isinstance(subject, Circuit) or not subject.meter:
                continue
            name = projection.node_ids[node]
            limits = frame.limits[int(frame.inner_of[node])]
            meter = kept.get(name) or _Meter(
                node=node,
                leaves=slice(0),
                bounds=plausible(limits, frame.scale, phase_count=len(projection.phases[node])),
                state=MeterState(safe_since_s=now_s),
            )
            meter.node = node
            meter.leaves = slice(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
            meter.bounds = plausible(limits, frame.scale, phase_count=len(projection.phases[node]))
            self._meters[name] = meter

    # What is reported

    def node_measured(self, event: NodeMeasured) -> None:
        """A node's meter has spoken, or was heard not to. A node without a meter is not listened to."""
        meter = self._meters.get(event.node)
        if meter is not None:
            meter.waiting.append(event)

    def connector_measured(self, event: Measured) -> None:
        """A connector's own live sample."""
        leaf = self._projection.leaf_index.get(event.connector)
        if leaf is None:
            return
        told = [np.nan if value is None else float(value) for value in event.phases_ma or (None, None, None)]
        draw = event.draw
        if draw is None and self._projection.is_ac[leaf] and event.phases_ma is not None:
            draw = max((value for value in event.phases_ma if value is not None), default=None)
        if draw is None:
            return
        power_w = np.nan if event.power_w is None else float(event.power_w)
        self._own.append((leaf, event.received_s - event.age_s, float(draw), (told[0], told[1], told[2]), power_w))
        if len(self._own) >= _MOST_OWN_SAMPLES:
            self._place_own_samples()

    def _place_own_samples(self) -> None:
        samples, self._own = self._own, []
        if not samples:
            return
        samples.sort(key=lambda sample: sample[1])
        leaves = np.array([sample[0] for sample in samples], dtype=np.int64)
        taken_s = np.array([sample[1] for sample in samples])
        draw = np.array([sample[2] for sample in samples])
        phases_ma = np.array([sample[3] for sample in samples])
        power_w = np.array([sample[4] for sample in samples])
        low, high = on_rows(self._sits, leaves, draw, phases_ma, power_w)
        left = np.arange(len(samples))
        while len(left):
            # Each leaf's oldest first: a history is written one sample of a leaf at a time.
            _, first = np.unique(leaves[left], return_index=True)
            now = left[first]
            remember(self._history, leaves[now], taken_s[now], draw[now], low[now], high[now])
            left = np.delete(left, first)

    # What is known

    def readings(self) -> dict[str, Reading]:
        """Metered node -> its newest good sample, referred. Not of meters that were found frozen."""
        return {
            name: meter.state.good
            for name, meter in self._meters.items()
            if meter.state.good is not None and not meter.state.is_frozen
        }

    def own_samples(self) -> OwnSamples:
        """The newest sample of every connector, those included that came since the last cycle."""
        self._place_own_samples()
        history = self._history
        return OwnSamples(taken_s=history.newest_s.copy(), draw=history.draw.copy(), rows=history.newest_high.copy())

    def stale(self, now_s: float) -> frozenset[str]:
        """NORMAL nodes whose meters have been silent for too long to raise anything below them. It is asked between
        cycles too: samples that have not been judged yet count as heard, unless they are absurd by themselves."""
        since_s = now_s - self._rules.stale_s
        return frozenset(
            name
            for name, meter in self._meters.items()
            if meter.state.safe_since_s is None and not self._was_heard(meter, since_s)
        )

    def _was_heard(self, meter: _Meter, since_s: float) -> bool:
        """Whether a sample that may be good was taken since then."""
        good = meter.state.good
        if good is not None and good.taken_s >= since_s:
            return True
        readings = (self._reading(meter, event) for event in meter.waiting if not event.fault)
        return any(each.taken_s >= since_s and not is_absurd(each, meter.bounds) for each in readings)

    # Once a cycle

    def cycle(
        self,
        *,
        now_s: float,
        committed: Ints,
        raised_s: Floats | None = None,
        safe_by_order: Collection[str] = (),
        envelopes: Mapping[str, Caps] | None = None,
    ) -> Metered:
        """What the meters say now.

        `committed` [n] is the most each leaf may draw, in its unit, sent but unacknowledged raises included; 0 where
        certainly nothing is plugged in. `raised_s` [n] is when the last raise of it was acknowledged, `now_s` while it
        is not, minus infinity where there was none; left out, it is when `committed` was seen to grow.
        `safe_by_order` names nodes that a person has put into SAFE, with or without a meter; `envelopes` are in force.
        """
        self._place_own_samples()
        entitled = self._entitled(now_s, committed, raised_s)
        for meter in self._meters.values():
            self._hear(meter, now_s)
            self._estimate(meter, now_s, entitled)
        conditions = {name: self._condition(meter, now_s) for name, meter in self._meters.items()}
        for name in safe_by_order:
            if name in self._projection.node_index:
                conditions[name] = _ordered(conditions.get(name))
        base_load = {
            name: amount
            for name, meter in self._meters.items()
            if conditions[name].mode is Mode.NORMAL
            and (amount := as_amount(self._projection, meter.node, meter.estimate, envelopes)) is not None
        }
        return Metered(
            modes={name: Mode.SAFE for name, found in conditions.items() if found.mode is Mode.SAFE},
            base_load=base_load,
            no_raise=frozenset(name for name, found in conditions.items() if not found.may_raise),
            conditions=conditions,
        )

    def _entitled(self, now_s: float, committed: Ints, raised_s: Floats | None) -> Entitled:
        before = self._committed
        if before is not None:
            self._lowered_s = np.where(committed < before, now_s, self._lowered_s)
            self._raised_s = np.where(committed > before, now_s, self._raised_s)
        self._committed = committed.copy()
        return Entitled(
            committed=committed.astype(np.float64),
            raised_s=self._raised_s if raised_s is None else raised_s,
            lowered_s=self._lowered_s,
        )

    def _hear(self, meter: _Meter, now_s: float) -> None:
        """Judge what the meter has said since the last cycle."""
        while meter.waiting:
            event = meter.waiting.popleft()
            if event.fault:
                meter.state = replace(meter.state, fault=event.fault)
                continue
            reading = self._reading(meter, event)
            meter.state = observe(meter.state, reading, meter.bounds, self._rules)
            if meter.state.good is not reading:
                continue
            # The newest is always there; one that came too soon after the one before it is not kept behind it.
            readings = meter.readings
            if readings and reading.taken_s - readings[-1].taken_s > self._rules.silent_s:
                # What was known of the base load is too long ago.
                meter.estimate = Estimate(shows_direction=meter.estimate.shows_direction)
                readings.clear()
            if len(readings) > 1 and readings[-1].taken_s - readings[-2].taken_s < _SHORTEST_GAP_S:
                readings.pop()
            readings.append(reading)
        meter.state = passed(meter.state, now_s, self._rules)

    def _reading(self, meter: _Meter, event: NodeMeasured) -> Reading:
        """On the four rows; amperes count only where every phase of the node is given."""
        projection = self._projection
        phases = projection.phases[meter.node]
        refer = int(projection.voltage_v[meter.node]) / projection.depot.voltage_v
        given = event.phases_ma or (None, None, None)
        lines = [
            None if value is None or phase not in phases else value * refer
            for phase, value in zip(PHASES, given, strict=True)
        ]
        if any(value is None for phase, value in zip(PHASES, lines, strict=True) if phase in phases):
            lines = [None, None, None]
        return Reading(
            taken_s=event.received_s - max(0.0, event.age_s),
            received_s=event.received_s,
            rows=(lines[0], lines[1], lines[2], event.power_w),
        )

    def _estimate(self, meter: _Meter, now_s: float, entitled: Entitled) -> None:
        """Down by what is confirmed, up by what is new."""
        if not meter.readings:
            return
        rules = self._base_load_rules
        until_s = confirmed_s(self._history, entitled, meter.leaves, now_s, rules)
        index = bisect_right(meter.readings, until_s, key=lambda reading: reading.taken_s) - 1
        if index >= 0 and meter.readings[index].taken_s > meter.compared_s:
            reading = meter.readings[index]
            meter.compared_s = reading.taken_s
            low, high = drawn_between(self._history, entitled, meter.leaves, reading.taken_s, rules, self._sits)
            meter.state = compare(meter.state, reading, meter.bounds, self._rules, low=low, high=high)
            if meter.estimate.is_settled:
                meter.estimate = lowered(meter.estimate, reading, low, rules)
                if tells_all(self._history, entitled, meter.leaves, reading.taken_s, rules):
                    meter.estimate = found_hidden(meter.estimate, reading, high)
            elif reading.taken_s >= meter.estimate.begun_s:
                drawn, all_reported = first_drawn(self._history, entitled, meter.leaves, reading.taken_s, rules)
                meter.estimate = settled(
                    meter.estimate, reading, drawn, all_reported=all_reported, now_s=now_s, rules=rules
                )
        newest = meter.readings[-1]
        most = most_drawn(self._sits, self._history, entitled, meter.leaves, newest.taken_s, rules)
        meter.estimate = lifted(meter.estimate, newest, most)

    def _condition(self, meter: _Meter, now_s: float) -> Condition:
        found = condition(meter.state, now_s, self._rules)
        if found.mode is Mode.NORMAL and found.cause is None and not meter.estimate.is_settled:
            return replace(found, cause=Cause.UNSETTLED, may_raise=False)
        return found


def _ordered(found: Condition | None) -> Condition:
    """SAFE because a person said so."""
    if found is None:
        return Condition(
            mode=Mode.SAFE, cause=Cause.BY_ORDER, since_s=None, age_s=None, may_raise=True, dropped=0, fault=""
        )
    return replace(found, mode=Mode.SAFE, cause=Cause.BY_ORDER, may_raise=True)


def _is_there(before: Projection, meter: _Meter, name: str, after: Projection) -> bool:
    node = after.node_index.get(name)
    return (
        node is not None
        and after.voltage_v[node] == before.voltage_v[meter.node]
        and after.phases[node] == before.phases[meter.node]
    )


def _is_wired_alike(before: Projection, old: int, after: Projection, new: int) -> bool:
    """Whether a connector's draw sits on the rows as it did."""
    nodes = int(before.leaf_node[old]), int(after.leaf_node[new])
    return (
        before.classes[int(before.leaf_class[old])] == after.classes[int(after.leaf_class[new])]
        and before.phases[nodes[0]] == after.phases[nodes[1]]
    )
