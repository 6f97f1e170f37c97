"""The page around every screen: who may see it, how the depot is, and that old numbers are never shown as live."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cable import cable_to
from made_service import Running, serving
from playwright.sync_api import Browser, expect
from watched_page import watched

from busbar.adapters.files.depot_file import load_depot
from busbar.core.projection import project
from busbar.engine.access import Role

pytestmark = pytest.mark.chromium

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving(vehicles=20) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(running: Running) -> None:
    running.call(running.service.step())


def test_the_page_has_no_data_in_it_and_lets_nothing_foreign_in(running: Running) -> None:
    answer = httpx.get(running.url)
    assert answer.status_code == 200
    assert "Perth" not in answer.text
    assert "wa_pta" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", answer.text)


def test_files_are_kept_for_ever_under_the_digest_of_all_of_them(running: Running) -> None:
    page = httpx.get(running.url).text
    (script,) = re.findall(r'src="(/static/[0-9a-f]{12}/app\.js)"', page)
    kept = httpx.get(running.url + script)
    assert kept.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in kept.headers["cache-control"]
    plain = httpx.get(f"{running.url}/static/app.js")
    assert plain.content == kept.content
    assert plain.headers["cache-control"] == "no-cache"
    again = httpx.get(f"{running.url}/static/app.js", headers={"If-None-Match": plain.headers["etag"]})
    assert again.status_code == 304
    assert httpx.get(f"{running.url}/static/../pages.py").status_code == 404
    assert httpx.get(f"{running.url}/static/%2e%2e/pages.py").status_code == 404


def test_without_a_token_there_is_a_form_and_nothing_else(running: Running, browser: Browser) -> None:
    with watched(browser, running.url) as seen:
        seen.page.goto(running.url)
        expect(seen.page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(seen.page.locator("main")).to_be_hidden()
        expect(seen.page.get_by_label("Token")).to_be_focused()
        assert seen.faults() == []


def test_a_wrong_token_is_refused_in_words_and_a_right_one_opens_the_page(running: Running, browser: Browser) -> None:
    with watched(browser, running.url) as seen:
        seen.page.goto(running.url)
        seen.page.get_by_label("Token").fill("busbar_of_somebody_else")
        seen.page.get_by_role("button", name="Sign in").click()
        expect(seen.page.get_by_role("alert")).to_contain_text("not a good token")
        expect(seen.page.get_by_role("alert")).to_contain_text("busbar token list")
        seen.page.get_by_label("Token").fill(running.tokens[Role.VIEWER])
        seen.page.get_by_role("button", name="Sign in").click()
        expect(seen.page.locator("html")).to_have_attribute("data-connection", "live")
        expect(seen.page.get_by_role("heading", name="Wiring")).to_be_visible()
        assert "localStorage" not in seen.complaints
        assert running.tokens[Role.VIEWER] not in seen.page.evaluate(
            "JSON.stringify({...localStorage}) + document.cookie"
        )


def test_whoever_signs_out_sees_nothing_any_more(running: Running, browser: Browser) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.page.get_by_role("button", name="Sign out").click()
        expect(seen.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_head_says_how_the_depot_is_and_counts(running: Running, browser: Browser) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        status = httpx.get(f"{running.url}/api/v1/depots/wa_pta/status", headers=running.headers()).json()
        words = {"OK": "OK", "CONSTRAINED": "Constrained"}
        expect(seen.page.locator("#state")).to_contain_text(words[status["state"]])
        expect(seen.page.locator("#charging")).to_have_text("20")
        expect(seen.page.locator("#breaches")).to_have_text("0")
        expect(seen.page.locator("#connected")).to_have_text("16 of 16")
        expect(seen.page.locator("#age")).to_have_text(re.compile(r"^(now|\d+ s ago)$"))
        assert seen.complaints == []


def test_the_head_counts_one_breach_as_one(browser: Browser) -> None:
    with serving(vehicles=5) as running, watched(browser, running.url, link=running.link()) as seen:
        expect(seen.page.locator("#breaches-word")).to_have_text("open breaches")
        running.call(running.service.breach("GC1"))
        running.call(running.service.step())
        expect(seen.page.locator("#breaches")).to_have_text("1")
        expect(seen.page.locator("#breaches-word")).to_have_text("open breach")
        assert seen.complaints == []


def test_the_head_says_how_it_is_shared_and_follows_a_change(browser: Browser) -> None:
    with serving(vehicles=20) as running, watched(browser, running.url, link=running.link()) as seen:
        sharing, compare = seen.page.locator("#sharing"), seen.page.locator("#compare")
        expect(sharing).to_have_text("Least laxity among connectors, fair in power")
        expect(compare).to_have_text("Compare with charge points")
        wanted = {"strategy": "first_come", "leaves": "charge_point", "fair_in": "current", "by": "Ann"}
        asked = httpx.patch(f"{running.url}/api/v1/depots/wa_pta/settings", json=wanted, headers=running.headers())
        assert asked.status_code == 200
        running.call(running.service.step())
        expect(sharing).to_have_text("First come among charge points, fair in current")
        expect(compare).to_have_text("Compare with connectors")
        assert seen.complaints == []


def test_a_new_cycle_shows_without_anybody_asking(running: Running, browser: Browser) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        moment = running.call(running.service.step())
        expect(seen.page.locator("#cycle")).to_have_text(str(moment.record.number))


def test_numbers_that_are_too_old_are_said_to_be_and_lose_their_colour(running: Running, browser: Browser) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("wiring")
        node = seen.page.locator(".node[data-node='GC1']")
        expect(node).to_have_class(re.compile("in-"))
        colour = "element => getComputedStyle(element.querySelector('.glyph')).fill"
        live = node.evaluate(colour)
        running.call(running.service.step(at=datetime.now(UTC) - timedelta(seconds=60)))
        expect(seen.page.locator("html")).to_have_attribute("data-connection", "stale")
        expect(seen.page.locator("#banner")).to_contain_text(re.compile(r"not live.*6\d s old"))
        expect(seen.page.locator("#state")).to_have_text(re.compile("Not live"))
        expect(seen.page).to_have_title(re.compile("^○"))
        assert node.evaluate(colour) != live
        assert seen.faults() == []
        running.call(running.service.step())
        expect(seen.page.locator("html")).to_have_attribute("data-connection", "live")
        expect(seen.page.locator("#back")).to_have_text("Live again.")
        assert node.evaluate(colour) == live


def test_a_lost_server_is_said_and_its_return_too(running: Running, browser: Browser) -> None:
    with cable_to(running.url) as cable:
        link = running.link().replace(running.url, cable.url)
        with watched(browser, cable.url, link=link) as seen:
            before = seen.page.locator("#cycle").inner_text()
            cable.cut()
            expect(seen.page.locator("html")).to_have_attribute("data-connection", "lost")
            expect(seen.page.locator("#banner")).to_contain_text("cannot be reached")
            expect(seen.page.locator("#state")).to_have_text(re.compile("Not live"))
            running.call(running.service.step())
            moment = running.call(running.service.step())
            assert seen.page.locator("#cycle").inner_text() == before
            cable.mend()
            seen.page.get_by_role("button", name="Try now").click()
            expect(seen.page.locator("html")).to_have_attribute("data-connection", "live")
            expect(seen.page.locator("#cycle")).to_have_text(str(moment.record.number))
            moment = running.call(running.service.step())
            expect(seen.page.locator("#cycle")).to_have_text(str(moment.record.number))


def test_a_connection_that_says_nothing_any_more_counts_as_lost(running: Running, browser: Browser) -> None:
    with cable_to(running.url) as cable:
        link = running.link().replace(running.url, cable.url)
        with watched(browser, cable.url, link=link) as seen:
            cable.fall_silent()
            expect(seen.page.locator("html")).not_to_have_attribute("data-connection", "live", timeout=30_000)
            expect(seen.page.locator("#banner")).to_be_visible()


def test_colours_follow_the_device_until_somebody_chooses(running: Running, browser: Browser) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    with watched(browser, running.url, link=running.link(), scheme="dark") as seen:
        dark = seen.page.evaluate(paper)
        seen.page.get_by_role("button", name="Colours").click()
        light = seen.page.evaluate(paper)
        assert light != dark
        seen.page.reload()
        seen.page.wait_for_selector("html[data-connection='live']")
        assert seen.page.evaluate(paper) == light


def test_the_skip_link_leads_to_the_screen_and_leaves_the_address(running: Running, browser: Browser) -> None:
    with watched(browser, running.url, link=running.link()) as seen:
        seen.show("why")
        seen.page.keyboard.press("Tab")
        seen.page.evaluate("document.getElementById('skip').focus()")
        seen.page.keyboard.press("Enter")
        expect(seen.page.locator("#main")).to_be_focused()
        assert seen.page.url.endswith("#/why")


def test_a_derms_token_is_told_that_this_page_is_not_for_it(running: Running, browser: Browser) -> None:
    with watched(browser, running.url) as seen:
        seen.page.goto(running.url)
        seen.page.get_by_label("Token").fill(running.tokens[Role.DERMS])
        seen.page.get_by_role("button", name="Sign in").click()
        expect(seen.page.get_by_role("alert")).to_contain_text("role derms")


def test_somebody_with_several_depots_changes_between_them(browser: Browser) -> None:
    depots = [project(load_depot(SCENARIOS / f"{name}.yaml")) for name in ("small_ac_depot", "wa_pta_depot")]
    with serving(*depots, vehicles=6) as both, watched(browser, both.url, link=both.link()) as seen:
        seen.show("wiring")
        switcher = seen.page.get_by_label("Depot", exact=True)
        switcher.select_option("wa_pta")
        expect(seen.page.locator(".diagram [data-node='GC2']")).to_be_visible()
        seen.page.reload()
        expect(switcher).to_have_value("wa_pta")
        switcher.select_option(depots[0].depot.id)
        expect(seen.page.locator(".diagram [data-node='GC2']")).to_have_count(0)
        expect(seen.page.locator(".diagram .node").first).to_be_visible()
        assert seen.complaints == []


def test_a_depot_before_its_first_cycle_is_waited_for(running: Running, browser: Browser) -> None:
    moment = running.service.moments.pop("wa_pta")
    try:
        with watched(browser, running.url) as seen:
            seen.page.goto(running.link())
            expect(seen.page.locator("#banner")).to_contain_text("no cycle yet")
            expect(seen.page.locator(".skeleton")).to_be_visible()
            running.service.moments["wa_pta"] = moment
            running.call(running.service.step())
            expect(seen.page.locator("html")).to_have_attribute("data-connection", "live")
            expect(seen.page.locator(".diagram [data-node='GC2']")).to_be_visible()
    finally:
        running.service.moments["wa_pta"] = moment
