"""Many trials: parts add up to the whole in any order, on disk too; nothing counts twice; broken ones are counted."""

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from tiny_trials import SEVERAL, Never, small_trial

from busbar.core.errors import BusbarError
from busbar.simulator.fault import FaultKind
from busbar.simulator.trials.many import run_many
from busbar.simulator.trials.summary import BROKEN_OFF, Summary, run_scenario
from busbar.simulator.trials.totals import (
    Totals,
    Worst,
    added,
    as_document,
    from_document,
    of_one,
    read_totals,
    run_again,
    write_totals,
)
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight


def made(seed: int) -> Summary:
    """As a trial could have gone."""
    kinds = tuple(FaultKind)
    fails = seed % 3 == 0
    return Summary(
        seed=seed,
        violations=(Violation(goal="R1", at_s=12.0, text="too much"),) if fails else (),
        missed={"R1": 2} if fails else {},
        digest=f"{seed + 1:064x}",
        cycles=360,
        frames=1_000 + seed,
        struck=seed,
        lives=1 + seed % 2,
        faults={kinds[seed]: 2, kinds[seed + 1]: 1},
        pairs=frozenset((frozenset((kinds[seed], kinds[seed + 1])),)),
        figures={"limit_obeyed_s": 10.0 - seed, f"only_{seed}": 1.0},
        cpu_s=0.5,
    )


def together(parts: Iterable[Totals]) -> Totals:
    totals = Totals()
    for part in parts:
        totals = added(totals, part)
    return totals


def test_parts_add_up_to_the_same_in_every_order() -> None:
    parts = [of_one(made(seed)) for seed in (0, 1, 2, 5)]
    whole = together(parts)
    for order in permutations(parts):
        assert together(order) == whole
    assert added(together(parts[:2]), together(parts[2:])) == whole
    assert whole.seeds == ((0, 3), (5, 6))
    assert (whole.trials, whole.failed, whole.violations) == (4, 1, {"R1": 2})
    assert (whole.cycles, whole.frames, whole.lives) == (4 * 360, 4_008, 6)
    assert whole.figures["limit_obeyed_s"] == Worst(value=10.0, seed=0)
    assert whole.ms_per_cycle == pytest.approx(1000 * 0.5 / 360)
    assert whole.faults["message_delayed"] == 3
    assert whole.pairs["message_delayed+message_lost"] == 1


def test_a_sum_comes_back_from_its_file(tmp_path: Path) -> None:
    path, whole = tmp_path / "sum.json", together(of_one(made(seed)) for seed in (0, 1, 3))
    assert read_totals(path) == Totals()
    write_totals(whole, path)
    assert read_totals(path) == whole
    assert [each.name for each in tmp_path.iterdir()] == ["sum.json"]
    assert from_document(json.loads(json.dumps(as_document(whole)))) == whole


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "busbar/trials/1"}', '{"schema": "busbar/trial/1"}'])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sum.json"
    path.write_text(text)
    with pytest.raises(BusbarError, match="not"):
        read_totals(path)


def test_a_seed_does_not_count_twice() -> None:
    with pytest.raises(BusbarError, match="seed 1 is in both"):
        added(together(of_one(made(seed)) for seed in (0, 1, 2)), of_one(made(1)))


def test_every_seed_is_run_once_in_this_process_and_in_others() -> None:
    assert [each.seed for each in run_many(range(3), workers=1, run=made)] == [0, 1, 2]
    found = {each.seed: each for each in run_many(range(9), workers=2, run=made)}
    assert found == {seed: made(seed) for seed in range(9)}


def test_a_trial_that_failed_and_holds_now_is_mended(tmp_path: Path) -> None:
    whole = together(of_one(made(seed), commit="abc") for seed in (0, 1, 3))
    assert (whole.failed, whole.commits) == (2, {"abc": 3})
    holds = replace(made(3), missed={}, violations=())
    now = run_again(whole, holds, commit="def")
    assert (now.failed, [each.seed for each in now.failing]) == (1, [0])
    assert [(each.seed, each.commit) for each in now.mended] == [(3, "abc")]
    write_totals(now, tmp_path / "sum.json")
    assert read_totals(tmp_path / "sum.json") == now
    assert run_again(now, made(0), commit="def").failing[0].commit == "def", "it fails still"
    with pytest.raises(BusbarError, match="seed 1 is not among those that failed"):
        run_again(whole, made(1))


def test_closing_a_run_leaves_the_rest_undone() -> None:
    begun: list[int] = []

    def note(seed: int) -> Summary:
        begun.append(seed)
        return made(seed)

    run = run_many(range(30), workers=1, run=note)
    next(run)
    run.close()
    assert begun == [0]


def test_a_trial_says_how_often_each_goal_was_missed_and_what_met() -> None:
    def goals() -> tuple[Goal, ...]:
        return (Never(kinds=frozenset((FaultKind.STORE_FAILS,))),)

    found = run_scenario(small_trial(SEVERAL[:3], duration_s=45), seed=7, goals=goals)
    assert found.missed == {"never": 20}
    assert found.cycles > 5
    assert found.frames > 10
    assert len(found.pairs) == 3
    assert of_one(found).failing[0].texts[0] == "never at 20 s: store_fails"


def test_a_trial_that_breaks_off_counts_as_one_that_missed_its_goals() -> None:
    class Breaks(Goal):
        def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
            raise ZeroDivisionError("made up")

    found = run_scenario(small_trial((), duration_s=10), seed=7, goals=lambda: (Breaks(),))
    assert found.missed == {BROKEN_OFF: 1}
    assert "ZeroDivisionError: made up" in found.violations[0].text
    assert of_one(found).failed == 1
