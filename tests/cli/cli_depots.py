"""Depots and snapshots made for one test."""

from pathlib import Path

import yaml


def write(path: Path, document: dict[str, object]) -> Path:
    """A document as a YAML file."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def depot(**circuit: object) -> dict[str, object]:
    """One circuit, one AC charge point that falls back to 6 A."""
    connector = {"id": 1, "max_rating": "32 A", "fallback": "6 A"}
    return {
        "schema": "busbar/depot/1",
        "depot": {"id": "small", "voltage": "400 V"},
        "circuits": [{"id": "GC1", "default_operating_capacity": "100 A", **circuit}],
        "charge_points": [
            {"id": "CP1", "circuit": "GC1", "current": "AC", "max_rating": "32 A", "connectors": [connector]}
        ],
    }


def large_depot(charge_points: int) -> dict[str, object]:
    """Many charge points of two connectors on five circuits."""
    connectors = [{"id": each, "max_rating": "150 kW", "min": "10 kW", "step": "1 kW"} for each in (1, 2)]
    circuits = [{"id": f"C{each}", "parent": "GC1", "default_operating_capacity": "1600 A"} for each in range(1, 6)]
    return {
        "schema": "busbar/depot/1",
        "depot": {"id": "large", "voltage": "415 V"},
        "circuits": [{"id": "GC1", "default_operating_capacity": "5000 kVA"}, *circuits],
        "charge_points": [
            {
                "id": f"CP{each}",
                "circuit": f"C{1 + each * 5 // charge_points}",
                "current": "DC",
                "max_rating": "200 kW",
                "connectors": connectors,
            }
            for each in range(charge_points)
        ],
    }


def snapshot(*connectors: str, **more: object) -> dict[str, object]:
    """A vehicle on each of the connectors."""
    sessions = [{"connector": connector} for connector in connectors]
    return {"schema": "busbar/snapshot/1", "at": "2026-11-22T22:00:00+08:00", "sessions": sessions, **more}


def scenario(folder: Path, **more: object) -> Path:
    """Half an hour with one van on the small depot, as a file beside it."""
    write(folder / "depot.yaml", depot())
    kind = {"id": "van", "battery": "60 kWh", "max_power": "11 kW", "target_soc": "31 %"}
    van = {"id": "van1", "type": "van", "at": "CP1", "arrives": "18:02", "departs": "18:28", "soc": "30 %"}
    document = {
        "schema": "busbar/scenario/1",
        "name": "One van",
        "story": "A van comes and goes.",
        "depot": "depot.yaml",
        "seed": 1,
        "start": "2026-11-03T18:00:00+00:00",
        "duration": "30 min",
        "cycle": "60 s",
        "vehicle_types": [kind],
        "vehicles": [van],
        "expectations": [{"no_limit_broken": True}, {"vehicles_ready": "100 %"}],
    }
    return write(folder / "scenario.yaml", {**document, **more})
