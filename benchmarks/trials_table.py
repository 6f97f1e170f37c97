"""Sums of trials (`busbar simulate --faults --into FILE`) as Markdown, and into a page: what ran, what was missed, the
worst reaction times, faults by kind."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from busbar.simulator.fault import FaultKind
from busbar.simulator.trials.pairs import ALL_PAIRS
from busbar.simulator.trials.totals import Totals, read_totals
from soak_table import put_into

TIMES = {
    "over after a change, s": "back under a limit after a change",
    "R5 meter lost until SAFE": "SAFE after a meter is lost",
    "R6 restart until a cycle": "a cycle after a restart",
    "R7 less than the optimum, %": "less than the optimum in calm",
}
"""Figure -> what it says."""
_MOST_FAILING = 20


def table(sums: Sequence[Totals]) -> str:
    """Every sum is a row, then all of them together by kind of fault."""
    lines = [
        "| drawn upon | seeds | cycles | faults | pairs met | restarts | missed a goal | ms per cycle | digest |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(each) for each in sums),
        "",
        "| worst | " + " | ".join(TIMES.values()) + " |",
        "|---|" + "---|" * len(TIMES),
        *(_worst(each) for each in sums),
    ]
    failing = [
        f"- {each.upon or 'their own depots'}, seed {one.seed}: {one.texts[0] if one.texts else ', '.join(one.goals)}"
        for each in sums
        for one in each.failing[:_MOST_FAILING]
    ]
    kinds = ", ".join(f"{kind.value} {sum(each.faults.get(kind.value, 0) for each in sums):,}" for kind in FaultKind)
    mended = [
        f"- {each.upon or 'their own depots'}, seed {one.seed} at {one.commit}: {one.texts[0] if one.texts else ''}"
        for each in sums
        for one in each.mended
    ]
    parts = [*lines, ""]
    if failing:
        parts += ["Missed still:", "", *failing, ""]
    if mended:
        parts += ["Missed once, mended, and met when they were run again:", "", *mended, ""]
    return "\n".join([*parts, f"First run at: {_commits(sums)}.", "", f"Faults by kind: {kinds}."])


def _commits(sums: Sequence[Totals]) -> str:
    counts: Counter[str] = Counter()
    for each in sums:
        counts.update(each.commits)
    return ", ".join(f"`{commit or 'an installed package'}` ({count:,})" for commit, count in counts.items())


def _row(totals: Totals) -> str:
    seeds = ", ".join(f"{first}:{until}" for first, until in totals.seeds)
    missed = f"{totals.failed + len(totals.mended):,}, of which {len(totals.mended):,} mended"
    per_cycle = "" if totals.ms_per_cycle is None else f"{totals.ms_per_cycle:.1f}"
    cells = (
        totals.upon or "depots of their own, half an hour",
        seeds,
        f"{totals.cycles:,}",
        f"{sum(totals.faults.values()):,}",
        f"{len(totals.pairs)} of {len(ALL_PAIRS)}",
        f"{totals.lives - totals.trials:,}",
        missed,
        per_cycle,
        f"`{totals.digest[:12]}`",
    )
    return f"| {' | '.join(cells)} |"


def _worst(totals: Totals) -> str:
    units = {name: "%" if name.endswith("%") else "s" for name in TIMES}
    cells = [
        f"{worst.value:.1f} {units[name]} (seed {worst.seed})" if (worst := totals.figures.get(name)) else ""
        for name in TIMES
    ]
    return f"| {totals.upon or 'depots of their own'} | {' | '.join(cells)} |"


def main() -> None:
    """Print it, or put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sums", nargs="+", type=Path, metavar="FILE.json", help="what `--into` wrote")
    parser.add_argument("--into", type=Path, metavar="FILE.md", help="into this page; printed otherwise")
    parser.add_argument("--mark", default="trials", help="between <!-- NAME --> and <!-- /NAME -->")
    given = parser.parse_args()
    found = table([read_totals(path) for path in given.sums])
    if given.into is None:
        print(found)
    else:
        put_into(given.into, found, begin=f"<!-- {given.mark} -->", end=f"<!-- /{given.mark} -->")


if __name__ == "__main__":
    main()
