"""The docs are true: every output shown in them is what the command named above it prints."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"(<!-- output of: (?P<command>[^>]+?) -->\n```[a-z]*\n)(?P<text>.*?)(```)", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")
RENEW = "BUSBAR_RENEW_DOCS"


def run(command: str) -> str:
    words = shlex.split(command)
    assert words[0] == "busbar", command
    found = subprocess.run(
        [sys.executable, "-m", "busbar", *words[1:]],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode in (0, 1, 2), found.stderr
    assert found.stdout or found.stderr, f"{command} printed nothing"
    return found.stdout + (found.stderr if found.returncode == 2 else "")


def shown_outputs() -> list[tuple[Path, str, str]]:
    return [(page, found["command"], found["text"]) for page in PAGES for found in SHOWN.finditer(page.read_text())]


@pytest.mark.parametrize(
    ("page", "command", "text"), [pytest.param(*shown, id=f"{shown[0].name}: {shown[1]}") for shown in shown_outputs()]
)
def test_every_output_in_the_docs_is_what_the_command_prints(page: Path, command: str, text: str) -> None:
    printed = "".join(line.rstrip() + "\n" for line in run(command).splitlines())
    if os.environ.get(RENEW):
        old = page.read_text()
        page.write_text(SHOWN.sub(lambda m: m[1] + printed + m[4] if m["command"] == command else m[0], old))
        return
    assert text == printed, f"{page.name} shows something else; renew with {RENEW}=1"


def test_the_docs_show_outputs_at_all() -> None:
    assert len(shown_outputs()) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_the_strategies_of_the_smallest_night_deliver_what_the_docs_say() -> None:
    """The two large nights are played by `make strategies`, which renews the whole table."""
    printed = run("busbar compare scenarios/small_ac.yaml --leaves both --markdown").strip()
    assert "| `least_laxity` |" in printed
    assert printed in (ROOT / "docs" / "strategies.md").read_text()


def named_tests() -> list[tuple[str, str]]:
    """File and function of every test that the promises name; `...::name` is in the file named before."""
    found, file = [], ""
    text = (ROOT / "docs" / "promises.md").read_text()
    for given, name, other in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`|`\.\.\.::(\w+)`", text):
        file = given or file
        found.append((file, name or other))
    return found


@pytest.mark.parametrize(("file", "name"), named_tests())
def test_every_promise_is_held_by_a_test_that_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text() if name else (ROOT / file).is_file()


def test_the_promises_name_their_tests() -> None:
    assert len(named_tests()) >= 20
