"""The report of one trial of a scenario file: page, summary and series, in the files that a played night has."""

import json
from pathlib import Path

from busbar.simulator.acceptance.accepted import Judged
from busbar.simulator.acceptance.page import page_of
from busbar.simulator.acceptance.run import accepted_of
from busbar.simulator.acceptance.told import told_of
from busbar.simulator.report import PAGE, SERIES, SUMMARY
from busbar.simulator.results import write_series
from busbar.simulator.trials.replay import Replayed, as_document


def write_trial_report(replayed: Replayed, judged: Judged, folder: Path) -> Path:
    """Write the page, `summary.json` (`busbar/trial/1`) and `series/*.csv`, a line a second; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_series(judged.played, folder / SERIES)
    text = json.dumps(as_document(replayed), indent=2, ensure_ascii=False) + "\n"
    (folder / SUMMARY).write_text(text, encoding="utf-8")
    page = folder / PAGE
    page.write_text(page_of([accepted_of(judged)], told_of(), is_trial=True), encoding="utf-8")
    return page
