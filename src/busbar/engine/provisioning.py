"""What importing a depot changes: its parts, and the grid connections of its microgrid. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.ports import GridConnection, ImportResult, Microgrid

Content = TypeVar("Content")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What becomes of each part, by id, when what is known meets what is wanted."""

    added: tuple[str, ...]
    """Never seen before, in the order wanted."""
    changed: tuple[str, ...]
    """Seen before with another content, or retired until now; in the order wanted."""
    retired: tuple[str, ...]
    """In use until now and no longer wanted, in the order known."""
    unchanged: int


def difference(
    *, known: Mapping[str, Content], retired: Collection[str], wanted: Iterable[tuple[str, Content]]
) -> Difference:
    """Compare parts by id and content; `retired` are the ids in `known` that are out of use.

    Raises BusbarError where an id is wanted twice.
    """
    added, changed, unchanged = [], [], 0
    seen: set[str] = set()
    for part, content in wanted:
        if part in seen:
            raise BusbarError(f"{part} is in the depot twice; ids have to differ.")
        seen.add(part)
        if part not in known:
            added.append(part)
        elif part in retired or known[part] != content:
            changed.append(part)
        else:
            unchanged += 1
    gone = tuple(part for part in known if part not in seen and part not in retired)
    return Difference(added=tuple(added), changed=tuple(changed), retired=gone, unchanged=unchanged)


@dataclass(frozen=True, kw_only=True, slots=True)
class Provisioning:
    """What to do so that a microgrid has one grid connection in use per top-level circuit."""

    add: Mapping[str, str]
    """Circuit id -> name, for circuits that never had a grid connection; in the depot's order."""
    rename: Mapping[int, str]
    """Id of a grid connection in use -> its new name."""
    bring_back: Mapping[int, str]
    """Id of a retired grid connection whose circuit is a top-level circuit again -> its name now."""
    retire: tuple[int, ...]
    """Ids of grid connections in use whose circuit is gone or has become nested."""


def provision(depot: Depot, stored: Sequence[GridConnection]) -> Provisioning:
    """Compare the depot's top-level circuits with the stored grid connections, retired ones included.

    A grid connection belongs to its circuit id for good: the same id coming back is the same node again.
    Applied once, the same depot asks for nothing more.
    """
    names = {circuit.id: circuit.name or circuit.id for circuit in depot.circuits if circuit.parent is None}
    by_circuit = {node.circuit_id: node for node in stored}
    rename, bring_back = {}, {}
    for circuit_id, name in names.items():
        node = by_circuit.get(circuit_id)
        if node is None:
            continue
        if node.retired_at is not None:
            bring_back[node.id] = name
        elif node.name != name:
            rename[node.id] = name
    return Provisioning(
        add={circuit_id: name for circuit_id, name in names.items() if circuit_id not in by_circuit},
        rename=rename,
        bring_back=bring_back,
        retire=tuple(node.id for node in stored if node.circuit_id not in names and node.retired_at is None),
    )


def import_result(differences: Iterable[Difference], microgrid: Microgrid) -> ImportResult:
    """What an import did, from what became of each kind of part."""
    differences = tuple(differences)
    return ImportResult(
        depot_id=microgrid.depot_id,
        added=tuple(part for one in differences for part in one.added),
        changed=tuple(part for one in differences for part in one.changed),
        retired=tuple(part for one in differences for part in one.retired),
        unchanged=sum(one.unchanged for one in differences),
        microgrid=microgrid,
    )
