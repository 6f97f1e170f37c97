"""Why one connector gets what it gets: the page says what the interface says, and follows it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from made_service import Running, serving
from playwright.sync_api import Browser, expect
from watched_page import Watched, watched

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving(vehicles=40, steps=5) as found:
        yield found


@pytest.fixture
def seen(running: Running, browser: Browser) -> Iterator[Watched]:
    # A status that is old is not shown as live.
    running.call(running.service.step())
    with watched(browser, running.url, link=running.link()) as found:
        yield found


def asked(running: Running, path: str) -> Any:
    answer = httpx.get(f"{running.url}/api/v1/depots/wa_pta/{path}", headers=running.headers())
    assert answer.status_code == 200, answer.text
    return answer.json()


def held_back(running: Running) -> str:
    """A connector that gets something, but less than it asks for."""
    return next(
        str(each["id"])
        for each in asked(running, "status")["connectors"]
        if each["has_vehicle"] and 0 < each["setpoint"]["value"] < each["request"]["value"]
    )


def test_the_sentence_the_chain_and_the_way_out_are_those_of_the_interface(running: Running, seen: Watched) -> None:
    connector = held_back(running)
    said = asked(running, f"connectors/{connector}/explanation")
    seen.show(f"why/{connector}")
    expect(seen.page.locator(".sentence")).to_have_text(said["sentence"])
    expect(seen.page.locator(".chain li")).to_have_count(len(said["chain"]))
    assert [link.inner_text() for link in seen.page.locator(".chain a").all()] == [node["id"] for node in said["chain"]]
    binding = seen.page.locator(".chain li.binds").filter(has_text=said["bound_by"]["node"])
    expect(binding).to_contain_text("Binds:")
    for each in said["counterfactuals"]:
        expect(seen.page.locator(".options")).to_contain_text(each["sentence"])
    assert seen.complaints == []


def test_it_shows_what_was_asked_given_and_drawn_over_time(running: Running, seen: Watched) -> None:
    connector = held_back(running)
    seen.show(f"why/{connector}")
    chart = seen.page.get_by_role("img", name=f"{connector}: request, setpoint, committed and measured")
    expect(chart).to_be_visible()
    assert chart.locator("canvas").count() == 1
    status = next(each for each in asked(running, "status")["connectors"] if each["id"] == connector)
    numbers = seen.page.locator(".given")
    expect(numbers).to_contain_text(f"{status['request']['value'] // 1000} kW")
    expect(seen.page.get_by_text(status["readiness"]["text"])).to_be_visible()
    expect(seen.page.get_by_role("img", name=re.compile("^Arrived .* departs"))).to_be_visible()


def test_it_follows_the_cycles(running: Running, seen: Watched) -> None:
    connector = held_back(running)
    seen.show(f"why/{connector}")
    for _ in range(2):
        running.call(running.service.step())
        said = asked(running, f"connectors/{connector}/explanation")
        expect(seen.page.locator(".sentence")).to_have_text(said["sentence"])


def test_without_a_connector_the_slowest_come_first(running: Running, seen: Watched) -> None:
    seen.show("why")
    expect(seen.page.get_by_role("heading", name=re.compile(r"\d+ get less than they ask for"))).to_be_visible()
    first = seen.page.locator(".slowest a").first
    connector = first.inner_text()
    first.click()
    expect(seen.page.get_by_role("heading", name=f"{connector} · ")).to_be_visible()
    assert seen.page.url.endswith(f"#/why/{connector}")


def test_any_connector_is_found_by_its_id(seen: Watched) -> None:
    seen.show("why")
    seen.page.get_by_role("combobox").fill("PU9/2")
    seen.page.keyboard.press("Enter")
    expect(seen.page.get_by_role("heading", name="PU9/2")).to_be_visible()


def test_a_connector_that_is_not_there_is_said_to_be(seen: Watched) -> None:
    seen.show("why/PU99/1")
    expect(seen.page.get_by_role("alert")).to_contain_text("There is no connector PU99/1 here")


def test_a_connector_without_a_vehicle_says_so(running: Running, seen: Watched) -> None:
    empty = next(each["id"] for each in asked(running, "status")["connectors"] if not each["has_vehicle"])
    seen.show(f"why/{empty}")
    expect(seen.page.get_by_text("No vehicle is plugged in.")).to_be_visible()
    expect(seen.page.get_by_text("There is no vehicle.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(running: Running, browser: Browser, scheme: str) -> None:
    with watched(browser, running.url, link=running.link(), scheme=scheme) as seen:
        seen.show("why")
        expect(seen.page.locator(".slowest")).to_be_visible()
        assert seen.faults() == []
        seen.show(f"why/{held_back(running)}")
        expect(seen.page.locator(".chain li").first).to_be_visible()
        expect(seen.page.locator(".chart canvas")).to_be_visible()
        assert seen.faults() == []
