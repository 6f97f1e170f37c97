"""The screen Breaches: open first, acknowledged by a named person, one opened with its moments."""

import re
from collections.abc import Iterator

import pytest
from made_service import Running, serving
from playwright.sync_api import Browser, expect
from watched_page import watched

from busbar.engine.access import Role
from busbar.engine.breach_record import BreachCause

pytestmark = pytest.mark.chromium


@pytest.fixture
def running() -> Iterator[Running]:
    with serving() as found:
        yield found


def test_without_any_breach_the_page_says_so(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches")
        expect(seen.page.get_by_role("heading", name="No limit has been broken")).to_be_visible()
        expect(seen.page.locator("#screen")).to_contain_text("No limit has been broken since")


def test_open_breaches_come_first_and_name_those_above_and_below(browser: Browser, running: Running) -> None:
    service = running.service
    running.call(service.breach("GC2", breach_id="past", ago_s=900, ended_ago_s=600))
    running.call(service.breach("GC1", breach_id="above", cause=BreachCause.COMMANDED))
    running.call(service.breach("C1", breach_id="below", parent="above"))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches")
        cards = seen.page.locator(".breach")
        expect(seen.page.get_by_role("heading", name="2 limits broken now")).to_be_visible()
        expect(cards).to_have_count(3)
        expect(cards.last).to_contain_text("Ended")
        own_fault = cards.filter(has=seen.page.get_by_role("heading", name=re.compile("^GC1")))
        expect(own_fault).to_contain_text("Critical: our own fault")
        expect(own_fault).to_contain_text("1,084 kW")
        expect(own_fault).to_contain_text("108 % of the limit")
        expect(own_fault.get_by_role("link", name="C1 in total")).to_be_visible()


def test_a_breach_opens_by_itself_counts_on_and_ends_by_itself(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches")
        expect(seen.page.get_by_role("heading", name="No limit has been broken")).to_be_visible()
        running.call(running.service.breach("GC1", breach_id="one", ago_s=21))
        lasted = seen.page.locator(".breach .lasted")
        expect(lasted).to_contain_text("goes on")
        earlier = lasted.inner_text()
        expect(lasted).not_to_have_text(earlier)
        running.call(running.service.breach("GC1", breach_id="one", ago_s=60, ended_ago_s=5))
        expect(seen.page.get_by_role("heading", name="No limit is broken now")).to_be_visible()
        expect(seen.page.locator("#screen")).to_contain_text("No limit has been broken since")
        assert seen.complaints == []


def test_a_named_person_acknowledges_with_a_note_and_the_name_is_kept(browser: Browser, running: Running) -> None:
    service = running.service
    running.call(service.breach("GC1", breach_id="one"))
    running.call(service.breach("GC2", breach_id="two"))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches")
        seen.page.get_by_role("button", name="Acknowledge the breach at GC1").click()
        form = seen.page.get_by_role("form", name="Acknowledge the breach at GC1")
        expect(form.get_by_label("Your name")).to_be_focused()
        form.get_by_label("Your name").fill("Mara Quill")
        form.get_by_label("Note").fill("Wash plant; told the workshop.")
        form.get_by_role("button", name="Acknowledge").click()
        card = seen.page.locator(".breach").filter(has=seen.page.get_by_role("heading", name=re.compile("^GC1")))
        expect(card).to_contain_text("Seen by Mara Quill")
        expect(card).to_contain_text("Wash plant; told the workshop.")
        expect(card).to_contain_text("Open")
        seen.page.get_by_role("button", name="Acknowledge the breach at GC2").click()
        expect(seen.page.get_by_label("Your name")).to_have_value("Mara Quill")
    kept = running.call(service.store.breach(service.depot_id, "one"))
    assert kept.acknowledged_by == "Mara Quill"
    assert kept.is_open


def test_a_name_that_is_refused_is_said_in_the_form(browser: Browser, running: Running) -> None:
    running.call(running.service.breach("GC1", breach_id="one"))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches")
        seen.page.get_by_role("button", name="Acknowledge the breach at GC1").click()
        seen.page.get_by_label("Your name").fill("   ")
        seen.page.get_by_role("form").get_by_role("button", name="Acknowledge").click()
        expect(seen.page.get_by_role("form").get_by_role("alert")).to_be_visible()


def test_a_viewer_is_not_offered_to_acknowledge(browser: Browser, running: Running) -> None:
    running.call(running.service.breach("GC1", breach_id="one"))
    with watched(browser, running.url, link=running.link(Role.VIEWER)) as seen:
        seen.show("breaches")
        expect(seen.page.locator(".breach")).to_contain_text("Nobody has acknowledged it yet.")
        expect(seen.page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_one_opened_shows_its_moments_as_a_chart_and_as_a_table(browser: Browser, running: Running) -> None:
    record = running.call(running.service.breach("GC1", breach_id="one"))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches")
        seen.page.get_by_role("link", name="Moments before and after").click()
        chart = seen.page.get_by_role("img", name=re.compile("^Flow at GC1"))
        expect(chart).to_be_visible()
        expect(chart.locator("canvas")).to_be_visible()
        seen.page.get_by_role("button", name="Show as table").click()
        expect(seen.page.locator(".chart-table tbody tr")).to_have_count(len(record.series))
        expect(seen.page.get_by_role("link", name="GC1")).to_have_attribute("href", "#/wiring/GC1")
        assert seen.complaints == []


def test_a_breach_that_is_not_kept_and_a_server_that_fails_are_told_apart(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("breaches/none")
        expect(seen.page.get_by_role("alert")).to_contain_text("There is no such breach")
        seen.page.route("**/breaches", lambda route: route.abort())
        seen.show("breaches")
        expect(seen.page.get_by_role("alert")).to_contain_text("The breaches could not be read.")
        seen.page.unroute("**/breaches")
        seen.page.get_by_role("button", name="Try again").click()
        expect(seen.page.get_by_role("heading", name="No limit has been broken")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 360)])
def test_axe_finds_no_serious_fault_in_breaches(browser: Browser, running: Running, scheme: str, width: int) -> None:
    running.call(running.service.breach("GC1", breach_id="one"))
    with watched(browser, running.url, link=running.link(), scheme=scheme, width=width) as seen:
        seen.show("breaches")
        seen.page.get_by_role("button", name="Acknowledge").click()
        assert seen.faults() == []
        assert seen.overflow() <= 0
        seen.show("breaches/one")
        seen.page.get_by_role("button", name="Show as table").click()
        assert seen.faults() == []
        assert seen.overflow() <= 0
