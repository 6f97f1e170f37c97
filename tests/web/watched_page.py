"""The page as tests look at it: signed in, with everything that went wrong in it remembered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Watched:
    """A page and what it complained of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def show(self, screen: str) -> None:
        """Go to a screen: `wiring`, `why/PU1/1`."""
        self.page.goto(f"{self.url}/#/{screen}")
        self.page.wait_for_selector(f"#screen[data-screen='{screen.split('/')[0]}']:not([aria-busy])", timeout=WAIT_MS)

    def faults(self) -> list[str]:
        """What axe finds serious or critical, in short sentences."""
        # Evaluated by the browser itself: the policy of the page stays in force.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        run = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})"
        found: dict[str, Any] = self.page.evaluate(run, _WCAG)
        return [
            f"{each['id']} ({each['impact']}): {node['target']} {node.get('failureSummary', '')}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:4]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def watched(
    browser: Browser, url: str, *, link: str | None = None, scheme: str = "light", width: int = 1360, height: int = 900
) -> Iterator[Watched]:
    """A new window at `url`; `link` lets it in."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    found = Watched(page=page, url=url)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("console", lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None)
    try:
        if link is not None:
            page.goto(link)
            page.wait_for_selector("html[data-connection='live']")
        yield found
    finally:
        context.close()
