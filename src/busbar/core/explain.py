"""Why a connector gets what it gets: a sentence, the chain to the root, and counterfactuals that are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from busbar.core.allocation import Allocation, Stop
from busbar.core.balance import balance_in
from busbar.core.charger import sharing_of
from busbar.core.depot import ChargePoint, CurrentKind, FairIn, Leaves, Sharing
from busbar.core.describe import Binding, NodeFigures, Share, bindings, node_figures, shares_of, supply_ma, supply_w
from busbar.core.flows import loads, refusing_rows, sum_below
from busbar.core.projection import NodeKind, Projection
from busbar.core.rooms import Rooms, headroom, rooms, with_more
from busbar.core.sharing import charge_point_of
from busbar.core.snapshot import Mode, Snapshot, least
from busbar.core.strategies import Strategy
from busbar.core.units import PHASES, format_ma, format_w

ROW_NAMES = (*(phase.value for phase in PHASES), "total")
_KINDS = {
    NodeKind.MICROGRID: "The microgrid",
    NodeKind.GRID_CONNECTION: "Grid connection",
    NodeKind.CIRCUIT: "Circuit",
    NodeKind.CHARGE_POINT: "Charge point",
    NodeKind.CONNECTOR: "Connector",
}
_LIMITS = {
    "max_rating": "maximum rating",
    "rating": "rating",
    "default_operating_capacity": "default operating capacity",
    "safe_operating_capacity": "safe operating capacity",
    "envelope": "envelope",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Raise:
    """More room on one row of one node."""

    node: str
    row: str
    more: int
    """In mA (L1, L2, L3) or W (total)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counterfactual:
    """What the same balance gives when something is otherwise. Nothing else is changed."""

    raises: tuple[Raise, ...]
    """What would be higher; empty where something else is otherwise: see `sentence`."""
    setpoint: int
    """What the connector would get then, in its unit."""
    sentence: str
    shares: Mapping[str, int] = field(default_factory=dict)
    """Where the leaf is a charge point: connector -> what it would get."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why one connector, or one charge point that shares among its own, gets what it gets."""

    leaf: str
    """What was asked about."""
    unit: str
    """`mA` or `W`, of request and setpoint."""
    request: int
    setpoint: int
    power_w: int
    current_ma: tuple[int, int, int]
    sentence: str
    bindings: tuple[Binding, ...]
    """What stopped it first, then every further row that refuses."""
    chain: tuple[NodeFigures, ...]
    """From the connector up to the microgrid."""
    counterfactuals: tuple[Counterfactual, ...]
    strategy: str
    leaves: Leaves
    """What that shared among."""
    fair_in: FairIn
    shares: tuple[Share, ...] = ()
    """How the charge point divides what it is given; empty where strategies share among connectors."""

    def document(self) -> dict[str, Any]:
        """As `busbar explain --json` prints it (`busbar/explanation/1`)."""
        first, *others = self.bindings or (None,)
        return {
            "schema": "busbar/explanation/1",
            "strategy": self.strategy,
            "leaves": self.leaves.value,
            "fair_in": self.fair_in.value,
            "leaf": self.leaf,
            "request": {"value": self.request, "unit": self.unit},
            "setpoint": {"value": self.setpoint, "unit": self.unit},
            "power_w": self.power_w,
            "current_ma": list(self.current_ma),
            "sentence": self.sentence,
            "bound_by": first.document() if first else None,
            "also_bound_by": [binding.document() for binding in others if binding],
            "chain": [figures.document() for figures in self.chain],
            "counterfactuals": [
                {
                    "raises": [
                        {"node": more.node, "row": more.row, "more": _as_row(more.row, more.more)}
                        for more in found.raises
                    ],
                    "setpoint": {"value": found.setpoint, "unit": self.unit},
                    "sentence": found.sentence,
                }
                for found in self.counterfactuals
            ],
            **({"split": [share.document(self.unit) for share in self.shares]} if self.shares else {}),
        }


def _as_row(row: str, value: int) -> dict[str, Any]:
    return {"value": value, "unit": "W" if row == "total" else "mA"}


def explain(
    projection: Projection,
    snapshot: Snapshot,
    connector: str,
    *,
    strategy: str | Strategy = "equal_share",
    fair_in: FairIn | str = FairIn.POWER,
) -> Explanation:
    """Balance, and say why this connector gets what it gets. Raises KeyError for an unknown connector.

    Where strategies share among charge points, `connector` may be one of those, or a connector: what a connector gets
    is then what its charge point makes of its own setpoint, and what binds is what binds the charge point.
    """
    found = rooms(projection, snapshot)
    allocation = balance_in(projection, snapshot, found, strategy=strategy, fair_in=FairIn(fair_in))
    return explain_allocation(projection, snapshot, allocation, connector, found=found, strategy=strategy)


def explain_allocation(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    connector: str,
    *,
    found: Rooms | None = None,
    strategy: str | Strategy | None,
) -> Explanation:
    """The same for an allocation that is there. Raises KeyError for an unknown connector.

    `strategy` is the one it was made with; None, where that is not known: nothing is said of what would be otherwise.
    """
    leaf = projection.leaf_of(connector)
    found = found or rooms(projection, snapshot)
    stopped = bindings(projection, snapshot, allocation, leaf, found=found)
    path = frozenset(projection.path(int(projection.leaf_node[leaf])))
    figures = node_figures(projection, snapshot, allocation, found=found, only=path)
    setpoint = int(allocation.setpoint[leaf])
    explanation = Explanation(
        leaf=projection.leaf_ids[leaf],
        unit="mA" if projection.is_ac[leaf] else "W",
        request=int(snapshot.request[leaf]),
        setpoint=setpoint,
        power_w=supply_w(projection, leaf, setpoint),
        current_ma=supply_ma(projection, leaf, setpoint),
        sentence=_sentence(projection, snapshot, allocation, leaf, stopped, {each.id: each for each in figures}),
        bindings=stopped,
        chain=figures[::-1],
        counterfactuals=()
        if strategy is None
        else tuple(_counterfactuals(projection, snapshot, allocation, leaf, found, strategy, allocation.fair_in)),
        strategy=allocation.strategy,
        leaves=allocation.leaves,
        fair_in=allocation.fair_in,
        shares=shares_of(projection, snapshot, allocation, leaf),
    )
    if not explanation.shares:
        return explanation
    place = projection.connectors.leaf_index.get(connector)
    return _of_charge_point(projection, leaf, explanation) if place is None else _below(projection, place, explanation)


def _of_charge_point(projection: Projection, leaf: int, explanation: Explanation) -> Explanation:
    """With a sentence on how the charge point divides what it is given, where there is anything to divide."""
    parts = [
        f"{format_value(projection, leaf, share.setpoint)} for {share.connector}"
        for share in explanation.shares
        if share.request
    ]
    if not explanation.setpoint or len(explanation.shares) == 1:
        return explanation
    split = f"Split by the charge point{_how(projection, leaf)}: {_and(parts)}."
    return replace(explanation, sentence=f"{explanation.sentence} {split}")


def _below(projection: Projection, place: int, explanation: Explanation) -> Explanation:
    """The same for one of the charge point's connectors: what it gets of it, and what binds the charge point."""
    connectors = projection.connectors
    name, leaf = connectors.leaf_ids[place], projection.leaf_index[explanation.leaf]
    share = next(each for each in explanation.shares if each.connector == name)
    given, wanted = (format_value(connectors, place, value) for value in (share.setpoint, share.request))
    whole = format_value(projection, leaf, explanation.setpoint)
    if not share.request:
        sentence = f"{name} has no vehicle that wants to charge."
    elif not explanation.setpoint:
        sentence = f"{name} gets nothing of the {wanted} it asked for: its charge point has nothing to split."
    elif share.setpoint:
        of = f" of {wanted}" if share.setpoint != share.request else ""
        sentence = f"{name} gets {given}{of}: its part of {whole}, split by the charge point{_how(projection, leaf)}."
    else:
        sentence = (
            f"{name} waits for {wanted}: {whole} is split by the charge point{_how(projection, leaf)}, to others."
        )
    bound = explanation.bindings
    if share.setpoint >= share.request:
        bound = (Binding(node=name, row=None, limit="request", reason=None),) if share.request else ()
    elif all(binding.limit == "request" for binding in bound):
        # The charge point has all that it could use: its own rating, or who it serves at once, holds this one back.
        bound = (Binding(node=explanation.leaf, row=None, limit="max_rating", reason="full"),)
    return replace(
        explanation,
        leaf=name,
        request=share.request,
        setpoint=share.setpoint,
        power_w=supply_w(connectors, place, share.setpoint),
        current_ma=supply_ma(connectors, place, share.setpoint),
        sentence=f"{sentence} {explanation.sentence}",
        bindings=bound,
        counterfactuals=tuple(
            replace(each, setpoint=each.shares[share.connector], sentence=_for_charge_point(each, explanation.leaf))
            for each in explanation.counterfactuals
            if share.setpoint < share.request
        ),
    )


def _for_charge_point(found: Counterfactual, name: str) -> str:
    return f"{found.sentence.removesuffix('.')} for {name}."


def _how(projection: Projection, leaf: int) -> str:
    """How a charge point shares, in brackets; nothing where it has one connector."""
    unit = charge_point_of(projection, leaf)
    if len(unit.connectors) == 1:
        return ""
    return {
        Sharing.PARALLEL: " (in parallel)",
        Sharing.SEQUENTIAL: " (one after the other)",
        Sharing.UNVERIFIED: " (how is not verified)",
    }[sharing_of(unit)]


def format_value(projection: Projection, leaf: int, value: int) -> str:
    """A request or setpoint in its unit: `16 A` or `38 kW`."""
    return format_ma(value) if projection.is_ac[leaf] else format_w(value)


def _format_row(row: str, value: int) -> str:
    return format_w(value) if row == "total" else format_ma(value)


def _sentence(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    leaf: int,
    stopped: Sequence[Binding],
    figures: dict[str, NodeFigures],
) -> str:
    name = projection.leaf_ids[leaf]
    if not stopped:
        idle = int(allocation.reserved[leaf])
        kept = f" {format_value(projection, leaf, idle)} stays reserved for it." if idle else ""
        return f"{name} has no vehicle that wants to charge.{kept}"
    request, setpoint = int(snapshot.request[leaf]), int(allocation.setpoint[leaf])
    given = format_value(projection, leaf, setpoint)
    wanted = format_value(projection, leaf, request)
    first = stopped[0]
    match int(allocation.stopped_by[leaf]):
        case Stop.OUT_OF_SERVICE if not projection.in_service[leaf]:
            return f"{name} gets nothing: charge point {first.node} is out of service."
        case Stop.OUT_OF_SERVICE:
            reserved = format_value(projection, leaf, int(allocation.reserved[leaf]))
            return f"{name} gets nothing new: it is out of reach, and {reserved} stays reserved for it."
        case Stop.REQUEST if setpoint > request:
            return f"{name} gets {given}, its minimum; it asked for {wanted}."
        case Stop.REQUEST if setpoint == request:
            return f"{name} gets the {given} it asked for."
        case Stop.REQUEST:
            return f"{name} gets {given} of {wanted}: the next value it takes would be more than it asked for."
        case Stop.RATING:
            return f"{name} gets {given} of {wanted}: the connector is rated for no more."
    because = _because(projection, snapshot, allocation, leaf, first, figures[first.node])
    gets = f"gets {given} of {wanted}" if setpoint else f"gets nothing of the {wanted} it asked for"
    return f"{name} {gets}. {because}"


def _because(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    leaf: int,
    first: Binding,
    node: NodeFigures,
) -> str:
    assert first.row is not None
    row = ROW_NAMES.index(first.row)
    limit, base = node.limit[row], node.base_load[row]
    below = _leaves_below(projection, node.id)
    weighs = np.array([weight > 0 for weight in projection.weights[row]], dtype=np.bool_)
    sharing = int(((allocation.reserved[below] > 0) & weighs[projection.leaf_class[below]]).sum())
    where = f"{_KINDS[node.kind]} {node.id}" if node.kind is not NodeKind.MICROGRID else "The microgrid"
    on_row = "in total" if first.row == "total" else f"on {first.row}"
    text = f"{where} is full {on_row}"
    if first.reason == "minimum":
        needed = format_value(projection, leaf, int(least(projection, snapshot)[leaf]))
        text = f"{where} has no room {on_row} for its minimum of {needed}"
    elif first.reason == "restart_gap":
        needed = format_value(projection, leaf, int(allocation.next_value[leaf]))
        text = f"It was stopped for want of room; to start again it wants room for {needed} {on_row} on {node.id}"
    if node.kind is NodeKind.CHARGE_POINT and first.limit == "max_rating":
        unit = projection.subjects[projection.node_index[node.id]]
        assert isinstance(unit, ChargePoint)
        text += f": it is rated for {format_value(projection, leaf, unit.max_rating)}"
    else:
        text += f": its {_LIMITS[first.limit]} leaves {_format_row(first.row, node.available[row] or 0)} for charging"
    if node.mode is Mode.SAFE:
        text += ", because it is in SAFE mode (its base load is not known)"
    elif base > 0 and limit is not None:
        text += f" ({_format_row(first.row, limit)} less {_format_row(first.row, base)} of base load)"
    leaf_name = projection.leaves.value.replace("_", " ")
    others = {0: "nobody has any of it", 1: f"one {leaf_name} has it"}.get(sharing, f"{sharing} {leaf_name}s share it")
    return f"{text}; {others}."


def _leaves_below(projection: Projection, node_id: str) -> slice:
    node = projection.node_index[node_id]
    return slice(int(projection.first_leaf[node]), int(projection.last_leaf[node]))


def _counterfactuals(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    leaf: int,
    found: Rooms,
    strategy: str | Strategy,
    fair_in: FairIn,
) -> list[Counterfactual]:
    if allocation.stopped_by[leaf] == Stop.OUT_OF_SERVICE:
        return [_back_in_reach(projection, snapshot, leaf, strategy, fair_in)]
    if allocation.stopped_by[leaf] != Stop.ROW:
        return []
    some = _some_more(projection, allocation, leaf, found)
    results = [_computed(projection, snapshot, leaf, found, some, strategy, fair_in)]
    lifted = _lifted_until_free(projection, snapshot, allocation, leaf, found, strategy, fair_in)
    if lifted and lifted != some:
        results.append(_computed(projection, snapshot, leaf, found, lifted, strategy, fair_in))
    # What does not help is said only where nothing does; what takes more for the same is not worth saying.
    reached = int(allocation.setpoint[leaf])
    better: list[Counterfactual] = []
    for result in results:
        if result.setpoint > reached:
            better.append(result)
            reached = result.setpoint
    return better or results[:1]


def _some_more(projection: Projection, allocation: Allocation, leaf: int, found: Rooms) -> dict[tuple[int, int], int]:
    """A tenth more on each row that refuses, or what one more step takes where that is more; whole A or kW."""
    more = int(max(0, allocation.next_value[leaf] - allocation.reserved[leaf]))
    raises: dict[tuple[int, int], int] = {}
    for left, figures in refusing_rows(projection, found, allocation.reserved, leaf=leaf, more=more):
        line = _line(projection, left.row)
        unit = projection.frame.scale.per_unit(line)
        short = Fraction(
            projection.groups[left.group].weights[projection.leaf_class[leaf]] * more - left.left
        ) * _group_scale(projection, left.group, left.row)
        tenth = Fraction(figures.limit[line] or 0, 10 * unit)
        raises[left.inner, line] = max(raises.get((left.inner, line), 0), _whole(max(short, tenth)) * unit)
    return raises


def _whole(value: Fraction) -> int:
    """Up to a whole A or kW."""
    return ceil(value / 1000) * 1000


def _group_scale(projection: Projection, group: int, row: int) -> Fraction:
    found = projection.groups[group]
    return found.scales[found.rows.index(row)] / projection.rows[row].shrink


def _line(projection: Projection, row: int) -> int:
    return ROW_NAMES.index(projection.rows[row].label)


def _lifted_until_free(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    leaf: int,
    found: Rooms,
    strategy: str | Strategy,
    fair_in: FairIn,
) -> dict[tuple[int, int], int]:
    """What it takes, where, until no row holds this leaf back: rows are lifted as they refuse, then measured."""
    open_rows: dict[tuple[int, int], int | None] = {}
    trial, now = found, allocation
    while now.stopped_by[leaf] == Stop.ROW:
        more = int(max(0, now.next_value[leaf] - now.reserved[leaf]))
        refusing = refusing_rows(projection, trial, now.reserved, leaf=leaf, more=more)
        before = len(open_rows)
        open_rows |= {(left.inner, _line(projection, left.row)): None for left, _ in refusing}
        if len(open_rows) == before:
            return {}
        trial = with_more(projection, found, open_rows)
        now = balance_in(projection, snapshot, trial, strategy=strategy, fair_in=fair_in)
    raises: dict[tuple[int, int], int] = {}
    for inner, line in open_rows:
        node = int(projection.frame.nodes[inner])
        flow = loads(projection, sum_below(projection, now.reserved, node), node)[line]
        unit = projection.frame.scale.per_unit(line)
        short = flow - Fraction(headroom(projection, found, inner).available[line] or 0, unit)
        if short > 0:
            raises[inner, line] = _whole(short) * unit
    return raises


def _computed(
    projection: Projection,
    snapshot: Snapshot,
    leaf: int,
    found: Rooms,
    more: dict[tuple[int, int], int],
    strategy: str | Strategy,
    fair_in: FairIn,
) -> Counterfactual:
    then = balance_in(projection, snapshot, with_more(projection, found, more), strategy=strategy, fair_in=fair_in)
    raises = tuple(
        Raise(
            node=projection.node_ids[projection.frame.nodes[inner]],
            row=ROW_NAMES[line],
            more=ticks // projection.frame.scale.per_unit(line),
        )
        for (inner, line), ticks in more.items()
    )
    setpoint = int(then.setpoint[leaf])
    return Counterfactual(
        raises=raises,
        setpoint=setpoint,
        shares={share.connector: share.setpoint for share in shares_of(projection, snapshot, then, leaf)},
        sentence=f"With {_and(_said(projection, raises))}: {format_value(projection, leaf, setpoint)}.",
    )


def _said(projection: Projection, raises: Sequence[Raise]) -> list[str]:
    """Rows of one node that rise by as much are said at once."""
    supply = {unit.id for unit in projection.depot.charge_points if unit.current is CurrentKind.DC}
    rows: dict[tuple[str, str], list[str]] = {}
    for more in raises:
        rows.setdefault((more.node, _format_row(more.row, more.more)), []).append(more.row)
    return [
        f"{value} more on {node}"
        + ("'s supply" if node in supply else "")
        + ("" if found == ["total"] or len(found) == len(PHASES) else f" {_and(found)}")
        for (node, value), found in rows.items()
    ]


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _back_in_reach(
    projection: Projection, snapshot: Snapshot, leaf: int, strategy: str | Strategy, fair_in: FairIn
) -> Counterfactual:
    unit = projection.unit_node(leaf)
    siblings = np.arange(len(projection.leaf_ids))
    here = (siblings >= projection.first_leaf[unit]) & (siblings < projection.last_leaf[unit])
    served = replace(projection, in_service=projection.in_service | here)
    reached = replace(
        snapshot,
        out_of_reach=snapshot.out_of_reach & ~here,
        committed=np.where(here, 0, snapshot.committed),
    )
    then = balance_in(served, reached, rooms(served, reached), strategy=strategy, fair_in=fair_in)
    setpoint = int(then.setpoint[leaf])
    back = "service" if not projection.in_service[leaf] else "reach"
    return Counterfactual(
        raises=(),
        setpoint=setpoint,
        shares={share.connector: share.setpoint for share in shares_of(projection, snapshot, then, leaf)},
        sentence=f"With {projection.node_ids[unit]} back in {back}: {format_value(projection, leaf, setpoint)}.",
    )
