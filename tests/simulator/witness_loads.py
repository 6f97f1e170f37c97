"""What a played scenario puts on the network at an instant: charge points as they are, or as far as they may."""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
import numpy.typing as npt
from power_grid_model import LoadGenType

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind
from busbar.core.projection import NodeKind, Projection
from busbar.core.units import PHASES, ActivePower, Amount, ApparentPower, Current
from busbar.simulator.base_load import BaseLoad, BaseLoads
from busbar.simulator.played import NOT_HELD, Played

Complex = npt.NDArray[np.complex128]


class Draw(StrEnum):
    """What charge points take."""

    PLAYED = "as played"
    """What vehicles drew, on the wires they use."""
    ALLOCATED = "as allocated"
    """Every setpoint in force, in full, on all wires."""


@dataclass(frozen=True, kw_only=True)
class StarLoad:
    """A load from lines to neutral."""

    bus: int
    """The projection's node it hangs on."""
    kind: LoadGenType
    """Constant power, or constant current (then `line_va` is at nominal voltage)."""
    line_va: Complex
    """[3]"""
    is_charging: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LineLoad:
    """A constant current between two lines."""

    bus: int
    first: int
    second: int
    """Lines, 0 to 2."""
    current_a: float
    power_factor: float


@dataclass(frozen=True, kw_only=True)
class Loads:
    """Everything that draws at one instant."""

    star: tuple[StarLoad, ...]
    line: tuple[LineLoad, ...]

    @property
    def buses(self) -> tuple[int, ...]:
        """Where each hangs, those from lines to neutral first."""
        return tuple(load.bus for load in self.star) + tuple(load.bus for load in self.line)


def instants(played: Played) -> tuple[int, ...]:
    """Cycles worth a look: the most power, the fullest limit, the most vehicles held back, and one in the middle."""
    drawing = np.flatnonzero(played.charging[:, 0, 3])
    if not drawing.size:
        return (0,)
    above = [inner for inner, node in enumerate(played.projection.frame.nodes) if _is_above_units(played, int(node))]
    fullest = (played.flow[:, above] / np.maximum(played.limit[:, above], 1)).max(axis=(1, 2))
    held = (played.held != NOT_HELD).sum(axis=1)
    found = (
        int(played.flow[:, 0, 3].argmax()),
        int(fullest.argmax()),
        int((held + np.minimum(fullest, 1)).argmax()),
        int(drawing[drawing.size // 2]),
    )
    return tuple(sorted(set(found)))


def _is_above_units(played: Played, node: int) -> bool:
    return played.projection.kinds[node] is not NodeKind.CHARGE_POINT


def base_loads(played: Played, cycles: tuple[int, ...]) -> dict[int, tuple[StarLoad, ...]]:
    """Per cycle, what Busbar does not control. Asked in order, because noise is drawn as time goes by."""
    base = BaseLoads(played.scenario, played.projection, played.seed)
    found = {}
    for cycle, at_s in enumerate(played.at_s[: max(cycles) + 1].tolist()):
        now = base.at(at_s)
        if cycle in cycles:
            found[cycle] = tuple(_own_loads(played, now))
    return found


def _own_loads(played: Played, now: BaseLoad) -> list[StarLoad]:
    projection, frame = played.projection, played.projection.frame
    own = now.flow.line_ma.copy()
    for inner in range(1, len(frame.parent)):
        own[int(frame.parent[inner])] -= now.flow.line_ma[inner]
    nominal_v = projection.depot.voltage_v / sqrt(3)
    true_v = nominal_v * played.scenario.voltage_permille / 1000
    loads = []
    for inner, node in enumerate(frame.nodes.tolist()):
        if np.abs(own[inner]).max() < 1e-6:
            continue
        shown = _shown_as(projection, now, node)
        loads.append(
            StarLoad(
                bus=node,
                kind=LoadGenType.const_power if shown is ActivePower else LoadGenType.const_current,
                line_va=own[inner].conj() / 1000 * (nominal_v if shown is Current else true_v),
                is_charging=False,
            )
        )
    return loads


def _shown_as(projection: Projection, now: BaseLoad, node: int) -> type[Amount]:
    """Given in kW it is constant power; in A, at its place or by a meter above, it is that current at any voltage.

    kVA are a current too: what they are at nominal voltage, as in a limit.
    """
    for above in projection.path(node):
        subject, name = projection.subjects[above], projection.node_ids[above]
        declared = subject.base_load if isinstance(subject, Circuit) else None
        for amount in (declared, now.figures.get(name)):
            if isinstance(amount, Current | ApparentPower):
                return type(amount)
    return ActivePower


def charging_loads(played: Played, cycle: int, draw: Draw) -> Loads:
    """What the charge points take, at the bus of each."""
    projection = played.projection
    taken = played.drawn[cycle] if draw is Draw.PLAYED else played.setpoint[cycle]
    wires = _wires_used(played, cycle) if draw is Draw.PLAYED else {}
    star, line = [], []
    for leaf in np.flatnonzero(taken).tolist():
        node = int(projection.leaf_node[leaf])
        bus = int(projection.parent[node])
        connector, unit = projection.subjects[node], projection.subjects[bus]
        assert isinstance(connector, Connector)
        assert isinstance(unit, ChargePoint)
        power_factor = unit.power_factor_permille / 1000
        turned = complex(power_factor, sqrt(max(0.0, 1 - power_factor**2)))
        amount = float(taken[leaf])
        if unit.current is CurrentKind.DC:
            each_va = amount * 1000 / unit.efficiency_permille / 3 / power_factor * turned
            star.append(StarLoad(bus=bus, kind=LoadGenType.const_power, line_va=np.full(3, each_va), is_charging=True))
        elif connector.line_to_line:
            first, second = (PHASES.index(phase) for phase in connector.phases)
            line.append(
                LineLoad(bus=bus, first=first, second=second, current_a=amount / 1000, power_factor=power_factor)
            )
        else:
            used = connector.phases[: wires.get(leaf, len(connector.phases))]
            each_va = amount / 1000 * int(projection.voltage_v[node]) / sqrt(3) * turned
            line_va = np.array([each_va if phase in used else 0 for phase in PHASES])
            star.append(StarLoad(bus=bus, kind=LoadGenType.const_current, line_va=line_va, is_charging=True))
    return Loads(star=tuple(star), line=tuple(line))


def _wires_used(played: Played, cycle: int) -> dict[int, int]:
    """Leaf -> how many of its connector's wires the vehicle there uses, where that is not all of them."""
    at_s, index = int(played.at_s[cycle]), played.projection.leaf_index
    return {
        index[outing.connector]: outing.vehicle.type.phases
        for outing in played.outings
        if outing.connector is not None
        and outing.plugged_s is not None
        and outing.plugged_s <= at_s < outing.vehicle.departs_s
    }
