"""What is watched of one depot once a cycle: flows against limits, breaches, modes and alarms; the moment it makes.

Synchronous and without input or output. Nothing here decides what charge points are told, but for one thing: below
a node that Busbar's own orders have overloaded, nothing is raised.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from busbar.core.breach import BreachRules
from busbar.core.headroom import Rooms
from busbar.core.metering import Condition
from busbar.core.projection import Projection
from busbar.core.snapshot import Floats, Ints, Mode
from busbar.engine.access import Notice
from busbar.engine.breach_record import BreachChange, BreachRecord
from busbar.engine.breaches import Breaches, BreachNews, BreachSight
from busbar.engine.envelopes import shortfalls
from busbar.engine.limit_rows import LimitRows
from busbar.engine.measured import Measurement, flow_tree, measure
from busbar.engine.metering import Metering
from busbar.engine.moment import Alarm, Moment
from busbar.engine.notices import breach_notice, mode_notice, shortfall_notice

MOST_ALARMS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a look has found."""

    moment: Moment
    changes: tuple[tuple[BreachChange, BreachRecord], ...]
    to_keep: tuple[BreachRecord, ...]
    """Breaches as they are to be written down: those that changed, and those whose chart is complete."""
    notices: tuple[Notice, ...]
    """For others to be told: breaches, modes, envelopes that cannot be met."""
    raised_alarms: tuple[Alarm, ...]
    """Those that were not there at the look before."""


class Watching:
    """Lives as long as its depot; `use` carries it over an edit."""

    def __init__(self, projection: Projection, *, new_id: Callable[[], str], rules: BreachRules | None = None) -> None:
        self._breaches = Breaches(projection, new_id=new_id, rules=rules)
        self._modes: dict[str, Mode] = {}
        self._safe_since: dict[str, datetime] = {}
        self._alarms: frozenset[Alarm] = frozenset()
        self._short: frozenset[str] = frozenset()
        self.frozen: frozenset[str] = frozenset()
        """Nodes below which nothing is raised, because our own orders have overloaded them."""
        self._limit_rows, self._tree = LimitRows(projection), flow_tree(projection)

    def use(self, projection: Projection) -> None:
        """Go on with an edited depot."""
        self._breaches.use(projection)
        self._limit_rows, self._tree = LimitRows(projection), flow_tree(projection)
        self._modes = {node: mode for node, mode in self._modes.items() if node in projection.node_index}

    def restore(self, breaches: Sequence[BreachRecord]) -> None:
        """Breaches that were open when an earlier process ended go on."""
        self._breaches.restore(breaches)

    def measure(self, metering: Metering, with_vehicle: Collection[str], now_s: float) -> Measurement:
        """What flows at every node."""
        return measure(self._tree, metering, with_vehicle, now_s=now_s)

    def look(self, moment: Moment, *, found: Rooms, taken_s: Floats, told: Ints, now_s: float) -> Seen:
        """Hold what flows against what may. `moment` has everything but breaches, transitions and alarms.

        `found`: the rooms of its snapshot; `taken_s` [N]: when the newest sample in each flow was taken; `told` [n]:
        the most each leaf was told.
        """
        news = self._breaches.look(self._sight(moment, found, taken_s, told, now_s))
        self.frozen = news.commanded
        mode_notices = self._follow_modes(moment.conditions, moment.at)
        alarms, shortfall_notices = self._look_for_alarms(moment, news)
        raised = tuple(alarm for alarm in alarms if alarm not in self._alarms)
        self._alarms = frozenset(alarms)
        whole = replace(
            moment,
            breaches=news.open,
            in_transition=news.in_transition,
            safe_since=dict(self._safe_since),
            alarms=alarms,
        )
        changes = (
            *((BreachChange.OPENED, each) for each in news.opened),
            *((BreachChange.UPDATED, each) for each in news.updated),
            *((BreachChange.CLOSED, each) for each in news.closed),
        )
        told_of = tuple(breach_notice(change, record, moment.at) for change, record in changes)
        return Seen(
            moment=whole,
            changes=changes,
            to_keep=(*(record for _, record in changes), *news.charted),
            notices=(*told_of, *mode_notices, *shortfall_notices),
            raised_alarms=raised,
        )

    def _sight(self, moment: Moment, found: Rooms, taken_s: Floats, told: Ints, now_s: float) -> BreachSight:
        projection, rows = moment.projection, self._limit_rows
        drawn = np.zeros(len(projection.leaf_ids))
        for connector, plugged in moment.plugged.items():
            drawn[projection.leaf_index[connector]] = np.nan if plugged.draw is None else plugged.draw
        disobeys = np.zeros(len(drawn), dtype=np.bool_)
        for connector, trouble in moment.troubled.items():
            if trouble == "disobeys" and connector in projection.leaf_index:
                disobeys[projection.leaf_index[connector]] = True
        return BreachSight(
            at=moment.at,
            now_s=now_s,
            flows=moment.flows,
            limit=rows.limit(found),
            limit_name=lambda node, row: rows.name(found, node, row),
            base_load=rows.base_load(found, moment.snapshot.base_load),
            drawn=drawn,
            committed=moment.committed,
            disobeys=disobeys,
            told=told,
            taken_s=taken_s,
        )

    def _follow_modes(self, conditions: Mapping[str, Condition], at: datetime) -> list[Notice]:
        """Whoever went into SAFE or came back since the look before."""
        notices = []
        for node, condition in conditions.items():
            before = self._modes.get(node)
            self._modes[node] = condition.mode
            if condition.mode is Mode.SAFE:
                self._safe_since.setdefault(node, at)
            else:
                self._safe_since.pop(node, None)
            if before is not None and before is not condition.mode:
                notices.append(mode_notice(node, condition, at))
        for gone in self._modes.keys() - conditions.keys():
            # It was SAFE by order, and has no meter.
            if self._modes.pop(gone) is Mode.SAFE:
                notices.append(mode_notice(gone, None, at))
            self._safe_since.pop(gone, None)
        return notices

    def _look_for_alarms(self, moment: Moment, news: BreachNews) -> tuple[tuple[Alarm, ...], list[Notice]]:
        alarms = [
            Alarm(kind="raises_frozen", node=node, text="Our own orders overload it: nothing below it is raised.")
            for node in sorted(news.commanded)
        ]
        short, notices = set(), []
        for node, amount in moment.snapshot.envelopes.items():
            missing = shortfalls(moment, node, amount)
            if not missing:
                continue
            short.add(node)
            alarms.append(Alarm(kind="envelope_shortfall", node=node, text=" ".join(each.text for each in missing)))
            if node not in self._short:
                notices.append(shortfall_notice(node, [each.text for each in missing], moment.at))
        self._short = frozenset(short)
        alarms += [
            Alarm(kind="charge_point_disobeys", node=connector, text="It draws more than it was told.")
            for connector, trouble in sorted(moment.troubled.items())
            if trouble == "disobeys"
        ]
        alarms += [
            Alarm(kind="meter", node=node, text=f"Its meter: {condition.fault or condition.cause}.")
            for node, condition in sorted(moment.conditions.items())
            if condition.cause is not None and condition.cause != "by_order" and condition.mode is Mode.SAFE
        ]
        return tuple(alarms[:MOST_ALARMS]), notices
