"""The projection: a depot laid out as a tree of power nodes, parents first, in arrays."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import lcm

import numpy as np
import numpy.typing as npt

from busbar.core.charger import LeafFigures, figures_of_charge_point, figures_of_connector
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves
from busbar.core.frame import Frame, build_frame
from busbar.core.rows import TOTAL, LoadClass, Row, RowGroup, group_rows, rows_for, united, weight
from busbar.core.units import PHASES, Phase
from busbar.core.wiring import circuit_phases, circuit_voltages

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class NodeKind(StrEnum):
    """What a power node is."""

    MICROGRID = "MICROGRID"
    GRID_CONNECTION = "GRID_CONNECTION"
    CIRCUIT = "CIRCUIT"
    CHARGE_POINT = "CHARGE_POINT"
    CONNECTOR = "CONNECTOR"


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeWeights:
    """A row's weights as whole numbers, which are many times as cheap to count with as fractions."""

    of_class: tuple[int, ...]
    """Per load class: its weight times `scale`."""
    scale: int


@dataclass(frozen=True, kw_only=True)
class Projection:
    """N nodes in depth-first order, siblings by id; n leaves in the same order, so a node's leaves are one range."""

    depot: Depot
    leaves: Leaves
    node_ids: tuple[str, ...]
    kinds: tuple[NodeKind, ...]
    parent: Indices
    """[N] index of the node above; -1 for the microgrid, which is node 0."""
    node_index: dict[str, int]
    first_leaf: Indices
    """[N] the node's leaves are first_leaf up to, not including, last_leaf."""
    last_leaf: Indices
    subjects: tuple[Depot | Circuit | ChargePoint | Connector, ...]
    """[N] the stored record each node was derived from."""
    voltage_v: Indices
    """[N] nominal voltage, line to line."""
    phases: tuple[tuple[Phase, ...], ...]
    """[N] the phases each node has."""

    leaf_ids: tuple[str, ...]
    leaf_index: dict[str, int]
    leaf_node: Indices
    """[n] the node that each leaf is."""
    leaf_class: Indices
    """[n] its load class."""
    is_ac: Bools
    """[n] unit of request and setpoint: mA per phase where true, W at the vehicle where false."""
    max_rating: Ints
    minimum: Ints
    """[n] the smallest value above 0 it takes; of a charge point a snapshot may say more (`snapshot.least`)."""
    step: Ints
    fallback: Ints
    rating: Ints
    """[n] its maximum rating, or that of the charge point it belongs to where that is less."""
    in_service: Bools
    steps_first: Indices
    """[n] the only values it takes are allowed_steps[steps_first:steps_last]; an empty range: every multiple."""
    steps_last: Indices
    allowed_steps: Ints

    rows: tuple[Row, ...]
    classes: tuple[LoadClass, ...]
    groups: tuple[RowGroup, ...]
    weights: tuple[tuple[Fraction, ...], ...]
    """Per row, per load class: exactly what one unit of setpoint puts there."""
    frame: Frame
    """The inner nodes and their room, as the fill counts them."""
    by_connector: "Projection | None" = None
    """Where the leaves are charge points: the same depot cut at its connectors; None: the leaves are connectors."""
    first_connector: Indices
    """[n + 1] a leaf's connectors are first_connector[leaf] up to, not including, first_connector[leaf + 1], counted
    as leaves of `connectors`."""

    @cached_property
    def whole_weights(self) -> tuple[WholeWeights, ...]:
        """Per row: `weights` again, exactly."""
        found = []
        for weights in self.weights:
            scale = lcm(*(weight.denominator for weight in weights))
            of_class = tuple(weight.numerator * (scale // weight.denominator) for weight in weights)
            found.append(WholeWeights(of_class=of_class, scale=scale))
        return tuple(found)

    @property
    def connectors(self) -> "Projection":
        """The same depot cut at its connectors: where sessions are, whatever strategies share among."""
        return self.by_connector or self

    def children(self, node: int) -> Iterator[int]:
        """Indices of the nodes right below, in order."""
        return (int(child) for child in np.flatnonzero(self.parent == node))

    def leaf_of(self, name: str) -> int:
        """The leaf of this name, or the one that shares among the connector of this name. Raises KeyError."""
        if name in self.leaf_index:
            return self.leaf_index[name]
        connector = self.connectors.leaf_index[name]
        return int(np.searchsorted(self.first_connector, connector, side="right")) - 1

    def connectors_of(self, leaf: int) -> range:
        """A leaf's connectors, as leaves of `connectors`."""
        return range(int(self.first_connector[leaf]), int(self.first_connector[leaf + 1]))

    def unit_node(self, leaf: int) -> int:
        """The charge point that a leaf is or belongs to."""
        node = int(self.leaf_node[leaf])
        return node if self.kinds[node] is NodeKind.CHARGE_POINT else int(self.parent[node])

    def path(self, node: int) -> Iterator[int]:
        """The node and everything above it, up to the microgrid."""
        while node >= 0:
            yield node
            node = int(self.parent[node])


def project(depot: Depot, *, leaves: Leaves | str = Leaves.CONNECTOR) -> Projection:
    """Lay a checked depot out as power nodes. Pure: nothing is stored.

    The order of records in the depot does not matter. Where the leaves are charge points, nothing lies below them; what
    they share among is found in `Projection.connectors`.
    """
    by_connector = _with_rows(depot, Leaves.CONNECTOR)
    if Leaves(leaves) is Leaves.CONNECTOR:
        return by_connector
    return replace(_with_rows(depot, Leaves.CHARGE_POINT), by_connector=by_connector)


@dataclass(slots=True)
class _Layout:
    ids: list[str]
    kinds: list[NodeKind]
    parent: list[int]
    subjects: list[Depot | Circuit | ChargePoint | Connector]
    voltage_v: list[int]
    phases: list[tuple[Phase, ...]]

    def add(
        self,
        node_id: str,
        kind: NodeKind,
        parent: int,
        subject: Depot | Circuit | ChargePoint | Connector,
        voltage_v: int,
        phases: tuple[Phase, ...],
    ) -> int:
        self.ids.append(node_id)
        self.kinds.append(kind)
        self.parent.append(parent)
        self.subjects.append(subject)
        self.voltage_v.append(voltage_v)
        self.phases.append(phases)
        return len(self.ids) - 1


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts CP2 before CP10."""
    parts = re.split(r"(\d+)", text)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def _lay_out(depot: Depot, lowest: NodeKind) -> _Layout:
    voltages, phases = circuit_voltages(depot), circuit_phases(depot)
    circuits: dict[str | None, list[Circuit]] = {}
    charge_points: dict[str, list[ChargePoint]] = {}
    for circuit in sorted(depot.circuits, key=lambda circuit: _natural(circuit.id), reverse=True):
        circuits.setdefault(circuit.parent, []).append(circuit)
    for charge_point in sorted(depot.charge_points, key=lambda unit: _natural(unit.id)):
        charge_points.setdefault(charge_point.circuit, []).append(charge_point)

    layout = _Layout([], [], [], [], [], [])
    root = layout.add(depot.id, NodeKind.MICROGRID, -1, depot, depot.voltage_v, PHASES)
    # Depth first with a stack of our own: circuits nest to any depth.
    waiting = [(circuit, root) for circuit in circuits.get(None, [])]
    while waiting:
        circuit, parent = waiting.pop()
        kind = NodeKind.GRID_CONNECTION if parent == root else NodeKind.CIRCUIT
        node = layout.add(circuit.id, kind, parent, circuit, voltages[circuit.id], phases[circuit.id])
        for charge_point in charge_points.get(circuit.id, []):
            unit = layout.add(
                charge_point.id, NodeKind.CHARGE_POINT, node, charge_point, layout.voltage_v[node], layout.phases[node]
            )
            if lowest is NodeKind.CONNECTOR:
                _add_connectors(layout, charge_point, unit)
        waiting += [(child, node) for child in circuits.get(circuit.id, [])]
    return layout


def _add_connectors(layout: _Layout, charge_point: ChargePoint, node: int) -> None:
    voltage = layout.voltage_v[node]
    is_ac = charge_point.current is CurrentKind.AC
    for connector in sorted(charge_point.connectors, key=lambda connector: _natural(connector.id)):
        wired = connector.phases if is_ac else PHASES
        leaf_id = f"{charge_point.id}/{connector.id}"
        layout.add(leaf_id, NodeKind.CONNECTOR, node, connector, voltage, wired)


def _load_class(charge_point: ChargePoint, connector: Connector, voltage_v: int) -> LoadClass:
    is_ac = charge_point.current is CurrentKind.AC
    wired = connector.phases if is_ac else PHASES
    return LoadClass(
        is_ac=is_ac,
        # Connectors that differ only in the order of their phases weigh alike.
        phases=tuple(sorted(wired)),
        line_to_line=is_ac and connector.line_to_line,
        voltage_v=voltage_v,
        efficiency_permille=1000 if is_ac else charge_point.efficiency_permille,
        power_factor_permille=charge_point.power_factor_permille,
    )


@dataclass(frozen=True, slots=True)
class _Leaf:
    node: int
    unit: ChargePoint
    load: LoadClass
    figures: LeafFigures
    connectors: int


def _leaves_of(layout: _Layout, lowest: NodeKind) -> Iterator[_Leaf]:
    """Every connector, or every charge point where those are the lowest nodes."""
    # Charge points of one make are alike but for their ids.
    known: dict[object, tuple[LoadClass, LeafFigures]] = {}
    for node, kind in enumerate(layout.kinds):
        if kind is not lowest:
            continue
        subject, voltage_v = layout.subjects[node], layout.voltage_v[node]
        if isinstance(subject, Connector):
            unit = layout.subjects[layout.parent[node]]
            assert isinstance(unit, ChargePoint)
            figures = figures_of_connector(subject, unit)
            yield _Leaf(node, unit, _load_class(unit, subject, voltage_v), figures, 1)
            continue
        assert isinstance(subject, ChargePoint)
        alike = (replace(subject, id="", name=None, circuit=""), voltage_v)
        if alike not in known:
            loads = [_load_class(subject, connector, voltage_v) for connector in subject.connectors]
            known[alike] = (united(loads), figures_of_charge_point(subject))
        yield _Leaf(node, subject, *known[alike], len(subject.connectors))


def _with_rows(depot: Depot, leaves: Leaves) -> Projection:
    lowest = NodeKind.CONNECTOR if leaves is Leaves.CONNECTOR else NodeKind.CHARGE_POINT
    layout = _lay_out(depot, lowest)
    leaf = list(_leaves_of(layout, lowest))
    leaf_nodes, figures = [each.node for each in leaf], [each.figures for each in leaf]
    classes: dict[LoadClass, int] = {}
    leaf_class = [classes.setdefault(each.load, len(classes)) for each in leaf]
    found = tuple(classes)
    rows = rows_for(found)
    weights = tuple(
        tuple(
            weight(load, row, rows, nominal_v=depot.voltage_v, margin_permille=depot.voltage_margin_permille)
            for load in found
        )
        for row in range(len(rows))
    )
    groups = group_rows(dict(enumerate(weights)), rows)
    parent = np.array(layout.parent, dtype=np.int32)
    classes_of_leaves = np.array(leaf_class, dtype=np.int32)
    leaf_node = np.array(leaf_nodes, dtype=np.int32)
    first, last = _leaf_ranges(parent, leaf_node)
    steps = [each.steps for each in figures]
    ends = np.cumsum([len(values) for values in steps], dtype=np.int32) if steps else np.zeros(0, np.int32)
    return Projection(
        depot=depot,
        leaves=leaves,
        node_ids=tuple(layout.ids),
        kinds=tuple(layout.kinds),
        parent=parent,
        node_index={node_id: node for node, node_id in enumerate(layout.ids)},
        first_leaf=first,
        last_leaf=last,
        subjects=tuple(layout.subjects),
        voltage_v=np.array(layout.voltage_v, dtype=np.int32),
        phases=tuple(layout.phases),
        leaf_ids=tuple(layout.ids[node] for node in leaf_nodes),
        leaf_index={layout.ids[node]: leaf for leaf, node in enumerate(leaf_nodes)},
        leaf_node=leaf_node,
        leaf_class=classes_of_leaves,
        is_ac=np.array([each.unit.current is CurrentKind.AC for each in leaf], dtype=np.bool_),
        max_rating=np.array([each.max_rating for each in figures], dtype=np.int64),
        minimum=np.array([each.minimum for each in figures], dtype=np.int64),
        step=np.array([each.step for each in figures], dtype=np.int64),
        fallback=np.array([each.fallback for each in figures], dtype=np.int64),
        rating=np.array([each.rating for each in figures], dtype=np.int64),
        in_service=np.array([each.unit.in_service for each in leaf], dtype=np.bool_),
        steps_first=(ends - np.array([len(values) for values in steps], dtype=np.int32)).astype(np.int32),
        steps_last=ends.astype(np.int32),
        allowed_steps=np.array([value for values in steps for value in values], dtype=np.int64),
        first_connector=np.cumsum([0, *(each.connectors for each in leaf)], dtype=np.int32),
        rows=rows,
        classes=found,
        groups=groups,
        weights=weights,
        frame=build_frame(
            depot,
            parent=parent,
            subjects=layout.subjects,
            voltage_v=layout.voltage_v,
            phases=layout.phases,
            leaf_node=leaf_node,
            leaf_class=classes_of_leaves,
            most=np.array([each.most for each in figures], dtype=np.int64),
            rows=rows,
            classes=found,
            groups=groups,
            totals_w=[float(value) for value in weights[TOTAL]],
            currents_ma=[float(max(column)) for column in zip(*weights[:TOTAL], strict=True)],
        ),
    )


def _leaf_ranges(parent: Indices, leaf_node: Indices) -> tuple[Indices, Indices]:
    """Per node, the range of its leaves; depth-first order makes it one range."""
    size = np.zeros(len(parent), dtype=np.int32)
    for node in range(len(parent) - 1, 0, -1):
        size[parent[node]] += size[node] + 1
    nodes = np.arange(len(parent), dtype=np.int32)
    first = np.searchsorted(leaf_node, nodes).astype(np.int32)
    last = np.searchsorted(leaf_node, nodes + size, side="right").astype(np.int32)
    return first, last
