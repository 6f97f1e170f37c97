"""The screen Ready by departure: who will not be ready, why, and the plan that an operator edits."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from made_service import Running, serving
from playwright.sync_api import Browser, expect
from watched_page import watched

from busbar.engine.access import Role

pytestmark = pytest.mark.chromium
VEHICLES = 40


@pytest.fixture
def running() -> Iterator[Running]:
    with serving(vehicles=VEHICLES) as found:
        yield found


def test_every_vehicle_is_a_row_the_one_in_danger_first(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        rows = seen.page.locator("#screen tbody tr")
        expect(rows).to_have_count(VEHICLES)
        ranks = [
            ["Will be late", "At risk", "Not known", "On track", "Ready"].index(text.strip()[1:].strip())
            for text in seen.page.locator("#screen tbody td[data-label='Risk']").all_inner_texts()
        ]
        assert ranks == sorted(ranks)
        expect(seen.page.locator(".summary")).to_have_text(re.compile("ready"))
        link = rows.first.locator("td[data-label='Connector'] a")
        expect(link).to_have_attribute("href", re.compile("^#/why/"))
        assert seen.complaints == []


def test_a_vehicle_that_leaves_and_one_that_comes_change_the_rows_by_themselves(
    browser: Browser, running: Running
) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        expect(seen.page.locator("#screen tbody tr")).to_have_count(VEHICLES)
        running.call(running.service.step(vehicles=3))
        expect(seen.page.locator("#screen tbody tr")).to_have_count(3)


def test_without_vehicles_the_page_says_so(browser: Browser, running: Running) -> None:
    running.call(running.service.step(vehicles=0))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        expect(seen.page.get_by_role("heading", name="No vehicle is plugged in")).to_be_visible()


def test_a_search_and_a_risk_narrow_the_rows(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        first = seen.page.locator("#screen td[data-label='Connector'] a").first.inner_text()
        seen.page.get_by_label("Find").fill(first)
        expect(seen.page.locator("#screen tbody tr").first).to_contain_text(first)
        assert seen.page.locator("#screen tbody tr").count() < VEHICLES
        seen.page.get_by_label("Find").fill("no such vehicle")
        expect(seen.page.get_by_text("No vehicle is like that.")).to_be_visible()


def test_a_column_sorts_by_keyboard(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        seen.page.get_by_role("button", name="Still needs").focus()
        seen.page.keyboard.press("Enter")
        expect(seen.page.get_by_role("columnheader", name="Still needs")).to_have_attribute("aria-sort", "ascending")
        needs = seen.page.locator("#screen td[data-label='Still needs']").all_inner_texts()
        figures = [float(text.split()[0].replace(",", "")) for text in needs if text != "–"]
        assert figures == sorted(figures)


def test_an_operator_edits_the_plan_of_a_vehicle(browser: Browser, running: Running) -> None:
    service = running.service
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        row = seen.page.locator("#screen tbody tr").nth(2)
        connector = row.locator("td[data-label='Connector']").inner_text()
        row.get_by_role("button", name="Edit").click()
        dialog = seen.page.get_by_role("dialog")
        perth = ZoneInfo("Australia/Perth")
        departs = (datetime.now(UTC) + timedelta(hours=9)).replace(second=0, microsecond=0)
        dialog.get_by_label("Departs").fill(departs.astimezone(perth).strftime("%Y-%m-%dT%H:%M"))
        dialog.get_by_label("Energy needed").fill("a lot")
        dialog.get_by_label("Priority").fill("2")
        dialog.get_by_label("Your name").fill("Mara Quill")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_label("Energy needed")).to_have_attribute("aria-invalid", "true")
        expect(dialog.get_by_label("Energy needed")).to_be_focused()
        dialog.get_by_label("Energy needed").fill("210 kWh")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)
        expect(seen.page.get_by_text(re.compile("^The plan for .* is saved"))).to_be_visible()
    plans = running.call(service.store.plans(service.depot_id))
    plan = next(each for each in plans if each.key == f"connector:{connector}")
    assert plan.departs == departs
    assert plan.energy_needed_wh == 210_000
    assert plan.priority == 2
    assert plan.by == "Mara Quill"


def test_the_dialog_closes_with_escape_and_gives_the_focus_back(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("ready")
        edit = seen.page.get_by_role("button", name="Edit").first
        edit.click()
        expect(seen.page.get_by_role("dialog")).to_be_visible()
        seen.page.keyboard.press("Escape")
        expect(seen.page.get_by_role("dialog")).to_have_count(0)
        expect(edit).to_be_focused()


def test_a_viewer_is_not_offered_to_edit(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link(Role.VIEWER)) as seen:
        seen.show("ready")
        expect(seen.page.locator("#screen tbody tr")).to_have_count(VEHICLES)
        expect(seen.page.get_by_role("button", name="Edit")).to_have_count(0)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 360)])
def test_axe_finds_no_serious_fault_in_readiness(browser: Browser, running: Running, scheme: str, width: int) -> None:
    with watched(browser, running.url, link=running.link(), scheme=scheme, width=width) as seen:
        seen.show("ready")
        assert seen.faults() == []
        assert seen.overflow() <= 0
        seen.page.get_by_role("button", name="Edit").first.click()
        expect(seen.page.get_by_role("dialog")).to_be_visible()
        assert seen.faults() == []
