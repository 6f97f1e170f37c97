"""`busbar demo` as people start it: the page opens by its link, the depot is busy, and nothing stays behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from busbar.entrypoints.cli import main

START_WITHIN_S = 240.0
BUSY_WITHIN_S = 40.0
END_WITHIN_S = 25.0
ROOT = Path(__file__).parents[2]
MAIN = "from busbar.entrypoints.cli import main; raise SystemExit(main())"


@dataclass
class Demo:
    """One that runs."""

    process: subprocess.Popen[str]
    folder: Path
    """Where it may put what it throws away."""
    log: Path
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The one-time link."""
        found: str = self.document["url"]
        return found

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def charge_points(self) -> list[int]:
        """Processes that play its charge points."""
        wanted = f"ws://127.0.0.1:{self.document['ocpp_port']}"
        return [pid for pid, words in _processes() if wanted in words]

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def _processes() -> Iterator[tuple[int, list[str]]]:
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            yield int(place.name), [word.decode(errors="replace") for word in words]


@contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator[Demo]:
    """It runs, and has said where it is seen."""
    folder, log = tmp_path / "temporary", tmp_path / "log"
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "demo", "--port", "0", "--json", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            env=environment,
        )
    running = Demo(process=process, folder=folder, log=log)
    try:
        running.document = _first_document(running)
        _validator().validate(running.document)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_WITHIN_S)
        if process.stdout is not None:
            process.stdout.close()


def _first_document(running: Demo) -> dict[str, Any]:
    assert running.process.stdout is not None
    lines: list[str] = []
    until_s = time.monotonic() + START_WITHIN_S
    while not lines or lines[-1] != "}\n":
        line = running.process.stdout.readline()
        assert line, running.said()
        assert time.monotonic() < until_s, running.said()
        lines.append(line)
    found: dict[str, Any] = json.loads("".join(lines))
    return found


@cache
def _validator() -> Draft202012Validator:
    found = json.loads((files("busbar.entrypoints") / "schemas" / "demo.1.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def until(is_so: Callable[[], bool], what: Callable[[], str], *, within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s, what()
        time.sleep(0.2)


def test_the_page_opens_by_its_link_and_shows_a_busy_depot(tmp_path: Path) -> None:
    with demo(tmp_path) as running, httpx.Client(trust_env=False, timeout=10) as browser:
        page = browser.get(running.url, follow_redirects=True)
        assert page.status_code == 200, page.text
        assert page.headers["content-type"].startswith("text/html")
        assert "Busbar" in page.text
        api = f"{running.origin}/api/v1"
        me = browser.get(f"{api}/me").json()
        assert (me["name"], me["role"], me["depot_id"]) == ("demo", "operator", "wa_pta")
        last: dict[str, Any] = {}

        def is_busy() -> bool:
            """Vehicles draw, some are held back by a limit, and both meters have spoken."""
            answer = browser.get(f"{api}/depots/wa_pta/status")
            if answer.status_code != 200:
                return False
            last.update(answer.json())
            drawing = [each for each in last["connectors"] if each["draw"] and each["draw"]["value"] > 0]
            held = [each for each in last["connectors"] if each["bound_by"] and each["bound_by"]["limit"] != "request"]
            metered = [each for each in last["nodes"] if each["id"] in ("GC1", "GC2")]
            return len(drawing) >= 10 and len(held) >= 5 and all(each["measured"] for each in metered)

        until(is_busy, lambda: f"{ {**last, 'connectors': ''} }\n{running.said()}", within_s=BUSY_WITHIN_S)
        assert last["charge_points_connected"] == last["charge_points"]
        with httpx.Client(trust_env=False) as other:
            assert other.get(f"{api}/depots/wa_pta/status").status_code == 401
            assert other.get(running.url, follow_redirects=True).status_code >= 400
        metrics = browser.get(f"{running.origin}/metrics")
        assert metrics.status_code == 200
        names = {family.name for family in text_string_to_metric_families(metrics.text) if family.samples}
        assert {"busbar_node_measured_amperes", "busbar_cycle_duration_seconds", "busbar_vehicles"} <= names
        assert running.charge_points()


def test_it_ends_by_itself_after_the_time_given(tmp_path: Path) -> None:
    with demo(tmp_path, "--for", "4") as running:
        began_s = time.monotonic()
        assert running.process.wait(END_WITHIN_S) == 0, running.said()
        assert time.monotonic() - began_s > 3
    assert "Traceback" not in running.said()
    _nothing_stays(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as running:
        until(lambda: bool(running.charge_points()), running.said, within_s=BUSY_WITHIN_S)
        running.process.send_signal(number)
        assert running.process.wait(END_WITHIN_S) == 0, running.said()
    assert "Traceback" not in running.said()
    _nothing_stays(running)


def test_charge_points_end_even_where_the_demo_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        until(lambda: bool(running.charge_points()), running.said, within_s=BUSY_WITHIN_S)
        running.process.kill()
        running.process.wait(END_WITHIN_S)
        until(lambda: not running.charge_points(), lambda: "charge points are left", within_s=END_WITHIN_S)


def _nothing_stays(running: Demo) -> None:
    assert not running.charge_points()
    assert [place.name for place in running.folder.iterdir() if place.name.startswith("busbar-demo-")] == []


def test_a_port_that_is_taken_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err


def test_a_folder_goes_with_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", str(tmp_path / "night")]) == 2
    assert f"busbar demo --report {tmp_path / 'night'}" in capsys.readouterr().err


def test_the_simulated_night_is_still_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--report", str(tmp_path / "night")]) == 0
    printed = capsys.readouterr().out
    first_story = (ROOT / "docs" / "fifteen_minutes.md").read_text(encoding="utf-8").split("## 2.")[0]
    said = re.findall(r"`(✔ [^`]+)`", first_story)
    assert any("No limit was broken" in each for each in said)
    assert [each for each in said if each not in printed] == []
    assert list((tmp_path / "night").iterdir())


def test_a_database_of_its_own_stays_and_that_is_said(tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    found = subprocess.run(
        [sys.executable, "-c", MAIN, "demo", "--port", "0", "--for", "1", "--database", f"sqlite:///{kept}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_WITHIN_S,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert kept.is_file()
    assert "Ctrl-C ends the demo; its database stays." in found.stderr
    assert "nothing of it stays" not in found.stderr
