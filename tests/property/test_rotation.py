"""Lasting scarcity: turns, the restart gap, and that nobody is forgotten; an hour in cycles of a made-up clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves
from busbar.core.projection import Projection, project
from busbar.core.snapshot import TURN_S, snapshot_from_arrays
from busbar.core.strategies import STRATEGIES
from busbar.core.units import Current

BEGIN = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
MINIMUM_MA, STEP_MA = 6000, 1000
HOUR_S = 3600.0


def _circuit_of(n: int, limit_ma: int, leaves: Leaves) -> Projection:
    """One circuit with n equal AC connectors of 6 to 32 A."""
    connector = Connector(id="1", max_rating=32_000, minimum=MINIMUM_MA, step=STEP_MA)
    return project(
        Depot(
            id="depot",
            voltage_v=400,
            circuits=(
                Circuit(
                    id="C1",
                    default_operating_capacity=Current(l1_ma=limit_ma, l2_ma=limit_ma, l3_ma=limit_ma),
                ),
            ),
            charge_points=tuple(
                ChargePoint(
                    id=f"CP{index}",
                    circuit="C1",
                    current=CurrentKind.AC,
                    max_rating=32_000,
                    connectors=(connector,),
                )
                for index in range(n)
            ),
        ),
        leaves=leaves,
    )


@dataclass
class Spell:
    """One stretch of charging or of waiting."""

    leaf: int
    charging: bool
    begin_s: float
    end_s: float


@dataclass
class Yard:
    """Vehicles that want everything from their arrival on, and what the balance made of them."""

    projection: Projection
    arrive_s: list[float]
    strategy: str = "equal_share"
    since_s: list[float | None] = field(default_factory=list)
    charging: list[bool] = field(default_factory=list)
    stopped_s: list[float | None] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    """How many were charging after each cycle."""
    setpoints: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.arrive_s)
        self.since_s, self.charging, self.stopped_s = [None] * n, [False] * n, [None] * n

    def live(self, period_s: float, base_ma: Callable[[float], int] = lambda _: 0) -> "Yard":
        """An hour."""
        now_s = 0.0
        while now_s <= HOUR_S:
            self._cycle(now_s, base_ma(now_s))
            now_s += period_s
        for leaf, since in enumerate(self.since_s):
            if since is not None:
                self.spells.append(Spell(leaf, self.charging[leaf], since, now_s))
        return self

    def _cycle(self, now_s: float, base_ma: int) -> None:
        here = np.array([arrive <= now_s for arrive in self.arrive_s])
        for leaf in np.flatnonzero(here).tolist():
            if self.since_s[leaf] is None:
                self.since_s[leaf] = now_s

        def ago(times: list[float | None], among: list[bool]) -> np.ndarray:
            return np.array(
                [
                    now_s - when if when is not None and counts else np.nan
                    for when, counts in zip(times, among, strict=True)
                ]
            )

        n = len(self.arrive_s)
        allocation = balance(
            self.projection,
            snapshot_from_arrays(
                self.projection,
                at=BEGIN + timedelta(seconds=now_s),
                request=np.where(here, 32_000, 0),
                present=here,
                arrived_ago_s=np.where(here, now_s - np.array(self.arrive_s), np.nan),
                charging=np.array(self.charging),
                charging_for_s=ago(self.since_s, self.charging),
                waiting_for_s=ago(self.since_s, [not charging for charging in self.charging]),
                stopped_ago_s=ago(self.stopped_s, [True] * n),
                base_load={"C1": Current(l1_ma=base_ma, l2_ma=base_ma, l3_ma=base_ma)},
            ),
            strategy=self.strategy,
        )
        for leaf in np.flatnonzero(here).tolist():
            since, given_something = self.since_s[leaf], bool(allocation.setpoint[leaf])
            if since is None or given_something == self.charging[leaf]:
                continue
            if now_s > since:
                self.spells.append(Spell(leaf, self.charging[leaf], since, now_s))
            if not given_something:
                self.stopped_s[leaf] = now_s
            self.charging[leaf], self.since_s[leaf] = given_something, now_s
        self.running.append(sum(self.charging))
        self.setpoints.append(allocation.setpoint.tolist())


STRATEGY = st.sampled_from(sorted(STRATEGIES))
LEAVES = st.sampled_from(Leaves)


@settings(max_examples=settings().max_examples // 2)
@given(
    leaves=LEAVES,
    n=st.integers(2, 9),
    k=st.integers(1, 8),
    spare_ma=st.integers(0, 5999),
    period_s=st.floats(5.0, 60.0),
    at_once=st.booleans(),
    arrive_s=st.lists(st.floats(0.0, 1200.0), min_size=9, max_size=9),
)
def test_nobody_waits_longer_than_the_turns_of_those_before(
    leaves: Leaves, n: int, k: int, spare_ma: int, period_s: float, at_once: bool, arrive_s: list[float]
) -> None:
    """n want and k fit: at most ceil(n / k) - 1 turns, each of ten minutes and up to one cycle more."""
    k = min(k, n - 1)
    projection = _circuit_of(n, k * MINIMUM_MA + spare_ma, leaves)
    yard = Yard(projection, [0.0] * n if at_once else arrive_s[:n]).live(period_s)
    longest_s = (ceil(n / k) - 1) * (TURN_S + period_s)
    assert all(spell.end_s - spell.begin_s <= longest_s for spell in yard.spells if not spell.charging)


@settings(max_examples=settings().max_examples // 2)
@given(
    leaves=LEAVES,
    n=st.integers(2, 9),
    k=st.integers(1, 8),
    spare_ma=st.integers(0, 5999),
    period_s=st.floats(5.0, 60.0),
    strategy=STRATEGY,
)
def test_a_turn_lasts_at_least_ten_minutes(
    leaves: Leaves, n: int, k: int, spare_ma: int, period_s: float, strategy: str
) -> None:
    k = min(k, n - 1)
    yard = Yard(_circuit_of(n, k * MINIMUM_MA + spare_ma, leaves), [0.0] * n, strategy).live(period_s)
    over = [spell for spell in yard.spells if spell.charging and spell.end_s <= HOUR_S]
    assert all(spell.end_s - spell.begin_s >= TURN_S for spell in over)
    assert yard.running == [k] * len(yard.running)


@settings(max_examples=settings().max_examples // 2)
@given(
    leaves=LEAVES,
    n=st.integers(2, 8),
    period_s=st.floats(5.0, 60.0),
    seed=st.integers(0, 2**32 - 1),
    strategy=STRATEGY,
)
def test_with_room_for_all_but_one_a_wavering_base_load_starts_and_stops_nobody_between_turns(
    leaves: Leaves, n: int, period_s: float, seed: int, strategy: str
) -> None:
    """Where n - 1 of n always fit, and the last one now and then but never with a step to spare."""
    rng = np.random.default_rng(seed)
    projection = _circuit_of(n, n * MINIMUM_MA, leaves)
    yard = Yard(projection, [0.0] * n, strategy).live(period_s, lambda _: int(rng.integers(0, STEP_MA)))
    for spell in yard.spells:
        # Who waits from the beginning was never stopped, and starts as soon as there is room.
        if spell.begin_s > 0.0 and spell.end_s <= HOUR_S:
            assert spell.end_s - spell.begin_s >= TURN_S
    assert all(running >= n - 1 for running in yard.running)


@settings(max_examples=settings().max_examples // 2)
@given(
    leaves=LEAVES,
    n=st.integers(1, 9),
    limit_ma=st.integers(MINIMUM_MA, 60_000),
    period_s=st.floats(20.0, 60.0),
    seed=st.integers(0, 2**32 - 1),
    strategy=STRATEGY,
)
def test_scarcity_never_stops_more_than_it_must(
    leaves: Leaves, n: int, limit_ma: int, period_s: float, seed: int, strategy: str
) -> None:
    """At every cycle at least as many charge as minima fit with a step to spare; never none where one fits."""
    rng = np.random.default_rng(seed)
    base: list[int] = []

    def wavering(_: float) -> int:
        base.append(int(rng.integers(0, limit_ma - MINIMUM_MA + 1)))
        return base[-1]

    yard = Yard(_circuit_of(n, limit_ma, leaves), [0.0] * n, strategy).live(period_s, wavering)
    for running, load_ma in zip(yard.running, base, strict=True):
        fit = min(n, (limit_ma - load_ma) // MINIMUM_MA)
        assert fit - 1 <= running <= fit
        assert running >= 1


@given(leaves=LEAVES, n=st.integers(1, 8), low_ma=st.integers(0, 20_000), steps=st.integers(1, 10), strategy=STRATEGY)
def test_raising_who_charges_needs_headroom_only(
    leaves: Leaves, n: int, low_ma: int, steps: int, strategy: str
) -> None:
    """The gap is for starting again: a setpoint that was lowered rises as soon as there is room for a step."""
    projection = _circuit_of(n, n * MINIMUM_MA + 20_000 + steps * STEP_MA, leaves)
    base = iter([low_ma, 20_000 + steps * STEP_MA, low_ma])
    yard = Yard(projection, [0.0] * n, strategy).live(HOUR_S / 2, lambda _: next(base))
    before, scarce, after = yard.setpoints
    assert sum(before) > sum(scarce) == n * MINIMUM_MA
    assert after == before
