"""The depot of `soak.py`: two grid connections, nested circuits, AC and DC, and a share that misbehaves."""

from dataclasses import dataclass
from typing import Any

DEPOT_ID = "soak"
METERED = ("GC1", "GC2", "SB1")
BASE_LOADS = {"GC1": "140 kW", "GC2": "60 kW", "SB1": "25 kW"}
SPARE = "SPARE"
"""A charge point that is built and taken down again by edits; nobody plays it."""

_PER_CIRCUIT = 10
_CIRCUITS_PER_SWITCHBOARD = 5
_ROOM_A_EACH = 40
"""Of a circuit, for each of its charge points: about six tenths of what they can take together."""
_MISBEHAVING = {
    "flapping": (3, 28),
    "slow": (5, 26),
    "reboot_to_full": (11, 50),
    "half_open": (17, 50),
    "replaying": (23, 50),
    "whole_amperes": (30, 50),
}
"""By behaviour, the first charge point that has it and how many further on the next one is."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What a person changes in the depot's file."""

    has_spare: bool = False
    narrow: str | None = None
    """A circuit that may carry three quarters of what it could."""


def depot_document(count: int, edit: Edit | None = None) -> dict[str, Any]:
    """`count` charge points, as a depot file (`busbar/depot/1`)."""
    edit = edit or Edit()
    circuit_count = max(2, -(-count // _PER_CIRCUIT))
    board_count = max(2, -(-circuit_count // _CIRCUITS_PER_SWITCHBOARD))
    charge_points = [_charge_point(index, f"C{1 + index % circuit_count}") for index in range(count)]
    if edit.has_spare:
        charge_points.append({**_charge_point(0, "C1"), "id": SPARE})
    room_a = _ROOM_A_EACH * -(-count // circuit_count)
    circuits = [_grid_connection(number, count) for number in (1, 2)]
    circuits += [_switchboard(number, circuit_count, board_count, room_a) for number in range(1, board_count + 1)]
    circuits += [
        {
            "id": f"C{number}",
            "parent": f"SB{1 + (number - 1) % board_count}",
            "default_operating_capacity": _amperes(room_a, is_narrow=edit.narrow == f"C{number}"),
        }
        for number in range(1, circuit_count + 1)
    ]
    depot = {
        "id": DEPOT_ID,
        "name": "Soak",
        "voltage": "415 V",
        "strategy": "equal_share",
        "limit": f"{300 + 19 * count} kVA",
    }
    return {"schema": "busbar/depot/1", "depot": depot, "circuits": circuits, "charge_points": charge_points}


def _amperes(room_a: int, *, is_narrow: bool) -> str:
    return f"{room_a * 3 // 4 if is_narrow else room_a} A"


def whole_kva(count: int) -> int:
    """What a grid connection may carry."""
    return 200 + 12 * count


def _grid_connection(number: int, count: int) -> dict[str, Any]:
    room_kva = whole_kva(count)
    return {
        "id": f"GC{number}",
        "rating": f"{room_kva * 5 // 4} kVA",
        "default_operating_capacity": f"{room_kva} kVA",
        "safe_operating_capacity": f"{room_kva * 6 // 10} kVA",
        "meter": True,
    }


def _switchboard(number: int, circuit_count: int, board_count: int, room_a: int) -> dict[str, Any]:
    room_a = 80 + room_a * -(-circuit_count // board_count) * 8 // 10
    found = {"id": f"SB{number}", "parent": f"GC{1 + (number - 1) % 2}", "default_operating_capacity": f"{room_a} A"}
    if found["id"] in METERED:
        return {**found, "safe_operating_capacity": f"{room_a * 6 // 10} A", "meter": True}
    return found


def _charge_point(index: int, circuit: str) -> dict[str, Any]:
    """Of seventeen, eleven AC with one connector and two with two, two DC with one and two with two."""
    kind = index % 17
    if kind in (4, 13):
        wide = [{"id": each, "max_rating": "60 kW", "min": "5 kW", "step": "1 kW"} for each in (1, 2)]
        return {"id": name(index), "circuit": circuit, "current": "DC", "max_rating": "90 kW", "connectors": wide}
    if kind in (8, 16):
        one = {"id": 1, "max_rating": "60 kW", "min": "5 kW", "step": "100 W"}
        return {"id": name(index), "circuit": circuit, "current": "DC", "max_rating": "60 kW", "connectors": [one]}
    if kind in (2, 10):
        pair = [{"id": each, "max_rating": "32 A", "step": "1 A"} for each in (1, 2)]
        return {"id": name(index), "circuit": circuit, "current": "AC", "max_rating": "48 A", "connectors": pair}
    fallback = "6 A" if kind % 3 == 0 else "0 A"
    turned = [["L1", "L2", "L3"], ["L2", "L3", "L1"], ["L3", "L1", "L2"]][index % 3]
    only = {"id": 1, "max_rating": "32 A", "fallback": fallback, "phases": turned}
    return {"id": name(index), "circuit": circuit, "current": "AC", "max_rating": "32 A", "connectors": [only]}


def name(index: int) -> str:
    """`CP001` is the first."""
    return f"CP{1 + index:03d}"


def misbehaving(count: int) -> dict[str, list[str]]:
    """By behaviour, the charge points that have it; those of which the depot has none are left out."""
    found = {
        behaviour: [name(index) for index in range(first, count, further)]
        for behaviour, (first, further) in _MISBEHAVING.items()
    }
    return {behaviour: names for behaviour, names in found.items() if names}
