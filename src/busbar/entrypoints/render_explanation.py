"""What `busbar explain` shows: the sentence, the chain to the root, what else binds, and what would help."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.core.depot import ChargePoint, Connector
from busbar.core.describe import Binding, NodeFigures
from busbar.core.explain import Explanation
from busbar.core.projection import NodeKind, Projection
from busbar.entrypoints import words
from busbar.entrypoints.render_nodes import STATE_LOOKS, tightest_row


def explanation_text(projection: Projection, explanation: Explanation) -> RenderableType:
    """The whole answer for people."""
    parts: list[RenderableType] = [Text(explanation.sentence, style="bold"), Text(), _chain(projection, explanation)]
    also = list(_also(explanation))
    if also:
        parts += [Text(), Text(f"Also held back by {words.joined(also)}.")]
    if explanation.counterfactuals:
        parts += [Text(), Text("What would help", style="bold")]
        parts += [Text(f"  {each.sentence}") for each in explanation.counterfactuals]
    shared = words.sharing(explanation.strategy, explanation.leaves, explanation.fair_in)
    parts += [Text(), Text(f"Shared by {shared}.", style="dim")]
    return Group(*parts)


def _chain(projection: Projection, explanation: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("Node", "", "On"):
        table.add_column(heading, no_wrap=heading != "")
    for heading in ("Limit", "Base load", "Reserved", "Headroom"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Mode", no_wrap=True)
    table.add_column("State", no_wrap=True)
    stopping = {binding.node: binding for binding in reversed(explanation.bindings)}
    for figures in explanation.chain:
        table.add_row(*_cells(projection, figures, explanation.bindings, stopping.get(figures.id)))
    return table


def _cells(
    projection: Projection, figures: NodeFigures, found: tuple[Binding, ...], here: Binding | None
) -> Iterator[Text]:
    row = _row_that_matters(figures, found, here)
    name = words.display_name(projection.subjects[projection.node_index[figures.id]])
    yield Text(figures.id, style="bold" if here is not None else "")
    yield Text(name or figures.kind.value.lower().replace("_", " "), style="dim")
    if row is None:
        yield from (Text(text) for text in ("", "none", "", "", ""))
    else:
        yield Text(words.ROWS[row])
        for values in (figures.limit, figures.base_load, figures.reserved, figures.headroom):
            yield Text(words.figure(row, _as_rated(projection, figures, row, values[row])))
    is_supply = figures.kind not in (NodeKind.MICROGRID, NodeKind.CHARGE_POINT, NodeKind.CONNECTOR)
    yield Text(figures.mode.value if is_supply else "")
    # A charge point and a connector hold back on their own rating, which is no state of the supply.
    shape, style = STATE_LOOKS[figures.state]
    yield Text(f"{shape} {figures.state.value}", style=style)


def _as_rated(projection: Projection, figures: NodeFigures, row: int, value: int | None) -> int | None:
    """DC charge points and connectors are rated at the vehicle, and so are their figures shown."""
    node = projection.node_index[figures.id]
    subject = projection.subjects[node]
    unit = projection.subjects[projection.parent[node]] if isinstance(subject, Connector) else subject
    if value is None or not isinstance(unit, ChargePoint) or words.ROWS[row] != "total":
        return value
    return words.at_vehicle(unit, value)


def _row_that_matters(figures: NodeFigures, found: tuple[Binding, ...], here: Binding | None) -> int | None:
    """The row that stopped the connector: here, or else where it was stopped first; or else the tightest."""
    for binding in (here, *found[:1]):
        if binding is not None and binding.row is not None:
            row = words.ROWS.index(binding.row)
            if figures.limit[row] is not None:
                return row
    return tightest_row(figures)


def _also(explanation: Explanation) -> Iterator[str]:
    """`C1 on L2 and L3 (default operating capacity)`, a part per node and limit."""
    rows: dict[tuple[str, str], list[str | None]] = {}
    for binding in explanation.bindings[1:]:
        rows.setdefault((binding.node, binding.limit), []).append(binding.row)
    for (node, limit), found in rows.items():
        yield f"{node} {words.on_rows(found)} ({words.LIMIT_WORDS[limit]})"
