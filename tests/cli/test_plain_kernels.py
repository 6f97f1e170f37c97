"""A small depot is balanced by the plain kernels: nobody can tell from the result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "scenarios" / "examples"


def _printed(command: str, *more: str, is_plain: bool) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    if not is_plain:
        environment["NUMBA_DISABLE_JIT"] = "0"
    files = [str(EXAMPLES / "depot.yaml"), str(EXAMPLES / "snapshot.yaml")]
    return subprocess.run(
        [sys.executable, "-m", "busbar", command, *files, *more, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout


@pytest.mark.parametrize("strategy", ["equal_share", "least_laxity", "earliest_departure"])
def test_plain_and_compiled_kernels_balance_alike(strategy: str) -> None:
    plain, compiled = (_printed("balance", "--strategy", strategy, is_plain=is_plain) for is_plain in (True, False))
    assert plain == compiled
    assert '"setpoint"' in plain


def test_plain_and_compiled_kernels_explain_alike() -> None:
    plain, compiled = (_printed("explain", "CP9/1", is_plain=is_plain) for is_plain in (True, False))
    assert plain == compiled
