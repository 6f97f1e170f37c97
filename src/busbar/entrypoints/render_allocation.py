"""What `busbar balance` shows: what flows where, who gets what, and what holds whom back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.core.allocation import Allocation, Outcome, Stop
from busbar.core.depot import ChargePoint, Circuit, Depot, Leaves
from busbar.core.describe import Binding, NodeFigures, NodeState, bindings, node_figures, shares_of
from busbar.core.projection import NodeKind, Projection
from busbar.core.rooms import Rooms, rooms
from busbar.core.snapshot import Snapshot
from busbar.core.units import Amount, ApparentPower
from busbar.entrypoints import words
from busbar.entrypoints.render_layout import TreeLines
from busbar.entrypoints.render_nodes import Said, Shown, connector_notes, node_lines, state_text, tightest_row

_OUTCOME_STYLES = {Outcome.APPLIED: "bold green", Outcome.CONSTRAINED: "bold yellow", Outcome.FAILED: "bold red"}


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """An allocation with everything it came from."""

    projection: Projection
    snapshot: Snapshot
    allocation: Allocation
    rooms: Rooms
    figures: tuple[NodeFigures, ...]


def balanced(projection: Projection, snapshot: Snapshot, allocation: Allocation) -> Balanced:
    """Put together what is shown of an allocation."""
    found = rooms(projection, snapshot)
    return Balanced(
        projection=projection,
        snapshot=snapshot,
        allocation=allocation,
        rooms=found,
        figures=node_figures(projection, snapshot, allocation, found=found),
    )


def allocation_text(result: Balanced, *, depth: int | None = None) -> RenderableType:
    """The whole answer for people."""
    shown = Shown(
        projection=result.projection,
        figures=result.figures,
        columns=("limit", "flow", "headroom"),
        depth=depth,
    )
    stopped = {leaf: _bindings(result, leaf) for leaf in range(len(result.projection.leaf_ids))}
    lines = node_lines(shown, lambda node: _said(result, node, stopped))
    headings = ("Node", "On", "Limit", "Flow", "Headroom", "Used", "Mode    State")
    sentences = list(_held_back(result, stopped))
    held: list[RenderableType] = [Text(), Text("Held back", style="bold"), _bulleted(sentences)] if sentences else []
    return Group(
        _title(result),
        Text(),
        TreeLines(headings=headings, lines=lines),
        Text(),
        Text("Bars: ▒ base load  █ charging  ░ reserved  · free.", style="dim"),
        Text(_LEGEND, style="dim"),
        *held,
    )


_LEGEND = "DC charge points and connectors: kW at the vehicle; all else: on the supply side."


def _bindings(result: Balanced, leaf: int) -> tuple[Binding, ...]:
    return bindings(result.projection, result.snapshot, result.allocation, leaf, found=result.rooms)


def _title(result: Balanced) -> Text:
    depot, allocation = result.projection.depot, result.allocation
    name = f", {depot.name}" if depot.name else ""
    at = result.snapshot.at.astimezone(ZoneInfo(depot.timezone))
    text = Text().append(f"{depot.id}{name}\n", style="bold")
    shared = words.sharing(allocation.strategy, allocation.leaves, allocation.fair_in)
    text.append(f"{at:%Y-%m-%d %H:%M:%S} {depot.timezone}, {shared}\n")
    text.append(allocation.outcome.value, style=_OUTCOME_STYLES[allocation.outcome])
    return text.append(f": {_outcome_in_words(result)}")


def _outcome_in_words(result: Balanced) -> str:
    allocation, snapshot = result.allocation, result.snapshot
    wanting = (snapshot.present & (snapshot.request > 0)).sum()
    held = ((allocation.stopped_by == Stop.ROW) | (allocation.stopped_by == Stop.OUT_OF_SERVICE)).sum()
    noun = "vehicle" if allocation.leaves is Leaves.CONNECTOR else "charge point"
    match allocation.outcome:
        case Outcome.FAILED:
            return "the audit refused this allocation; nothing of it may be sent."
        case Outcome.APPLIED if not wanting:
            return "no vehicle wants to charge."
        case Outcome.APPLIED:
            return f"{f'the {noun} gets' if wanting == 1 else f'all {wanting} {noun}s get'} all that can be used."
        case _:
            verb = "gets" if held == 1 else "get"
            return f"{held} of {words.plural(int(wanting), noun)} {verb} less than asked for, because of a limit."


def _said(result: Balanced, node: int, stopped: dict[int, tuple[Binding, ...]]) -> Said:
    projection, figures = result.projection, result.figures[node]
    if projection.kinds[node] is not NodeKind.CHARGE_POINT:
        return Said(tail=state_text(figures))
    if projection.leaves is Leaves.CHARGE_POINT:
        return _charge_point_said(result, projection.leaf_index[projection.node_ids[node]], stopped)
    notes = connector_notes(projection, node, lambda leaf: _given(result, leaf, stopped[leaf]))
    breached = state_text(figures) if figures.state is NodeState.BREACHED else Text()
    if len(notes) == 1 and not breached:
        return Said(tail=Text(notes[0]))
    return Said(tail=breached, notes=notes)


def _charge_point_said(result: Balanced, leaf: int, stopped: dict[int, tuple[Binding, ...]]) -> Said:
    """What a charge point as a whole is given, and how it splits that among several connectors."""
    projection, connectors = result.projection, result.projection.connectors
    figures = result.figures[int(projection.leaf_node[leaf])]
    tail = Text(_given(result, leaf, stopped[leaf]))
    if figures.state is NodeState.BREACHED:
        tail = state_text(figures).append(f", {tail.plain}")
    shares = {share.connector: share for share in shares_of(projection, result.snapshot, result.allocation, leaf)}
    if len(shares) < 2:
        return Said(tail=tail)

    def part(place: int) -> str:
        share, is_ac = shares[connectors.leaf_ids[place]], bool(connectors.is_ac[place])
        return words.setpoint(share.setpoint, is_ac=is_ac) if share.request else "free"

    notes = connector_notes(connectors, connectors.node_index[projection.leaf_ids[leaf]], part)
    return Said(tail=tail, notes=("split by the charge point", *notes))


def _given(result: Balanced, leaf: int, stopped: Sequence[Binding]) -> str:
    """`91 of 150 kW (C1)`: what a connector gets of what it asked for, and what holds it back."""
    projection, allocation = result.projection, result.allocation
    is_ac = bool(projection.is_ac[leaf])
    request, given = int(result.snapshot.request[leaf]), int(allocation.setpoint[leaf])
    reserved = int(allocation.reserved[leaf])
    kept = f", {words.setpoint(reserved, is_ac=is_ac)} reserved" if reserved > given else ""
    if not projection.in_service[leaf]:
        return "out of service"
    if result.snapshot.out_of_reach[leaf]:
        return f"out of reach{kept}"
    if not stopped:
        return f"{'no request' if result.snapshot.present[leaf] else 'free'}{kept}"
    wanted = words.setpoint(request, is_ac=is_ac)
    if given == request:
        return f"{wanted}{kept}"
    value = words.setpoint(given, is_ac=is_ac)
    if given > request:
        return f"{value}, its minimum"
    by = (
        ""
        if stopped[0].limit == "request"
        else "its rating"
        if stopped[0].node == projection.leaf_ids[leaf]
        else (stopped[0].node)
    )
    text = f"{value.rsplit(' ', 1)[0]} of {wanted}" if given else f"waits for {wanted}"
    return text + (f" ({by})" if by else "") + kept


def _held_back(result: Balanced, stopped: dict[int, tuple[Binding, ...]]) -> Iterator[str]:
    """One sentence per node, limit and reason."""
    projection = result.projection
    groups: dict[tuple[int, str, str | None, tuple[str, ...]], list[int]] = {}
    for leaf, found in stopped.items():
        if result.allocation.stopped_by[leaf] not in (Stop.ROW, Stop.OUT_OF_SERVICE):
            continue
        first = found[0]
        rows = tuple(each.row for each in found if each.row and (each.node, each.limit) == (first.node, first.limit))
        key = (projection.node_index[first.node], first.limit, first.reason, rows)
        groups.setdefault(key, []).append(leaf)
    for (node, limit, reason, rows), leaves in sorted(groups.items(), key=lambda item: item[0][0]):
        names = words.listed([projection.leaf_ids[leaf] for leaf in leaves], leaves)
        yield _sentence(result, node, limit, reason, rows, names)


def _bulleted(sentences: Sequence[str]) -> Table:
    """A shape before each, and what is folded stands below its own sentence."""
    table = Table.grid(padding=(0, 1))
    for sentence in sentences:
        table.add_row(Text(" ▲", style="yellow"), Text(sentence))
    return table


def _sentence(result: Balanced, node: int, limit: str, reason: str | None, rows: tuple[str, ...], names: str) -> str:
    figures = result.figures[node]
    if limit == "out_of_service":
        return f"{figures.id} is out of service or out of reach: nothing for {names}."
    where = words.on_rows(rows)
    text = {
        "minimum": f"{figures.id} has no room {where} for the minimum of {names}",
        "restart_gap": f"{figures.id} has too little room {where} to start {names} again",
    }.get(reason or "", f"{figures.id} holds back {names} {where}")
    row = words.ROWS.index(rows[0])
    text += f": {words.LIMIT_WORDS[limit]} {limit_as_given(result, node, limit, row)}"
    base = figures.base_load[row]
    if limit == "safe_operating_capacity":
        text += ", because nobody sees its base load (SAFE)"
    elif base > 0:
        text += f", {words.figure(row, base)} of it base load"
    elif base < 0:
        text += f", {words.figure(row, -base)} more is generated"
    return text + "."


def limit_as_given(result: Balanced, node: int, limit: str, row: int) -> str:
    """The limit as the depot or the snapshot says it, and in the unit of the row where that is another."""
    subject = result.projection.subjects[node]
    node_id = result.projection.node_ids[node]
    given: Amount | None = None
    if limit == "envelope":
        envelope = result.snapshot.envelopes.get(node_id)
        given = None if isinstance(envelope, tuple) else envelope
    elif isinstance(subject, Circuit):
        given = getattr(subject, limit, None)
    elif isinstance(subject, Depot):
        given = subject.limit
    elif isinstance(subject, ChargePoint):
        return words.rating(subject)
    here = words.figure(row, result.figures[node].limit[row])
    if given is None:
        return here
    # kVA are counted in A; what the safe capacity comes to is what is available, not the limit.
    return (
        f"{words.amount(given)} ({here})"
        if isinstance(given, ApparentPower) and "safe" not in limit
        else (words.amount(given))
    )


def breaches(result: Balanced) -> list[str]:
    """Every row of every node on which base load and reservations together are above the limit, in words."""
    return [
        _breach(figures, row)
        for figures in result.figures
        if figures.state is NodeState.BREACHED
        for row in _rows_over(figures)
    ]


def _rows_over(figures: NodeFigures) -> list[int]:
    # Flow was rounded up and the limit down, so that one unit apart may be no difference at all.
    over = [
        row
        for row, (flow, limit) in enumerate(zip(figures.flow, figures.limit, strict=True))
        if limit is not None and flow > limit + 1
    ]
    row = tightest_row(figures)
    # The microgrid's state is the worst below it; its own limit need not be passed.
    return over or ([row] if row is not None and figures.kind is not NodeKind.MICROGRID else [])


def _breach(figures: NodeFigures, row: int) -> str:
    on = f" on {words.ROWS[row]}" if row < 3 else ""
    base, reserved = words.figure(row, figures.base_load[row]), words.figure(row, figures.reserved[row])
    flow, limit = words.figure(row, figures.flow[row]), words.figure(row, figures.limit[row])
    parts = f"base load {base}, charge points {reserved}"
    return f"{figures.id} is above its limit{on}: {flow} may flow ({parts}), and {limit} is allowed."
