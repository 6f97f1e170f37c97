"""Charts: a sentence for those who cannot see them, a table, and colours that follow the theme."""

from collections.abc import Iterator

import pytest
from made_service import Running, serving
from playwright.sync_api import Browser, Page, expect
from watched_page import Watched, watched

pytestmark = pytest.mark.chromium

DRAWN = """async (given) => {
  const { lineChart } = await import("/static/chart.js");
  const place = document.createElement("div");
  document.getElementById("screen").replaceChildren(place);
  window.chart = lineChart(place, { unit: "mA", label: "Load of C1", timezone: "Australia/Perth", ...given });
}"""
T = 1_700_000_000
FLOW: dict[str, object] = {"label": "Flow", "values": [100_000, None, 150_500], "className": "flow"}
LIMIT: dict[str, object] = {
    "label": "Limit",
    "values": [160_000, 160_000, 120_000],
    "className": "limit",
    "stepped": True,
}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving(every_s=2) as found:
        yield found


@pytest.fixture
def seen(browser: Browser, running: Running) -> Iterator[Watched]:
    with watched(browser, running.url, link=running.link()) as found:
        found.show("what-if")
        yield found


def drawn(page: Page, *series: dict[str, object], times: list[int] | None = None) -> None:
    page.evaluate(DRAWN, {"series": list(series), "times": [T, T + 5, T + 10] if times is None else times})


def ink(page: Page) -> int:
    """How many pixels of the drawing are not empty."""
    return int(
        page.evaluate(
            """() => {
              const canvas = document.querySelector(".chart canvas");
              const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
            }"""
        )
    )


def colours(page: Page) -> list[str]:
    """Of the series, as the style sheets say."""
    script = "[...document.querySelectorAll('.chart-probes i')].map((each) => getComputedStyle(each).color)"
    return [str(each) for each in page.evaluate(script)]


def test_a_chart_says_in_a_sentence_least_most_and_last(seen: Watched) -> None:
    drawn(seen.page, FLOW, LIMIT)
    sentence = "Load of C1. Flow from 100 A to 151 A, last 151 A. Limit from 120 A to 160 A, last 120 A."
    expect(seen.page.get_by_role("img", name=sentence)).to_be_visible()
    assert ink(seen.page) > 500
    assert seen.complaints == []


def test_the_table_shows_every_value_newest_first_in_the_time_of_the_depot(seen: Watched) -> None:
    drawn(seen.page, FLOW, LIMIT)
    toggle = seen.page.get_by_role("button", name="Show as table")
    toggle.focus()
    seen.page.keyboard.press("Enter")
    rows = seen.page.locator(".chart-table tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_have_text("06:13:30151 A120 A")
    expect(rows.nth(1)).to_have_text("06:13:25–160 A")
    seen.page.get_by_role("button", name="Hide the table").click()
    expect(seen.page.locator(".chart-table")).to_be_hidden()


def test_new_values_replace_the_old_ones(seen: Watched) -> None:
    drawn(seen.page, FLOW)
    seen.page.get_by_role("button", name="Show as table").click()
    seen.page.evaluate(
        "(series) => window.chart.setData([1700000000, 1700000005], [series])", FLOW | {"values": [1000, 2000]}
    )
    expect(seen.page.get_by_role("img")).to_have_attribute("aria-label", "Load of C1. Flow from 1 A to 2 A, last 2 A.")
    expect(seen.page.locator(".chart-table tbody tr")).to_have_count(2)
    expect(seen.page.locator(".chart-legend")).to_have_text("Flow2 A")


def test_a_series_in_another_unit_has_an_axis_of_its_own(seen: Watched) -> None:
    charge: dict[str, object] = {"label": "Charge", "values": [40, 41, 42], "className": "soc", "unit": "%"}
    drawn(seen.page, FLOW, charge)
    expect(seen.page.locator(".chart .u-axis")).to_have_count(3)
    expect(seen.page.locator(".chart-legend")).to_contain_text("42 %")


def test_without_values_a_chart_says_so(seen: Watched) -> None:
    drawn(seen.page, FLOW | {"values": []}, times=[])
    expect(seen.page.get_by_text("No values yet.")).to_be_visible()
    seen.page.evaluate(
        "(series) => window.chart.setData([1700000000, 1700000005], [series])", FLOW | {"values": [1, 2]}
    )
    expect(seen.page.get_by_role("img")).to_be_visible()
    assert ink(seen.page) > 0


def test_colours_follow_light_and_dark_and_series_differ_by_dashes_too(seen: Watched) -> None:
    drawn(seen.page, FLOW, LIMIT)
    light = colours(seen.page)
    seen.page.emulate_media(color_scheme="dark")
    dark = colours(seen.page)
    assert len(set(light)) == 2
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert seen.page.locator(".chart-legend line[stroke-dasharray]").count() == 1


def test_a_chart_that_is_taken_down_leaves_nothing(seen: Watched) -> None:
    drawn(seen.page, FLOW)
    seen.page.evaluate("window.chart.destroy()")
    expect(seen.page.locator(".chart")).to_have_count(0)
    assert seen.complaints == []
