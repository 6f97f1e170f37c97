"""The single-line diagram as SVG, drawn from the projection; the browser puts the live values into it."""

from dataclasses import dataclass

from jinja2 import Template

from busbar.core.depot import ChargePoint, Connector
from busbar.core.projection import NodeKind, Projection
from busbar.entrypoints.web.layout import Layout, Place, Wanted, lay_out

COMPACT_ABOVE = 80
"""Connectors; beyond, those of a charge point are small marks until it is opened."""
LIMIT_AT = 0.84
"""Where on a bar the limit stands; the browser has the same."""
_CHARACTER_WIDTH = 7.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One node as the template draws it."""

    place: Place
    id: str
    kind: str
    label: str
    """As much of its id and name as its card holds."""
    name: str
    short: str
    """A connector within its charge point."""
    bar_width: float
    limit_x: float
    symbol: str
    """`grid`, or nothing."""


def is_large(projection: Projection) -> bool:
    """Whether its connectors are drawn as marks at first."""
    return sum(1 for kind in projection.kinds if kind is NodeKind.CONNECTOR) > COMPACT_ABOVE


def diagram_svg(template: Template, projection: Projection, wanted: Wanted) -> str:
    """The drawing as text."""
    layout: Layout = lay_out(projection, wanted)
    return template.render(
        layout=layout,
        nodes=[_drawn(projection, place) for place in layout.places],
        title=projection.depot.name or projection.depot.id,
        is_compact=wanted.is_compact,
    )


def _drawn(projection: Projection, place: Place) -> Drawn:
    node_id, kind = projection.node_ids[place.node], projection.kinds[place.node]
    subject = projection.subjects[place.node]
    name = "" if isinstance(subject, Connector) else (subject.name or "")
    bar_width = place.width - (20 if kind is not NodeKind.CONNECTOR else 8)
    return Drawn(
        place=place,
        id=node_id,
        kind=kind.value,
        label=_fitting(node_id if place.node else (name or node_id), name if place.node else "", place, subject),
        name=name,
        short=subject.id if isinstance(subject, Connector) else "",
        bar_width=bar_width,
        limit_x=round(bar_width * LIMIT_AT, 1),
        symbol="grid" if kind is NodeKind.GRID_CONNECTION else "",
    )


def _fitting(node_id: str, name: str, place: Place, subject: object) -> str:
    """The id, then as much of the name as there is room for; a charge point leaves room for its power."""
    room = place.width - (112 if isinstance(subject, ChargePoint) else 26)
    most = max(6, int(room / _CHARACTER_WIDTH))
    text = f"{node_id}  {name}".strip()
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
