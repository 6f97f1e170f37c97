"""Running the command line: in this process for speed, or as a process of its own where that is the point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import ROOT, Answer, Run

from busbar.entrypoints.cli import main


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The repository as working directory, 120 columns, and no database but one in a folder of the test's own."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("BUSBAR_DATABASE", f"sqlite:///{tmp_path / 'kept' / 'busbar.db'}")
    for name in ("NO_COLOR", "FORCE_COLOR", "BUSBAR_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str | Path) -> Answer:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code=code, out=captured.out, err=captured.err)

    return command


@pytest.fixture
def process() -> Run:
    def command(*arguments: str | Path, **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-c", "from busbar.entrypoints.cli import main; raise SystemExit(main())", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, **environment},
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    return command
