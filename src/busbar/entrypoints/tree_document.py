"""The JSON document of `busbar tree` (`busbar/tree/1`): the wiring, limits as given and derived, reservations."""

from collections.abc import Sequence
from typing import Any

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.describe import ROW_KEYS
from busbar.core.limits import OpenTicks, microgrid_limits, rating_limits
from busbar.core.projection import Projection
from busbar.core.units import format_amount
from busbar.entrypoints import words
from busbar.entrypoints.unloaded import Unloaded


def tree_document(unloaded: Unloaded) -> dict[str, Any]:
    """The projection with its limits and what is reserved (`busbar/tree/1`)."""
    projection = unloaded.projection
    depot = projection.depot
    return {
        "schema": "busbar/tree/1",
        "depot": depot.id,
        "name": depot.name,
        "voltage_v": depot.voltage_v,
        "leaves": projection.leaves.value,
        "nodes": [_tree_node(unloaded, node) for node in range(len(projection.node_ids))],
    }


def _tree_node(unloaded: Unloaded, node: int) -> dict[str, Any]:
    projection, figures = unloaded.projection, unloaded.figures[node]
    subject = projection.subjects[node]
    return {
        "id": figures.id,
        "kind": figures.kind.value,
        "parent": figures.parent,
        "name": words.display_name(subject) or None,
        "voltage_v": int(projection.voltage_v[node]),
        "phases": [phase.value for phase in projection.phases[node]],
        "in_service": subject.in_service if isinstance(subject, ChargePoint) else None,
        "limits": _limits(projection, node),
        "limit": _by_row(figures.limit),
        "available": _by_row(figures.available),
        "base_load": _by_row(figures.base_load),
        "reserved": _by_row(figures.reserved),
        "headroom": _by_row(figures.headroom),
        "connector": _connector(projection, node) if isinstance(subject, Connector) else None,
    }


def _limits(projection: Projection, node: int) -> dict[str, Any]:
    """Every limit the node was given: as it was written, and derived on the rows."""
    subject = projection.subjects[node]
    scale, inner = projection.frame.scale, int(projection.frame.inner_of[node])
    match subject:
        case Depot():
            if subject.limit is None:
                return {}
            derived = microgrid_limits(subject, scale).default
            return {"default_operating_capacity": _limit(projection, format_amount(subject.limit), derived)}
        case Circuit():
            found = projection.frame.limits[inner]
            derived_by_name = {**dict(found.given), "safe_operating_capacity": found.safe}
            return {
                name: _limit(projection, format_amount(amount), derived_by_name[name])
                for name in ("rating", "default_operating_capacity", "safe_operating_capacity")
                if (amount := getattr(subject, name)) is not None
            }
        case ChargePoint():
            derived = projection.frame.limits[inner].default
            return {"max_rating": _limit(projection, words.rating(subject), derived)}
        case Connector():
            unit = projection.subjects[projection.parent[node]]
            assert isinstance(unit, ChargePoint)
            derived = rating_limits(
                unit,
                subject.max_rating,
                scale,
                voltage_v=int(projection.voltage_v[node]),
                phases=projection.phases[node],
            ).default
            given = words.setpoint(subject.max_rating, is_ac=unit.current is CurrentKind.AC)
            return {"max_rating": _limit(projection, given, derived)}


def _limit(projection: Projection, given: str | dict[str, str], derived: OpenTicks) -> dict[str, Any]:
    scale = projection.frame.scale
    whole = [None if ticks is None else ticks // scale.per_unit(row) for row, ticks in enumerate(derived)]
    return {"given": given, **_by_row(whole)}


def _by_row(values: Sequence[int | None]) -> dict[str, int | None]:
    return dict(zip(ROW_KEYS, values, strict=True))


def _connector(projection: Projection, node: int) -> dict[str, Any]:
    connector, unit = projection.subjects[node], projection.subjects[projection.parent[node]]
    assert isinstance(connector, Connector)
    assert isinstance(unit, ChargePoint)
    is_ac = unit.current is CurrentKind.AC
    values = {"max_rating": connector.max_rating, "minimum": connector.minimum, "step": connector.step}
    return {
        "current": unit.current.value,
        "unit": "mA" if is_ac else "W",
        **values,
        "fallback": connector.fallback,
        "line_to_line": connector.line_to_line,
    }
