"""The fill: demand and ranking into setpoints that no limit forbids (design section 5).

The work is done by the kernels; `twin.py` does the same in plain exact arithmetic and must agree.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from busbar.core import kernel_fill, kernel_tiers
from busbar.core.depot import FairIn
from busbar.core.frame import Frame

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


class Ranked(Protocol):
    """What the fill reads of a strategy's ranking (`strategies.Ranking`)."""

    @property
    def tier(self) -> Ints: ...  # noqa: D102
    @property
    def weight(self) -> Floats: ...  # noqa: D102
    @property
    def offset(self) -> Floats: ...  # noqa: D102
    @property
    def order(self) -> Indices: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Demand:
    """[n] per leaf, in mA per phase or W at the vehicle."""

    wanted: Ints
    """The request, at least the minimum; 0 where nothing is wanted or nothing can be given."""
    request: Ints
    """`wanted`, at most the maximum rating."""
    idle: Ints
    """Reserved in any case: the fallback, or what an out-of-reach leaf may still draw."""
    needs_margin: Bools
    """Stopped for want of room, and its turn has not come: starts only with one step to spare."""
    reachable: Bools
    max_rating: Ints
    minimum: Ints
    step: Ints
    steps_first: Indices
    steps_last: Indices
    allowed_steps: Ints
    leaf_class: Indices


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What the fill gives."""

    setpoint: Ints
    reserved: Ints
    verdict: Bytes
    left: Ints
    """[E, L] of the rows that can refuse something: what is left, in group units."""
    first: Indices
    """[M + 1] which of them are an inner node's."""
    group: Indices
    """[E] row group of each."""
    up: Indices
    """[M] the next inner node above with any; -1: none."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What stopped each leaf; values as in `allocation.Stop`."""

    kind: Bytes
    node: Indices
    """Inner node; -1 where no row refuses."""
    group: Indices
    target: Ints
    """The next value the leaf would take."""


def fill_tree(frame: Frame, room: Ints, demand: Demand, ranking: Ranked, fair_in: FairIn) -> Filled:
    """Admit, raise tier by tier, round down and hand out the rest. `room` [M, G, L] is not changed."""
    tier, order = _by_tier(ranking, demand.request)
    # A level is W of supply, or mA on the line, per unit of weight; a setpoint is in the leaf's own unit.
    per_unit = frame.total_w if fair_in is FairIn.POWER else frame.current_ma
    share = ranking.weight / per_unit[demand.leaf_class]
    setpoint, reserved, verdict, first, group, left, up = kernel_fill.fill(
        room,
        frame.parent,
        frame.leaf_parent,
        demand.leaf_class,
        frame.weight,
        frame.weight_float,
        frame.unit,
        frame.bits,
        order,
        tier,
        share,
        ranking.offset,
        demand.request,
        demand.minimum,
        demand.step,
        demand.steps_first,
        demand.steps_last,
        demand.allowed_steps,
        demand.idle,
        demand.needs_margin,
    )
    return Filled(setpoint=setpoint, reserved=reserved, verdict=verdict, left=left, first=first, group=group, up=up)


def bind_leaves(frame: Frame, demand: Demand, filled: Filled) -> Bound:
    """After rounding: for every leaf that wants something, the first thing that refuses its next value."""
    kind, node, group, target = kernel_fill.bind(
        filled.left,
        filled.first,
        filled.group,
        filled.up,
        frame.leaf_parent,
        demand.leaf_class,
        frame.weight,
        frame.bits,
        demand.wanted,
        demand.max_rating,
        demand.minimum,
        demand.step,
        demand.steps_first,
        demand.steps_last,
        demand.allowed_steps,
        filled.reserved,
        filled.setpoint,
        filled.verdict,
    )
    return Bound(kind=kind, node=node, group=group, target=target)


def _by_tier(ranking: Ranked, request: Ints) -> tuple[Indices, Indices]:
    """Tiers renumbered from 0 without gaps, and who wants something sorted by (tier, order)."""
    dense, order, found = kernel_tiers.by_tier(ranking.tier, ranking.order, request)
    if not found:
        _, close = np.unique(ranking.tier, return_inverse=True)
        dense, order, _ = kernel_tiers.by_tier(close.astype(np.int64), ranking.order, request)
    return dense, order
