"""Turn the eight days of ETH's bus depot into the stays that `eth_8.yaml` plays: `python convert.py`, beside its files.

A stay is a run of half hours at the depot; the day repeats, so that one that ends at midnight goes on. Its state of
charge is worked out: trips take what the file says, and each stay puts back what 150 kW can. `python convert.py` writes
`stays.csv`.
"""

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START = datetime(2026, 11, 23, 22, 0, tzinfo=timezone(timedelta(hours=1)))
"""The upstream day has no date: this one is made up, and begins at ten in the evening."""
FIRST_STEP = 44
"""Of the day, at `START`."""
STEP = timedelta(minutes=30)
POWER_KW = 150


def stays(bus: int, day: dict[str, Any]) -> Iterator[dict[str, str]]:
    """One row per stay of one bus, from `START` for a day."""
    count = day["num_timesteps"]
    here = [day["depot_charge"][0][(FIRST_STEP + step) % count] for step in range(count)]
    needed_kwh = [day["energy_demand"][0][(FIRST_STEP + step) % count] / 3.6e6 for step in range(count)]
    battery_kwh = day["battery_capacity"][0] / 3.6e6
    stored_kwh, found = battery_kwh, []
    # Twice round: the second day begins with what the first has left.
    for step in (*range(count), *range(count)):
        if step == 0:
            found = []
        if not here[step]:
            stored_kwh = min(battery_kwh, stored_kwh - needed_kwh[step])
            continue
        if step == 0 or not here[step - 1]:
            found.append((step, stored_kwh))
        stored_kwh = min(battery_kwh, stored_kwh + POWER_KW * STEP / timedelta(hours=1))
    for number, (step, kwh) in enumerate(found, start=1):
        steps = next((ahead for ahead, is_here in enumerate(here[step:]) if not is_here), count - step)
        yield {
            "id": f"{bus}-{number}",
            "arrives": (START + STEP * step).isoformat(),
            "departs": (START + STEP * (step + steps)).isoformat(),
            "soc": f"{100 * kwh / battery_kwh:.1f} %",
        }


def all_stays() -> list[dict[str, str]]:
    """Of all eight buses."""
    return [
        row
        for bus in range(1, 9)
        for row in stays(bus, json.loads((HERE / f"depot03_vehicle{bus:02d}.json").read_text(encoding="utf-8")))
    ]


if __name__ == "__main__":
    rows = all_stays()
    with (HERE / "stays.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
