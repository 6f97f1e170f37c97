"""The snapshot: what is wanted, and what is known, at one instant; arrays in leaf order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from busbar.core import sharing
from busbar.core.limits import Caps
from busbar.core.projection import NodeKind, Projection
from busbar.core.units import Amount

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_COMMITTED = 8
"""Times the maximum rating: beyond it a commitment is a mistake, and sums would not stay exact."""
TURN_S = 600.0
"""A turn lasts at least this long while vehicles rotate under lasting scarcity (design section 5)."""


class Mode(StrEnum):
    """Whether a node can be seen."""

    NORMAL = "NORMAL"
    """Its base load is known: the default capacity applies."""
    SAFE = "SAFE"
    """Its base load is unknown: the safe capacity applies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One vehicle on one connector. Values in mA (AC) or W at the vehicle (DC); times are aware."""

    connector: str
    request: int | None = None
    """The most connector and vehicle could use now; None: the connector's rating."""
    arrived: datetime | None = None
    departs: datetime | None = None
    energy_needed_wh: int | None = None
    soc: float | None = None
    """State of charge, 0 to 1."""
    priority: int = 0
    """The higher, the sooner."""
    weight: float = 1.0
    charging: bool = False
    """Whether it is being given something now."""
    charging_since: datetime | None = None
    """When it was last started; None: not known."""
    waiting_since: datetime | None = None
    """Since when it wants and is given nothing; None: it is not waiting."""
    stopped_at: datetime | None = None
    """When it was last stopped for want of room; None: never."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Arrays of one value per leaf of the projection; ages and times in seconds from `at`, NaN where unknown."""

    at: datetime
    """The instant all of it is about (aware)."""
    present: Bools
    """A vehicle is there."""
    request: Ints
    """The most that leaf and vehicle could use now, in mA (AC) or W at the vehicle (DC); 0 without a vehicle."""
    arrived_ago_s: Floats
    departs_in_s: Floats
    energy_needed_wh: Floats
    soc: Floats
    priority: Ints
    weight: Floats
    charging: Bools
    charging_for_s: Floats
    waiting_for_s: Floats
    """How long it has wanted and been given nothing; NaN: it is not waiting."""
    stopped_ago_s: Floats
    """How long ago it was stopped for want of room; NaN: never."""
    out_of_reach: Bools
    """Reserved at `committed`, and given nothing."""
    committed: Ints
    """The most an out-of-reach leaf may still draw, in its unit; 0 elsewhere."""
    base_load: Mapping[str, Amount] = field(default_factory=dict)
    """Node id -> everything uncontrolled below it; generation is negative."""
    modes: Mapping[str, Mode] = field(default_factory=dict)
    """Node id -> mode, where it is not NORMAL."""
    envelopes: Mapping[str, Caps] = field(default_factory=dict)
    """Node id -> the limit from outside in force now; several, in different units, where all of them hold."""
    minimum: Ints | None = None
    """The smallest value above 0 that each leaf can be given now; None: the projection's. Ask `least`."""
    by_connector: "Snapshot | None" = None
    """Where the leaves are charge points: what was said of their connectors; None: nothing was."""

    @property
    def connectors(self) -> "Snapshot":
        """The same by connector, where the leaves are charge points and anything is said of connectors."""
        return self.by_connector or self


def least(projection: Projection, snapshot: Snapshot) -> Ints:
    """[n] the smallest value above 0 that each leaf can be given now; the only place to ask."""
    return projection.minimum if snapshot.minimum is None else snapshot.minimum


def snapshot_from_arrays(
    projection: Projection,
    *,
    at: datetime,
    request: Ints,
    base_load: Mapping[str, Amount] | None = None,
    modes: Mapping[str, Mode] | None = None,
    envelopes: Mapping[str, Caps] | None = None,
    minimum: npt.NDArray[np.generic] | None = None,
    **columns: npt.NDArray[np.generic],
) -> Snapshot:
    """A snapshot from arrays in leaf order; what is not given is unknown (times), 0 (priority) or 1 (weight).

    `minimum` is what each leaf has to be given to be given anything, where that is not the projection's. `columns` are
    further fields of `Snapshot` by name. Where `present` is not given, a leaf with a request above 0 has a vehicle.
    Raises ValueError for a wrong shape, a negative request, minimum or commitment, a commitment far beyond the rating,
    a weight that is not positive, and a node that is unknown or that the value says nothing about.
    """
    n = len(projection.leaf_ids)
    unknown = np.full(n, np.nan)
    nothing = np.zeros(n, dtype=np.int64)
    nowhere = np.zeros(n, dtype=np.bool_)
    request = np.asarray(request, dtype=np.int64)
    values: dict[str, npt.NDArray[np.generic]] = {
        "present": request > 0,
        "arrived_ago_s": unknown,
        "departs_in_s": unknown,
        "energy_needed_wh": unknown,
        "soc": unknown,
        "priority": nothing,
        "weight": np.ones(n),
        "charging": nowhere,
        "charging_for_s": unknown,
        "waiting_for_s": unknown,
        "stopped_ago_s": unknown,
        "out_of_reach": nowhere,
        "committed": nothing,
    }
    unexpected = set(columns) - set(values)
    if unexpected:
        raise ValueError(f"a snapshot has no column {sorted(unexpected)}; it has {sorted(values)}")
    for name, given in columns.items():
        values[name] = np.asarray(given, dtype=values[name].dtype)
    least_given = None if minimum is None else np.asarray(minimum, dtype=np.int64)
    numbers = {"request": request} if least_given is None else {"request": request, "minimum": least_given}
    for name, column in {**numbers, **values}.items():
        if column.shape != (n,):
            raise ValueError(f"{name} has shape {column.shape}; the projection has {n} leaves")
    if any(np.less(column, 0).any() for column in (*numbers.values(), values["committed"])):
        raise ValueError("a request, a minimum or a commitment is negative")
    weight = values["weight"].astype(np.float64)
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("a weight is not a positive, finite number")
    beyond = values["committed"].astype(np.int64) > MOST_COMMITTED * projection.max_rating
    if beyond.any():
        names = [projection.leaf_ids[leaf] for leaf in np.flatnonzero(beyond)[:5]]
        raise ValueError(f"committed is more than {MOST_COMMITTED} x the maximum rating at {', '.join(names)}")
    leaves = (NodeKind.CONNECTOR,)
    _check_nodes(projection, {"base_load": base_load, "modes": modes}, but_for=(*leaves, NodeKind.CHARGE_POINT))
    _check_nodes(projection, {"envelopes": envelopes}, but_for=leaves)
    return Snapshot(
        at=at,
        request=np.where(values["present"], request, 0),
        base_load=dict(base_load or {}),
        modes=dict(modes or {}),
        envelopes=dict(envelopes or {}),
        minimum=least_given,
        **values,  # type: ignore[arg-type]
    )


def _check_nodes(
    projection: Projection, given: Mapping[str, Mapping[str, object] | None], *, but_for: tuple[NodeKind, ...]
) -> None:
    """Raises ValueError for a node the projection does not have, or of a kind that such a value says nothing about."""
    for name, values in given.items():
        for node_id in values or ():
            node = projection.node_index.get(node_id)
            if node is None:
                raise ValueError(f"{name} names {node_id}, which is no power node of the projection")
            if projection.kinds[node] in but_for:
                raise ValueError(f"{name} names {node_id}, a {projection.kinds[node]}, and means nothing there")


def snapshot_from_sessions(
    projection: Projection,
    *,
    at: datetime,
    sessions: Iterable[Session],
    base_load: Mapping[str, Amount] | None = None,
    modes: Mapping[str, Mode] | None = None,
    envelopes: Mapping[str, Caps] | None = None,
    committed: Mapping[str, int] | None = None,
) -> Snapshot:
    """A snapshot from one record per vehicle; `committed` maps connectors out of reach to mA or W.

    Sessions are on connectors whatever the leaves are. Raises KeyError for a connector the projection does not have.
    """
    whole, projection = projection, projection.connectors
    n = len(projection.leaf_ids)
    request = np.zeros(n, dtype=np.int64)
    columns: dict[str, npt.NDArray[np.generic]] = {
        "present": np.zeros(n, dtype=np.bool_),
        "priority": np.zeros(n, dtype=np.int64),
        "weight": np.ones(n),
        "charging": np.zeros(n, dtype=np.bool_),
        "out_of_reach": np.zeros(n, dtype=np.bool_),
        "committed": np.zeros(n, dtype=np.int64),
    }
    for name in (*_TIMES, "energy_needed_wh", "soc"):
        columns[name] = np.full(n, np.nan)
    for session in sessions:
        leaf = projection.leaf_index[session.connector]
        columns["present"][leaf] = True
        rating = int(projection.max_rating[leaf])
        request[leaf] = rating if session.request is None else session.request
        columns["priority"][leaf] = session.priority
        columns["weight"][leaf] = session.weight
        columns["charging"][leaf] = session.charging
        for name, ago in _seconds(session, at).items():
            columns[name][leaf] = ago
        if session.energy_needed_wh is not None:
            columns["energy_needed_wh"][leaf] = session.energy_needed_wh
        if session.soc is not None:
            columns["soc"][leaf] = session.soc
    for connector, value in (committed or {}).items():
        leaf = projection.leaf_index[connector]
        columns["out_of_reach"][leaf] = True
        columns["committed"][leaf] = value
    found = snapshot_from_arrays(
        projection,
        at=at,
        request=request,
        base_load=base_load,
        modes=modes,
        envelopes=envelopes,
        **columns,
    )
    return on_charge_points(whole, found) if whole.by_connector else found


def on_charge_points(projection: Projection, by_connector: Snapshot) -> Snapshot:
    """A snapshot of connectors as one of the charge points they belong to: one demand each (`sharing`)."""
    columns = sharing.by_charge_point(projection, vars(by_connector))
    return replace(by_connector, by_connector=by_connector, **columns)  # type: ignore[arg-type]


_TIMES = ("arrived_ago_s", "departs_in_s", "charging_for_s", "waiting_for_s", "stopped_ago_s")


def _seconds(session: Session, at: datetime) -> dict[str, float]:
    given = {
        "arrived_ago_s": session.arrived,
        "charging_for_s": session.charging_since,
        "waiting_for_s": session.waiting_since,
        "stopped_ago_s": session.stopped_at,
    }
    seconds = {name: (at - when).total_seconds() for name, when in given.items() if when is not None}
    if session.departs is not None:
        seconds["departs_in_s"] = (session.departs - at).total_seconds()
    return seconds
