"""The screen Cycles: a timeline, a list, one cycle opened, two compared."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from made_service import Running, serving
from playwright.sync_api import Browser, expect
from watched_page import watched

from busbar.engine.ports import CycleOutcome, CycleRecord

pytestmark = pytest.mark.chromium
STEPS = 6
CONNECTOR = "PU1/1"


@pytest.fixture
def running() -> Iterator[Running]:
    with serving(steps=STEPS) as found:
        yield found


def keep(running: Running, **changes: Any) -> CycleRecord:
    """One more cycle like the last one, but for the changes; five numbers later, as if four had changed nothing."""
    service = running.service
    newest = running.call(service.store.cycle_page(service.depot_id, limit=1))[0]
    whole = running.call(service.store.cycle(service.depot_id, newest.number)) or newest
    record: CycleRecord = replace(whole, **{"number": newest.number + 5, "at": datetime.now(UTC), **changes})
    running.call(service.store.record_cycle(service.depot_id, record))
    service.broadcast.tell(service.depot_id, "cycle", record)
    return record


def test_every_kept_cycle_is_a_mark_on_the_timeline_and_a_line_of_the_list(browser: Browser, running: Running) -> None:
    kept = running.call(running.service.store.cycle_page(running.service.depot_id, limit=60))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("cycles")
        expect(seen.page.locator(".cycle-list li")).to_have_count(len(kept))
        expect(seen.page.locator(".timeline .cycle-mark")).to_have_count(len(kept))
        expect(seen.page.locator(".timeline")).to_have_attribute("aria-label", re.compile("^Timeline of "))
        assert seen.complaints == []


def test_a_new_cycle_appears_by_itself_and_is_followed(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("cycles")
        expect(seen.page.locator(".cycle-detail h2")).to_be_visible()
        record = keep(running, outcome=CycleOutcome.APPLIED)
        expect(seen.page.locator(".cycle-list li").first).to_contain_text(str(record.number))
        expect(seen.page.locator(".cycle-detail h2")).to_have_text(f"Cycle {record.number}")
        expect(seen.page.locator(".timeline .thread").first).to_be_attached()


def test_one_cycle_opened_says_what_was_given_and_what_became_of_the_setpoints(
    browser: Browser, running: Running
) -> None:
    record = keep(
        running,
        outcome=CycleOutcome.PARTIAL,
        setpoints=(
            {"connector": CONNECTOR, "value": 40_000, "state": "refused"},
            {"connector": "PU1/2", "value": 20_000, "state": "settled", "held_back": "no_room", "target": 50_000},
        ),
    )
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show(f"cycles/{record.number}")
        detail = seen.page.locator(".cycle-detail")
        allocations = detail.get_by_role("table", name=f"Allocations of cycle {record.number}")
        expect(allocations.locator("tbody tr")).to_have_count(len(record.allocations))
        setpoints = detail.get_by_role("table", name=f"Setpoints of cycle {record.number}")
        expect(setpoints).to_contain_text("Refused")
        expect(setpoints).to_contain_text("40 kW")
        expect(setpoints.locator("tbody tr").last).to_contain_text("50 kW")
        expect(setpoints.locator("tbody tr").last).to_contain_text("takes the room")
        allocations.get_by_role("button", name="Given").click()
        expect(allocations.get_by_role("columnheader", name="Given")).to_have_attribute("aria-sort", "ascending")
        assert seen.complaints == []


def test_a_failed_cycle_says_what_the_audit_found(browser: Browser, running: Running) -> None:
    record = keep(running, outcome=CycleOutcome.FAILED, violations=("C1 L2: 721 A above 720 A",))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show(f"cycles/{record.number}")
        expect(seen.page.get_by_text("C1 L2: 721 A above 720 A")).to_be_visible()
        expect(seen.page.get_by_text("Nothing of this allocation was sent.")).to_be_visible()


def test_two_cycles_compared_show_only_what_differs(browser: Browser, running: Running) -> None:
    before = keep(running, outcome=CycleOutcome.CONSTRAINED)
    changed = replace(before.allocations[0], setpoint=before.allocations[0].setpoint - 1_000)
    after = keep(running, allocations=(changed, *before.allocations[1:]), strategy="priority")
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show(f"cycles/{after.number}")
        seen.page.get_by_label("Compare with cycle").fill(str(before.number))
        seen.page.get_by_role("button", name="Compare").click()
        name = f"Connectors that differ between cycle {before.number} and cycle {after.number}"
        lines = seen.page.get_by_role("table", name=name).locator("tbody tr")
        expect(lines).to_have_count(1)
        expect(lines.first).to_contain_text(changed.leaf)
        cycles = seen.page.get_by_role("table", name=re.compile("^What differs"))
        expect(cycles).to_contain_text("priority")
        expect(cycles).not_to_contain_text("Trigger")


def test_whoever_reads_a_cycle_is_offered_the_newer_one_and_not_interrupted(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("cycles")
        before = seen.page.locator(".cycle-detail h2").inner_text()
        seen.page.get_by_role("button", name="Given").click()
        record = keep(running)
        offer = seen.page.get_by_role("button", name=f"Cycle {record.number} is newer: show it")
        expect(offer).to_be_visible()
        expect(seen.page.locator(".cycle-detail h2")).to_have_text(before)
        offer.click()
        expect(seen.page.locator(".cycle-detail h2")).to_have_text(f"Cycle {record.number}")


def test_a_long_table_shows_its_first_rows_until_all_are_asked_for(browser: Browser, running: Running) -> None:
    one = keep(running).allocations[0]
    record = keep(running, allocations=tuple(replace(one, leaf=f"CP{number}/1") for number in range(90)))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show(f"cycles/{record.number}")
        rows = seen.page.get_by_role("table", name=f"Allocations of cycle {record.number}").locator("tbody tr")
        expect(rows).to_have_count(60)
        seen.page.get_by_role("button", name="Show all 90 rows").click()
        expect(rows).to_have_count(90)


def test_a_filter_that_nothing_meets_says_so_and_can_be_lifted(browser: Browser, running: Running) -> None:
    keep(running, outcome=CycleOutcome.PARTIAL)
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("cycles")
        seen.page.get_by_label("Outcome").select_option("PARTIAL")
        expect(seen.page.locator(".cycle-list .is-outcome-constrained")).to_have_count(0)
        expect(seen.page.locator(".cycle-list .is-outcome-partial").first).to_be_visible()
        seen.page.get_by_label("Outcome").select_option("UNCHANGED")
        expect(seen.page.get_by_role("heading", name="No cycle is like that")).to_be_visible()
        seen.page.get_by_role("button", name="Show every cycle").click()
        expect(seen.page.locator(".cycle-list .is-outcome-partial").first).to_be_visible()
        expect(seen.page.get_by_label("Outcome")).to_have_value("")


def test_older_cycles_come_when_they_are_asked_for(browser: Browser, running: Running) -> None:
    for _ in range(65):
        keep(running, at=datetime.now(UTC) - timedelta(seconds=1))
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("cycles")
        expect(seen.page.locator(".cycle-list li")).to_have_count(60)
        seen.page.get_by_role("button", name="Show older cycles").click()
        expect(seen.page.locator(".cycle-list li").nth(61)).to_be_attached()
        seen.page.locator(".timeline").focus()
        seen.page.keyboard.press("ArrowLeft")
        expect(seen.page).to_have_url(re.compile(r"#/cycles/\d+$"))


def test_a_list_that_cannot_be_read_says_so_and_tries_again(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.page.route("**/cycles?*", lambda route: route.abort())
        seen.show("cycles")
        expect(seen.page.get_by_role("alert")).to_contain_text("The cycles could not be read.")
        seen.page.unroute("**/cycles?*")
        seen.page.get_by_role("button", name="Try again").click()
        expect(seen.page.locator(".cycle-list li").first).to_be_visible()


def test_a_cycle_that_is_not_kept_is_said_to_be_missing(browser: Browser, running: Running) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("cycles/999999")
        expect(seen.page.get_by_role("alert")).to_contain_text("There is no such cycle")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 360)])
def test_axe_finds_no_serious_fault_and_nothing_is_cut_off(
    browser: Browser, running: Running, scheme: str, width: int
) -> None:
    number = running.call(running.service.store.cycle_page(running.service.depot_id, limit=1))[0].number
    with watched(browser, running.url, link=running.link(), scheme=scheme, width=width) as seen:
        for screen in ("cycles", f"cycles/{number}"):
            seen.show(screen)
            expect(seen.page.locator(".cycle-list li").first).to_be_attached()
            expect(seen.page.locator(".cycle-detail h2")).to_be_attached()
            assert seen.faults() == []
            assert seen.overflow() <= 0
