"""What one node's limits, base load, envelope and mode come to. Needs no kernel: whoever only looks asks here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from busbar.core.limits import NO_LIMIT, OpenTicks, Ticks, assumed_base, available_ticks, flow_limit
from busbar.core.projection import Projection

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Headroom:
    """One inner node's figures in a snapshot, in ticks on L1, L2, L3 and total."""

    limit: OpenTicks
    """What may flow, base load included."""
    base: Ticks
    """Base load; the assumed one where the node is SAFE."""
    available: OpenTicks
    """What charge points together may draw."""
    envelope: OpenTicks
    is_safe: bool


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """The room of every inner node in a snapshot."""

    room: Ints
    """[M, G, L] as in `frame.Frame`."""
    base: Ints
    """[M, 4] base load in whole mA and W; what is assumed where the node is SAFE."""
    envelopes: Mapping[int, OpenTicks]
    """Inner nodes with an envelope in force."""
    safe: frozenset[int]
    """Inner nodes in SAFE mode."""
    lifted: Mapping[int, Headroom] = field(default_factory=dict)
    """Inner nodes whose limits are other than stored (`with_more`)."""


def headroom(projection: Projection, found: Rooms, inner: int) -> Headroom:
    """The figures of one inner node."""
    if inner in found.lifted:
        return found.lifted[inner]
    frame = projection.frame
    limits, envelope, is_safe = frame.limits[inner], found.envelopes.get(inner, NO_LIMIT), inner in found.safe
    row = [value * frame.scale.per_unit(line) for line, value in enumerate(found.base[inner].tolist())]
    if is_safe:
        # The assumed load is exact here; the nodes above carry it rounded up.
        assumed = assumed_base(limits, frame.scale, len(projection.phases[frame.nodes[inner]]))
        row = [
            exact if 0 <= whole - exact < frame.scale.per_unit(line) else whole
            for line, (whole, exact) in enumerate(zip(row, assumed, strict=True))
        ]
    base = (row[0], row[1], row[2], row[3])
    return Headroom(
        limit=flow_limit(limits, envelope),
        base=base,
        available=available_ticks(limits, envelope, base=base, is_safe=is_safe),
        envelope=envelope,
        is_safe=is_safe,
    )
