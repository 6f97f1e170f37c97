"""What `busbar tree` shows: the wiring with its limits, and what is reserved before any vehicle comes."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from busbar.core.depot import ChargePoint, Circuit, Connector, Depot
from busbar.core.describe import NodeState
from busbar.core.projection import NodeKind, Projection
from busbar.entrypoints import words
from busbar.entrypoints.render_layout import TreeLines
from busbar.entrypoints.render_nodes import Said, Shown, connector_notes, node_lines, rated
from busbar.entrypoints.unloaded import Unloaded


def tree_text(unloaded: Unloaded, *, depth: int | None = None) -> RenderableType:
    """The whole answer for people."""
    projection = unloaded.projection
    shown = Shown(
        projection=projection,
        figures=unloaded.figures,
        columns=("limit", "base_load", "reserved", "headroom"),
        depth=depth,
    )
    lines = node_lines(shown, lambda node: _said(unloaded, node))
    headings = ("Node", "On", "Limit", "Base load", "Reserved", "Left", "Used", "As given")
    return Group(
        _title(projection),
        Text(),
        TreeLines(headings=headings, lines=lines),
        Text(),
        Text("Bars: ▒ declared base load  ░ reserved for fallbacks  · free for charging.", style="dim"),
        Text("Limits on the supply side; DC charge points and connectors: kW at the vehicle.", style="dim"),
    )


def _title(projection: Projection) -> Text:
    depot = projection.depot
    text = Text().append(f"{depot.id}{f', {depot.name}' if depot.name else ''}\n", style="bold")
    shared = words.sharing(depot.strategy, projection.leaves, depot.fair_in)
    text.append(f"{depot.voltage_v} V line to line, {depot.timezone}, {shared}\n")
    return text.append(words.counts(projection.connectors.kinds))


def _said(unloaded: Unloaded, node: int) -> Said:
    projection, figures = unloaded.projection, unloaded.figures[node]
    subject = projection.subjects[node]
    is_over = figures.state is NodeState.BREACHED and figures.kind is not NodeKind.MICROGRID
    alarm = Text().append("✖ ABOVE ITS LIMIT  " if is_over else "", style="bold red")
    if isinstance(subject, ChargePoint):
        connectors = projection.connectors
        below = connectors.node_index[subject.id]
        notes = connector_notes(connectors, below, lambda leaf: _connector(connectors, leaf))
        state = "" if subject.in_service else "out of service, "
        if len(notes) == 1:
            return Said(tail=alarm.append(state + notes[0]))
        return Said(tail=alarm.append(state.removesuffix(", ")), notes=notes)
    return Said(tail=alarm.append(", ".join(_given(subject))))


def _given(subject: Depot | Circuit | ChargePoint | Connector) -> Iterator[str]:
    if isinstance(subject, Depot):
        if subject.limit is not None:
            yield f"sum {words.amount(subject.limit)}"
        return
    assert isinstance(subject, Circuit)
    yield words.amount(subject.default_operating_capacity)
    if subject.safe_operating_capacity is not None:
        yield f"safe {words.amount(subject.safe_operating_capacity)}"
    if subject.rating is not None:
        yield f"rating {words.amount(subject.rating)}"
    if subject.voltage_v is not None:
        yield f"at {subject.voltage_v} V"
    if subject.phases is not None:
        yield f"phases {' '.join(subject.phases)}"
    if subject.base_load is not None:
        yield f"base load {words.amount(subject.base_load)}"
    if subject.meter:
        yield "metered"


def _connector(projection: Projection, leaf: int) -> str:
    connector = projection.subjects[projection.leaf_node[leaf]]
    assert isinstance(connector, Connector)
    is_ac = bool(projection.is_ac[leaf])
    text = rated(projection, leaf)
    if is_ac and len(connector.phases) < 3:
        text += f" {' '.join(connector.phases)}"
    if connector.minimum:
        text += f", min {words.setpoint(connector.minimum, is_ac=is_ac)}"
    if connector.fallback:
        text += f", fallback {words.setpoint(connector.fallback, is_ac=is_ac)}"
    return text
