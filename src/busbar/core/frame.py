"""The frame: the projection's inner nodes with their room, in the whole numbers that the fill counts in.

Room is kept per node and row group as whole group units (`rows.RowGroup`), written as limbs with an open top limb, so
that adding and comparing are exact however many different charge points a depot mixes: one limb is a plain 64-bit whole
number, most depots need two of 60 bits, odd ones several of 30.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from busbar.core.depot import ChargePoint, Circuit, Connector, Depot
from busbar.core.limits import (
    NO_LIMIT,
    NodeLimits,
    OpenTicks,
    Scale,
    available_ticks,
    circuit_limits,
    flow_limit,
    load_rows,
    microgrid_limits,
    rating_limits,
    scale_of,
)
from busbar.core.rows import TOTAL, LoadClass, Row, RowGroup
from busbar.core.units import PHASES, ActivePower, Phase

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOP_BITS = 61
UNLIMITED = 1 << (TOP_BITS + 1)
"""Top limb of a room that nothing limits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """Ticks on the four rows into whole units of each row's group."""

    groups: tuple[RowGroup, ...]
    line: tuple[int, ...]
    """[R] which of the four rows a row belongs to."""
    is_direction: tuple[bool, ...]
    """[R] whether it bounds a phasor sum."""
    group: tuple[int, ...]
    """[R] the group it is in; -1: nothing loads it."""
    per_base: tuple[int, ...]
    """[R] group units per mA or W, a whole number (`rows.group_rows`); 0: nothing loads it."""
    ticks: tuple[int, ...]
    """[R] ticks per mA or W."""

    def whole(self, ticks: OpenTicks, row: int, bounded_as_phasor: tuple[bool, bool, bool]) -> int | None:
        """The whole group units that fit into `ticks` on a row; None where it is not limited."""
        line = self.line[row]
        value = ticks[line]
        if value is None or self.group[row] < 0:
            return None
        if line != TOTAL and bounded_as_phasor[line] != self.is_direction[row]:
            return None
        return value * self.per_base[row] // self.ticks[row]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """M inner nodes (everything but connectors), parents first; K load classes; G row groups; L limbs."""

    scale: Scale
    nodes: Indices
    """[M] index in the projection."""
    inner_of: Indices
    """[N] index here of a projection's node; -1 for connectors."""
    parent: Indices
    """[M] index here of the node above; -1 for the microgrid."""
    leaf_parent: Indices
    """[n] index here of the node right above a connector; a charge point that is a leaf is its own."""
    limits: tuple[NodeLimits, ...]
    """[M]"""
    balanced: Mapping[str, int]
    """Circuits on all three phases at the depot's own voltage, by id: index here."""
    base: Ints
    """[M, 4] declared base load in whole mA and W, its children's included."""
    has_own_base: Bools
    """[M] whether that is the node's own figure and not the sum of its children's."""
    bounded_as_phasor: tuple[tuple[bool, bool, bool], ...]
    """[M] on which lines the phasor directions apply instead of the plain sum."""
    units: Units
    """From ticks to what the fill counts in."""
    bits: int
    """Of every limb but the top one."""
    room: Ints
    """[M, G, L] what is available with the declared base load, no envelope and every node NORMAL."""
    limit: Ints
    """[M, R, L] what may flow, in the units of each row's group; UNLIMITED where nothing limits."""
    cap: Ints
    """[M, R, L] what charge points together never draw more than."""
    most_base: Ints
    """[M, R] mA or W of base load beyond which nothing, of generation beyond which nothing more, is available."""
    per_unit: Ints
    """[R, L] group units per mA or W of base load."""
    row_line: Indices
    """[R] which of the four rows a row belongs to."""
    row_group: Indices
    """[R] which group it is in; -1: nothing loads it."""
    weight: Ints
    """[K, G, L] group units per unit of setpoint."""
    weight_float: Floats
    """[K, G] the same, scaled by `unit`, for the raising."""
    unit: Floats
    """[G] what one group unit counts in the raising, so that weights are near 1."""
    total_w: Floats
    """[K] W of supply per unit of setpoint."""
    current_ma: Floats
    """[K] mA on the most loaded line per unit of setpoint, referred."""

    @property
    def limbs(self) -> int:
        """How many limbs a room has."""
        return int(self.room.shape[2])


def to_limbs(value: int, limbs: int, bits: int) -> list[int]:
    """A whole number in base 2^bits, lowest limb first; the top limb carries the sign and what is left."""
    mask = (1 << bits) - 1
    low = [(value >> (bits * i)) & mask for i in range(limbs - 1)]
    top = value >> (bits * (limbs - 1))
    bound = 1 << TOP_BITS
    return [*low, max(-bound, min(bound, top))]


def from_limbs(limbs: Sequence[int], bits: int) -> int:
    """The whole number that `to_limbs` wrote."""
    return sum(int(limb) << (bits * i) for i, limb in enumerate(limbs))


def _units(groups: Sequence[RowGroup], rows: Sequence[Row], scale: Scale) -> Units:
    line = tuple(TOTAL if row.label == "total" else PHASES.index(Phase(row.label)) for row in rows)
    group, per_base = [-1] * len(rows), [0] * len(rows)
    for index, found in enumerate(groups):
        for row, row_scale in zip(found.rows, found.scales, strict=True):
            group[row], per_base[row] = index, (rows[row].shrink / row_scale).numerator
    return Units(
        groups=tuple(groups),
        line=line,
        is_direction=tuple(row.direction_deg is not None for row in rows),
        group=tuple(group),
        per_base=tuple(per_base),
        ticks=tuple(scale.per_unit(each) for each in line),
    )


@dataclass(frozen=True, slots=True)
class _Figures:
    room: list[int | None]
    limit: list[int | None]
    cap: list[int | None]
    most_base: list[int]


def _figures(
    limits: Sequence[NodeLimits],
    base: Ints,
    phasor: Sequence[tuple[bool, bool, bool]],
    scale: Scale,
    units: Units,
) -> list[_Figures]:
    """Per inner node its room, limits and caps in group units. Charge points of one make share one."""
    known: dict[object, _Figures] = {}
    found: list[_Figures] = []
    for node_limits, load, bounded in zip(limits, base.tolist(), phasor, strict=True):
        key = (node_limits, tuple(load), bounded)
        if key not in known:
            flow = flow_limit(node_limits, NO_LIMIT)
            ticks = tuple(value * scale.per_unit(line) for line, value in enumerate(load))
            available = available_ticks(node_limits, NO_LIMIT, base=ticks, is_safe=False)
            every = range(len(units.line))
            known[key] = _Figures(
                room=group_room(available, bounded, units),
                limit=[units.whole(flow, row, bounded) for row in every],
                cap=[units.whole(node_limits.cap, row, bounded) for row in every],
                most_base=[
                    1 + max(flow[line] or 0, node_limits.cap[line] or 0) // scale.per_unit(line) for line in units.line
                ],
            )
        found.append(known[key])
    return found


def group_room(available: OpenTicks, bounded_as_phasor: tuple[bool, bool, bool], units: Units) -> list[int | None]:
    """Per group the whole units that fit: the smallest of its rows; None where none of them is limited."""
    found = row_rooms(available, bounded_as_phasor, units)
    return [min((fit for row in group.rows if (fit := found[row]) is not None), default=None) for group in units.groups]


def row_rooms(available: OpenTicks, bounded_as_phasor: tuple[bool, bool, bool], units: Units) -> list[int | None]:
    """Per row the whole units of its group that fit; None where it is not limited. Exact."""
    return [units.whole(available, row, bounded_as_phasor) for row in range(len(units.line))]


def room_limbs(room: Sequence[int | None], frame: "Frame") -> Ints:
    """[G, L] the room of one node as limbs."""
    found: Ints = _as_limbs([room], len(room), frame.limbs, frame.bits)[0]
    return found


def _as_limbs(values: Sequence[Sequence[int | None]], width: int, limbs: int, bits: int) -> Ints:
    known: dict[int | None, list[int]] = {None: [*[0] * (limbs - 1), UNLIMITED]}
    for line in values:
        for value in line:
            if value not in known and value is not None:
                known[value] = to_limbs(value, limbs, bits)
    found = [[known[value] for value in line] for line in values]
    return np.array(found, dtype=np.int64).reshape(len(values), width, limbs)


def build_frame(
    depot: Depot,
    *,
    parent: Indices,
    subjects: Sequence[Depot | Circuit | ChargePoint | Connector],
    voltage_v: Sequence[int],
    phases: Sequence[tuple[Phase, ...]],
    leaf_node: Indices,
    leaf_class: Indices,
    most: Ints,
    rows: Sequence[Row],
    classes: Sequence[LoadClass],
    groups: Sequence[RowGroup],
    totals_w: Sequence[float],
    currents_ma: Sequence[float],
) -> Frame:
    """Lay out the inner nodes of a projection for the fill; `most` [n] is more than a leaf is ever asked to carry."""
    scale = scale_of(depot)
    inner = [node for node, subject in enumerate(subjects) if not isinstance(subject, Connector)]
    inner_of = np.full(len(subjects), -1, dtype=np.int32)
    inner_of[inner] = np.arange(len(inner), dtype=np.int32)
    inner_parent = np.where(parent[inner] >= 0, inner_of[parent[inner]], -1).astype(np.int32)
    own = inner_of[leaf_node]
    leaf_parent = np.where(own >= 0, own, inner_of[parent[leaf_node]]) if len(leaf_node) else np.zeros(0, np.int32)
    limits = tuple(
        _limits(subjects[node], scale, voltage_v=voltage_v[node], phases=phases[node], depot=depot) for node in inner
    )
    base, has_own = _declared_base(
        [subjects[node] for node in inner],
        [phases[node] for node in inner],
        [voltage_v[node] for node in inner],
        inner_parent,
        scale,
    )
    phasor = _phasor_lines(inner_parent, leaf_parent, leaf_class, classes)
    units = _units(groups, rows, scale)
    figures = _figures(limits, base, phasor, scale, units)
    limbs, bits = _limbs_needed(most, leaf_class, units, figures)
    weight = np.array(
        [[to_limbs(group.weights[k], limbs, bits) for group in groups] for k in range(len(classes))], dtype=np.int64
    ).reshape(len(classes), len(groups), limbs)
    heaviest = [max(group.weights) for group in groups]
    weight_float = np.array(
        [[group.weights[k] / heaviest[g] for g, group in enumerate(groups)] for k in range(len(classes))]
    ).reshape(len(classes), len(groups))
    return Frame(
        scale=scale,
        nodes=np.array(inner, dtype=np.int32),
        inner_of=inner_of,
        parent=inner_parent,
        leaf_parent=leaf_parent.astype(np.int32),
        limits=limits,
        balanced={
            subject.id: m
            for m, node in enumerate(inner)
            if isinstance(subject := subjects[node], Circuit)
            and tuple(phases[node]) == PHASES
            and voltage_v[node] == depot.voltage_v
        },
        base=base,
        has_own_base=has_own,
        bounded_as_phasor=phasor,
        units=units,
        bits=bits,
        room=_as_limbs([figure.room for figure in figures], len(groups), limbs, bits),
        limit=_as_limbs([figure.limit for figure in figures], len(rows), limbs, bits),
        cap=_as_limbs([figure.cap for figure in figures], len(rows), limbs, bits),
        most_base=np.array([figure.most_base for figure in figures], dtype=np.int64).reshape(len(inner), len(rows)),
        per_unit=np.array([to_limbs(value, limbs, bits) for value in units.per_base], dtype=np.int64).reshape(
            len(rows), limbs
        ),
        row_line=np.array(units.line, dtype=np.int32),
        row_group=np.array(units.group, dtype=np.int32),
        weight=weight,
        weight_float=weight_float,
        unit=np.array([1.0 / value for value in heaviest]),
        total_w=np.array(totals_w, dtype=np.float64),
        current_ma=np.array(currents_ma, dtype=np.float64),
    )


def _limits(
    subject: Depot | Circuit | ChargePoint | Connector,
    scale: Scale,
    *,
    voltage_v: int,
    phases: Sequence[Phase],
    depot: Depot,
) -> NodeLimits:
    match subject:
        case Circuit():
            return circuit_limits(subject, scale, voltage_v=voltage_v, phases=phases)
        case ChargePoint():
            return rating_limits(subject, subject.max_rating, scale, voltage_v=voltage_v, phases=phases)
        case _:
            return microgrid_limits(depot, scale)


def _declared_base(
    subjects: Sequence[Depot | Circuit | ChargePoint | Connector],
    phases: Sequence[tuple[Phase, ...]],
    voltages: Sequence[int],
    parent: Indices,
    scale: Scale,
) -> tuple[Ints, Bools]:
    """Base load as declared: a circuit's own figure, or the sum of its children's (idle charge points included)."""
    base = np.zeros((len(subjects), 4), dtype=np.int64)
    own = np.array([isinstance(subject, Circuit) and subject.base_load is not None for subject in subjects])
    idle_w = np.zeros(len(subjects), dtype=np.int64)
    for m in range(len(subjects) - 1, -1, -1):
        subject, above = subjects[m], int(parent[m])
        if isinstance(subject, ChargePoint):
            # What a charge point draws by itself is its circuit's to carry; its rating is counted at the vehicle.
            idle_w[above] += subject.idle_load_w if subject.in_service else 0
            continue
        if isinstance(subject, Circuit) and subject.base_load is not None:
            base[m] = load_rows(subject.base_load, scale, voltage_v=voltages[m], phases=phases[m])
        elif idle_w[m]:
            idle = ActivePower(w=int(idle_w[m]))
            base[m] += np.array(load_rows(idle, scale, voltage_v=voltages[m], phases=phases[m]))
        if above >= 0 and not own[above]:
            base[above] += base[m]
    return base, own.astype(np.bool_)


def _phasor_lines(
    parent: Indices, leaf_parent: Indices, leaf_class: Indices, classes: Sequence[LoadClass]
) -> tuple[tuple[bool, bool, bool], ...]:
    """Where several loads share a line, line-to-line ones among them: their sum is bounded by its phasor."""
    on_line = np.array([[phase in load.phases for phase in PHASES] for load in classes], dtype=np.bool_)
    line_to_line = np.array([load.line_to_line or load.turned_deg > 0 for load in classes], dtype=np.bool_)
    if not line_to_line.any():
        return ((False, False, False),) * len(parent)
    across = np.zeros((len(parent), 3), dtype=np.bool_)
    count = np.zeros((len(parent), 3), dtype=np.int64)
    np.logical_or.at(across, leaf_parent, (on_line & line_to_line[:, None])[leaf_class])
    np.add.at(count, leaf_parent, on_line[leaf_class])
    for m in range(len(parent) - 1, 0, -1):
        across[parent[m]] |= across[m]
        count[parent[m]] += count[m]
    return tuple((bool(a), bool(b), bool(c)) for a, b, c in across & (count > 1))


def _limbs_needed(
    most: Ints,
    leaf_class: Indices,
    units: Units,
    figures: Sequence[_Figures],
) -> tuple[int, int]:
    """Limbs and their bits: enough for everything that may ever flow, and more."""
    sums: dict[int, int] = {}
    largest = 1
    for value, k in zip(most.tolist(), leaf_class.tolist(), strict=True):
        sums[k] = sums.get(k, 0) + value
        largest = max(largest, value)
    flow = max((sum(group.weights[k] * value for k, value in sums.items()) for group in units.groups), default=0)
    factors = [weight for group in units.groups for weight in group.weights]
    factors += units.per_base
    factor = max(factors, default=1)
    limit = 0
    for figure in {id(figure): figure for figure in figures}.values():
        limit = max([limit, *(value for value in (*figure.limit, *figure.cap) if value is not None)])
    most_flow = max(flow, limit).bit_length()
    if most_flow < TOP_BITS:
        return 1, 60
    if factor.bit_length() + largest.bit_length() <= TOP_BITS and limit.bit_length() < TOP_BITS:
        return 2, 60
    return max(2 + (most_flow - TOP_BITS + 1) // 30, 1 + -(-factor.bit_length() // 30)), 30
