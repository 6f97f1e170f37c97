"""The breaches of one depot: flows held against limits once a look, from the first sample over to the minute after.

No IO and no clock. The rule is `core/breach.py`, the cause `breach_causes.py`; here is what lives from look to look.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil, inf, isnan, nan

import numpy as np

from busbar.core.breach import BreachRules, Course, Seen, restored, step
from busbar.core.projection import NodeKind, Projection
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Bools, Floats
from busbar.core.units import PHASES, SQRT3
from busbar.engine.breach_causes import Case, Finding, decide, is_worse, leaf_weights
from busbar.engine.breach_chart import MARGIN_S, Endings, extended
from busbar.engine.breach_looks import Fall, Looks, sample, wall
from busbar.engine.breach_record import BreachCause, BreachRecord, Sample
from busbar.engine.breach_sight import BreachSight as BreachSight

ROWS = (*(phase.value for phase in PHASES), "total")
TOLD_S = 30.0
"""A breach is not reported as updated more often than this."""
PEAK_GROWS = 1.05
"""A peak that grew by no more than this is no news."""
MOST_WATCHED = 1000
"""Nodes and rows that are over at one time and looked at; connectors come last."""
_TELLS = 0.25
"""A limit that fell, or base load that rose, by less than this part of what is too much does not explain it."""

Key = tuple[str, int]
"""Node and row (0 to 3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BreachNews:
    """What a look has found."""

    opened: tuple[BreachRecord, ...] = ()
    updated: tuple[BreachRecord, ...] = ()
    """Whose peak, cause or link has changed; not more often than every half minute each."""
    closed: tuple[BreachRecord, ...] = ()
    charted: tuple[BreachRecord, ...] = ()
    """Closed earlier: the minute after their end has been added to the chart. To be kept; no news for anybody."""
    open: tuple[BreachRecord, ...] = ()
    """All, oldest first, as they are now."""
    in_transition: frozenset[str] = frozenset()
    """Nodes that are over, while the limit fell or base load rose no longer ago than the allowed reaction time."""
    commanded: frozenset[str] = frozenset()
    """Nodes that our own orders have overloaded: nothing is raised below them."""


@dataclass(slots=True)
class _Watch:
    """One node and row that is over, or was a moment ago. (Mutable: it follows samples.)"""

    node: int
    row: int
    course: Course = field(default_factory=Course)
    fall: Fall | None = None
    """The limit fell shortly before it went over."""
    rise: float = 0.0
    """So much base load rose about when it went over."""
    is_excused: bool = False
    record: BreachRecord | None = None
    """None: nothing is open yet."""
    told: BreachRecord | None = None
    """As it was reported last."""
    told_s: float = -inf
    worse: tuple[BreachCause, float] | None = None
    """A worse cause that evidence speaks for, and since when."""


class Breaches:
    """Lives as long as its depot; `use` carries it over an edit. Once a cycle: `look`."""

    def __init__(self, projection: Projection, *, new_id: Callable[[], str], rules: BreachRules | None = None) -> None:
        self._rules = rules or BreachRules()
        self._new_id = new_id
        self._watches: dict[Key, _Watch] = {}
        self._endings = Endings()
        self._restored: tuple[BreachRecord, ...] = ()
        self._gone: list[BreachRecord] = []
        n = len(projection.node_ids)
        self._looks = Looks(n, together_s=self._rules.open_s + self._rules.reaction_s)
        self._newest_s = np.full(n, -inf)
        self._lay_out(projection)

    def _lay_out(self, projection: Projection) -> None:
        self._projection = projection
        self._weights = leaf_weights(projection)
        is_connector = np.array([kind is NodeKind.CONNECTOR for kind in projection.kinds])
        self._order = np.argsort(is_connector, kind="stable")
        self._wh_per_unit_s = float(projection.depot.voltage_v / SQRT3) / 1000 / 3600, 1 / 3600

    def use(self, projection: Projection) -> None:
        """Go on with an edited depot. Open breaches of nodes that it does not have are closed by the next look."""
        before, self._projection = self._projection, projection
        is_comparable = before.depot.voltage_v == projection.depot.voltage_v
        pairs = [
            (node, before.node_index[name])
            for node, name in enumerate(projection.node_ids)
            if is_comparable and name in before.node_index
        ]
        to, of = (np.array(column, dtype=np.int64) for column in (zip(*pairs, strict=True) if pairs else ((), ())))
        n = len(projection.node_ids)
        self._looks.move(n, to=to, of=of)
        newest_s = np.full(n, -inf)
        newest_s[to] = self._newest_s[of]
        self._newest_s = newest_s
        self._lay_out(projection)
        watches, self._watches = self._watches, {}
        for (name, row), watch in watches.items():
            if name in projection.node_index:
                watch.node = projection.node_index[name]
                self._watches[name, row] = watch
            elif watch.record is not None:
                last = watch.course.last
                ended_at = watch.record.opened_at if last is None else max(last.at, watch.record.opened_at)
                self._gone.append(_closed(watch.record, ended_at, because="the node is gone"))

    def restore(self, records: Sequence[BreachRecord]) -> None:
        """Those that were open when an earlier process ended go on, with the next look, under their ids."""
        self._restored = tuple(record for record in records if record.is_open)

    @property
    def open(self) -> tuple[BreachRecord, ...]:
        """All that go on, oldest first, as of the last look."""
        found = [watch.record for watch in self._watches.values() if watch.record is not None]
        return tuple(sorted(found, key=lambda record: (record.started_at, record.id)))

    def look(self, sight: BreachSight) -> BreachNews:
        """Hold what flows against what may. Wants to be called once a cycle; more often does no harm."""
        taken_s = sight.now_s - sight.flows.age_s if sight.taken_s is None else sight.taken_s
        fell = self._looks.note(sight, taken_s)
        self._resume(sight)
        opened: list[_Watch] = []
        ended: list[_Watch] = []
        for key, seen in self._sightings(sight, taken_s, fell):
            watch = self._watches[key]
            self._follow(watch, seen, sight)
            if watch.record is not None and watch.told is None:
                opened.append(watch)
            if watch.course.ended is not None:
                ended.append(watch)
            if watch.course.is_idle:
                del self._watches[key]
        self._link([*self._watches.values(), *ended])
        closed = [*self._gone, *(self._end(watch) for watch in ended)]
        self._gone = []
        for watch in opened:
            watch.told, watch.told_s = watch.record, sight.now_s
        still_open = self.open
        return BreachNews(
            opened=tuple(watch.told for watch in opened if watch.told is not None),
            updated=tuple(self._updates(sight.now_s)),
            closed=tuple(closed),
            charted=self._endings.look(self._projection, sight, taken_s),
            open=still_open,
            in_transition=self._in_transition(sight) - {record.node for record in still_open},
            commanded=frozenset(record.node for record in still_open if record.is_critical),
        )

    # What is seen

    def _resume(self, sight: BreachSight) -> None:
        """What an earlier process left open goes on."""
        for record in self._restored:
            key = record.node, ROWS.index(record.row)
            known = self._watches.get(key)
            if record.node not in self._projection.node_index:
                self._gone.append(_closed(record, record.opened_at, because="the node is gone"))
            elif known is not None and known.record is not None:
                self._gone.append(_closed(record, record.opened_at, because=f"it goes on as {known.record.id}"))
            else:
                self._watches[key] = self._watch_of(record, self._projection.node_index[record.node], key[1], sight)
        self._restored = ()

    def _watch_of(self, record: BreachRecord, node: int, row: int, sight: BreachSight) -> _Watch:
        def seen(at: datetime, flow: float) -> Seen:
            # The monotonic clock of that process means nothing to this one.
            ago_s = max(0.0, (sight.at - at).total_seconds())
            return Seen(taken_s=sight.now_s - ago_s, at=at, flow=flow, limit=record.limit)

        return _Watch(
            node=node,
            row=row,
            course=restored(
                began=seen(record.started_at, record.peak),
                opened=seen(record.opened_at, record.peak),
                peak=seen(record.peak_at, record.peak),
                over_unit_s=record.energy_over_wh / self._wh(row),
            ),
            is_excused=record.cause in (BreachCause.LIMIT_LOWERED, BreachCause.BASE_LOAD),
            record=record,
            told=record,
            told_s=sight.now_s,
        )

    def _sightings(self, sight: BreachSight, taken_s: Floats, fell: Bools) -> Iterator[tuple[Key, Seen]]:
        """Everything that is watched, and what is newly over by a sample that is new (or a limit that is)."""
        for key in self._new_ones(sight, taken_s, fell):
            self._watches[key] = _Watch(node=self._projection.node_index[key[0]], row=key[1])
        self._newest_s = np.fmax(self._newest_s, taken_s)
        rows = sight.flows.rows
        for key, watch in list(self._watches.items()):
            node, row = watch.node, watch.row
            limit, seen_s = float(sight.limit[node, row]), float(taken_s[node])
            if fell[node, row] and sight.now_s - seen_s <= self._rules.gap_s:
                # What flowed before the limit fell was not over it then; it is from now on.
                seen_s = sight.now_s
            yield (
                key,
                Seen(
                    taken_s=seen_s,
                    at=wall(sight, seen_s),
                    flow=nan if isnan(seen_s) else float(rows[node, row]),
                    limit=inf if isnan(limit) else limit,
                ),
            )

    def _new_ones(self, sight: BreachSight, taken_s: Floats, fell: Bools) -> list[Key]:
        is_new = (taken_s > self._newest_s)[:, None] | fell
        over = (sight.flows.rows > sight.limit) & is_new
        left = MOST_WATCHED - len(self._watches)
        if left <= 0 or not over.any():
            return []
        places = np.argwhere(over[self._order])
        ids, order = self._projection.node_ids, self._order
        found = ((ids[int(order[place])], int(row)) for place, row in places)
        fresh = [key for key in found if key not in self._watches]
        return fresh[:left]

    # One node and row

    def _follow(self, watch: _Watch, seen: Seen, sight: BreachSight) -> None:
        before = watch.course
        course = watch.course = step(before, seen, self._rules, is_power=watch.row == TOTAL)
        if course is before:
            if watch.record is not None and isnan(seen.flow):
                self._chart(watch, sample(sight.at, seen.flow, seen.limit))
            return
        if course.over_since is seen and not course.is_open:
            watch.fall = self._fall_before(watch, seen.taken_s)
        if watch.record is None:
            if course.is_open:
                self._open(watch, sight)
            return
        self._refresh(watch)
        self._chart(watch, sample(seen.at, seen.flow, seen.limit))
        if seen.flow > seen.limit:
            self._reconsider(watch, sight)

    def _fall_before(self, watch: _Watch, at_s: float) -> Fall | None:
        fall = self._looks.fall(watch.node, watch.row)
        together_s = self._rules.open_s + self._rules.reaction_s
        return fall if fall is not None and 0 <= at_s - fall.fell_s <= together_s else None

    def _open(self, watch: _Watch, sight: BreachSight) -> None:
        course, rules = watch.course, self._rules
        began, opened, peak = course.began, course.opened, course.peak
        assert began is not None
        assert opened is not None
        assert peak is not None
        watch.rise = self._looks.base_rise(
            watch.node,
            watch.row,
            from_s=began.taken_s - rules.open_s - rules.reaction_s,
            to_s=began.taken_s + rules.reaction_s,
        )
        found = self._decide(watch, opened, sight)
        earlier = self._looks.samples(watch.node, watch.row, since_s=began.taken_s - MARGIN_S)
        watch.record = BreachRecord(
            id=self._new_id(),
            node=self._projection.node_ids[watch.node],
            row=ROWS[watch.row],
            started_at=began.at,
            opened_at=max(opened.at, began.at),
            limit=round(opened.limit),
            limit_name=sight.limit_name(watch.node, watch.row),
            peak=ceil(peak.flow),
            peak_at=peak.at,
            energy_over_wh=self._energy_wh(watch),
            cause=found.cause,
            sentence=found.sentence,
            evidence=found.evidence,
            series=tuple(earlier),
        )

    def _decide(self, watch: _Watch, seen: Seen, sight: BreachSight) -> Finding:
        telling = _TELLS * (seen.flow - seen.limit)
        fall = watch.fall
        case = Case(
            node=watch.node,
            row=watch.row,
            flow=seen.flow,
            limit=seen.limit,
            fall=fall if fall is not None and fall.before - fall.to >= telling else None,
            rise=watch.rise if watch.rise >= telling else 0.0,
            is_excused=watch.is_excused,
        )
        return decide(sight, self._projection, self._weights, case, self._rules)

    def _reconsider(self, watch: _Watch, sight: BreachSight) -> None:
        """The first cause stays, unless evidence speaks for a worse one for as long as it takes to open."""
        assert watch.record is not None
        assert watch.course.last is not None
        found = self._decide(watch, watch.course.last, sight)
        if not found.is_certain or not is_worse(found.cause, watch.record.cause):
            watch.worse = None
        elif watch.worse is None or watch.worse[0] is not found.cause:
            watch.worse = found.cause, sight.now_s
        elif sight.now_s - watch.worse[1] > self._rules.open_s:
            evidence = found.evidence | {"cause_before": watch.record.cause.value}
            watch.record = replace(watch.record, cause=found.cause, sentence=found.sentence, evidence=evidence)

    def _refresh(self, watch: _Watch) -> None:
        """With the peak, the energy and the duration so far; by the monotonic clock, whatever the stamps say."""
        record, peak = watch.record, watch.course.peak
        assert record is not None
        assert peak is not None
        watch.record = replace(
            record,
            peak=ceil(peak.flow),
            peak_at=peak.at,
            energy_over_wh=max(record.energy_over_wh, self._energy_wh(watch)),
            evidence=record.evidence | {"lasted_s": round(watch.course.lasted_s, 1)},
        )

    def _chart(self, watch: _Watch, new: Sample) -> None:
        assert watch.record is not None
        watch.record = replace(watch.record, series=extended(watch.record.series, new))

    def _wh(self, row: int) -> float:
        """Wh per mA and second at the nominal voltage to neutral, or per W and second."""
        return self._wh_per_unit_s[1 if row == TOTAL else 0]

    def _energy_wh(self, watch: _Watch) -> int:
        # A restored figure is not to grow by an Wh for what floats are off.
        return ceil(watch.course.over_unit_s * self._wh(watch.row) - 1e-6)

    def _end(self, watch: _Watch) -> BreachRecord:
        record, course = watch.record, watch.course
        assert record is not None
        assert course.ended is not None
        assert course.last is not None
        record = replace(record, ended_at=max(course.ended.at, record.opened_at))
        self._endings.add(record, watch.row, last_s=course.last.taken_s, ended_s=course.ended.taken_s)
        return record

    # All of them

    def _link(self, watches: Sequence[_Watch]) -> None:
        """Name for each the open breach at the nearest node above, of the same row if there is one."""
        records = [(watch, watch.record) for watch in watches if watch.record is not None]
        by_node: dict[int, dict[int, str]] = {}
        for watch, record in records:
            by_node.setdefault(watch.node, {})[watch.row] = record.id
        for watch, record in records:
            above = next(
                (by_node[node] for node in self._projection.path(watch.node) if node != watch.node and node in by_node),
                None,
            )
            if above is None:
                # What was above it once stays its parent.
                continue
            parent = above.get(watch.row) or above[min(above)]
            if parent != record.parent:
                watch.record = replace(record, parent=parent)

    def _updates(self, now_s: float) -> Iterator[BreachRecord]:
        for watch in self._watches.values():
            record, told = watch.record, watch.told
            if record is None or told is None or now_s - watch.told_s < TOLD_S:
                continue
            has_grown = record.peak > told.peak * PEAK_GROWS
            if has_grown or record.cause is not told.cause or record.parent != told.parent:
                watch.told, watch.told_s = record, now_s
                yield record

    def _in_transition(self, sight: BreachSight) -> frozenset[str]:
        return frozenset(
            name
            for (name, _), watch in self._watches.items()
            if watch.record is None and self._is_reacting(watch, sight.now_s)
        )

    def _is_reacting(self, watch: _Watch, now_s: float) -> bool:
        last, since_s = watch.course.last, now_s - self._rules.reaction_s
        assert last is not None
        telling = _TELLS * (last.flow - last.limit)
        fall = self._looks.fall(watch.node, watch.row)
        if fall is not None and fall.fell_s >= since_s and fall.before - fall.to >= telling:
            return True
        return self._looks.base_rise(watch.node, watch.row, from_s=since_s, to_s=now_s) >= telling


def _closed(record: BreachRecord, ended_at: datetime, *, because: str) -> BreachRecord:
    return replace(record, ended_at=ended_at, evidence=record.evidence | {"closed_because": because})
