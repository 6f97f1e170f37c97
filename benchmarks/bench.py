"""Balance against the alternatives, on the same random trees in one run: `make bench`.

Times are medians of wall time in this process; what counts is the ratio, since machines differ and are shared.
HiGHS solves another, easier problem (maximum throughput, no minima, no steps, no fairness): it is here because it is
what one would use instead.
"""

import argparse
import gc
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import highspy

from busbar.core.balance import balance, demand_of
from busbar.core.depot import FairIn
from busbar.core.fill import fill_tree
from busbar.core.projection import Projection
from busbar.core.rooms import rooms
from busbar.core.snapshot import Snapshot
from busbar.core.strategies import STRATEGIES
from busbar.core.twin import twin_balance
from highs import maximum_throughput, solver
from trees import random_projection, random_snapshot

CASES = {
    "one level": ("equal_share", False),
    "one tier per leaf": ("earliest_departure", False),
    "half of the minima refused": ("equal_share", True),
}
TWIN_UP_TO = 100
"""The plain twin works in fractions, event by event: for small cases only."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row of the table; times in ms."""

    connectors: int
    rows: int
    case: str
    refused: float
    fill: float
    balance: float
    cold: float
    warm: float
    twin: float | None


def timed_ms(call: Callable[[], object], *, runs: int) -> list[float]:
    """Wall time of each run, in ms, with the collector out of the way."""
    found = []
    gc.collect()
    gc.disable()
    for _ in range(runs):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    gc.enable()
    return found


def measure(projection: Projection, *, rows: int, case: str, seed: int) -> Measured:
    """Fill alone, balance whole, HiGHS cold and warm, in turns, so that a slow moment hits all of them."""
    strategy, refused_minima = CASES[case]
    snapshot = random_snapshot(projection, seed=seed, refused_minima=refused_minima)
    leaves = len(projection.leaf_ids)
    allocation = balance(projection, snapshot, strategy=strategy)
    room = rooms(projection, snapshot).room
    demand, ranking = demand_of(projection, snapshot), STRATEGIES[strategy](projection, snapshot)
    cold, warm = _highs(projection, snapshot)
    fast = max(5, min(100, 200_000 // leaves))
    times: dict[str, list[float]] = {"fill": [], "balance": [], "cold": [], "warm": []}
    slow = max(1, min(5, 5_000 // leaves))
    for _ in range(5 if leaves <= 1000 else 3):
        times["cold"] += timed_ms(cold, runs=slow)
        times["fill"] += timed_ms(lambda: fill_tree(projection.frame, room, demand, ranking, FairIn.POWER), runs=fast)
        times["balance"] += timed_ms(lambda: balance(projection, snapshot, strategy=strategy), runs=fast)
        times["warm"] += timed_ms(warm, runs=slow)
    twin = None
    if leaves <= TWIN_UP_TO:
        twin = median(
            timed_ms(
                lambda: twin_balance(projection, snapshot, strategy=STRATEGIES[strategy], fair_in=FairIn.POWER),
                runs=1,
            )
        )
    return Measured(
        connectors=leaves,
        rows=rows,
        case=case,
        refused=float((allocation.verdict >= 2).sum() / max(1, (allocation.verdict > 0).sum())),
        twin=twin,
        **{name: median(values) for name, values in times.items()},
    )


def _highs(projection: Projection, snapshot: Snapshot) -> tuple[Callable[[], None], Callable[[], None]]:
    """Cold: the model is passed and solved from nothing. Warm: every leaf's bound moves by 2 %, and it goes on."""
    lp = maximum_throughput(projection, snapshot)
    kept = solver()
    kept.passModel(lp)
    kept.run()
    flows = lp.num_row_
    first = [True]
    upper = [float(value) for value in lp.col_upper_]

    def cold() -> None:
        fresh = solver()
        fresh.passModel(lp)
        fresh.run()
        assert fresh.getModelStatus() == highspy.HighsModelStatus.kOptimal

    def warm() -> None:
        first[0] = not first[0]
        factor = 1.0 if first[0] else 0.98
        for column in range(flows, lp.num_col_):
            kept.changeColBounds(column, 0.0, upper[column] * factor)
        kept.run()
        assert kept.getModelStatus() == highspy.HighsModelStatus.kOptimal

    return cold, warm


def table(found: list[Measured]) -> str:
    """Markdown."""
    lines = [
        "| connectors | rows | case | refused | fill ms | ns per leaf and row | balance ms | balance / fill "
        "| HiGHS cold ms | cold / fill | cold / balance | warm / balance | twin / balance |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        twin = "" if row.twin is None else f"{row.twin / row.balance:.0f}"
        lines.append(
            f"| {row.connectors} | {row.rows} | {row.case} | {row.refused:.0%} | {row.fill:.3g} "
            f"| {row.fill * 1e6 / row.connectors / row.rows:.0f} | {row.balance:.3g} | {row.balance / row.fill:.1f} "
            f"| {row.cold:.3g} | {row.cold / row.fill:.0f} | {row.cold / row.balance:.0f} "
            f"| {row.warm / row.balance:.0f} | {twin} |"
        )
    return "\n".join(lines)


def growth(found: list[Measured]) -> str:
    """How much longer ten times the connectors take."""
    by_key = {(row.rows, row.case, row.connectors): row for row in found}
    lines = ["| rows | case | from | to | fill grows | balance grows |", "|---|---|---|---|---|---|"]
    for (rows, case, connectors), row in by_key.items():
        larger = by_key.get((rows, case, connectors * 10))
        if larger:
            lines.append(
                f"| {rows} | {case} | {connectors} | {larger.connectors} "
                f"| {larger.fill / row.fill:.1f} x | {larger.balance / row.balance:.1f} x |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print the tables; a line per case on stderr while it works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,10000,100000")
    parser.add_argument("--rows", default="1,4")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    found: list[Measured] = []
    for rows in (int(value) for value in chosen.rows.split(",")):
        for size in (int(value) for value in chosen.sizes.split(",")):
            projection = random_projection(size, rows=rows, seed=chosen.seed)
            for case in CASES:
                print(f"{size} connectors, {rows} rows, {case} ...", file=sys.stderr, flush=True)
                found.append(measure(projection, rows=rows, case=case, seed=chosen.seed))
    print(f"Python {platform.python_version()}, {platform.machine()}, HiGHS {highspy.Highs().version()}\n")  # type: ignore[no-untyped-call]
    print(table(found))
    print()
    print(growth(found))


if __name__ == "__main__":
    main()
