"""The files that an acceptance run is told in."""

import json
from collections.abc import Sequence
from pathlib import Path

from busbar.simulator.acceptance.accepted import Accepted
from busbar.simulator.acceptance.document import acceptance_document
from busbar.simulator.acceptance.page import page_of
from busbar.simulator.acceptance.told import Told

PAGE, DOCUMENT = "acceptance.html", "acceptance.json"


def write_acceptance(accepted: Sequence[Accepted], told: Told, folder: Path) -> Path:
    """Write the page and the document; returns the page."""
    document = acceptance_document(accepted, told)
    (folder / DOCUMENT).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page = folder / PAGE
    page.write_text(page_of(accepted, told), encoding="utf-8")
    return page
