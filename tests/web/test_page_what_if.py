"""The screen What if: asked and answered side by side, refused beside the field, and nothing sent or stored."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_service import Running, serving
from playwright.sync_api import Browser, expect
from watched_page import watched

from busbar.adapters.files.depot_file import load_depot
from busbar.core.depot import Leaves
from busbar.core.projection import project

pytestmark = pytest.mark.chromium

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture
def running() -> Iterator[Running]:
    with serving() as found:
        yield found


def test_before_it_is_run_the_page_says_what_it_is_for(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("what-if")
        expect(seen.page.get_by_role("heading", name="What would happen?")).to_be_visible()
        expect(seen.page.get_by_role("form")).to_contain_text("Nothing is sent to any charge point")


def test_a_lower_limit_shows_before_and_after_and_stores_nothing(browser: Browser, running: Running) -> None:
    service = running.service
    writes = running.call(service.access.writes(service.depot_id))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("what-if")
        seen.page.get_by_label("Node").fill("C1")
        expect(seen.page.get_by_label("Node")).to_have_accessible_description("Now 720 A")
        seen.page.get_by_label("New limit").fill("200 A")
        seen.page.get_by_role("button", name="Run").click()
        answer = seen.page.get_by_role("status", name="Answer")
        expect(answer).to_contain_text("Nothing was sent and nothing was stored.")
        expect(answer.get_by_role("heading", name=re.compile("in total"))).to_be_visible()
        node = answer.get_by_role("table", name="Nodes before and after").get_by_role("row", name=re.compile("^C1 "))
        expect(node).to_contain_text("A on L")
        changes = answer.get_by_role("table", name="Connectors that would get something else")
        expect(changes.locator("tbody tr").first).to_contain_text("▼")
        expect(changes).to_contain_text("C1, default capacity")
        assert seen.complaints == []
    assert running.call(service.access.writes(service.depot_id)) == writes
    assert service.woken == []


def test_a_limit_that_is_no_quantity_is_refused_beside_its_field(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("what-if")
        seen.page.get_by_label("Node").fill("C1")
        limit = seen.page.get_by_label("New limit")
        limit.fill("plenty")
        seen.page.get_by_role("button", name="Run").click()
        expect(limit).to_have_attribute("aria-invalid", "true")
        expect(limit).to_be_focused()
        limit.fill("500 A")
        seen.page.get_by_role("button", name="Run").click()
        expect(seen.page.get_by_text("Nothing was sent and nothing was stored.")).to_be_visible()
        expect(limit).not_to_have_attribute("aria-invalid", "true")


def test_a_vehicle_at_an_unknown_connector_is_refused_beside_its_field(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("what-if")
        seen.page.get_by_role("button", name="+ Add a vehicle").click()
        connector = seen.page.get_by_label("Connector", exact=True)
        connector.fill("PU99/1")
        seen.page.get_by_role("button", name="Run").click()
        expect(connector).to_have_attribute("aria-invalid", "true")


def test_another_strategy_and_vehicles_more_and_fewer_are_asked_for(browser: Browser, running: Running) -> None:
    taken = running.service.moments[running.service.depot_id].plugged
    gone = next(iter(taken))
    free = next(leaf for leaf in running.service.projections[running.service.depot_id].leaf_ids if leaf not in taken)
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("what-if")
        seen.page.get_by_label("Strategy").select_option("equal_share")
        seen.page.get_by_label("Fair in").select_option("current")
        seen.page.get_by_role("button", name="+ Add a vehicle").click()
        seen.page.get_by_label("Connector", exact=True).fill(free)
        seen.page.get_by_label("Request").fill("60 kW")
        seen.page.get_by_role("button", name="+ Take a vehicle away").click()
        seen.page.get_by_label("Without the vehicle at").fill(gone)
        seen.page.get_by_role("button", name="Run").click()
        sides = seen.page.get_by_role("table", name="Before and after", exact=True)
        expect(sides.get_by_role("row", name=re.compile("^Strategy"))).to_contain_text("equal share")
        expect(sides.get_by_role("row", name=re.compile("^Fair in"))).to_contain_text("current")
        changes = seen.page.get_by_role("table", name="Connectors that would get something else")
        expect(changes.locator("tbody tr").filter(has_text=gone).first).to_contain_text("0 kW")
        expect(changes.locator("tbody tr").filter(has_text=free).first).to_be_visible()
        seen.page.get_by_role("button", name="Put everything back").click()
        expect(seen.page.get_by_role("heading", name="What would happen?")).to_be_visible()
        expect(seen.page.get_by_label("Strategy")).to_have_value("")


@pytest.mark.parametrize(("now", "other"), [("connectors", "charge points"), ("charge points", "connectors")])
def test_one_click_compares_both_leaves_on_the_same_snapshot(browser: Browser, now: str, other: str) -> None:
    depot = load_depot(SCENARIOS / "wa_pta_depot.yaml")
    leaves = next(each for each in Leaves if each.plural == now)
    with (
        serving(project(replace(depot, leaves=leaves))) as running,
        watched(browser, running.url, link=running.link()) as seen,
    ):
        seen.page.get_by_role("link", name=f"Compare with {other}").click()
        expect(seen.page.get_by_label("Shared among")).to_have_value(other.removesuffix("s").replace(" ", "_"))
        sides = seen.page.get_by_role("table", name="Before and after", exact=True)
        among = sides.get_by_role("row", name=re.compile("^Shared among")).get_by_role("cell")
        expect(among).to_have_text([now, other])
        expect(sides.get_by_role("row", name=re.compile("^Strategy"))).to_contain_text("the same")
        changes = seen.page.get_by_role("table", name="Connectors that would get something else")
        expect(changes.locator("tbody tr").first).to_be_visible()
        assert seen.page.locator("#sharing").inner_text() == f"Least laxity among {now}, fair in power"
        seen.page.get_by_role("button", name="Put everything back").click()
        expect(seen.page.get_by_label("Shared among")).to_have_value("")
        expect(sides).to_have_count(0)
        seen.page.get_by_role("link", name=f"Compare with {other}").click()
        expect(among).to_have_text([now, other])
        assert seen.complaints == []


@pytest.mark.parametrize(("field", "value"), [("strategy", "first_come"), ("fair_in", "current")])
def test_an_address_may_ask_for_another_strategy_or_fairness(
    browser: Browser, running: Running, field: str, value: str
) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show(f"what-if/{field}/{value}")
        label = field.replace("_", " ").capitalize()
        expect(seen.page.get_by_label(label)).to_have_value(value)
        sides = seen.page.get_by_role("table", name="Before and after", exact=True)
        expect(sides.get_by_role("row", name=re.compile(f"^{label}"))).to_contain_text(value.replace("_", " "))
        assert seen.complaints == []


def test_an_address_that_asks_for_nothing_known_runs_what_is_now(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("what-if/leaves/pole")
        expect(seen.page.get_by_role("heading", name="Nobody would get anything else")).to_be_visible()
        expect(seen.page.get_by_label("Shared among")).to_have_value("")
        assert seen.complaints == []


def test_a_server_that_does_not_answer_is_said_in_the_form(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.page.route("**/what-if", lambda route: route.abort())
        seen.show("what-if")
        seen.page.get_by_role("button", name="Run").click()
        expect(seen.page.get_by_role("form").get_by_role("alert")).to_contain_text("cannot be reached")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 360)])
def test_axe_finds_no_serious_fault_in_what_if(browser: Browser, running: Running, scheme: str, width: int) -> None:
    with watched(browser, running.url, link=running.link(), scheme=scheme, width=width) as seen:
        seen.show("what-if")
        seen.page.get_by_label("Node").fill("C1")
        seen.page.get_by_label("New limit").fill("300 A")
        seen.page.get_by_role("button", name="+ Add a vehicle").click()
        seen.page.get_by_role("button", name="Run").click()
        expect(seen.page.get_by_role("table", name="Before and after", exact=True)).to_be_visible()
        assert seen.faults() == []
        assert seen.overflow() <= 0
