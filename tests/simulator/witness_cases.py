"""What the power flow says of a scenario: a few instants, each at the voltage played and at both ends of the margin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
from witness_loads import Draw, Loads, base_loads, charging_loads, instants
from witness_network import Network, network_of
from witness_solving import Solved, Solver

from busbar.core.depot import Circuit, Connector
from busbar.core.projection import NodeKind
from busbar.simulator.physics import NO_LIMIT
from busbar.simulator.play import play
from busbar.simulator.played import Played
from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario

Ints = npt.NDArray[np.int64]

SCENARIOS = Path(__file__).parents[2] / "scenarios"
MOST_CYCLES = 160
"""Longer nights are played in longer cycles: whole, but quickly."""


class Case(StrEnum):
    """Which loads, and which voltage the grid has."""

    PLAYED = "as played"
    """What vehicles drew; the grid at the scenario's voltage."""
    LOWEST = "allocated, lowest voltage"
    """All setpoints drawn in full; the grid so low that somewhere in the depot the margin is used up."""
    HIGHEST = "allocated, highest voltage"


@dataclass(frozen=True, kw_only=True)
class NodeFinding:
    """One node with a limit, at one instant."""

    name: str
    kind: NodeKind
    limit_ma: Ints
    """[3] referred; NO_LIMIT."""
    limit_w: int
    flow_ma: Ints
    """[3] by power flow, referred, rounded."""
    flat_ma: Ints
    """[3] by the simulator, which has one voltage everywhere and no cables: as played."""
    flat_w: int
    loads_w: int
    """Everything below, without cables."""
    metered_w: int
    """The same at the head of the node's own cable."""
    lowest_voltage: float
    """At the end of its cable, as a share of nominal."""
    cable: float | None
    """Its cable's fullest line against its ampacity; None: the microgrid has none."""
    feeds_delta: bool
    """Line-to-line loads reach it through a delta winding."""
    is_base_load_over: bool
    """Base load alone is over a limit: nothing Busbar does could help."""

    @property
    def used(self) -> float:
        """The fullest line against its limit; 0 where no line is limited."""
        return max((flow / most for flow, most in self._limited()), default=0.0)

    @property
    def used_w(self) -> float:
        """Its loads against its limit in kW; 0 where it has none."""
        return self.loads_w / self.limit_w if self.limit_w not in (0, NO_LIMIT) else 0.0

    @property
    def is_over_anyway(self) -> bool:
        """The scenario is about it: without any cable the simulator sees it too, or base load alone is too much."""
        over = (self.flat_ma > self.limit_ma).any() or self.flat_w > self.limit_w
        return bool(over) or self.is_base_load_over

    @property
    def is_over(self) -> bool:
        """More on a line than its limit."""
        return any(flow > most for flow, most in self._limited())

    def _limited(self) -> Iterator[tuple[int, int]]:
        for flow, most in zip(self.flow_ma.tolist(), self.limit_ma.tolist(), strict=True):
            if most != NO_LIMIT and most:
                yield flow, most


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One instant in one case."""

    scenario: Scenario
    case: Case
    at_s: int
    source: float
    """The grid's voltage, as a share of nominal."""
    lowest: float
    highest: float
    """Voltages in the depot."""
    nodes: tuple[NodeFinding, ...]
    cable: float
    """The fullest cable's line current against its ampacity."""
    transformer: float | None
    """The fullest winding against its rating."""
    lost_w: float
    """In all cables below the heads of the grid connections' and in transformers between circuits."""
    drawn_w: float

    @property
    def is_inside_margin(self) -> bool:
        """Whether the depot's voltage margin covers what the voltage does."""
        margin = self.scenario.depot.voltage_margin_permille / 1000
        return self.lowest >= 1 - margin and self.highest <= 1 + margin


@cache
def scenario_files() -> tuple[Path, ...]:
    """Every scenario that ships and can be played; those with faults go live, with simulated charge points."""
    found = [path for path in sorted(SCENARIOS.rglob("*.yaml")) if "schema: busbar/scenario/" in path.read_text()]
    return tuple(path for path in found if not getattr(load_scenario(path), "faults", ()))


@cache
def findings_of(path: Path) -> tuple[Finding, ...]:
    """A shipped scenario, played once."""
    return findings(load_scenario(path))


def findings(scenario: Scenario, *, longer: float = 1.0, cases: Sequence[Case] = tuple(Case)) -> tuple[Finding, ...]:
    """Play it, and solve a few instants in every case; every cable `longer` times as long as it was chosen for."""
    played = play(quickened(scenario))
    solver = Solver(network_of(played.projection, longer=longer))
    cycles = instants(played)
    base = base_loads(played, cycles)
    found = []
    for cycle in cycles:
        for case in cases:
            charging = charging_loads(played, cycle, Draw.PLAYED if case is Case.PLAYED else Draw.ALLOCATED)
            loads = Loads(star=(*charging.star, *base[cycle]), line=charging.line)
            found.append(_finding(played, solver, cycle, case, _solve(scenario, solver, loads, case)))
    return tuple(found)


def quickened(scenario: Scenario) -> Scenario:
    """The same night in at most `MOST_CYCLES` cycles."""
    times = -(-scenario.duration_s // (MOST_CYCLES * scenario.cycle_s))
    return replace(scenario, cycle_s=scenario.cycle_s * times)


def _solve(scenario: Scenario, solver: Solver, loads: Loads, case: Case) -> Solved:
    margin = scenario.depot.voltage_margin_permille / 1000
    match case:
        case Case.PLAYED:
            return solver.solve(loads, source=scenario.voltage_permille / 1000)
        case Case.LOWEST:
            return solver.with_lowest(loads, 1 - margin)
        case Case.HIGHEST:
            return solver.with_highest(loads, 1 + margin)


def _finding(played: Played, solver: Solver, cycle: int, case: Case, solved: Solved) -> Finding:
    network = solver.network
    lowest, highest = solver.extremes(solved)
    fullest_a = np.abs(solved.current_a).max(axis=1).tolist()
    cables = [flow_a / feed.cable.ampacity_a for flow_a, feed in zip(fullest_a, network.feeds, strict=True)]
    windings = [
        flow_a * sqrt(3) * feed.voltage_v / feed.transformer.rating_va
        for flow_a, feed in zip(fullest_a, network.feeds, strict=True)
        if feed.transformer
    ]
    tops = [at for at, feed in enumerate(network.feeds) if feed.above < 0]
    return Finding(
        scenario=played.scenario,
        case=case,
        at_s=int(played.at_s[cycle]),
        source=solved.source,
        lowest=lowest,
        highest=highest,
        nodes=tuple(_nodes(played, network, cycle, solved, cables)),
        cable=max(cables),
        transformer=max(windings, default=None),
        lost_w=float(solved.power_w[tops].sum() - solved.drawn_w[tops].sum()),
        drawn_w=float(solved.drawn_w[tops].sum()),
    )


def _nodes(
    played: Played, network: Network, cycle: int, solved: Solved, cables: Sequence[float]
) -> Iterator[NodeFinding]:
    projection = played.projection
    referred = np.array([1000 * feed.voltage_v / projection.depot.voltage_v for feed in network.feeds])
    line_ma = solved.current_a * referred[:, None]
    tops = [at for at, feed in enumerate(network.feeds) if feed.above < 0]
    at_bus = {feed.node: at for at, feed in enumerate(network.feeds)}
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        # The microgrid has no bus of its own: what flows there is the sum over its grid connections.
        where = [at_bus[node]] if node in at_bus else tops
        limit, base = played.limit[cycle, inner], played.base[cycle, inner]
        yield NodeFinding(
            name=projection.node_ids[node],
            kind=projection.kinds[node],
            limit_ma=limit[:3],
            limit_w=int(limit[3]),
            flow_ma=np.rint(np.abs(line_ma[where].sum(axis=0))).astype(np.int64),
            flat_ma=played.flow[cycle, inner, :3],
            flat_w=int(played.flow[cycle, inner, 3]),
            loads_w=round(solved.drawn_w[where].sum()),
            metered_w=round(solved.power_w[where].sum()),
            lowest_voltage=float(np.abs(solved.voltage[where]).min()),
            cable=cables[at_bus[node]] if node in at_bus else None,
            feeds_delta=_feeds_delta(network, node),
            is_base_load_over=bool((base > limit).any()),
        )


def _feeds_delta(network: Network, node: int) -> bool:
    """Whether line-to-line connectors hang below a transformer that itself is below this node's meter."""
    projection = network.projection
    below = {
        feed.node
        for feed in network.feeds
        if feed.transformer and feed.above >= 0 and feed.node != node and node in projection.path(feed.node)
    }
    for subject, at in zip(projection.subjects, range(len(projection.subjects)), strict=True):
        if isinstance(subject, Connector) and subject.line_to_line and below & set(projection.path(at)):
            return True
    return False


def is_circuit(finding: NodeFinding) -> bool:
    """Circuits, grid connections and the microgrid; not charge points."""
    return finding.kind is not NodeKind.CHARGE_POINT


def nominal_v(scenario: Scenario, name: str) -> int:
    """The voltage a node's amperes are given at."""
    circuits = {circuit.id: circuit for circuit in scenario.depot.circuits}
    here: Circuit | None = circuits.get(name)
    while here is not None:
        if here.voltage_v is not None:
            return here.voltage_v
        here = circuits.get(here.parent or "")
    return scenario.depot.voltage_v
