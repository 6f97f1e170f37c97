"""The engine's cycle: what is kept, what a refused allocation leaves, what rotation remembers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from busbar.core.allocation import Allocation
from busbar.core.audit import audit
from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.describe import NodeState, node_figures
from busbar.core.projection import Projection, project
from busbar.core.rooms import rooms
from busbar.core.snapshot import Mode, Session, Snapshot, snapshot_from_sessions
from busbar.core.units import ActivePower, ApparentPower, Current
from busbar.engine.cut import cut_to_fit
from busbar.engine.cycle import Cycle, conclude, run_cycle
from busbar.engine.ports import CycleOutcome
from busbar.engine.sessions import after_cycle, follow_up
from busbar.engine.states import node_states

AT = datetime(2026, 7, 14, 12, tzinfo=UTC)


def amperes(value: int) -> Current:
    return Current(l1_ma=value * 1000, l2_ma=value * 1000, l3_ma=value * 1000)


def yard(limit_a: int = 40, fallback: int = 0) -> Projection:
    """Two AC charge points of 32 A below one circuit."""
    units = tuple(
        ChargePoint(
            id=f"CP{number}",
            circuit="C1",
            current=CurrentKind.AC,
            max_rating=32_000,
            connectors=(Connector(id="1", max_rating=32_000, minimum=6_000, step=1_000, fallback=fallback),),
        )
        for number in (1, 2)
    )
    grid = Circuit(
        id="GC1",
        default_operating_capacity=amperes(200),
        safe_operating_capacity=amperes(20),
        meter=True,
    )
    circuit = Circuit(id="C1", parent="GC1", default_operating_capacity=amperes(limit_a))
    return project(Depot(id="yard", voltage_v=400, circuits=(grid, circuit), charge_points=units))


def both_want(projection: Projection, at: datetime = AT, **rest: object) -> Snapshot:
    sessions = [Session(connector=leaf) for leaf in projection.leaf_ids]
    return snapshot_from_sessions(projection, at=at, sessions=sessions, **rest)  # type: ignore[arg-type]


def cycle(projection: Projection, snapshot: Snapshot, before: Cycle | None = None, number: int = 1) -> Cycle:
    ticks = iter((100, 350))
    return run_cycle(projection, snapshot, number=number, trigger="clock", clock_us=lambda: next(ticks), before=before)


def overfull(projection: Projection, snapshot: Snapshot) -> Allocation:
    good = balance(projection, snapshot)
    return replace(good, setpoint=projection.max_rating.copy(), reserved=projection.max_rating.copy())


def test_a_cycle_records_what_each_vehicle_got_and_what_bound_it() -> None:
    projection = yard()
    done = cycle(projection, both_want(projection))
    record = done.record
    assert record.outcome is CycleOutcome.CONSTRAINED
    assert record.duration_us == 250
    assert [(one.leaf, one.setpoint, one.unit) for one in record.allocations] == [
        ("CP1/1", 20_000, "mA"),
        ("CP2/1", 20_000, "mA"),
    ]
    bound = record.allocations[0].bound_by
    assert bound == {"node": "C1", "row": "L1", "limit": "default_operating_capacity", "reason": "full"}
    assert record.node_states == {"C1": "CONSTRAINED", "yard": "CONSTRAINED"}


def test_a_cycle_that_changes_nothing_is_counted_and_not_kept_whole() -> None:
    projection = yard()
    first = cycle(projection, both_want(projection))
    second = cycle(projection, both_want(projection, AT + timedelta(seconds=5)), first, number=2)
    assert second.record.outcome is CycleOutcome.UNCHANGED
    assert not second.is_worth_keeping
    assert second.record.allocations == ()
    assert (second.setpoint == first.setpoint).all()


def test_a_node_falling_silent_is_a_change_even_if_nobody_gets_less() -> None:
    projection = yard(limit_a=10)
    first = cycle(projection, both_want(projection))
    unseen = both_want(projection, AT + timedelta(seconds=5), modes={"GC1": Mode.SAFE})
    second = cycle(projection, unseen, first, number=2)
    assert (second.setpoint == first.setpoint).all()
    assert second.is_worth_keeping
    assert second.record.node_states["GC1"] == "SAFE"


def test_of_a_refused_allocation_nothing_is_used_and_running_setpoints_go_on() -> None:
    projection = yard()
    snapshot = both_want(projection)
    first = cycle(projection, snapshot)
    second = conclude(projection, snapshot, overfull(projection, snapshot), number=2, trigger="clock", before=first)
    assert second.record.outcome is CycleOutcome.FAILED
    assert second.record.violations
    assert second.setpoint.tolist() == first.setpoint.tolist() == [20_000, 20_000]
    assert [one.setpoint for one in second.record.allocations] == [20_000, 20_000]


def test_what_runs_is_cut_in_proportion_where_a_refused_allocation_meets_a_lower_limit() -> None:
    projection = yard()
    first = cycle(projection, both_want(projection))
    lowered = both_want(projection, AT + timedelta(seconds=5), envelopes={"GC1": amperes(31)})
    second = conclude(projection, lowered, overfull(projection, lowered), number=2, trigger="clock", before=first)
    assert second.record.outcome is CycleOutcome.FAILED
    assert second.setpoint.tolist() == [15_000, 15_000]
    cut = replace(balance(projection, lowered), setpoint=second.setpoint, reserved=second.setpoint)
    assert audit(projection, lowered, cut) == []


def test_after_a_failed_cycle_the_next_good_one_is_kept() -> None:
    projection = yard()
    snapshot = both_want(projection)
    failed = conclude(projection, snapshot, overfull(projection, snapshot), number=1, trigger="clock")
    assert failed.setpoint.tolist() == [0, 0]
    assert cycle(projection, snapshot, failed, number=2).record.outcome is CycleOutcome.CONSTRAINED


def test_the_cut_never_raises_and_drops_what_falls_below_its_minimum() -> None:
    projection = yard(limit_a=8)
    cut = cut_to_fit(projection, both_want(projection), np.array([20_000, 4_000]))
    # 8 A of 24 A: a third of each, 6 A and 1 A; the second is below its minimum of 6 A.
    assert cut.tolist() == [6_000, 0]
    assert cut_to_fit(yard(limit_a=100), both_want(yard()), np.array([7_000, 0])).tolist() == [7_000, 0]


def test_the_cut_leaves_fallbacks_alone() -> None:
    projection = yard(limit_a=10, fallback=6_000)
    cut = cut_to_fit(projection, both_want(projection), np.array([20_000, 6_000]))
    assert cut.tolist() == [6_000, 6_000]


@pytest.mark.parametrize("base_kw", [0, 60, 200])
def test_states_are_those_of_the_figures(base_kw: int) -> None:
    projection = yard()
    envelopes = {"GC1": ApparentPower(va=60_000)}
    snapshot = both_want(projection, base_load={"GC1": ActivePower(w=base_kw * 1000)}, envelopes=envelopes)
    allocation = balance(projection, snapshot)
    figures = node_figures(projection, snapshot, allocation)
    expected = {each.id: each.state.value for each in figures if each.state is not NodeState.OK}
    assert node_states(projection, allocation, rooms(projection, snapshot)) == expected


def test_a_vehicle_stopped_for_want_of_room_waits_from_then_on() -> None:
    later, latest = AT + timedelta(minutes=1), AT + timedelta(minutes=2)
    session = follow_up(Session(connector="CP1/1"), given=True, wants=True, at=AT)
    assert (session.charging, session.charging_since) == (True, AT)
    session = follow_up(session, given=False, wants=True, at=later)
    assert (session.charging, session.waiting_since, session.stopped_at) == (False, later, later)
    session = follow_up(session, given=False, wants=True, at=latest)
    assert (session.waiting_since, session.stopped_at) == (later, later)
    session = follow_up(session, given=True, wants=True, at=latest)
    assert (session.charging_since, session.waiting_since) == (latest, None)


def test_a_vehicle_that_never_charged_waits_without_having_been_stopped() -> None:
    session = follow_up(Session(connector="CP1/1"), given=False, wants=True, at=AT)
    assert (session.waiting_since, session.stopped_at) == (AT, None)
    assert follow_up(session, given=False, wants=False, at=AT).waiting_since is None


def test_nobody_waits_longer_than_a_turn_where_only_one_of_two_fits() -> None:
    projection = yard(limit_a=9)
    sessions: tuple[Session, ...] = tuple(Session(connector=leaf, arrived=AT) for leaf in projection.leaf_ids)
    charged = []
    before = None
    for minute in range(60):
        at = AT + timedelta(minutes=minute)
        snapshot = snapshot_from_sessions(projection, at=at, sessions=sessions)
        before = cycle(projection, snapshot, before, number=minute + 1)
        sessions = after_cycle(sessions, projection, before.allocation, before.setpoint, at=at)
        charged.append(tuple((before.setpoint > 0).tolist()))
    assert charged[0] == (True, False)
    assert charged == [(True, False)] * 10 + [(False, True)] * 10 + charged[20:]
    assert sum(first for first, _ in charged) == sum(second for _, second in charged) == 30
