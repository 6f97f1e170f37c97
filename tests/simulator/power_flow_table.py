"""The tables of docs/power_flow.md: `python tests/simulator/power_flow_table.py` writes them into the page."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from witness_cases import Case, Finding, NodeFinding, findings, findings_of, is_circuit, nominal_v, scenario_files
from witness_made import in_kw, with_margin

from busbar.simulator.physics import NO_LIMIT
from busbar.simulator.scenario_file import load_scenario

PAGE = Path(__file__).parents[2] / "docs" / "power_flow.md"
_MOST_NODES = 5
LONG_CABLES = 3.0


def written(page: str) -> str:
    """The page with its tables as they are now."""
    page = _with_table(page, "scenarios", scenario_table(scenario_findings()))
    page = _with_table(page, "circuits", circuit_table(scenario_findings()))
    page = _with_table(page, "kilowatts", kilowatt_table(in_kw()))
    return _with_table(page, "margins", margin_table())


def _with_table(page: str, name: str, lines: Sequence[str]) -> str:
    before, rest = page.split(f"<!-- {name} -->\n")
    _, after = rest.split(f"<!-- /{name} -->")
    return before + "\n".join([f"<!-- {name} -->", *lines, f"<!-- /{name} -->"]) + after


def scenario_findings() -> list[tuple[Finding, ...]]:
    """Every shipped scenario."""
    return [findings_of(path) for path in scenario_files()]


def scenario_table(scenarios: Iterable[Sequence[Finding]]) -> list[str]:
    """One line per scenario and case: the worst of its instants."""
    lines = [
        "| scenario | loads | grid voltage | voltage in the depot | fullest limit in A or kVA "
        "| fullest limit in kW: loads (meter) | fullest cable | fullest transformer | lost in cables |",
        "|---|---|---:|---:|---|---|---:|---:|---:|",
    ]
    for found in scenarios:
        for case in Case:
            same = [one for one in found if one.case is case]
            worst = max(same, key=lambda one: max(node.used for node in one.nodes if is_circuit(node)))
            windings = [one.transformer for one in same if one.transformer is not None]
            lines.append(
                f"| `{worst.scenario.id}` | {case} | {percent(worst.source)} "
                f"| {percent(worst.lowest)} to {percent(worst.highest)}{_outside(worst)} "
                f"| {_fullest_in_a(worst)} | {_fullest_in_w(same)} "
                f"| {percent(max(one.cable for one in same))} "
                f"| {percent(max(windings)) if windings else ''} "
                f"| {percent(max(one.lost_w / one.drawn_w for one in same))} |"
            )
    return lines


def circuit_table(scenarios: Iterable[Sequence[Finding]]) -> list[str]:
    """The fullest circuits of each scenario, and what they would carry had Busbar no margin."""
    lines = [
        "| scenario | node | limit | simulator, one voltage | power flow, as played | of the limit | its voltage "
        "| its cable | allocated, lowest voltage | allocated, highest voltage | played without a margin |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for found in scenarios:
        scenario = found[0].scenario
        bare = _without_margin(scenario.id)
        for name in _fullest(found):
            played, low, high, without = (
                _worst(some, case, name)
                for some, case in (
                    (found, Case.PLAYED),
                    (found, Case.LOWEST),
                    (found, Case.HIGHEST),
                    (bare, Case.PLAYED),
                )
            )
            share = nominal_v(scenario, name) / scenario.depot.voltage_v
            row = _fullest_row(played)
            lines.append(
                f"| `{scenario.id}` | {name} | {_amperes(int(played.limit_ma[row]), share)} "
                f"| {_amperes(int(played.flat_ma[row]), share)} | {_lines(played, share)} | {percent(played.used)} "
                f"| {percent(played.lowest_voltage)} | {percent(played.cable) if played.cable is not None else ''} "
                f"| {percent(low.used)} | {percent(high.used)} | {percent(without.used)} |"
            )
    return lines


def kilowatt_table(found: Sequence[Finding]) -> list[str]:
    """A limit in kW: what the loads take, and what a meter at the head of the cable sees."""
    lines = [
        "| node | limit | loads | voltage in the depot | all loads below | meter | lost below the meter |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for name in ("GC1", "F1"):
        for case in Case:
            pairs = [(one, node) for one in found if one.case is case for node in one.nodes if node.name == name]
            one, node = max(pairs, key=lambda pair: pair[1].loads_w)
            lines.append(
                f"| {name} | {node.limit_w / 1000:.0f} kW | {case} | {percent(one.lowest)} to {percent(one.highest)} "
                f"| {node.loads_w / 1000:.2f} kW | {node.metered_w / 1000:.2f} kW "
                f"| {percent((node.metered_w - node.loads_w) / node.loads_w)} |"
            )
    return lines


def margin_table() -> list[str]:
    """One bus, a circuit of 250 A: what the margin is for."""
    lines = [
        "| voltage margin | cables | lowest voltage | inside the margin | limit of C1 | by power flow | of the limit |",
        "|---:|---|---:|---|---:|---:|---:|",
    ]
    for margin in (0, 5, 10):
        for longer in (1.0, LONG_CABLES):
            one = next(one for one in with_margin(margin, longer) if one.case is Case.PLAYED)
            node = next(node for node in one.nodes if node.name == "C1")
            lines.append(
                f"| {margin} % | {'as chosen' if longer == 1 else f'{longer:.0f} times as long'} "
                f"| {percent(one.lowest)} | {'yes' if one.is_inside_margin else '**no**'} "
                f"| {_amperes(int(node.limit_ma[0]), 1)} | {_amperes(int(node.flow_ma[0]), 1)} "
                f"| {percent(node.used)} |"
            )
    return lines


@cache
def _without_margin(name: str) -> tuple[Finding, ...]:
    path = next(path for path in scenario_files() if path.stem == name)
    scenario = load_scenario(path)
    bare = replace(scenario.depot, voltage_margin_permille=0)
    return findings(replace(scenario, depot=bare), cases=(Case.PLAYED,))


def percent(share: float) -> str:
    """0.98765 -> `98.77 %`."""
    return f"{100 * share:.2f} %"


def _fullest_in_a(finding: Finding) -> str:
    node = max((node for node in finding.nodes if is_circuit(node)), key=lambda node: node.used)
    return f"{node.name}: {percent(node.used)}" if node.used else ""


def _fullest_in_w(found: Sequence[Finding]) -> str:
    node = max((node for one in found for node in one.nodes if is_circuit(node)), key=lambda node: node.used_w)
    if not node.used_w:
        return ""
    return f"{node.name}: {percent(node.used_w)} ({percent(node.metered_w / node.limit_w)})"


def _outside(finding: Finding) -> str:
    return "" if finding.is_inside_margin else " (outside the margin)"


def _amperes(ma: int, share: float) -> str:
    """At the node's own voltage."""
    return f"{ma / share / 1000:.1f} A"


def _lines(node: NodeFinding, share: float) -> str:
    """One figure, or one per line where they differ."""
    each = [_amperes(ma, share) for ma in node.flow_ma.tolist()]
    return each[0] if len(set(each)) == 1 else "L1 {}, L2 {}, L3 {}".format(*each)


def _fullest_row(node: NodeFinding) -> int:
    limit, flow = node.limit_ma.tolist(), node.flow_ma.tolist()
    return max(
        (row for row in range(3) if limit[row] != NO_LIMIT), key=lambda row: float(flow[row] / max(1, limit[row]))
    )


def _worst(found: Sequence[Finding], case: Case, name: str) -> NodeFinding:
    same = [node for one in found if one.case is case for node in one.nodes if node.name == name]
    return max(same, key=lambda node: node.used)


def _fullest(found: Sequence[Finding]) -> list[str]:
    """The circuits nearest to their limits in A or kVA, fullest first."""
    used: dict[str, float] = {}
    for one in found:
        for node in one.nodes:
            if one.case is Case.LOWEST and is_circuit(node) and node.used:
                used[node.name] = max(used.get(node.name, 0.0), node.used)
    return sorted(used, key=lambda name: -used[name])[:_MOST_NODES]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
