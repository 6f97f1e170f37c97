"""What flows at every node by the meters, at one instant: of metered nodes as measured, of the others added up."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Bools, Floats, Ints
from busbar.core.units import PHASES
from busbar.engine.metering import Metering
from busbar.engine.moment import Flows

SILENT_S = 60.0
"""A sample that is older does not say what flows now."""
JUST_LEFT_S = 15.0
"""Without a vehicle a connector draws nothing, unless it said otherwise no longer ago than this: shorter than a breach
takes to open, so that the last sample of a vehicle that has left opens none."""


@dataclass(frozen=True, kw_only=True)
class FlowTree:
    """How flows add up in one projection. Made once per projection by `flow_tree`."""

    projection: Projection
    levels: tuple[Ints, ...]
    """The nodes of every depth but the root's, the deepest first."""
    constant: Floats
    """[N, 4] what is declared to flow at a node itself, beside what flows at those below it."""
    is_metered: Bools
    """[N]"""
    has_phase: Bools
    """[N, 3]"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What flows, and how new that is."""

    flows: Flows
    taken_s: Floats
    """[N] when the newest sample in each flow was taken (monotonic); now where nothing is plugged in below; NaN where
    nothing is known."""


def flow_tree(projection: Projection) -> FlowTree:
    """Lay out how flows add up."""
    parent, frame = projection.parent, projection.frame
    n = len(parent)
    depth = np.zeros(n, dtype=np.int64)
    for node in range(1, n):
        depth[node] = depth[parent[node]] + 1
    # A base load stands for everything uncontrolled below its circuit: its children's is in it.
    below = np.zeros_like(frame.base)
    np.add.at(below, frame.parent[1:], frame.base[1:])
    constant = np.zeros((n, 4))
    constant[frame.nodes] = np.maximum(0, frame.base - below)
    return FlowTree(
        projection=projection,
        levels=tuple(np.flatnonzero(depth == level) for level in range(int(depth.max()), 0, -1)),
        constant=constant,
        is_metered=np.array([isinstance(each, Circuit) and bool(each.meter) for each in projection.subjects]),
        has_phase=np.array([[phase in phases for phase in PHASES] for phases in projection.phases]),
    )


def measure(
    tree: FlowTree,
    metering: Metering,
    with_vehicle: Collection[str],
    *,
    now_s: float,
    silent_s: float = SILENT_S,
    own_s: float = SILENT_S,
) -> Measurement:
    """What flows now. `with_vehicle` names connectors with a vehicle: nobody knows what they draw without a sample of
    the last `own_s`. A meter that has been silent for `silent_s` says nothing either.

    A row that a node's meter does not give is not known: neither a power factor nor a voltage is made up for it.
    """
    projection, parent = tree.projection, tree.projection.parent
    rows = tree.constant.copy()
    oldest_s, newest_s = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    leaves = projection.leaf_node
    rows[leaves], oldest_s[leaves] = _at_connectors(projection, metering, with_vehicle, now_s=now_s, own_s=own_s)
    newest_s[leaves] = oldest_s[leaves]
    at_meters, ages_s = _at_meters(tree, metering, now_s=now_s, silent_s=silent_s)
    for nodes in tree.levels:
        here = nodes[tree.is_metered[nodes]]
        rows[here] = at_meters[here]
        oldest_s[here] = newest_s[here] = ages_s[here]
        above = parent[nodes]
        np.add.at(rows, above, rows[nodes])
        np.fmax.at(oldest_s, above, oldest_s[nodes])
        np.fmin.at(newest_s, above, newest_s[nodes])
    nothing_known = np.isnan(rows).all(axis=1)
    for age_s in (oldest_s, newest_s):
        # Where nothing is plugged in no sample is needed to know what flows now.
        age_s[np.isnan(age_s)] = 0.0
        age_s[nothing_known] = np.nan
    return Measurement(flows=Flows(rows=rows, age_s=oldest_s), taken_s=now_s - newest_s)


def _at_connectors(
    projection: Projection, metering: Metering, with_vehicle: Collection[str], *, now_s: float, own_s: float
) -> tuple[Floats, Floats]:
    """[n, 4] what connectors draw, NaN where that is not known, and [n] how old the sample is, NaN without one."""
    own = metering.own_samples()
    age_s = np.maximum(0.0, now_s - own.taken_s)
    has_vehicle = np.zeros(len(age_s), dtype=np.bool_)
    index = projection.leaf_index
    has_vehicle[[leaf for connector in with_vehicle if (leaf := index.get(connector)) is not None]] = True
    is_told = age_s <= np.where(has_vehicle, own_s, min(JUST_LEFT_S, own_s))
    # That nothing flows where nobody is plugged in is known now, however old the sample that says so.
    is_told &= has_vehicle | (own.rows != 0).any(axis=1)
    unheard = np.where(has_vehicle, np.nan, 0.0)
    return np.where(is_told[:, None], own.rows, unheard[:, None]), np.where(is_told, age_s, np.nan)


def _at_meters(tree: FlowTree, metering: Metering, *, now_s: float, silent_s: float) -> tuple[Floats, Floats]:
    """[N, 4] what the meters of nodes show, and [N] how old that is; NaN where they do not say."""
    projection = tree.projection
    n = len(projection.node_ids)
    rows, age_s = np.full((n, 4), np.nan), np.full(n, np.nan)
    for name, reading in metering.readings().items():
        node = projection.node_index[name]
        reading_age_s = max(0.0, now_s - reading.taken_s)
        if reading_age_s > silent_s:
            continue
        rows[node] = [np.nan if value is None else value for value in reading.rows]
        # On a phase that it does not have nothing flows.
        rows[node, :TOTAL][~tree.has_phase[node]] = 0.0
        age_s[node] = reading_age_s
    return rows, age_s
