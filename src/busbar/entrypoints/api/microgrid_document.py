"""`GET depots/{id}/microgrid`: how a depot is wired, with limits as they were given and as they come to on the rows."""

from typing import Any

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.limits import NO_LIMIT, NodeLimits, OpenTicks, microgrid_limits, rating_limits
from busbar.core.projection import NodeKind, Projection, project
from busbar.engine.ports import Microgrid
from busbar.entrypoints import words
from busbar.entrypoints.api.rows import amount_text, by_row

_GIVEN = (
    "rating",
    "default_operating_capacity",
    "safe_operating_capacity",
    "max_rating",
    "min",
    "step",
    "fallback",
    "limit",
)


def microgrid_document(depot: Depot, microgrid: Microgrid | None, revision: int) -> dict[str, Any]:
    """`models.Microgrid`: the projection, derived from the stored depot; parents first."""
    # Vehicles are on connectors, whatever strategies share among.
    projection = project(depot)
    stored = () if microgrid is None else microgrid.grid_connections
    ids = {each.circuit_id: each.id for each in stored if each.retired_at is None}
    return {
        "depot_id": depot.id,
        "name": depot.name or depot.id,
        "revision": revision,
        "strategy": depot.strategy,
        "leaves": depot.leaves.value,
        "fair_in": depot.fair_in.value,
        "voltage_v": depot.voltage_v,
        "timezone": depot.timezone,
        "nodes": [_node(projection, node, ids) for node in range(len(projection.node_ids))],
    }


def _node(projection: Projection, node: int, grid_connections: dict[str, int]) -> dict[str, Any]:
    subject, kind = projection.subjects[node], projection.kinds[node]
    node_id, above = projection.node_ids[node], int(projection.parent[node])
    unit = _unit_of(projection, node)
    limits = _limits(projection, node)
    return {
        "id": node_id,
        "kind": kind.value,
        "parent": projection.node_ids[above] if above >= 0 else None,
        "name": words.display_name(subject) or node_id,
        "voltage_v": int(projection.voltage_v[node]),
        "phases": [phase.value for phase in projection.phases[node]],
        "current": None if unit is None else unit.current.value,
        "is_metered": isinstance(subject, Circuit) and bool(subject.meter),
        "in_service": unit is None or unit.in_service,
        "grid_connection_id": grid_connections.get(node_id) if kind is NodeKind.GRID_CONNECTION else None,
        "given": _given(subject, unit),
        "rating": _whole(projection, dict(limits.given).get("rating", NO_LIMIT)),
        "default": _whole(projection, limits.default),
        "safe": _whole(projection, limits.safe),
    }


def _unit_of(projection: Projection, node: int) -> ChargePoint | None:
    """The charge point that a charge point or connector is, or belongs to."""
    subject = projection.subjects[node]
    if isinstance(subject, Connector):
        subject = projection.subjects[int(projection.parent[node])]
    return subject if isinstance(subject, ChargePoint) else None


def _limits(projection: Projection, node: int) -> NodeLimits:
    subject, scale = projection.subjects[node], projection.frame.scale
    if isinstance(subject, Depot):
        return microgrid_limits(subject, scale)
    if not isinstance(subject, Connector):
        return projection.frame.limits[int(projection.frame.inner_of[node])]
    unit = _unit_of(projection, node)
    assert unit is not None
    return rating_limits(
        unit, subject.max_rating, scale, voltage_v=int(projection.voltage_v[node]), phases=projection.phases[node]
    )


def _given(subject: Depot | Circuit | ChargePoint | Connector, unit: ChargePoint | None) -> dict[str, str | None]:
    """In the depot file's own words."""
    given: dict[str, str | None] = dict.fromkeys(_GIVEN)
    match subject:
        case Depot():
            given["limit"] = None if subject.limit is None else amount_text(subject.limit)
        case Circuit():
            for name in ("rating", "default_operating_capacity", "safe_operating_capacity"):
                amount = getattr(subject, name)
                given[name] = None if amount is None else amount_text(amount)
        case ChargePoint():
            given["max_rating"] = words.rating(subject)
        case Connector():
            assert unit is not None
            is_ac = unit.current is CurrentKind.AC
            values = (subject.max_rating, subject.minimum, subject.step, subject.fallback)
            for name, number in zip(("max_rating", "min", "step", "fallback"), values, strict=True):
                given[name] = words.setpoint(number, is_ac=is_ac)
    return given


def _whole(projection: Projection, ticks: OpenTicks) -> dict[str, int | None]:
    scale = projection.frame.scale
    return by_row([None if each is None else each // scale.per_unit(row) for row, each in enumerate(ticks)])
