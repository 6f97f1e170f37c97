"""The cycle: one rebalance as the engine does it, whether the depot is real or simulated (design section 1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

import numpy as np

from busbar.core.allocation import Allocation, Outcome
from busbar.core.audit import audit
from busbar.core.balance import as_failed, balance
from busbar.core.depot import FairIn
from busbar.core.describe import NodeState, bindings, node_figures, supply_w
from busbar.core.projection import Projection
from busbar.core.rooms import rooms
from busbar.core.snapshot import Ints, Snapshot
from busbar.core.strategies import Strategy
from busbar.engine.cut import cut_to_fit
from busbar.engine.ports import AllocationRecord, CycleOutcome, CycleRecord


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
    violations = tuple(str(violation) for violation in audit(projection, snapshot, allocation))
    setpoint = allocation.setpoint
    if violations:
        allocation = as_failed(allocation)
        running = np.zeros_like(setpoint) if before is None else before.setpoint
        setpoint = cut_to_fit(projection, snapshot, running)
    outcome = CycleOutcome(allocation.outcome.value)
    if not violations and before is not None and _is_same(before, snapshot, allocation):
        outcome = CycleOutcome.UNCHANGED
    is_whole = outcome is not CycleOutcome.UNCHANGED
    allocations = _allocation_records(projection, snapshot, allocation, setpoint) if is_whole else ()
    node_states = _node_states(projection, snapshot, allocation) if is_whole else {}
    return Cycle(
        snapshot=snapshot,
        allocation=allocation,
        setpoint=setpoint,
        record=CycleRecord(
            number=number,
            at=snapshot.at.astimezone(UTC),
            trigger=trigger,
            strategy=allocation.strategy,
            outcome=outcome,
            duration_us=clock_us() - began_us,
            allocations=allocations,
            node_states=node_states,
            violations=violations,
        ),
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
    projection: Projection, snapshot: Snapshot, allocation: Allocation, setpoint: Ints
) -> tuple[AllocationRecord, ...]:
    found = rooms(projection, snapshot)
    records = []
    for leaf in np.flatnonzero(snapshot.present).tolist():
        stopped = bindings(projection, snapshot, allocation, leaf, found=found)
        records.append(
            AllocationRecord(
                leaf=projection.leaf_ids[leaf],
                request=int(snapshot.request[leaf]),
                setpoint=int(setpoint[leaf]),
                unit="mA" if projection.is_ac[leaf] else "W",
                power_w=supply_w(projection, leaf, int(setpoint[leaf])),
                bound_by=stopped[0].document() if stopped else None,
            )
        )
    return tuple(records)


def _node_states(projection: Projection, snapshot: Snapshot, allocation: Allocation) -> dict[str, str]:
    figures = node_figures(projection, snapshot, allocation)
    return {figure.id: figure.state.value for figure in figures if figure.state is not NodeState.OK}
