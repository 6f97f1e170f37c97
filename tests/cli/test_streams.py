"""The command line as a process: streams, colours, pipes, and what starting it costs."""

import os
import pty
import subprocess
import sys

import pytest
from cli_runs import DEPOT, SNAPSHOT, Run

ESCAPE = "\x1b"
MAIN = "from busbar.entrypoints.cli import main; raise SystemExit(main())"


def in_a_terminal(*arguments: str, **environment: str) -> str:
    """What a person at a terminal sees."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # The other end is closed.
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert done.wait(timeout=60) == 0
    return seen.decode()


def test_a_pipe_gets_plain_text(process: Run) -> None:
    answer = process("balance", DEPOT, SNAPSHOT)
    assert (answer.code, answer.err) == (0, "")
    assert "▲ CONSTRAINED" in answer.out
    assert ESCAPE not in answer.out


def test_a_terminal_gets_colours_and_the_same_words() -> None:
    seen = in_a_terminal("tree", DEPOT)
    assert ESCAPE in seen
    assert "640 A" in seen


def test_no_color_means_no_codes_at_all() -> None:
    assert ESCAPE not in in_a_terminal("tree", DEPOT, NO_COLOR="1")


def test_a_refusal_goes_to_stderr_with_exit_code_2(process: Run) -> None:
    answer = process("tree", "nowhere.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert "There is no such file." in answer.err
    assert ESCAPE not in answer.err


def test_a_terminal_that_cannot_show_bars_still_gets_an_answer(process: Run) -> None:
    answer = process("tree", DEPOT, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert answer.code == 0
    assert "640 A" in answer.out


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    command = f"{sys.executable} -c '{MAIN}' balance {DEPOT} {SNAPSHOT} --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "{\n0\n"
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_nobodys_bug() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "tree", DEPOT], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr


def test_validate_loads_neither_compiler_nor_database_driver(process: Run) -> None:
    code = (
        "import sys; from busbar.entrypoints.cli import main; main(['validate', sys.argv[1]]);"
        "print([name for name in ('numba', 'sqlalchemy', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, DEPOT], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_public_names_are_there_and_cost_nothing_until_used() -> None:
    code = (
        "import sys, busbar; assert 'numpy' not in sys.modules;"
        "from busbar import audit, balance, load_depot, load_snapshot, project;"
        "depot = load_depot(sys.argv[1]); projection = project(depot);"
        "snapshot = load_snapshot(sys.argv[2], projection);"
        "allocation = balance(projection, snapshot, strategy='equal_share', fair_in='power');"
        "assert audit(projection, snapshot, allocation) == []; print(allocation.outcome)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, DEPOT, SNAPSHOT], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == ("CONSTRAINED\n", "")
