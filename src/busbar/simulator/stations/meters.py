"""The meters of a depot's circuits: what really flows there, base load and charge points together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from busbar.core.depot import ChargePoint, Circuit
from busbar.core.projection import Projection
from busbar.core.units import ActivePower, Amount
from busbar.simulator.physics import Flow, Ints, add_up, base_flow, leaf_loads

Series = Sequence[tuple[float, Amount]]
"""Second since the first reading and value, ascending; each holds until the next, the first one from the start."""
BaseLoad = Amount | Series


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a node's meter shows."""

    node: str
    at_s: float
    """POSIX seconds."""
    power_w: int
    """Total, import positive, rounded to the nearest."""
    phases_ma: tuple[int, int, int]
    """L1, L2, L3 at the node's own voltage; negative where power flows out."""


class CircuitMeters:
    """The metered nodes of a depot, and what flows where."""

    def __init__(
        self, projection: Projection, base_load: Mapping[str, BaseLoad], *, voltage_permille: int = 1000
    ) -> None:
        self._projection = projection
        self._base_load = base_load
        self._voltage_permille = voltage_permille
        self._load = leaf_loads(projection, voltage_permille)
        self._began_s: float | None = None
        nodes = projection.frame.nodes.tolist()
        subjects = [projection.subjects[node] for node in nodes]
        self._metered = [
            (inner, subject.id)
            for inner, subject in enumerate(subjects)
            if isinstance(subject, Circuit) and subject.meter
        ]

    @property
    def nodes(self) -> tuple[str, ...]:
        """The metered ones."""
        return tuple(node for _, node in self._metered)

    def flow(self, draws: Ints, wires: Ints, at_s: float) -> Flow:
        """What flows at every inner node. `draws` and `wires` as `SimulatedDepot` gives them."""
        controlled = add_up(self._projection, self._load, draws, wires)
        base = self._base_flow(at_s)
        return Flow(line_ma=controlled.line_ma + base.line_ma, total_w=controlled.total_w + base.total_w)

    def readings(self, draws: Ints, wires: Ints, at_s: float) -> tuple[Reading, ...]:
        """What each meter shows now."""
        flow = self.flow(draws, wires, at_s)
        found = []
        for inner, node in self._metered:
            turn = self._projection.depot.voltage_v / int(self._projection.voltage_v[self._projection.node_index[node]])
            # A current that goes against its voltage flows out.
            each = [round(float(np.copysign(abs(value), value.real)) * turn) for value in flow.line_ma[inner]]
            found.append(
                Reading(
                    node=node,
                    at_s=at_s,
                    power_w=round(float(flow.total_w[inner])),
                    phases_ma=(each[0], each[1], each[2]),
                )
            )
        return tuple(found)

    def _base_flow(self, at_s: float) -> Flow:
        """From the ends of the tree to its root."""
        self._began_s = at_s if self._began_s is None else self._began_s
        projection = self._projection
        nodes = projection.frame.nodes.tolist()
        line, total = np.zeros((len(nodes), 3), complex), np.zeros(len(nodes))

        def put(inner: int, node: int, amount: Amount) -> None:
            phasors, power_w = base_flow(
                amount,
                projection.depot,
                nominal_v=int(projection.voltage_v[node]),
                phases=projection.phases[node],
                voltage_permille=self._voltage_permille,
            )
            line[inner] += phasors
            total[inner] += power_w

        for inner in reversed(range(len(nodes))):
            node, above = nodes[inner], int(projection.frame.parent[inner])
            subject = projection.subjects[node]
            if isinstance(subject, ChargePoint):
                # What a charge point draws by itself is its circuit's to carry.
                if subject.in_service and subject.idle_load_w:
                    put(above, nodes[above], ActivePower(w=subject.idle_load_w))
                continue
            if isinstance(subject, Circuit) and subject.base_load is not None:
                # Declared for everything below it.
                line[inner], total[inner] = 0, 0
                put(inner, node, subject.base_load)
            elif (given := self._base_load.get(projection.node_ids[node])) is not None:
                put(inner, node, _now(given, at_s - self._began_s))
            if above >= 0:
                line[above] += line[inner]
                total[above] += total[inner]
        return Flow(line_ma=line, total_w=total)


def _now(given: BaseLoad, since_s: float) -> Amount:
    if not isinstance(given, Sequence):
        return given
    before = [amount for second, amount in given if second <= since_s]
    return before[-1] if before else given[0][1]
