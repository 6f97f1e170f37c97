"""Judging what has to hold over time: every condition met and broken, on trails of a few seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from made_scenarios import DEPOT

from busbar.adapters.files.depot_file import parse_depot
from busbar.adapters.files.document import parse_document
from busbar.core.depot import Leaves
from busbar.core.describe import NodeState
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, Current
from busbar.engine.breach_record import BreachCause, BreachRecord
from busbar.simulator.expectation import (
    Always,
    At,
    BreachOf,
    By,
    Condition,
    DrawAtLeast,
    DrawAtMost,
    FlowAtMost,
    Holds,
    InMode,
    InState,
    NoBreach,
    Reachable,
    SetpointAtLeast,
    SetpointAtMost,
    SocAtLeast,
    When,
)
from busbar.simulator.judge import Verdict, judge, judge_all
from busbar.simulator.physics import NO_LIMIT
from busbar.simulator.scenario import NoLimitBroken

START = datetime(2026, 7, 14, 10, tzinfo=UTC)
PROJECTION = project(parse_depot(parse_document(DEPOT.encode(), file="depot.yaml")))
CP1, CP2 = PROJECTION.leaf_index["CP1/1"], PROJECTION.leaf_index["CP2/1"]
SECONDS = 6


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One cycle of a made-up trail."""

    at_s: float
    modes: Mapping[str, Mode] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    setpoint: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, dtype=np.int64))
    reachable: frozenset[str] = frozenset({"CP1", "CP2"})


@dataclass(frozen=True, kw_only=True)
class Trail:
    """Six seconds, one sample each, cycles at 0, 2 and 4."""

    start: datetime = START
    projection: Projection = PROJECTION
    at_s: npt.NDArray[np.generic] = field(default_factory=lambda: np.arange(SECONDS))
    flow: npt.NDArray[np.int64]
    limit: npt.NDArray[np.int64]
    draw: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((SECONDS, 3), dtype=np.int64))
    soc: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    cycles: Sequence[Seen] = (Seen(at_s=0), Seen(at_s=2), Seen(at_s=4))
    breaches: Sequence[BreachRecord] = ()


def trail(**parts: object) -> Trail:
    nodes = len(PROJECTION.frame.nodes)
    calm = np.zeros((SECONDS, nodes, 4), dtype=np.int64)
    empty = Trail(flow=calm, limit=np.full_like(calm, NO_LIMIT))
    return replace(empty, **parts)  # type: ignore[arg-type]


def inner(node: str) -> int:
    return int(PROJECTION.frame.inner_of[PROJECTION.node_index[node]])


def flowing(node: str, row: int, values: Sequence[int], limit: int = NO_LIMIT) -> Trail:
    run = trail()
    run.flow[:, inner(node), row] = values
    run.limit[:, inner(node), row] = limit
    return run


def cycles(*parts: Mapping[str, object]) -> Trail:
    return trail(cycles=tuple(Seen(at_s=2 * index, **part) for index, part in enumerate(parts)))  # type: ignore[arg-type]


def told(*values: int, leaf: int = CP1) -> Trail:
    seen = []
    for value in values:
        setpoint = np.zeros(3, dtype=np.int64)
        setpoint[leaf] = value
        seen.append({"setpoint": setpoint})
    return cycles(*seen)


def breached(opened_s: int, ended_s: int | None, cause: BreachCause = BreachCause.BASE_LOAD, node: str = "C1") -> Trail:
    def at(second: int) -> datetime:
        return START + timedelta(seconds=second)

    record = BreachRecord(
        id="b1",
        node=node,
        row="L2",
        started_at=at(opened_s - 1),
        opened_at=at(opened_s),
        ended_at=None if ended_s is None else at(ended_s),
        limit=1,
        limit_name="default_operating_capacity",
        peak=2,
        peak_at=at(opened_s),
        energy_over_wh=0,
        cause=cause,
        sentence="",
    )
    return trail(breaches=(record,))


def verdict(run: Trail, when: When, subject: str | None, condition: Condition) -> Verdict:
    found = judge(run, Holds(when=when, subject=subject, condition=condition))
    assert found.sentence.startswith(found.expectation)
    assert found.seen in found.sentence
    assert (found.at_s is None) == found.is_met
    return found


LIMIT, ALWAYS = FlowAtMost(amount=None), Always()
C1_20A = FlowAtMost(amount=Current(l1_ma=20_000, l2_ma=20_000, l3_ma=20_000))


def drawing(*values: int, leaf: int = CP1) -> Trail:
    run = trail()
    run.draw[:, leaf] = values
    return run


def charged(*soc: float | None) -> Trail:
    values = np.array([np.nan if each is None else each for each in soc])
    return trail(soc={"bus1": values})


RISING = [5, 10, 15, 20, 25, 30]
SAFE_LATER: tuple[Mapping[str, object], ...] = ({}, {"modes": {"GC1": Mode.SAFE}}, {"modes": {"GC1": Mode.SAFE}})
LOST: tuple[Mapping[str, object], ...] = ({}, {"reachable": frozenset({"CP2"})}, {})

CASES = [
    # flow: every sample of the window, the last included sample at or before an instant
    (flowing("GC1", 0, RISING, 30), ALWAYS, "GC1", LIMIT, None),
    (flowing("GC1", 0, RISING, 29), ALWAYS, "GC1", LIMIT, 5),
    (flowing("GC1", 0, RISING, 29), ALWAYS, None, LIMIT, 5),
    (flowing("GC1", 0, RISING, 29), ALWAYS, "C1", LIMIT, None),
    (flowing("GC1", 0, RISING, 20), Always(from_s=0, until_s=4), "GC1", LIMIT, None),
    (flowing("GC1", 0, RISING, 20), Always(from_s=3, until_s=5), "GC1", LIMIT, 4),
    (flowing("C1", 1, [1000 * each for each in RISING]), ALWAYS, "C1", C1_20A, 4),
    (flowing("C1", 1, [1000 * each for each in RISING]), At(at_s=3), "C1", C1_20A, None),
    (flowing("C1", 1, [1000 * each for each in RISING]), At(at_s=4), "C1", C1_20A, 4),
    (flowing("GC1", 3, RISING), ALWAYS, "GC1", FlowAtMost(amount=ActivePower(w=30)), None),
    (flowing("GC1", 3, RISING), ALWAYS, "GC1", FlowAtMost(amount=ActivePower(w=12)), 2),
    (flowing("GC1", 3, RISING[::-1]), By(by_s=4), "GC1", FlowAtMost(amount=ActivePower(w=12)), None),
    (flowing("GC1", 3, RISING[::-1]), By(by_s=3), "GC1", FlowAtMost(amount=ActivePower(w=12)), 3),
    (flowing("GC1", 3, RISING[::-1]), By(by_s=4, stays=True), "GC1", FlowAtMost(amount=ActivePower(w=12)), None),
    (flowing("GC1", 3, RISING), By(by_s=1, stays=True), "GC1", FlowAtMost(amount=ActivePower(w=12)), 2),
    # modes and states last from one cycle to the next
    (cycles(*SAFE_LATER), By(by_s=2), "GC1", InMode(mode=Mode.SAFE), None),
    (cycles(*SAFE_LATER), By(by_s=1), "GC1", InMode(mode=Mode.SAFE), 1),
    (cycles(*SAFE_LATER), By(by_s=2, stays=True), "GC1", InMode(mode=Mode.SAFE), None),
    (cycles(*SAFE_LATER, {}), By(by_s=3, stays=True), "GC1", InMode(mode=Mode.SAFE), 6),
    (cycles(*SAFE_LATER), At(at_s=3), "GC1", InMode(mode=Mode.SAFE), None),
    (cycles(*SAFE_LATER), Always(from_s=1, until_s=2), "GC1", InMode(mode=Mode.NORMAL), None),
    (cycles(*SAFE_LATER), Always(from_s=1, until_s=3), "GC1", InMode(mode=Mode.NORMAL), 2),
    (cycles(*SAFE_LATER), Always(from_s=3, until_s=4), "GC1", InMode(mode=Mode.NORMAL), 3),
    (cycles({"states": {"C1": "CONSTRAINED"}}), At(at_s=5), "C1", InState(state=NodeState.CONSTRAINED), None),
    (cycles({"states": {"C1": "CONSTRAINED"}}), At(at_s=5), "C1", InState(state=NodeState.OK), 5),
    (cycles({}), At(at_s=5), "C1", InState(state=NodeState.OK), 5),
    # setpoints and draws
    (told(0, 20_000), By(by_s=2), "CP1/1", SetpointAtLeast(value=20_000), None),
    (told(0, 19_999), By(by_s=2), "CP1/1", SetpointAtLeast(value=20_000), 2),
    (told(0, 20_000), At(at_s=1), "CP1/1", SetpointAtMost(value=0), None),
    (told(0, 20_000), At(at_s=2), "CP1/1", SetpointAtMost(value=0), 2),
    (told(6000, leaf=CP2), At(at_s=0), "CP2/1", SetpointAtMost(value=0), 0),
    (drawing(*RISING), By(by_s=5), "CP1/1", DrawAtLeast(value=30), None),
    (drawing(*RISING), By(by_s=4), "CP1/1", DrawAtLeast(value=30), 4),
    (drawing(*RISING, leaf=CP2), ALWAYS, "CP2/1", DrawAtMost(value=30), None),
    (drawing(*RISING, leaf=CP2), ALWAYS, "CP2/1", DrawAtMost(value=10), 2),
    # vehicles count while they are there
    (charged(None, 0.5, 0.7, 0.8, None, None), By(by_s=5), "bus1", SocAtLeast(at_least=0.8), None),
    (charged(None, 0.5, 0.7, 0.79, None, None), By(by_s=5), "bus1", SocAtLeast(at_least=0.8), 5),
    (charged(None, 0.5, 0.7, 0.8, None, None), ALWAYS, "bus1", SocAtLeast(at_least=0.5), None),
    (charged(None, 0.5, 0.7, 0.8, None, None), ALWAYS, "bus1", SocAtLeast(at_least=0.6), 1),
    (charged(None, 0.5, 0.7, 0.8, None, None), At(at_s=4), "bus1", SocAtLeast(at_least=0.0), 4),
    (charged(None, None, None, None, None, None), ALWAYS, "bus1", SocAtLeast(at_least=0.0), 0),
    (trail(), By(by_s=5), "bus2", SocAtLeast(at_least=0.0), 5),
    # reachable
    (cycles(*LOST), By(by_s=2), "CP1", Reachable(reachable=False), None),
    (cycles(*LOST), By(by_s=1), "CP1", Reachable(reachable=False), 1),
    (cycles(*LOST), ALWAYS, "CP2", Reachable(reachable=True), None),
    (cycles(*LOST), ALWAYS, "CP1", Reachable(reachable=True), 2),
    (cycles(*LOST), By(by_s=4, stays=True), "CP1", Reachable(reachable=True), None),
    # breaches, from opening to end
    (trail(), ALWAYS, None, NoBreach(), None),
    (breached(2, 4), ALWAYS, None, NoBreach(), 2),
    (breached(2, 4), ALWAYS, "C1", NoBreach(), 2),
    (breached(2, 4), ALWAYS, "GC1", NoBreach(), None),
    (breached(2, 4), Always(from_s=0, until_s=2), None, NoBreach(), None),
    (breached(2, 4), Always(from_s=3, until_s=5), None, NoBreach(), 3),
    (breached(2, 4), Always(from_s=4, until_s=5), None, NoBreach(), None),
    (breached(2, None), At(at_s=5), None, NoBreach(), 5),
    (breached(2, 4), At(at_s=4), None, NoBreach(), None),
    (breached(2, 4), By(by_s=4, stays=True), None, NoBreach(), None),
    (breached(2, None), By(by_s=4, stays=True), None, NoBreach(), 4),
    (breached(2, 4), By(by_s=2), "C1", BreachOf(cause=BreachCause.BASE_LOAD), None),
    (breached(2, 4), By(by_s=1), "C1", BreachOf(cause=BreachCause.BASE_LOAD), 1),
    (breached(2, 4), By(by_s=5), "GC1", BreachOf(cause=BreachCause.BASE_LOAD), 5),
    (breached(2, 4), By(by_s=5), None, BreachOf(cause=BreachCause.COMMANDED), 5),
    (breached(2, 4), At(at_s=3), None, BreachOf(cause=BreachCause.BASE_LOAD), None),
    (breached(2, 4), At(at_s=4), None, BreachOf(cause=BreachCause.BASE_LOAD), 4),
]


@pytest.mark.parametrize(("run", "when", "subject", "condition", "broken_s"), CASES)
def test_a_condition_is_met_or_broken_at_its_first_moment(
    run: Trail, when: When, subject: str | None, condition: Condition, broken_s: float | None
) -> None:
    assert verdict(run, when, subject, condition).at_s == broken_s


def test_a_verdict_says_what_was_seen_and_when() -> None:
    found = verdict(flowing("C1", 1, [1000 * each for each in RISING]), ALWAYS, "C1", C1_20A)
    assert found.sentence == ("Always no more than 20 A flows at C1. Not so at 18:00:04: 25 A at C1 on L2, of 20 A.")
    met = verdict(told(0, 20_000), By(by_s=2), "CP1/1", SetpointAtLeast(value=20_000))
    assert met.sentence == (
        "By 18:00:02, at some time, CP1/1 is given at least 20 kW. So it was: from 18:00:02 on it was given 20 kW."
    )
    cause = verdict(breached(2, 4), By(by_s=5), None, BreachOf(cause=BreachCause.COMMANDED))
    assert cause.seen == "breaches there were: base_load"


@pytest.mark.parametrize(
    ("subject", "condition"),
    [
        ("GC1", LIMIT),
        ("GC1", InMode(mode=Mode.NORMAL)),
        ("CP1/1", SetpointAtMost(value=10**6)),
        (None, NoBreach()),
        ("CP1", Reachable(reachable=True)),
    ],
)
@pytest.mark.parametrize("when", [ALWAYS, At(at_s=3), By(by_s=3), By(by_s=3, stays=True)])
def test_nothing_is_met_by_a_run_that_recorded_nothing(when: When, subject: str | None, condition: Condition) -> None:
    nodes = len(PROJECTION.frame.nodes)
    none = np.zeros((0, nodes, 4), dtype=np.int64)
    run = trail(at_s=np.zeros(0), flow=none, limit=none, draw=np.zeros((0, 3), dtype=np.int64), cycles=())
    assert not verdict(run, when, subject, condition).is_met


def test_a_connector_is_judged_by_its_charge_point_where_those_share() -> None:
    shared = project(PROJECTION.depot, leaves=Leaves.CHARGE_POINT)
    setpoint = np.zeros(2, dtype=np.int64)
    setpoint[shared.leaf_index["CP1"]] = 40_000
    run = trail(projection=shared, cycles=(Seen(at_s=0, setpoint=setpoint),))
    assert verdict(run, ALWAYS, "CP1/2", SetpointAtLeast(value=40_000)).is_met
    assert not verdict(run, ALWAYS, "CP2/1", SetpointAtLeast(value=6_000)).is_met


def test_only_expectations_over_time_are_judged() -> None:
    holds = Holds(when=ALWAYS, subject=None, condition=NoBreach())
    assert [found.is_met for found in judge_all(trail(), [NoLimitBroken(), holds])] == [True]
