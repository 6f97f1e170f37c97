"""The stories of docs/fifteen_minutes.md: what is cheap is run as typed, of the rest everything named in it exists."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from busbar.adapters.files.depot_file import load_depot
from busbar.bootstrap import shipped_scenario
from busbar.entrypoints.api import models
from busbar.entrypoints.cli import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fifteen_minutes.md"
STORY = re.compile(r"^## (?P<number>\d)\. (?P<title>.+)$")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]{20,}\]\((screenshots/([\w-]+)\.png)\)")
SEEN = re.compile(r"^\*\*You should see\*\* (.*?)\n\n", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
BUSBAR = ".venv/bin/busbar"
MOST_BYTES = 200_000
COMMANDS = ("busbar", "make", "curl", "sed", "mkdir", "rm", "TOKEN=$(")


@dataclass(frozen=True, kw_only=True)
class Story:
    """One story of the page."""

    number: int
    title: str
    text: str

    @property
    def blocks(self) -> list[str]:
        """What is to be typed, a block at a time."""
        return BLOCK.findall(self.text)

    @property
    def lines(self) -> list[str]:
        """What is to be typed, a command at a time."""
        return [line for block in self.blocks for line in block.splitlines() if line]

    @property
    def seen(self) -> list[str]:
        """What the page says will be printed."""
        found = SEEN.search(self.text)
        return CODE.findall(found[1]) if found else []


def stories() -> list[Story]:
    """All of the page."""
    _, *parts = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = []
    for part in parts:
        match = STORY.match(part.splitlines()[0])
        assert match, part.splitlines()[0]
        found.append(Story(number=int(match["number"]), title=match["title"], text=part))
    return found


def busbar_commands() -> list[str]:
    """Every `busbar ...` of the page, without what is done with its output."""
    found = []
    for story in stories():
        for line in story.lines:
            inner = re.search(r"\$\((.+)\)", line)
            command = inner[1] if inner else line.split(" > ")[0]
            if command.startswith(BUSBAR):
                found.append(command.removeprefix(BUSBAR).replace("$RANDOM", "7").strip())
    return found


def typed(block: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A block as somebody would type it who stands in a fresh checkout."""
    for name in ("scenarios", "docs"):
        (folder / name).symlink_to(ROOT / name)
    script = block.replace(BUSBAR, f"{shlex.quote(sys.executable)} -m busbar")
    return subprocess.run(
        ["sh", "-eu"],
        input=script,
        cwd=folder,
        env={**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_there_are_six_stories_each_with_a_claim_commands_a_picture_and_what_would_prove_us_wrong() -> None:
    found = stories()
    assert [story.number for story in found] == [1, 2, 3, 4, 5, 6]
    for story in found:
        assert "**Claim.** " in story.text, story.title
        assert "**It would prove us wrong** if " in story.text, story.title
        assert re.search(r"\*About .+ minutes?\.\*", story.text), story.title
        assert story.lines, story.title
        assert story.seen or story.number == 2, story.title
        assert PICTURE.search(story.text), story.title


def test_every_line_to_be_typed_is_known_to_this_test() -> None:
    lines = [line.removeprefix(".venv/bin/") for story in stories() for line in story.lines]
    assert [line for line in lines if not line.startswith(COMMANDS)] == []


@pytest.mark.parametrize("story", stories(), ids=lambda story: f"{story.number}")
def test_every_picture_is_small_and_made_by_a_named_command(story: Story) -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in (ROOT / "docs").glob("make_*.py"))
    for path, name in PICTURE.findall(story.text):
        assert 1_000 < (ROOT / "docs" / path).stat().st_size < MOST_BYTES, path
        assert f'"{name}"' in scripts, f"no script in docs makes {path}"


@pytest.mark.parametrize("command", busbar_commands())
def test_every_command_has_the_options_and_the_files_it_is_given(command: str) -> None:
    group = typer.main.get_command(app)
    words = shlex.split(command)
    context = group.make_context("busbar", list(words))
    while hasattr(group, "commands"):
        name = words.pop(0)
        group = group.commands[name]
        # Raises where an option is not known, a value is not of its kind, or an argument is missing.
        context = group.make_context(name, list(words), parent=context)
    given = [value for value in words if value.startswith(("scenarios/", "docs/"))]
    assert [value for value in given if not (ROOT / value).is_file()] == []


def test_every_target_of_make_exists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = [line.split()[1] for story in stories() for line in story.lines if line.startswith("make ")]
    assert wanted
    assert [name for name in wanted if not re.search(rf"^{name}:", text, re.MULTILINE)] == []


def test_what_the_utility_posts_is_an_envelope_for_a_node_of_the_demo() -> None:
    [line] = [line for story in stories() for line in story.lines if line.startswith("curl ")]
    words = shlex.split(line.replace("$TOKEN", "secret"))
    wanted = models.NewEnvelope.model_validate(json.loads(words[words.index("-d") + 1]))
    depot = load_depot(shipped_scenario("wa_pta_depot"))
    address = urlsplit(words[words.index("POST") + 1])
    assert address.path == f"/api/v1/depots/{depot.id}/envelopes"
    assert wanted.node in {circuit.id for circuit in depot.circuits}
    served = next(line for story in stories() for line in story.lines if " demo --port " in line)
    assert f"--port {address.port} " in served


def test_an_explanation_comes_true_when_what_it_names_is_done(tmp_path: Path) -> None:
    story = stories()[2]
    found = typed(story.blocks[0], tmp_path)
    assert found.returncode == 0, found.stderr
    printed = " ".join(found.stdout.split())
    assert story.seen
    assert [text for text in story.seen if text not in printed] == []


def test_a_trial_of_the_page_misses_no_goal_and_what_asks_too_much_is_not_accepted(tmp_path: Path) -> None:
    story = stories()[5]
    found = typed(story.blocks[0], tmp_path)
    assert found.returncode == 1, found.stderr
    assert story.seen
    assert [text for text in story.seen if text not in found.stdout] == []


def test_the_killed_server_is_as_expected_in_made_up_time_too(tmp_path: Path) -> None:
    found = typed(stories()[4].blocks[0].replace(" --live", ""), tmp_path)
    assert found.returncode == 0, found.stdout
    assert "✔ All as expected." in found.stdout
    assert (tmp_path / "reports" / "killed" / "acceptance.html").is_file()


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "acceptance.md"], ids=lambda page: page.name)
def test_the_page_is_found_from_where_people_begin(page: Path) -> None:
    assert "fifteen_minutes.md" in page.read_text(encoding="utf-8")
