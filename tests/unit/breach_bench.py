"""A small depot whose breaches are looked for, with flows, limits and clocks that the test makes up."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np

from busbar.core.breach import BreachRules
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.units import Current
from busbar.engine.breach_record import BreachRecord
from busbar.engine.breaches import Breaches, BreachNews, BreachSight
from busbar.engine.moment import Flows

A = 1000


def amperes(a: float) -> Current:
    ma = int(a * A)
    return Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)


def made_depot(*circuits: str, timezone: str = "UTC") -> Depot:
    """A metered grid connection G; below it C1 (CP1 to CP3, one connector each) and the named ones (empty)."""
    connector = Connector(id="1", max_rating=64 * A, minimum=6 * A, step=A)
    below = ("C1", *circuits)
    return Depot(
        id="yard",
        voltage_v=400,
        timezone=timezone,
        circuits=(
            Circuit(
                id="G",
                default_operating_capacity=amperes(200),
                safe_operating_capacity=amperes(100),
                meter=True,
            ),
            *(Circuit(id=name, parent="G", default_operating_capacity=amperes(100)) for name in below),
        ),
        charge_points=tuple(
            ChargePoint(id=f"CP{k}", circuit="C1", current=CurrentKind.AC, max_rating=64 * A, connectors=(connector,))
            for k in (1, 2, 3)
        ),
    )


@dataclass
class Bench:
    """Looks at L1 of a few nodes; amperes and seconds. (Mutable: time passes.)"""

    depot: Depot = field(default_factory=made_depot)
    rules: BreachRules = field(default_factory=BreachRules)
    row: int = 0
    limit: dict[str, float] = field(default_factory=lambda: {"G": 100.0})
    base: dict[str, float] = field(default_factory=dict)
    drawn: dict[str, float] = field(default_factory=dict)
    committed: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    disobeys: Collection[str] = ()
    wall_ahead_s: float = 0.0
    """How far the wall clock is ahead of where it began."""
    monotonic_s: float = 5000.0
    """What the monotonic clock showed when the test's time was 0."""
    breaches: Breaches = field(init=False)
    projection: Projection = field(init=False)
    began_at: datetime = field(init=False)
    opened: list[BreachRecord] = field(default_factory=list)
    updated: list[BreachRecord] = field(default_factory=list)
    closed: list[BreachRecord] = field(default_factory=list)
    charted: list[BreachRecord] = field(default_factory=list)
    news: BreachNews = field(default_factory=BreachNews)

    def __post_init__(self) -> None:
        self.projection = project(self.depot)
        self._ids = count(1)
        self.began_at = datetime.now(UTC).replace(hour=14, minute=0, second=0, microsecond=0)
        self.breaches = self.begun()

    def only(self) -> BreachRecord:
        """The one that is open."""
        (record,) = self.breaches.open
        return record

    def begun(self) -> Breaches:
        """Those of a process that begins."""
        return Breaches(self.projection, new_id=lambda: f"B{next(self._ids)}", rules=self.rules)

    def use(self, depot: Depot) -> None:
        """The depot was edited."""
        self.depot, self.projection = depot, project(depot)
        self.breaches.use(self.projection)

    def wall(self, at_s: float) -> datetime:
        """The wall clock at a time of the test."""
        return self.began_at + timedelta(seconds=at_s + self.wall_ahead_s)

    def look(self, at_s: float, flows: Mapping[str, float], *, taken_s: float | None = None) -> BreachNews:
        """Once a cycle: what flows at nodes, by samples that were taken then (left out: now)."""
        n, leaves = len(self.projection.node_ids), len(self.projection.leaf_ids)
        rows, limit, base = np.full((n, 4), np.nan), np.full((n, 4), np.nan), np.full((n, 4), np.nan)
        age_s = np.full(n, np.nan)
        for values, array in ((flows, rows), (self.limit, limit), (self.base, base)):
            for name, value in values.items():
                if name in self.projection.node_index:
                    array[self.projection.node_index[name], self.row] = value * A
        for name in flows:
            if name in self.projection.node_index:
                age_s[self.projection.node_index[name]] = 0.0 if taken_s is None else at_s - taken_s
        committed = self._by_leaf(self.committed).astype(np.int64)
        told = committed.copy()
        for name, value in self.told.items():
            told[self.projection.leaf_index[name]] = int(value * A)
        disobeys = np.zeros(leaves, dtype=np.bool_)
        disobeys[[self.projection.leaf_index[name] for name in self.disobeys]] = True
        self.news = self.breaches.look(
            BreachSight(
                at=self.wall(at_s),
                now_s=self.monotonic_s + at_s,
                flows=Flows(rows=rows, age_s=age_s),
                limit=limit,
                limit_name=lambda node, row: "default_operating_capacity",
                base_load=base,
                drawn=self._by_leaf(self.drawn),
                committed=committed,
                told=told,
                disobeys=disobeys,
            )
        )
        self.opened += self.news.opened
        self.updated += self.news.updated
        self.closed += self.news.closed
        self.charted += self.news.charted
        return self.news

    def _by_leaf(self, values: Mapping[str, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        found = np.zeros(len(self.projection.leaf_ids))
        for name, value in values.items():
            found[self.projection.leaf_index[name]] = value * A
        return found

    def steady(self, first_s: float, last_s: float, flows: Mapping[str, float], *, every_s: float = 1.0) -> None:
        """The same flows for a while, both ends included."""
        for at_s in np.arange(first_s, last_s + every_s / 2, every_s).tolist():
            self.look(at_s, flows)

    def silent(self, first_s: float, last_s: float) -> None:
        """Nobody says what flows."""
        self.steady(first_s, last_s, {})

    def seconds(self, at: datetime) -> float:
        """A stamp as a time of the test, by the wall clock as it is now."""
        return (at - self.began_at).total_seconds() - self.wall_ahead_s


Series = Sequence[tuple[float, float]]


def steps(*parts: tuple[float, float, float], every_s: float = 1.0) -> list[tuple[float, float]]:
    """Samples of a made-up meter: (first second, last second, amperes), both ends included."""
    found: list[tuple[float, float]] = []
    for first_s, last_s, flow in parts:
        found += [(at_s, flow) for at_s in np.arange(first_s, last_s + every_s / 2, every_s).tolist()]
    return found


def swinging(
    first_s: int, last_s: int, *, low: tuple[int, float], high: tuple[int, float]
) -> list[tuple[float, float]]:
    """Seconds and amperes of either side in turn, beginning with the high one."""
    period = high[0] + low[0]
    seconds: Iterable[int] = range(first_s, last_s + 1)
    return [(float(s), high[1] if (s - first_s) % period < high[0] else low[1]) for s in seconds]
