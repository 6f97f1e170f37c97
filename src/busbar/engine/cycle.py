"""The cycle: one rebalance as the engine does it, whether the depot is real or simulated (design section 1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np

from busbar.core.allocation import Allocation, Outcome, Stop
from busbar.core.audit import audit
from busbar.core.balance import as_failed, balance, demand_of
from busbar.core.depot import FairIn
from busbar.core.describe import bindings, supply_w
from busbar.core.projection import Projection
from busbar.core.rooms import Rooms, rooms
from busbar.core.snapshot import Ints, Snapshot
from busbar.core.spread import spread
from busbar.core.strategies import Strategy
from busbar.engine.cut import cut_to_fit
from busbar.engine.ports import AllocationRecord, CycleOutcome, CycleRecord
from busbar.engine.states import node_states


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A balance among charge points."""

    projection: Projection
    snapshot: Snapshot
    allocation: Allocation


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One rebalance, done."""

    snapshot: Snapshot
    allocation: Allocation
    """What the balance gave; its outcome is FAILED where the audit refused it."""
    setpoint: Ints
    """[n] what holds from now on: the allocation's, or what was running and still fits."""
    record: CycleRecord
    """What is kept. Allocations and node states are empty where the outcome is UNCHANGED."""
    shared: "Shared | None" = None
    """What it was among charge points, where those share; the rest is by connector. None: connectors share."""

    @property
    def is_worth_keeping(self) -> bool:
        """A cycle that changes nothing is counted, not stored whole."""
        return self.record.outcome is not CycleOutcome.UNCHANGED


def run_cycle(
    projection: Projection,
    snapshot: Snapshot,
    *,
    number: int,
    trigger: str,
    clock_us: Callable[[], int],
    strategy: str | Strategy = "equal_share",
    fair_in: FairIn = FairIn.POWER,
    before: Cycle | None = None,
) -> Cycle:
    """Balance, audit and describe. Pure but for `clock_us`, a monotonic clock that measures the duration.

    `before` is the cycle whose setpoints are running, on a projection with the same leaves; None: none are. An
    allocation that fails its audit is not used: what is running goes on, cut where it no longer fits.
    """
    began_us = clock_us()
    allocation = balance(projection, snapshot, strategy=strategy, fair_in=fair_in)
    cycle = conclude(projection, snapshot, allocation, number=number, trigger=trigger, before=before)
    return replace(cycle, record=replace(cycle.record, duration_us=clock_us() - began_us))


def run_cycle_to_connectors(
    projection: Projection,
    snapshot: Snapshot,
    *,
    number: int,
    trigger: str,
    clock_us: Callable[[], int],
    strategy: str | Strategy = "equal_share",
    fair_in: FairIn = FairIn.POWER,
    before: Cycle | None = None,
) -> Cycle:
    """As `run_cycle`; where charge points share, each part is split among its connectors, and the cycle is theirs.

    What is audited, recorded and sent is by connector in any case. `before` is a cycle by connector too.
    """
    began_us = clock_us()
    allocation = balance(projection, snapshot, strategy=strategy, fair_in=fair_in)
    given = spread(projection, snapshot, allocation, strategy=strategy, fair_in=fair_in)
    cycle = conclude(projection.connectors, snapshot.connectors, given, number=number, trigger=trigger, before=before)
    shared = Shared(projection=projection, snapshot=snapshot, allocation=allocation)
    return replace(
        cycle,
        record=replace(cycle.record, duration_us=clock_us() - began_us),
        shared=None if projection.by_connector is None else shared,
    )


def conclude(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    *,
    number: int,
    trigger: str,
    before: Cycle | None = None,
) -> Cycle:
    """Audit an allocation and say what holds from now on. Pure; `before` as in `run_cycle`."""
    violations = tuple(str(violation) for violation in audit(projection, snapshot, allocation))
    if violations:
        allocation = as_failed(allocation)
        running = np.zeros_like(allocation.setpoint) if before is None else before.setpoint
        in_force = _what_still_fits(projection, snapshot, allocation, running)
        outcome = CycleOutcome.FAILED
    elif before is not None and _is_same(before, snapshot, allocation):
        in_force, outcome = allocation, CycleOutcome.UNCHANGED
    else:
        in_force, outcome = allocation, CycleOutcome(allocation.outcome.value)
    allocations: tuple[AllocationRecord, ...] = ()
    states: dict[str, str] = {}
    if outcome is not CycleOutcome.UNCHANGED:
        found = rooms(projection, snapshot)
        allocations = _allocation_records(projection, snapshot, in_force, found)
        states = node_states(projection, in_force, found)
    return Cycle(
        snapshot=snapshot,
        allocation=allocation,
        setpoint=in_force.setpoint,
        record=CycleRecord(
            number=number,
            at=snapshot.at.astimezone(UTC),
            trigger=trigger,
            strategy=allocation.strategy,
            outcome=outcome,
            duration_us=0,
            allocations=allocations,
            node_states=states,
            violations=violations,
        ),
    )


def _what_still_fits(projection: Projection, snapshot: Snapshot, refused: Allocation, running: Ints) -> Allocation:
    """What holds in place of a refused allocation. Nobody is said to be bound: nobody knows."""
    setpoint = cut_to_fit(projection, snapshot, running)
    return replace(
        refused,
        setpoint=setpoint,
        reserved=np.maximum(setpoint, demand_of(projection, snapshot).idle),
        stopped_by=np.zeros_like(refused.stopped_by),
    )


def _is_same(before: Cycle, snapshot: Snapshot, allocation: Allocation) -> bool:
    """Whether everybody is given the same, for the same reason, at nodes seen in the same mode."""
    earlier = before.allocation
    if earlier.outcome is Outcome.FAILED or dict(before.snapshot.modes) != dict(snapshot.modes):
        return False
    pairs = (
        (before.snapshot.present, snapshot.present),
        (earlier.setpoint, allocation.setpoint),
        (earlier.stopped_by, allocation.stopped_by),
        (earlier.verdict, allocation.verdict),
        (earlier.bound_node, allocation.bound_node),
        (earlier.bound_group, allocation.bound_group),
    )
    return all(np.array_equal(old, new) for old, new in pairs)


def _allocation_records(
    projection: Projection, snapshot: Snapshot, allocation: Allocation, found: Rooms
) -> tuple[AllocationRecord, ...]:
    """One per vehicle."""
    known: dict[tuple[int, ...], dict[str, str | None] | None] = {}
    stopped_by = allocation.stopped_by.tolist()
    alike = list(
        zip(
            allocation.bound_node.tolist(),
            projection.leaf_class.tolist(),
            (allocation.next_value - allocation.reserved).tolist(),
            allocation.verdict.tolist(),
            strict=True,
        )
    )

    def bound_by(leaf: int) -> dict[str, str | None] | None:
        """What stopped a leaf; alike leaves that the same node refuses the same are asked about once."""
        is_row = stopped_by[leaf] == Stop.ROW
        if is_row and alike[leaf] in known:
            return known[alike[leaf]]
        stopped = bindings(projection, snapshot, allocation, leaf, found=found)
        document = stopped[0].document() if stopped else None
        if is_row and document is not None:
            known[alike[leaf]] = document
        return document

    is_ac, requests, setpoints = projection.is_ac.tolist(), snapshot.request.tolist(), allocation.setpoint.tolist()
    return tuple(
        AllocationRecord(
            leaf=projection.leaf_ids[leaf],
            request=requests[leaf],
            setpoint=setpoints[leaf],
            unit="mA" if is_ac[leaf] else "W",
            power_w=supply_w(projection, leaf, setpoints[leaf]),
            bound_by=bound_by(leaf),
        )
        for leaf in np.flatnonzero(snapshot.present).tolist()
    )
