"""The report: one page that needs nothing else, series, a summary, the same bytes every time."""

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_scenarios import made, write_scenario

import busbar
from busbar.core.depot import Leaves
from busbar.simulator.compare import as_document, as_markdown, compare
from busbar.simulator.play import play
from busbar.simulator.report import page_of, write_report
from busbar.simulator.results import summary
from busbar.simulator.scenario import sharing_among

PROGRAM = """
import sys
from pathlib import Path
from busbar.simulator.play import play
from busbar.simulator.report import write_report
from busbar.simulator.scenario_file import load_scenario
write_report(play(load_scenario(sys.argv[1])), Path(sys.argv[2]))
"""
EVENTS = """\
events:
  - {from: "19:00", until: "19:30", node: GC1, envelope: 75 kVA}
  - {from: "20:00", until: "20:30", node: GC1, mode: SAFE}
expectations: [{no_limit_broken: true}, {vehicles_ready: 100 %}]
"""


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, more=EVENTS)
    source = str(Path(busbar.__file__).parents[1])
    written = []
    for hash_seed in ("0", "4711"):
        folder = tmp_path / f"report{hash_seed}"
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": source}
        subprocess.run([sys.executable, "-c", PROGRAM, str(scenario), str(folder)], check=True, env=environment)
        written.append(
            {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
        )
    assert len(written[0]) > 10
    assert written[0] == written[1]


class _Outside(HTMLParser):
    """Collects what a page would fetch, and tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag in ("script", "link", "iframe", "object", "img"):
            self.fetched.append(tag)
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_asks_for_nothing_and_closes_every_tag(tmp_path: Path) -> None:
    page = page_of(play(made(tmp_path, more=EVENTS)))
    reader = _Outside()
    reader.feed(page)
    assert reader.fetched == []
    assert reader.open == []
    assert not re.search(r"https?://|url\(|@import", page)
    assert "nan" not in page.lower().replace("finance", "")


def test_the_page_says_what_a_person_asks(tmp_path: Path) -> None:
    page = page_of(play(made(tmp_path, more=EVENTS)))
    for words in ("✓ As expected", "3 of 3", "GC1", "bus1", "not seen (SAFE)", "envelope of 75 kVA", "Held back"):
        assert words in page, words


def test_names_from_a_file_cannot_become_markup(tmp_path: Path) -> None:
    scenario = made(tmp_path)
    text = (tmp_path / "night.yaml").read_text()
    (tmp_path / "night.yaml").write_text(
        text.replace("Two buses and a van", "<script>alert(1)</script>").replace("bus1", '"<b>&1"')
    )
    assert scenario.name == "Two buses and a van"
    from busbar.simulator.scenario_file import load_scenario

    page = page_of(play(load_scenario(tmp_path / "night.yaml")))
    assert "<script>" not in page
    assert "<b>&1" not in page
    assert "&lt;b&gt;&amp;1" in page


def test_series_have_a_line_per_cycle_and_a_column_per_node_or_vehicle(tmp_path: Path) -> None:
    played = play(made(tmp_path))
    page = write_report(played, tmp_path / "report")
    assert page.name == "report.html"
    with (tmp_path / "report" / "series" / "node_flow_total_w.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["time", "small", "GC1", "CP2", "C1", "CP1"]
    assert len(rows) == 1 + 240
    assert rows[1][0] == "2026-07-14T18:00:00+08:00"
    with (tmp_path / "report" / "series" / "vehicle_soc.csv").open() as stream:
        socs = list(csv.DictReader(stream))
    assert (socs[0]["bus1"], socs[10]["bus1"]) == ("", "0.3000")
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert summary["schema"] == "busbar/simulation/1"
    assert summary["ok"] is True
    assert {vehicle["id"] for vehicle in summary["vehicles"]} == {"bus1", "bus2", "van1"}


@pytest.mark.parametrize("leaves", Leaves)
def test_the_page_and_the_summary_say_how_it_was_shared(tmp_path: Path, leaves: Leaves) -> None:
    played = play(sharing_among(made(tmp_path), leaves))
    assert f"<b>equal_share</b> among <b>{leaves.plural}</b>, fair in power" in page_of(played)
    assert summary(played)["leaves"] == leaves.value


def test_either_leaf_is_compared_on_the_same_night(tmp_path: Path) -> None:
    lines = compare(made(tmp_path), strategies=("equal_share", "priority"), leaves=tuple(Leaves))
    assert [(line.strategy, line.leaves) for line in lines] == [
        (strategy, leaves) for strategy in ("equal_share", "priority") for leaves in Leaves
    ]
    assert len({line.totals["energy_needed_wh"] for line in lines}) == 1
    assert [line.limits_broken for line in lines] == [0] * 4


def test_strategies_are_compared_on_the_same_night(tmp_path: Path) -> None:
    seen = []
    lines = compare(
        made(tmp_path),
        strategies=("equal_share", "first_come"),
        progress=lambda scenario, strategy, done, of: seen.append((scenario, strategy, done, of)),
    )
    assert [line.strategy for line in lines] == ["equal_share", "first_come"]
    assert lines[0].totals["energy_needed_wh"] == lines[1].totals["energy_needed_wh"]
    assert seen[-1] == ("night", "first_come", 240, 240)
    table = as_markdown(lines)
    assert table.count("\n| `") == 2
    assert "3 of 3" in table
    document = as_document(lines)
    assert document["lines"][1]["strategy"] == "first_come"
    assert document["lines"][1]["limits_broken"] == 0
