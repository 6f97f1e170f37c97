"""The Grafana dashboard and the metrics: neither asks for, nor offers, what the other does not know."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from busbar.entrypoints.api.metrics import families

DEPLOY = Path(__file__).parents[2] / "deploy"
_NAME = re.compile(r"\b((?:busbar|process)_[a-z_]+)")
_SELECTOR = re.compile(r"\b(busbar_[a-z_]+)\{([^}]*)\}")
_BY = re.compile(r"by \(([^)]*)\)")
GIVEN_BY_PROMETHEUS = {"instance", "job", "le"}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "busbar.json").read_text(encoding="utf-8"))
    return found


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Everything that the dashboard asks Prometheus."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"]


def offered() -> dict[str, Metric]:
    """Every series' name, as Prometheus stores it, and its family."""
    found: dict[str, Metric] = {}
    for family in families([], now=datetime.now(UTC)):
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {family.name + end: family for end in ends}
    return found


def test_every_metric_the_dashboard_uses_exists(dashboard: dict[str, Any]) -> None:
    used = {name for text in expressions(dashboard) for name in _NAME.findall(text) if name.startswith("busbar_")}
    assert used <= set(offered())
    assert used


def test_every_metric_is_on_the_dashboard(dashboard: dict[str, Any]) -> None:
    used = {offered()[name].name for text in expressions(dashboard) for name in _NAME.findall(text) if "busbar" in name}
    assert {family.name for family in offered().values()} == used


def test_labels_that_the_dashboard_asks_by_are_those_of_the_metrics(dashboard: dict[str, Any]) -> None:
    known = offered()
    compared = 0
    for text in expressions(dashboard):
        for name, selector in _SELECTOR.findall(text):
            labels = set(known[name]._labelnames)  # type: ignore[attr-defined]
            asked = {part.partition("=")[0].rstrip("=!~ ") for part in selector.split(",") if part}
            assert asked <= labels | GIVEN_BY_PROMETHEUS, text
            grouped = {label.strip() for group in _BY.findall(text) for label in group.split(",")}
            assert grouped <= labels | GIVEN_BY_PROMETHEUS, text
            compared += 1
    assert compared > 25


def test_it_can_be_imported_anywhere(dashboard: dict[str, Any]) -> None:
    """By what Grafana 11 asks of a dashboard that comes from elsewhere."""
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert list(variables)[:3] == ["datasource", "depot", "node"]
    assert dashboard["schemaVersion"] >= 39
    assert "id" not in dashboard
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & places, panel["title"]
        places |= squares
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["title"]
            assert panel["description"]
    assert any(panel.get("repeat") == "node" for panel in dashboard["panels"])


def test_the_example_for_prometheus_reads_its_token_from_a_file() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["type"] == "Bearer"
    assert "credentials" not in job["authorization"]
    assert job["authorization"]["credentials_file"]
