"""The snapshot file (design section 8): what is wanted at one instant, on a projection that is known."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

from busbar.adapters.files import values
from busbar.adapters.files.document import Document, read_document
from busbar.adapters.files.fields import Findings, Record
from busbar.adapters.files.schema import check_schema
from busbar.adapters.files.tree import Node
from busbar.core.depot import Connector, CurrentKind
from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import NodeKind, Projection
from busbar.core.snapshot import Mode, Session, Snapshot, snapshot_from_sessions
from busbar.core.units import Amount, format_ma, format_w

SCHEMA = "busbar/snapshot/1"

_PLAUSIBLE = 8
"""No charge point draws more than so many times its connector's rating; a value above it is a wrong unit."""
_WORDS = {
    NodeKind.MICROGRID: "the microgrid",
    NodeKind.GRID_CONNECTION: "a grid connection",
    NodeKind.CIRCUIT: "a circuit",
    NodeKind.CHARGE_POINT: "a charge point",
    NodeKind.CONNECTOR: "a connector",
}
_METERED = (NodeKind.GRID_CONNECTION, NodeKind.CIRCUIT)
_ENVELOPED = (NodeKind.MICROGRID, NodeKind.GRID_CONNECTION, NodeKind.CIRCUIT, NodeKind.CHARGE_POINT)

Value = TypeVar("Value")


def load_snapshot(path: str | os.PathLike[str], projection: Projection) -> Snapshot:
    """Read and check a snapshot file; raises RefusedError with every offender, its file and line."""
    return parse_snapshot(read_document(path), projection)


def parse_snapshot(document: Document, projection: Projection) -> Snapshot:
    """A document as a snapshot of the projection's leaves; raises RefusedError with every offender."""
    return _Reader(document, projection).read()


class _Reader:
    """Reads one snapshot against one projection."""

    def __init__(self, document: Document, projection: Projection) -> None:
        # Sessions are on connectors, whatever strategies share among.
        self._whole, self._projection = projection, projection.connectors
        projection = projection.connectors
        self._findings = Findings(document)
        self._top = Record(document.root, "", self._findings)
        self._instant = values.instant(projection.depot.timezone)
        # Names are sorted for suggestions, and only when one is asked for.
        self._leaf_names = cache(lambda: known_names(projection.leaf_ids))
        self._node_names = cache(lambda kinds: known_names(self._nodes_of(kinds)))

    def read(self) -> Snapshot:
        check_schema(self._top, SCHEMA, required=False)
        at = self._top.read("at", self._instant)
        if at is None and "at" not in self._findings.broken:
            self._top.missing("at", example="2026-11-22T22:00:00+08:00", why="the instant all of it is about")
        sessions = tuple(self._sessions())
        base_load: dict[str, Amount] = self._by_node("base_load", _METERED, self._amount("base_load"))
        modes = self._by_node("modes", _METERED, self._mode)
        envelopes: dict[str, Amount] = self._by_node("envelopes", _ENVELOPED, self._amount("envelopes"))
        committed = self._committed()
        self._top.close()
        self._findings.refuse_if_any()
        assert at is not None, "a missing `at` has been refused"
        return snapshot_from_sessions(
            self._whole,
            at=at,
            sessions=sessions,
            base_load=base_load,
            modes={node: mode for node, mode in modes.items() if mode is not Mode.NORMAL},
            envelopes=envelopes,
            committed=committed,
        )

    def _sessions(self) -> Iterator[Session]:
        lines: dict[str, int] = {}
        for record in self._top.records("sessions"):
            if record is None:
                continue
            name = record.require("connector", values.text, example="CP1/1", instead="")
            leaf = self._leaf(record, "connector", name)
            session = self._session(record, name, leaf)
            if leaf is None:
                continue
            line = record.node.entries["connector"].line
            if name in lines:
                record.report(
                    "connector",
                    rule=f"Two sessions are on this connector: in lines {lines[name]} and {line}.",
                    fix="Keep one of the two; one vehicle at a time is plugged in.",
                )
            lines.setdefault(name, line)
            yield session

    def _session(self, record: Record, connector: str, leaf: int | None) -> Session:
        session = Session(
            connector=connector,
            request=record.read("request", self._setpoint(leaf, is_limit=True)),
            arrived=record.read("arrived", self._instant),
            departs=record.read("departs", self._instant),
            energy_needed_wh=record.read("energy_needed", values.whole("energy", is_limit=False)),
            soc=record.read("soc", values.state_of_charge),
            priority=record.read_or("priority", values.integer, 0),
            weight=record.read_or("weight", values.positive, 1.0),
            charging=record.read_or("charging", values.boolean, False),
            charging_since=record.read("charging_since", self._instant),
            waiting_since=record.read("waiting_since", self._instant),
            stopped_at=record.read("stopped_at", self._instant),
        )
        record.close()
        if session.arrived and session.departs and session.departs < session.arrived:
            record.report(
                "departs",
                rule=f"It departs before it arrived ({session.arrived.isoformat()}).",
                fix="Correct one of the two, or leave `departs` out where it is not known.",
            )
        return session

    def _committed(self) -> dict[str, int]:
        found: dict[str, int] = {}
        record = self._top.record("committed")
        for name in record.node.entries if record is not None else ():
            assert record is not None
            leaf = self._leaf(record, name, name)
            value = record.read(name, self._setpoint(leaf, is_limit=False)) if leaf is not None else None
            if leaf is None or value is None:
                continue
            rating = int(self._projection.max_rating[leaf])
            if value > _PLAUSIBLE * rating:
                text = format_ma(rating) if self._projection.is_ac[leaf] else format_w(rating)
                record.report(
                    name,
                    rule=f"Not plausible: more than {_PLAUSIBLE} times the connector's max_rating ({text}).",
                    fix=f"Check the unit; a connector draws about {text} at most.",
                )
            found[name] = value
        return found

    def _leaf(self, record: Record, key: str, name: str) -> int | None:
        """The leaf of this name; reports it and returns None where there is none."""
        leaf = self._projection.leaf_index.get(name)
        if leaf is None and record.path_of(key) not in record.findings.broken:
            node = self._projection.node_index.get(name)
            rule = f"There is no connector {name!r} in depot {self._projection.depot.id!r}."
            fix = suggestion(name, self._leaf_names())
            if node is not None:
                rule = f"This is {_WORDS[self._projection.kinds[node]]}, not a connector."
                if self._projection.first_leaf[node] < self._projection.last_leaf[node]:
                    first = self._projection.leaf_ids[int(self._projection.first_leaf[node])]
                    fix = f"Name a connector, for example `{first}`."
            record.report(key, rule=rule, fix=fix)
        return leaf

    def _setpoint(self, leaf: int | None, *, is_limit: bool) -> Callable[[Node], int]:
        if leaf is None:
            return values.setpoint(None, is_limit=is_limit)
        node = int(self._projection.leaf_node[leaf])
        subject = self._projection.subjects[node]
        return values.setpoint(
            CurrentKind.AC if self._projection.is_ac[leaf] else CurrentKind.DC,
            is_limit=is_limit,
            voltage_v=int(self._projection.voltage_v[node]),
            phases=len(subject.phases) if isinstance(subject, Connector) else 3,
        )

    def _by_node(
        self,
        key: str,
        kinds: tuple[NodeKind, ...],
        read: Callable[[Record, str, int], Value | None],
    ) -> dict[str, Value]:
        """A mapping from nodes of certain kinds to values."""
        found: dict[str, Value] = {}
        record = self._top.record(key)
        for name in record.node.entries if record is not None else ():
            assert record is not None
            node = self._node(record, name, key, kinds)
            if node is None:
                continue
            value = read(record, name, node)
            if value is not None:
                found[name] = value
        return found

    def _node(self, record: Record, name: str, key: str, kinds: tuple[NodeKind, ...]) -> int | None:
        projection = self._projection
        node = projection.node_index.get(name)
        if node is None:
            record.report(
                name,
                rule=f"There is no node {name!r} in depot {projection.depot.id!r}.",
                fix=suggestion(name, self._node_names(kinds)),
            )
        elif projection.kinds[node] not in kinds:
            above = next((at for at in projection.path(node) if projection.kinds[at] in kinds), None)
            allowed = ", ".join(_WORDS[kind] for kind in kinds)
            record.report(
                name,
                rule=f"This is {_WORDS[projection.kinds[node]]}; {key} are given for: {allowed}.",
                fix=f"Name `{projection.node_ids[above]}` above it."
                if above is not None
                else suggestion(name, self._node_names(kinds)),
            )
            return None
        return node

    def _nodes_of(self, kinds: tuple[NodeKind, ...]) -> Iterator[str]:
        pairs = zip(self._projection.node_ids, self._projection.kinds, strict=True)
        return (name for name, kind in pairs if kind in kinds)

    def _amount(self, key: str) -> Callable[[Record, str, int], Amount | None]:
        is_base_load = key == "base_load"

        def read(record: Record, name: str, node: int) -> Amount | None:
            return record.amount(
                name,
                is_limit=not is_base_load,
                signed=is_base_load,
                voltage_v=int(self._projection.voltage_v[node]),
                phases=self._projection.phases[node],
            )

        return read

    def _mode(self, record: Record, name: str, node: int) -> Mode | None:
        return record.read(name, values.one_of(Mode))
