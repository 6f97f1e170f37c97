"""A real Chromium, and the real application over a made-up service (tests/api/made_service.py)."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

_TESTS = Path(__file__).parents[1]
for _folder in ("unit", "api"):
    sys.path.insert(0, str(_TESTS / _folder))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Ended with the file: while it runs, this thread has an event loop that no other test may share.
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no Chromium; .ci/run installs it")
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            )
        except Error as error:
            pytest.fail(f"Chromium at {chromium} does not start: {error}")
        yield found
        found.close()
