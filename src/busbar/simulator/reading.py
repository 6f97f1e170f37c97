"""What the parts of the scenario reader share: the document, the depot's nodes, the calendar."""

from dataclasses import dataclass
from pathlib import Path

from busbar.adapters.files import values
from busbar.adapters.files.fields import Findings, Record
from busbar.adapters.files.tree import Node, Sequence
from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import NodeKind, Projection
from busbar.core.units import UnitError
from busbar.simulator.times import Calendar

CIRCUITS = (NodeKind.GRID_CONNECTION, NodeKind.CIRCUIT)
ENVELOPED = (NodeKind.MICROGRID, *CIRCUITS, NodeKind.CHARGE_POINT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One scenario file while it is read."""

    path: Path
    top: Record
    calendar: Calendar
    projection: Projection | None
    """None where the depot was refused: names of nodes are then not checked."""
    duration_s: int
    lease_s: int

    @property
    def findings(self) -> Findings:
        """What is wrong so far."""
        return self.top.findings

    def check_inside(self, record: Record, key: str, at_s: int, *, is_end: bool) -> None:
        """Report a time outside the scenario; only what ends may end with it."""
        if "duration" in self.findings.broken or record.path_of(key) in self.findings.broken:
            return
        latest_s = self.duration_s if is_end else self.duration_s - 1
        if not 0 <= at_s <= latest_s:
            begin, end = self.calendar.label(0), self.calendar.label(self.duration_s)
            rule = f"Outside the scenario, which goes from {begin} to {end}."
            record.report(key, rule=rule, fix="Give a time inside it, or a longer `duration`.")

    def node(self, record: Record, key: str, kinds: tuple[NodeKind, ...] | None = None) -> str:
        """The name of a node of certain kinds; reported where it is none."""
        name = record.require(key, values.text, example="C1", instead="")
        self.check_node(record, key, name, kinds)
        return name

    def check_node(self, record: Record, key: str, name: str, kinds: tuple[NodeKind, ...] | None = None) -> None:
        """Report a name that is no node of these kinds."""
        projection = self.projection
        if not name or projection is None:
            return
        node = projection.node_index.get(name)
        if node is not None and (kinds is None or projection.kinds[node] in kinds):
            return
        pairs = zip(projection.node_ids, projection.kinds, strict=True)
        names = known_names(node_id for node_id, kind in pairs if kinds is None or kind in kinds)
        wanted = "node" if kinds is None else " or ".join(kind.lower().replace("_", " ") for kind in kinds)
        rule = f"There is no {wanted} {name!r} in depot {projection.depot.id!r}."
        record.report(key, rule=rule, fix=suggestion(name, names))


def which(record: Record, keys: tuple[str, ...]) -> str | None:
    """The one key of several that is given; reported where none is, or two are."""
    given = [key for key in keys if key in record.node.entries]
    for key in keys:
        record.entry(key)
    if not given:
        rule = f"Says nothing: exactly one of {', '.join(keys)} is wanted."
        record.findings.add(path=record.path, line=record.node.line, rule=rule, fix=f"Add `{keys[0]}: ...`.")
        return None
    for extra in given[1:]:
        record.report(extra, rule=f"Does not go together with `{given[0]}`.", fix="Make two entries of it.")
    return given[0]


def share(node: Node) -> float:
    """`0.5` or `50 %`, above zero."""
    found = values.state_of_charge(node)
    if found == 0:
        raise UnitError("A share of nothing changes nothing.", "Write for example `50 %`, or remove the entry.")
    return found


def factor(node: Node) -> float:
    """`1.3` or `130 %`, above zero."""
    try:
        return values.positive(node)
    except UnitError as error:
        raise UnitError(error.rule.replace("A weight", "A factor"), "Write for example `1.3`.") from None


def line(node: Node) -> str:
    """A text on one line."""
    return " ".join(values.text(node).split())


def lines(node: Node) -> tuple[str, ...]:
    """One text, or a list of them."""
    if isinstance(node, Sequence):
        return tuple(line(item) for item in node.items)
    return (line(node),)


def names(node: Node) -> tuple[str, ...]:
    """One name, or a list of them."""
    if isinstance(node, Sequence):
        return tuple(values.text(item) for item in node.items)
    return (values.text(node),)
