"""R10: the same seed gives the same bytes, whatever the process; another seed gives others."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 600
"""Of the half hour: long enough for a dozen faults."""
PROGRAM = f"""
import sys
from busbar.simulator.trials.drawn import drawn_scenario
from busbar.simulator.trials.shrink import shortened
from busbar.simulator.trials.summary import run_scenario

seed = int(sys.argv[1])
summary = run_scenario(shortened(drawn_scenario(seed), {SECONDS}), seed=seed)
print(summary.digest, summary.frames, summary.cycles, sorted(summary.figures.items()))
"""


def run(seed: int, hash_seed: int) -> str:
    """What a process of its own says of a trial."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", PROGRAM, str(seed)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    return answer.stdout


def test_the_same_seed_gives_the_same_bytes_in_processes_that_hash_differently() -> None:
    first, second = run(11, hash_seed=1), run(11, hash_seed=4_242)
    assert first == second
    assert len(first.split()[0]) == 64


def test_another_seed_gives_other_bytes() -> None:
    assert run(12, hash_seed=1).split()[0] != run(11, hash_seed=1).split()[0]
