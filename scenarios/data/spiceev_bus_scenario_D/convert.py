"""Turn SpiceEV's bus scenario D into what `spiceev_30.yaml` plays: `python convert.py FOLDER`, where its files are.

A stay is an arrival at a charging station. Its state of charge is worked out: every trip takes what the file says, and
each stay puts back what its station could at most, up to the state of charge that the bus wants.
"""

import csv
import json
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FIRST = datetime.fromisoformat("2018-01-02T00:06:00+02:00")
"""Where the scenario begins, every bus full."""
FROM, UNTIL = datetime.fromisoformat("2018-01-03T03:20:00+02:00"), datetime.fromisoformat("2018-01-03T05:40:00+02:00")
"""Arrivals in this time are written: the end of the night, which is played. The one bus of the other type has none."""
TEN_MINUTES = timedelta(minutes=10)
PLACES = {
    "Betriebshof A": "YARD",
    "Betriebshof Indira-Gandhi-Str.": "YARD2",
    "S+U Hermannstr.": "HERMANNSTR",
    "S+U Wuhletal": "WUHLETAL",
    "S Adlershof": "ADLERSHOF",
    "S Buch": "BUCH",
    "S Grunewald": "GRUNEWALD",
    "U Rohrdamm": "ROHRDAMM",
    "Alt-Kladow": "KLADOW",
}
"""Grid connectors by their names here."""


def station_id(station: str, place: str) -> str:
    """`CKB_opps_12_S Buch_opps` is the charge point BUCH-12; the one bus of the other type has a V in front."""
    kind, number = station.split("_")[0], station.split("_")[2]
    return f"{PLACES[place]}-{'V' if kind == 'VDL' else ''}{number}"


def stays(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per stay at a station, by arrival and bus."""
    components = scenario["components"]
    place_of = {name: station["parent"] for name, station in components["charging_stations"].items()}
    power_kw = {name: station["max_power"] for name, station in components["charging_stations"].items()}
    soc = {name: float(vehicle["soc"]) for name, vehicle in components["vehicles"].items()}
    number = dict.fromkeys(soc, 0)
    found = []
    for event in scenario["events"]["vehicle_events"]:
        bus, arrives = event["vehicle_id"], datetime.fromisoformat(event["start_time"])
        if event["event_type"] != "arrival" or not FIRST <= arrives < UNTIL:
            continue
        kind = components["vehicles"][bus]["vehicle_type"]
        battery_kwh = components["vehicle_types"][kind]["capacity"]
        update = event["update"]
        soc[bus] += update["soc_delta"]
        station = update["connected_charging_station"]
        if station is None:
            continue
        departs = datetime.fromisoformat(update["estimated_time_of_departure"])
        number[bus] += arrives >= FROM
        name = ("V" if kind.startswith("VDL") else "") + bus.split("_")[2]
        if arrives >= FROM:
            found.append(
                {
                    "id": f"{name}-{number[bus]}",
                    "arrives": arrives.isoformat(),
                    "departs": departs.isoformat(),
                    "soc": f"{100 * soc[bus]:.1f} %",
                    "at": station_id(station, place_of[station]),
                }
            )
        hours = (departs - arrives).total_seconds() / 3600
        soc[bus] = max(soc[bus], min(float(update["desired_soc"]), soc[bus] + power_kw[station] * hours / battery_kwh))
    return sorted(found, key=lambda row: (row["arrives"], row["id"]))


def load(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The building's load in kW, every ten minutes from the scenario's first minute, as far as it is played."""
    times = (FIRST + TEN_MINUTES * step for step in count())
    return [
        {"time": at.isoformat(), "kw": row["value"]}
        for at, row in zip(times, rows, strict=False)
        if FROM - TEN_MINUTES < at < UNTIL
    ]


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """A CSV file beside this one."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Write the stays and the building's load."""
    scenario = json.loads((folder / "bus_scenario_D.json").read_text(encoding="utf-8"))
    write("stays.csv", stays(scenario))
    with (folder / "example_load.csv").open(encoding="utf-8", newline="") as stream:
        write("load.csv", load(csv.DictReader(stream)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
