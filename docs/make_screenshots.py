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
BREACH_S = 40.0
"""Until what flows over a limit is a breach."""
CHROMIUM = "/usr/bin/chromium"


def main() -> int:
    """Start the demo, look at every screen, end it."""
    FOLDER.mkdir(exist_ok=True)
    demo = subprocess.Popen(
        [sys.executable, "-m", "busbar", "demo", "--port", "0", "--for", "240"], stdout=subprocess.PIPE, text=True
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
            _break_a_limit(page)
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


def _break_a_limit(page: Page) -> None:
    """An envelope below the base load: nothing that Busbar could lower is enough."""
    answer = page.evaluate(
        """async () => {
            const depots = await (await fetch("/api/v1/depots")).json();
            const body = {node: "GC2", value: "5 kW", by: "Screenshots"};
            const headers = {"Content-Type": "application/json"};
            const place = `/api/v1/depots/${depots.depots[0].id}/envelopes`;
            return (await fetch(place, {method: "POST", headers, body: JSON.stringify(body)})).status;
        }"""
    )
    assert answer == 201, answer


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
