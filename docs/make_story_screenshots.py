"""Screenshots of the stories of docs/fifteen_minutes.md that need no running page: part of `make screenshots`."""

import html
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "screenshots"
CHROMIUM = "/usr/bin/chromium"
WIDTH, MARGIN = 1280, 8
TERMINAL = """<meta charset="utf-8"><style>
body {{ margin: 0; background: #1d232b; color: #e8e6e1; font: 14px/1.45 "DejaVu Sans Mono", monospace }}
pre {{ margin: 0; padding: 24px 28px; font: inherit; white-space: pre-wrap }}
b {{ color: #8fb8e8 }} i {{ font-style: normal; color: #7ec699 }} u {{ text-decoration: none; color: #f08a7c }}
</style><pre>{}</pre>"""
COLOURS = ((r"^(.*✔.*)$", r"<i>\1</i>"), (r"^(.*✖.*)$", r"<u>\1</u>"))


def main() -> int:
    """Run what the page says, and look at what comes of it."""
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="busbar-stories-") as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        folder = Path(place)
        _run(f"busbar demo --report {folder}/night", ends=0)
        _shoot_report(browser, folder / "night" / "report.html", "night", "What flowed, and what was allowed")
        _run(f"busbar accept scenarios/meter_lost.yaml scenarios/disobeys.yaml --report {folder}/faults", ends=0)
        sections = ("What was expected", "What flowed, and what was allowed")
        _shoot_report(browser, folder / "faults" / "acceptance.html", "meter-lost", *sections)
        _run(f"busbar accept docs/examples/killed.yaml --live --report {folder}/killed", ends=0)
        _shoot_report(browser, folder / "killed" / "acceptance.html", "killed", *sections)
        too_much = folder / "too_much.yaml"
        killed = (ROOT / "docs" / "examples" / "killed.yaml").read_text(encoding="utf-8")
        too_much.write_text(killed.replace("flow_at_most: 110 A", "flow_at_most: 100 A"), encoding="utf-8")
        lines = [_run("busbar simulate --faults --seed 28", ends=0), "", _run(f"busbar accept {too_much}", ends=1)]
        _shoot_terminal(browser, "everything", "\n".join(lines).replace(str(too_much), "reports/too_much.yaml"))
        browser.close()
    return 0


def _run(command: str, *, ends: int) -> str:
    """The command and what it prints, as in a terminal."""
    found = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != ends:
        raise SystemExit(f"{command} ended with {found.returncode}: {found.stdout}{found.stderr}")
    return f"$ .venv/bin/{command}\n{found.stdout.rstrip()}"


def _shoot_report(browser: Browser, file: Path, name: str, *sections: str) -> None:
    """From the first of the sections with these headings to the last one, of the first scenario in it."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 860}, color_scheme="light")
    page.goto(file.as_uri())
    boxes = [
        page.locator("section", has=page.get_by_role("heading", name=each)).first.bounding_box() for each in sections
    ]
    top, bottom = _edges([box for box in boxes if box is not None])
    clip = {"x": 0, "y": top - MARGIN, "width": WIDTH, "height": bottom - top + 2 * MARGIN}
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True, clip=clip)  # type: ignore[arg-type]
    page.close()
    print(f"{name}.png")


def _edges(boxes: Sequence[object]) -> tuple[float, float]:
    found = [(box["y"], box["y"] + box["height"]) for box in boxes]  # type: ignore[index]
    return min(top for top, _ in found), max(bottom for _, bottom in found)


def _shoot_terminal(browser: Browser, name: str, text: str) -> None:
    shown = re.sub(r"^(\$ .*)$", r"<b>\1</b>", html.escape(text, quote=False), flags=re.MULTILINE)
    for pattern, colour in COLOURS:
        shown = re.sub(pattern, colour, shown, flags=re.MULTILINE)
    page = browser.new_page(viewport={"width": 1080, "height": 100})
    page.set_content(TERMINAL.format(shown))
    page.locator("pre").screenshot(path=FOLDER / f"{name}.png")
    page.close()
    print(f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
