"""The network solved by power-grid-model, phase by phase. It knows nothing of rows, margins or limits."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from power_grid_model import CalculationMethod, LoadGenType, PowerGridModel, WindingType, initialize_array
from witness_loads import Complex, LineLoad, Loads
from witness_network import CLOCK, Feed, Network
from witness_parts import CORES_RETURNING

from busbar.core.units import PHASES

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[Any]

GRID_FAULT_VA = 250e6
"""Short-circuit power at 11 kV and above."""
LOW_VOLTAGE_FAULT_VA = 15e6
"""Behind a transformer of 630 kVA and 4 %; 25 times its own size where the connection is larger."""
_TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
"""Where the voltages of L1, L2 and L3 point."""


@dataclass(frozen=True, kw_only=True)
class Solved:
    """Per feed, in the order of the network's. Phasors relative to the nominal voltage of their own line."""

    source: float
    """The grid's voltage, as a share of nominal."""
    voltage: Complex
    """[M, 3] at the bus, as a share of nominal."""
    current_a: Complex
    """[M, 3] through the cable, at the bus's own voltage."""
    power_w: Floats
    """[M] at the head of the cable."""
    drawn_w: Floats
    """[M] what everything at and below the bus draws, without any cable."""


class Solver:
    """One network, for any loads and grid voltages."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._at = {feed.node: at for at, feed in enumerate(network.feeds)}
        self._ids = _Ids(len(network.projection.node_ids))
        self._grid = _grid(network, self._ids)
        place = {int(bus): at for at, bus in enumerate(self._grid["node"]["id"])}
        self._bus = np.array([place[feed.node] for feed in network.feeds])
        self._head = np.array([place[self._ids.head(feed)] for feed in network.feeds])
        self._turned = np.exp(1j * np.deg2rad([feed.turned_deg for feed in network.feeds]))[:, None] * _TURN
        phases = network.projection.phases
        self._has_line = np.array([[phase in phases[feed.node] for phase in PHASES] for feed in network.feeds])

    def solve(self, loads: Loads, *, source: float) -> Solved:
        """Newton-Raphson; currents between lines are turned until they agree with the voltages found."""
        voltage: Complex = np.ones((len(self._at), 3), complex)
        for _ in range(20):
            solved = self._solved(loads, source, voltage)
            moved, voltage = float(np.abs(solved.voltage - voltage).max()), solved.voltage
            if not loads.line or moved < 1e-9:
                return solved
        raise AssertionError("Currents between lines do not settle.")

    def with_lowest(self, loads: Loads, lowest: float) -> Solved:
        """The grid's voltage such that the lowest one in the depot is this, and hardly more."""
        return self._with_extreme(loads, lowest + 5e-8, start=lowest + 0.03, at=0)

    def with_highest(self, loads: Loads, highest: float) -> Solved:
        """The grid's voltage such that the highest one in the depot is this, and hardly less."""
        return self._with_extreme(loads, highest - 5e-8, start=highest, at=1)

    def _with_extreme(self, loads: Loads, wanted: float, *, start: float, at: int) -> Solved:
        source = start
        for _ in range(30):
            solved = self.solve(loads, source=source)
            off = wanted - self.extremes(solved)[at]
            if abs(off) < 4e-8:
                return solved
            source += off
        raise AssertionError(f"No grid voltage gives {wanted} in the depot.")

    def extremes(self, solved: Solved) -> tuple[float, float]:
        """Lowest and highest voltage to neutral at any bus, on the lines it has."""
        found = np.abs(solved.voltage)[self._has_line]
        return float(found.min()), float(found.max())

    def _solved(self, loads: Loads, source: float, voltage: Complex) -> Solved:
        self._grid["source"]["u_ref"] = source
        model = PowerGridModel({**self._grid, "asym_load": self._asym_loads(loads, voltage)}, system_frequency=50.0)
        out = model.calculate_power_flow(
            symmetric=False,
            error_tolerance=1e-12,
            max_iterations=50,
            calculation_method=CalculationMethod.newton_raphson,
        )
        node, line = out["node"], out["line"]
        share = node["u_pu"] * np.exp(1j * node["u_angle"])
        head_v = node["u"][self._head] * np.exp(1j * node["u_angle"][self._head])
        drawn_w = np.zeros(len(self._at))
        where = [self._at[bus] for bus in loads.buses]
        np.add.at(drawn_w, where, out["asym_load"]["p"].sum(axis=1))
        for at in reversed(range(len(self._at))):
            above = self.network.feeds[at].above
            if above >= 0:
                drawn_w[self._at[above]] += drawn_w[at]
        return Solved(
            source=source,
            voltage=share[self._bus] / self._turned,
            current_a=((line["p_from"] + 1j * line["q_from"]) / head_v).conj() / self._turned,
            power_w=line["p_from"].sum(axis=1),
            drawn_w=drawn_w,
        )

    def _asym_loads(self, loads: Loads, voltage: Complex) -> Table:
        array = initialize_array("input", "asym_load", len(loads.star) + len(loads.line))
        array["id"] = self._ids.first_load + np.arange(len(array))
        array["status"] = 1
        for at, load in enumerate(loads.star):
            array["node"][at], array["type"][at] = load.bus, load.kind
            array["p_specified"][at], array["q_specified"][at] = load.line_va.real, load.line_va.imag
        for at, between in enumerate(loads.line, start=len(loads.star)):
            where = self._at[between.bus]
            power = _between_lines_va(between, voltage[where], self.network.feeds[where].voltage_v)
            array["node"][at], array["type"][at] = between.bus, LoadGenType.const_power
            array["p_specified"][at], array["q_specified"][at] = power.real, power.imag
        return array


def _between_lines_va(load: LineLoad, voltage: Complex, nominal_v: int) -> Complex:
    """What a current from one line into another is to each line's own voltage."""
    to_neutral = voltage * _TURN * nominal_v / sqrt(3)
    across = to_neutral[load.first] - to_neutral[load.second]
    lagging = complex(load.power_factor, -sqrt(max(0.0, 1 - load.power_factor**2)))
    current_a = load.current_a * across / abs(across) * lagging
    power = np.zeros(3, complex)
    power[load.first] = to_neutral[load.first] * current_a.conjugate()
    power[load.second] = -to_neutral[load.second] * current_a.conjugate()
    return power


# The network in power-grid-model's tables


@dataclass(frozen=True, slots=True)
class _Ids:
    """Every part has a number of its own; that of a bus is its node's."""

    count: int

    def head(self, feed: Feed) -> int:
        """The bus at the head of its cable: the one above, or one of its own behind a transformer or the grid."""
        return feed.above if feed.transformer is None and feed.above >= 0 else self.count + feed.node

    def entry(self, feed: Feed) -> int:
        """The bus before its transformer."""
        return feed.above if feed.above >= 0 else 2 * self.count + feed.node

    @property
    def first_load(self) -> int:
        """Loads are numbered from here."""
        return 6 * self.count


def _grid(network: Network, ids: _Ids) -> dict[str, Table]:
    buses: dict[int, int] = {feed.node: feed.voltage_v for feed in network.feeds}
    sources = []
    for feed in network.feeds:
        buses[ids.head(feed)] = feed.voltage_v
        if feed.transformer:
            buses[ids.entry(feed)] = feed.above_v
        if feed.above < 0:
            sources.append(
                _source(3 * ids.count + feed.node, ids.entry(feed) if feed.transformer else ids.head(feed), feed)
            )
    return {
        "node": _filled("node", [{"id": bus, "u_rated": volts} for bus, volts in sorted(buses.items())]),
        "line": _filled("line", [_line(4 * ids.count + feed.node, ids.head(feed), feed) for feed in network.feeds]),
        "transformer": _filled(
            "transformer",
            [
                _transformer(5 * ids.count + feed.node, ids.entry(feed), ids.head(feed), feed)
                for feed in network.feeds
                if feed.transformer
            ],
        ),
        "source": _filled("source", sources),
    }


def _filled(component: str, rows: list[dict[str, float]]) -> Table:
    array = initialize_array("input", component, len(rows))
    for at, row in enumerate(rows):
        for name, value in row.items():
            array[name][at] = value
    return array


def _source(source_id: int, bus: int, feed: Feed) -> dict[str, float]:
    size_va = sqrt(3) * feed.voltage_v * feed.cable.ampacity_a
    fault_va = GRID_FAULT_VA if feed.above_v > 1000 else max(LOW_VOLTAGE_FAULT_VA, 25 * size_va)
    return {"id": source_id, "node": bus, "status": 1, "u_ref": 1, "sk": fault_va, "rx_ratio": 0.1}


def _line(line_id: int, head: int, feed: Feed) -> dict[str, float]:
    cable = feed.cable
    return {
        "id": line_id,
        "from_node": head,
        "to_node": feed.node,
        "from_status": 1,
        "to_status": 1,
        "r1": cable.resistance_ohm,
        "x1": cable.reactance_ohm,
        "c1": 0,
        "tan1": 0,
        "r0": CORES_RETURNING * cable.resistance_ohm,
        "x0": CORES_RETURNING * cable.reactance_ohm,
        "c0": 0,
        "tan0": 0,
        "i_n": cable.ampacity_a,
    }


def _transformer(transformer_id: int, entry: int, head: int, feed: Feed) -> dict[str, float]:
    made = feed.transformer
    assert made is not None
    return {
        "id": transformer_id,
        "from_node": entry,
        "to_node": head,
        "from_status": 1,
        "to_status": 1,
        "u1": feed.above_v,
        "u2": feed.voltage_v,
        "sn": made.rating_va,
        "uk": made.impedance,
        "pk": made.load_loss_w,
        # What it takes when idle is base load: a meter sees it, and Busbar takes it off.
        "i0": 0,
        "p0": 0,
        "winding_from": WindingType.delta,
        "winding_to": WindingType.wye_n,
        "clock": CLOCK,
        "tap_side": 0,
        "tap_pos": 0,
        "tap_min": 0,
        "tap_max": 0,
        "tap_nom": 0,
        "tap_size": 0,
    }
