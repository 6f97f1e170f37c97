"""Screenshots of every screen of the page, from the running demo, into docs/screenshots: `make screenshots`."""

import re
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent / "screenshots"
SETTLE_S = 45.0
"""Until vehicles charge, somebody waits, and there is something to show over time."""
CUT_S = 15.0
"""Until what flows is below a limit that has fallen."""
BREACH_S = 40.0
"""Until what flows over a limit is a breach."""
CHROMIUM = "/usr/bin/chromium"


def main() -> int:
    """Start the demo, look at every screen, end it."""
    FOLDER.mkdir(exist_ok=True)
    demo = subprocess.Popen(
        [sys.executable, "-m", "busbar", "demo", "--port", "0", "--for", "300"], stdout=subprocess.PIPE, text=True
    )
    try:
        link = _link(demo)
        time.sleep(SETTLE_S)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
            page.goto(link)
            _shoot(page, "wiring", "#/wiring")
            slow = page.evaluate(
                """async () => {
                    const depots = await (await fetch("/api/v1/depots")).json();
                    const status = await (await fetch(`/api/v1/depots/${depots.depots[0].id}/status`)).json();
                    const held = status.connectors.filter((each) => each.bound_by && each.bound_by.limit !== "request");
                    return (held[0] || status.connectors[0]).id;
                }"""
            )
            _shoot(page, "why", f"#/why/{slow}", wait_s=8)
            _shoot(page, "cycles", "#/cycles")
            _shoot(page, "ready", "#/ready")
            page.goto(page.url.split("#")[0] + "#/what-if")
            page.get_by_label("Node").first.fill("C1")
            page.get_by_label("New limit").first.fill("600 A")
            page.get_by_role("button", name="Run").click()
            _shoot(page, "what-if", "#/what-if")
            cut = _give(page, "GC1", "600 kVA")
            _shoot(page, "cut", "#/wiring/GC1", wait_s=CUT_S)
            _shoot(page, "slow", "#/why/PU1/1", wait_s=8)
            _withdraw(page, cut)
            # An envelope below the base load: nothing that Busbar could lower is enough.
            _give(page, "GC2", "5 kW")
            _shoot(page, "breaches", "#/breaches", wait_s=BREACH_S)
            dark = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
            dark.context.add_cookies(page.context.cookies())  # type: ignore[arg-type]
            dark.goto(page.url.split("#")[0])
            _shoot(dark, "phone", "#/wiring")
            browser.close()
    finally:
        demo.terminate()
        demo.wait(20)
    return 0


def _give(page: Page, node: str, value: str) -> int:
    """An envelope, as the network operator gives one; returns its number."""
    answer = page.evaluate(
        """async ([node, value]) => {
            const depots = await (await fetch("/api/v1/depots")).json();
            const body = {node, value, by: "Screenshots"};
            const headers = {"Content-Type": "application/json"};
            const place = `/api/v1/depots/${depots.depots[0].id}/envelopes`;
            const answer = await fetch(place, {method: "POST", headers, body: JSON.stringify(body)});
            return [answer.status, (await answer.json()).id];
        }""",
        [node, value],
    )
    assert answer[0] == 201, answer
    return int(answer[1])


def _withdraw(page: Page, envelope: int) -> None:
    status = page.evaluate(
        """async (envelope) => {
            const depots = await (await fetch("/api/v1/depots")).json();
            const place = `/api/v1/depots/${depots.depots[0].id}/envelopes/${envelope}?by=Screenshots`;
            return (await fetch(place, {method: "DELETE"})).status;
        }""",
        envelope,
    )
    assert status < 300, status


def _link(demo: "subprocess.Popen[str]") -> str:
    assert demo.stdout is not None
    for line in demo.stdout:
        found = re.search(r"http://\S+/enter/\S+", line)
        if found:
            return found[0]
    raise SystemExit("The demo ended before it named its page.")


def _shoot(page: Page, name: str, place: str, *, wait_s: float = 3.0) -> None:
    page.goto(page.url.split("#")[0] + place)
    page.wait_for_timeout(wait_s * 1000)
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
