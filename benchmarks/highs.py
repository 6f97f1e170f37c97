"""HiGHS on the same limits: the maximum-throughput LP in flow form, one variable per inner node and row."""

import highspy
import numpy as np
import numpy.typing as npt

from busbar.core.balance import demand_of
from busbar.core.frame import UNLIMITED, Frame
from busbar.core.projection import Projection
from busbar.core.rooms import rooms
from busbar.core.snapshot import Snapshot

Floats = npt.NDArray[np.float64]


def maximum_throughput(projection: Projection, snapshot: Snapshot) -> highspy.HighsLp:
    """Maximise the W of supply given to leaves, every row of every node within what is available.

    Variables: a flow per inner node and row (its limit is the variable's bound), then a setpoint per leaf. Constraints:
    a node's flow is what its children and leaves carry. Without minima and steps: it is the easier problem.
    """
    frame = projection.frame
    demand = demand_of(projection, snapshot)
    left = _room_as_floats(rooms(projection, snapshot).room, frame)
    nodes, groups = left.shape
    leaves = len(demand.request)
    flows = nodes * groups
    lp = highspy.HighsLp()
    lp.num_col_ = flows + leaves
    lp.num_row_ = flows
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_ = np.concatenate((np.zeros(flows), frame.total_w[projection.leaf_class]))
    lp.col_lower_ = np.zeros(flows + leaves)
    lp.col_upper_ = np.concatenate((left.ravel(), demand.request.astype(np.float64)))
    lp.row_lower_ = np.zeros(flows)
    lp.row_upper_ = np.zeros(flows)
    starts, index, value = _columns(projection, nodes, groups)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = starts
    lp.a_matrix_.index_ = index
    lp.a_matrix_.value_ = value
    return lp


def _room_as_floats(room: npt.NDArray[np.int64], frame: Frame) -> Floats:
    """[M, G] in the units of `Frame.weight_float`; inf where nothing limits."""
    value = np.zeros(room.shape[:2])
    for limb in range(room.shape[2] - 1, -1, -1):
        value = value * 2.0**frame.bits + room[:, :, limb]
    return np.where(room[:, :, -1] >= UNLIMITED, np.inf, value * frame.unit)


def _columns(
    projection: Projection, nodes: int, groups: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    frame = projection.frame
    group = np.arange(groups)
    lengths: list[npt.NDArray[np.int64]] = []
    parts_index: list[npt.NDArray[np.int64]] = []
    parts_value: list[Floats] = []
    for node in range(nodes):
        own = node * groups + group
        above = int(frame.parent[node])
        if above < 0:
            parts_index.append(own)
            parts_value.append(-np.ones(groups))
            lengths.append(np.ones(groups, dtype=np.int64))
            continue
        parts_index.append(np.stack((own, above * groups + group), axis=1).ravel())
        parts_value.append(np.tile([-1.0, 1.0], groups))
        lengths.append(np.full(groups, 2, dtype=np.int64))
    weights = frame.weight_float[projection.leaf_class]
    for leaf in range(len(projection.leaf_ids)):
        used = np.flatnonzero(weights[leaf])
        parts_index.append(frame.leaf_parent[leaf] * groups + used)
        parts_value.append(weights[leaf][used])
        lengths.append(np.array([len(used)], dtype=np.int64))
    starts = np.concatenate(([0], np.cumsum(np.concatenate(lengths))))
    return starts.astype(np.int32), np.concatenate(parts_index).astype(np.int32), np.concatenate(parts_value)


def solver() -> highspy.Highs:
    """A quiet solver on one thread."""
    found = highspy.Highs()  # type: ignore[no-untyped-call]
    found.setOptionValue("output_flag", False)
    found.setOptionValue("threads", 1)
    return found
