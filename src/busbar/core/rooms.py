"""What is available at every node in a snapshot: limits, base loads, envelopes and modes put together."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from busbar.core import kernel_room
from busbar.core.frame import group_room, room_limbs
from busbar.core.headroom import Headroom as Headroom
from busbar.core.headroom import Rooms as Rooms
from busbar.core.headroom import headroom as headroom
from busbar.core.limits import (
    Load,
    OpenTicks,
    assumed_rows,
    balanced_rows,
    caps_ticks,
    load_rows,
    watts_per_ma,
)
from busbar.core.projection import Projection
from busbar.core.snapshot import Mode, Snapshot
from busbar.core.units import Current

Ints = npt.NDArray[np.int64]


def rooms(projection: Projection, snapshot: Snapshot) -> Rooms:
    """What is available where. Only nodes that the snapshot says something about, and those above, change."""
    frame = projection.frame
    if not (snapshot.base_load or snapshot.modes or snapshot.envelopes):
        return Rooms(room=frame.room, base=frame.base, envelopes={}, safe=frozenset())
    inner_of, node_index = frame.inner_of, projection.node_index
    safe = frozenset(
        int(inner_of[node_index[node_id]]) for node_id, mode in snapshot.modes.items() if mode is Mode.SAFE
    )
    base, touched = _base_loads(projection, snapshot, safe)
    room = frame.room.copy()
    kernel_room.room_less_base(
        touched, base, frame.most_base, frame.limit, frame.cap, frame.per_unit, frame.row_line, frame.row_group,
        frame.bits, room,
    )  # fmt: skip
    envelopes = {
        int(inner_of[node]): caps_ticks(
            caps, frame.scale, voltage_v=int(projection.voltage_v[node]), phases=projection.phases[node]
        )
        for node_id, caps in snapshot.envelopes.items()
        for node in (node_index[node_id],)
    }
    found = Rooms(room=room, base=base, envelopes=envelopes, safe=safe)
    for inner in {*envelopes, *safe}:
        room[inner] = _room(projection, headroom(projection, found, inner), inner)
    return found


def _base_loads(projection: Projection, snapshot: Snapshot, safe: frozenset[int]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """[M, 4] base load of every inner node, and which of them differ from what is declared."""
    frame = projection.frame
    nodes: list[int] = []
    figures: list[Load] = []
    per_ma = watts_per_ma(frame.scale)
    for node_id, amount in snapshot.base_load.items():
        inner = frame.balanced.get(node_id)
        if inner is not None and type(amount) is Current:
            nodes.append(inner)
            figures.append(balanced_rows(amount, per_ma))
            continue
        node = projection.node_index[node_id]
        nodes.append(int(frame.inner_of[node]))
        phases, voltage_v = projection.phases[node], int(projection.voltage_v[node])
        figures.append(load_rows(amount, frame.scale, voltage_v=voltage_v, phases=phases))
    # The base load of a SAFE node is not known, whatever was last seen: what its safe capacity assumes takes its place,
    # or what is declared or known below it, where that is more.
    for inner in sorted(safe):
        nodes.append(inner)
        figures.append(assumed_rows(frame.limits[inner], frame.scale, len(projection.phases[frame.nodes[inner]])))
    given = np.zeros(len(frame.parent), dtype=np.bool_)
    is_assumed = np.zeros_like(given)
    is_assumed[list(safe)] = True
    figure = np.zeros_like(frame.base)
    if nodes:
        given[nodes] = True
        figure[nodes] = figures
    base, touched = np.empty_like(frame.base), np.zeros_like(given)
    kernel_room.base_up(frame.parent, given, is_assumed, figure, frame.base, frame.has_own_base, base, touched)
    return base, touched


def with_more(projection: Projection, found: Rooms, more: Mapping[tuple[int, int], int | None]) -> Rooms:
    """The rooms if limits were higher: (inner node, row 0..3) -> ticks more; None: without any limit on that row."""
    lifted = dict(found.lifted)
    room = found.room.copy()
    for inner in sorted({inner for inner, _ in more}):
        here = headroom(projection, found, inner)
        here = replace(here, limit=_lifted(here.limit, inner, more), available=_lifted(here.available, inner, more))
        lifted[inner] = here
        room[inner] = _room(projection, here, inner)
    return replace(found, room=room, lifted=lifted)


def _lifted(ticks: OpenTicks, inner: int, more: Mapping[tuple[int, int], int | None]) -> OpenTicks:
    row: list[int | None] = []
    for line, value in enumerate(ticks):
        extra = more.get((inner, line), 0)
        row.append(None if value is None or extra is None else value + extra)
    return (row[0], row[1], row[2], row[3])


def _room(projection: Projection, here: Headroom, inner: int) -> Ints:
    frame = projection.frame
    room = group_room(here.available, frame.bounded_as_phasor[inner], frame.units)
    return room_limbs(room, frame)
