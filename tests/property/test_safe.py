"""SAFE: not seeing a node never gives charge points more than seeing it."""

from dataclasses import replace

import numpy as np
import pytest
from forests import Case, cases
from hypothesis import given
from hypothesis import strategies as st

from busbar.core.projection import NodeKind
from busbar.core.snapshot import Mode, snapshot_from_arrays
from busbar.core.twin_limits import twin_available
from busbar.core.units import ActivePower


@given(cases(), st.data())
def test_losing_sight_of_a_circuit_leaves_no_more_than_seeing_what_is_declared(case: Case, data: st.DataObject) -> None:
    projection = case.projection
    circuits = [
        node for node, kind in enumerate(projection.kinds) if kind in (NodeKind.CIRCUIT, NodeKind.GRID_CONNECTION)
    ]
    node = data.draw(st.sampled_from(circuits))
    node_id = projection.node_ids[node]
    figures = {name: load for name, load in case.snapshot.base_load.items() if name != node_id}
    modes = {name: mode for name, mode in case.snapshot.modes.items() if name != node_id}
    seen = replace(case.snapshot, base_load=figures, modes=modes)
    unseen = replace(seen, modes={**modes, node_id: Mode.SAFE})
    before, after = twin_available(projection, seen)[node], twin_available(projection, unseen)[node]
    for normal, safe in zip(before, after, strict=True):
        assert normal is None or (safe is not None and safe <= normal)


@given(cases())
def test_arrays_that_mean_nothing_are_refused(case: Case) -> None:
    projection, at = case.projection, case.snapshot.at
    nothing = np.zeros(len(projection.leaf_ids), dtype=np.int64)
    with pytest.raises(ValueError, match="no power node"):
        snapshot_from_arrays(projection, at=at, request=nothing, base_load={"nowhere": ActivePower(w=1)})
    if projection.leaf_ids:
        leaf = projection.leaf_ids[0]
        with pytest.raises(ValueError, match="means nothing there"):
            snapshot_from_arrays(projection, at=at, request=nothing, base_load={leaf: ActivePower(w=1)})
        with pytest.raises(ValueError, match="maximum rating"):
            snapshot_from_arrays(projection, at=at, request=nothing, committed=projection.max_rating * 8 + 1)
