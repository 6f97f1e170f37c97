"""The benchmark of the live service runs, and measures what it says. How fast that is, is not looked at here."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "live.py"
COUNT = 50
WITHIN_S = 300.0


def test_every_charge_point_is_lowered_at_rest_and_under_load() -> None:
    run = subprocess.run(
        [sys.executable, str(BENCHMARK), "--smoke", "--sizes", str(COUNT), "--json"],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (found,) = json.loads(run.stdout)
    assert found["charge_points"] == COUNT
    assert found["lost"] == found["failures"] == 0
    assert found["answers"]["accepted"] >= 3 * COUNT
    assert found["answers"]["no_answer"] == found["answers"]["refused"] == 0
    cuts = [*found["cuts"], *found["overload"]["cuts"]]
    assert len(cuts) == 2
    for cut in cuts:
        assert cut["is_all"], cut
        assert cut["answered"] == COUNT
        assert 0 < cut["since_release_s"]["last"] <= cut["since_noticed_s"]["last"]
    assert found["steady"]["measured_per_s"] > COUNT / 4
    assert found["overload"]["twice"]["sent_per_s"] > found["overload"]["saturating_per_s"]
