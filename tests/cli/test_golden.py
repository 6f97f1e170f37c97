"""What people see of the example depot, word for word.

Renew the texts after a wanted change with `BUSBAR_RENEW=1 pytest tests/cli/test_golden.py`, and read the difference.
"""

import os
from pathlib import Path

import pytest
from cli_runs import DEPOT, SNAPSHOT, Run

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tree", ["tree", DEPOT]),
        ("balance", ["balance", DEPOT, SNAPSHOT]),
        ("explain", ["explain", DEPOT, SNAPSHOT, "CP1/1"]),
    ],
)
def test_the_example_reads_as_it_did(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    golden = GOLDEN / f"{name}_{columns}.txt"
    answer = run(*arguments)
    if os.environ.get("BUSBAR_RENEW"):
        golden.write_text(answer.out, encoding="utf-8")
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out == golden.read_text(encoding="utf-8")
    assert max(len(line) for line in answer.out.splitlines()) <= int(columns)
