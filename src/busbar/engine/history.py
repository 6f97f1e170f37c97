"""The last half hour of a depot in columns: what each connector and node was given, might draw and drew.

Kept in memory only, bounded. Of 10 000 connectors on 5 000 charge points a moment takes 0.36 MB, half an hour 130 MB;
a depot of 60 connectors needs 1 MB.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from busbar.core.projection import Projection
from busbar.core.rooms import rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Floats, Ints
from busbar.engine.envelopes import ROWS
from busbar.engine.limit_rows import LimitRows
from busbar.engine.moment import Moment

MOST_MOMENTS = 360
KEPT_FOR = timedelta(minutes=30)
_UNKNOWN = -1
_LARGEST = int(np.iinfo(np.int32).max)

Small = npt.NDArray[np.int32]
Halves = npt.NDArray[np.float16]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectorHistory:
    """One connector's columns, oldest first, in its unit; None: not known then, or no vehicle."""

    is_ac: bool
    at: tuple[datetime, ...]
    request: tuple[int | None, ...]
    setpoint: tuple[int | None, ...]
    committed: tuple[int | None, ...]
    draw: tuple[int | None, ...]
    soc: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeHistory:
    """One row of one node in columns, oldest first: mA referred, or W; None: not limited, or not known."""

    row: str
    at: tuple[datetime, ...]
    limit: tuple[int | None, ...]
    committed: tuple[int | None, ...]
    measured: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Point:
    """One moment."""

    at: datetime
    projection: Projection
    leaves: Small
    """[n, 4] request, setpoint, committed, draw."""
    soc: Halves
    limit: Singles
    """[M, 4]; shared with the moment before where nothing changed."""
    committed: Singles
    measured: Singles


class History:
    """One depot's. Goes on over an edit of the depot: nodes and connectors are found by their ids. (Mutable.)"""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque(maxlen=MOST_MOMENTS)
        self._limits: tuple[Projection, LimitRows] | None = None

    def __len__(self) -> int:
        return len(self._points)

    @property
    def size_bytes(self) -> int:
        """What its arrays take."""
        shared = {id(point.limit): point.limit.nbytes for point in self._points}
        own = (
            point.leaves.nbytes + point.soc.nbytes + point.committed.nbytes + point.measured.nbytes
            for point in self._points
        )
        return sum(shared.values()) + sum(own)

    def add(self, moment: Moment) -> None:
        """Keep a moment; one that is not newer than the last is left out."""
        if self._points and moment.at <= self._points[-1].at:
            return
        projection = moment.projection
        inner = projection.frame.nodes
        limit = self._limit(moment)
        self._points.append(
            _Point(
                at=moment.at,
                projection=projection,
                leaves=_leaves(moment),
                soc=moment.snapshot.soc.astype(np.float16),
                limit=limit,
                committed=_loads(projection, moment.committed)[inner].astype(np.float32),
                measured=moment.flows.rows[inner].astype(np.float32),
            )
        )
        while self._points[0].at < moment.at - KEPT_FOR:
            self._points.popleft()

    def _limit(self, moment: Moment) -> Singles:
        projection = moment.projection
        if self._limits is None or self._limits[0] is not projection:
            self._limits = (projection, LimitRows(projection))
        rows = self._limits[1].limit(rooms(projection, moment.snapshot))
        limit = rows[projection.frame.nodes].astype(np.float32)
        if self._points and np.array_equal(self._points[-1].limit, limit, equal_nan=True):
            return self._points[-1].limit
        return limit

    def connector(self, connector: str) -> ConnectorHistory:
        """Its columns; empty ones where it was never seen."""
        found = [
            (point, leaf) for point in self._points if (leaf := point.projection.leaf_index.get(connector)) is not None
        ]
        rows = [point.leaves[leaf].tolist() for point, leaf in found]
        columns = [tuple(None if row[place] == _UNKNOWN else row[place] for row in rows) for place in range(4)]
        socs = [float(point.soc[leaf]) for point, leaf in found]
        return ConnectorHistory(
            is_ac=bool(found) and bool(found[-1][0].projection.is_ac[found[-1][1]]),
            at=tuple(point.at for point, _ in found),
            request=columns[0],
            setpoint=columns[1],
            committed=columns[2],
            draw=columns[3],
            soc=tuple(None if np.isnan(soc) else round(soc, 3) for soc in socs),
        )

    def node(self, node: str, row: str | None = None) -> NodeHistory:
        """Its columns of a row, or of the one that is nearest its limit now. Of a connector there are none."""
        found = [
            (point, int(point.projection.frame.inner_of[index]))
            for point in self._points
            if (index := point.projection.node_index.get(node)) is not None
        ]
        found = [(point, inner) for point, inner in found if inner >= 0]
        place = ROWS.index(row) if row is not None else _nearest_row(*found[-1]) if found else TOTAL
        return NodeHistory(
            row=ROWS[place],
            at=tuple(point.at for point, _ in found),
            limit=tuple(_down(point.limit[inner, place]) for point, inner in found),
            committed=tuple(_nearest(point.committed[inner, place]) for point, inner in found),
            measured=tuple(_nearest(point.measured[inner, place]) for point, inner in found),
        )


def _leaves(moment: Moment) -> Small:
    """[n, 4]; requests and setpoints only where there is a vehicle."""
    present = moment.snapshot.present
    draw = np.full(len(present), _UNKNOWN, dtype=np.int64)
    index = moment.projection.leaf_index
    for connector, plugged in moment.plugged.items():
        if plugged.draw is not None and connector in index:
            draw[index[connector]] = plugged.draw
    columns = (
        np.where(present, moment.snapshot.request, _UNKNOWN),
        np.where(present, moment.setpoint, _UNKNOWN),
        moment.committed,
        draw,
    )
    leaves: Small = np.minimum(np.stack(columns, axis=1), _LARGEST).astype(np.int32)
    return leaves


def _loads(projection: Projection, values: Ints) -> Floats:
    """[N, 4] what the values put on the four rows of every node, to within a rounding error."""
    weights: Floats = np.array([[float(weight) for weight in projection.weights[row]] for row in range(TOTAL + 1)])
    loads = (weights[:, projection.leaf_class] * values).T
    running: Floats = np.concatenate((np.zeros((1, TOTAL + 1)), np.cumsum(loads, axis=0)))
    return running[projection.last_leaf] - running[projection.first_leaf]


def _nearest_row(point: _Point, inner: int) -> int:
    """Which row carries most of what it may; the total where none is limited."""
    limit = point.limit[inner].astype(np.float64)
    carried = np.fmax(point.committed[inner], point.measured[inner])
    share = np.where(limit > 0, carried / np.maximum(limit, 1.0), np.where(limit == 0, np.inf, -np.inf))
    return int(share.argmax()) if np.isfinite(limit).any() else TOTAL


def _down(value: np.float32) -> int | None:
    return None if np.isnan(value) else int(value)


def _nearest(value: np.float32) -> int | None:
    return None if np.isnan(value) else round(float(value))
