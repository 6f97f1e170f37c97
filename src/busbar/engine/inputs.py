"""What a cycle was decided from, for its record: enough to see years later why it did what it did."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from busbar.core.allocation import Stop
from busbar.core.metering import Condition
from busbar.core.units import format_amount
from busbar.engine.cycle import Cycle


def inputs_of(cycle: Cycle, conditions: Mapping[str, Condition]) -> dict[str, Any]:
    """As JSON (`CycleRecord.inputs`)."""
    snapshot, allocation = cycle.snapshot, cycle.allocation
    limited = snapshot.present & (allocation.stopped_by == Stop.ROW) & (cycle.setpoint < snapshot.request)
    return {
        "leaves": allocation.leaves.value,
        "fair_in": allocation.fair_in.value,
        "vehicles": int(np.count_nonzero(snapshot.present)),
        "limited": int(np.count_nonzero(limited)),
        "base_load": {node: format_amount(amount) for node, amount in snapshot.base_load.items()},
        "modes": {
            node: {"mode": mode.value, "cause": _cause(conditions.get(node))} for node, mode in snapshot.modes.items()
        },
        "envelopes": {node: _text(amount) for node, amount in snapshot.envelopes.items()},
    }


def _cause(condition: Condition | None) -> str | None:
    return None if condition is None or condition.cause is None else condition.cause.value


def _text(amount: Any) -> Any:
    """Of several amounts merged on one node, each."""
    return [format_amount(each) for each in amount] if isinstance(amount, tuple) else format_amount(amount)
