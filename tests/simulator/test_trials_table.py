"""Sums of trials as they stand in the docs."""

from busbar.simulator.trials.totals import Failing, Totals, Worst
from trials_table import table

SMALL = Totals(
    seeds=((0, 100),),
    cycles=39_000,
    lives=180,
    faults={"meter_silent": 70},
    pairs={"meter_silent+store_fails": 2},
    figures={"R5 meter lost until SAFE": Worst(value=66.4, seed=12)},
    cpu_s=390.0,
    mended=(Failing(seed=12, goals=("R7",), texts=("R7 at 9 s: idle",), commit="abc"),),
    commits={"abc": 100},
)
LARGE = Totals(
    upon="utility_35, 24 h",
    seeds=((0, 2), (3, 4)),
    failed=1,
    failing=(Failing(seed=3, goals=("R3",), texts=("R3 at 60 s: GC1 carries too much",)),),
    violations={"R3": 2},
    cycles=17_280,
    lives=90,
    faults={"meter_silent": 40, "store_fails": 3},
    cpu_s=86.4,
    commits={"def": 3},
)


def test_every_sum_says_what_ran_and_what_was_missed() -> None:
    found = table([SMALL, LARGE])
    small = "| depots of their own, half an hour | 0:100 | 39,000 | 70 | 1 of 561 | 80 | 1, of which 1 mended | 10.0 |"
    assert small in found
    large = "| utility_35, 24 h | 0:2, 3:4 | 17,280 | 43 | 0 of 561 | 87 | 1, of which 0 mended | 5.0 |"
    assert large in found
    still, mended = found.split("Missed once, mended")
    assert "- utility_35, 24 h, seed 3: R3 at 60 s: GC1 carries too much" in still
    assert "- their own depots, seed 12 at abc: R7 at 9 s: idle" in mended
    assert "First run at: `abc` (100), `def` (3)." in found


def test_worst_times_and_kinds_of_fault_are_told() -> None:
    found = table([SMALL, LARGE])
    assert "66.4 s (seed 12)" in found
    assert "meter_silent 110, " in found
    assert "process_killed 0" in found
