"""Vehicles from CSV files: our own columns, or the on/off-shift schedules of NREL's depot study."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from busbar.adapters.files import values
from busbar.adapters.files.tree import Node, clipped
from busbar.simulator.csv_rows import Cells, read_rows, refused
from busbar.simulator.scenario import Vehicle, VehicleType
from busbar.simulator.times import DAY_S, Calendar, moment, time_of_day

NREL_COLUMNS = ("veh_op_day_id", "start_time", "end_time", "on_shift", "vmt")
"""Of `veh_schedules.csv` in github.com/NREL/hdev-depot-charging-2021: one day of one vehicle per id, its spells on and
off shift, and the miles of each spell."""
OUR_COLUMNS = ("id", "arrives", "departs", "soc")
PLACE_COLUMN = "at"
"""May be added to ours: the node below which a vehicle is plugged in, where not all of the file's share one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stay:
    """What a file's vehicles have in common."""

    prefix: str
    type: VehicleType
    at: tuple[str, ...]
    energy_per_mile_wh: int | None
    """For schedules that give miles."""


def read_vehicles(path: Path, stay: Stay, calendar: Calendar) -> tuple[Vehicle, ...]:
    """The vehicles of a CSV file; raises RefusedError with every offender, its file and line."""
    columns, rows = read_rows(path)
    if set(NREL_COLUMNS) <= set(columns):
        return _from_shifts(path, rows, stay, calendar)
    if set(OUR_COLUMNS) <= set(columns):
        return _from_stays(path, rows, stay, calendar)
    raise refused(
        path,
        f"Its columns are {clipped(', '.join(columns))}.",
        f"Give the columns {', '.join(OUR_COLUMNS)}, or those of NREL's schedules: {', '.join(NREL_COLUMNS)}.",
    )


def _from_stays(
    path: Path, rows: list[tuple[int, dict[str, str]]], stay: Stay, calendar: Calendar
) -> tuple[Vehicle, ...]:
    cells, vehicles = Cells(path), []
    for line, row in rows:
        arrives = cells.read(line, row, "arrives", moment(calendar))
        departs = cells.read(line, row, "departs", moment(calendar))
        soc = cells.read(line, row, "soc", values.state_of_charge)
        if arrives is None or departs is None or soc is None:
            continue
        vehicles.append(
            Vehicle(
                id=f"{stay.prefix}{row['id']}",
                type=stay.type,
                arrives_s=arrives,
                departs_s=departs,
                soc=soc,
                at=(row[PLACE_COLUMN],) if row.get(PLACE_COLUMN) else stay.at,
            )
        )
    cells.refuse_if_any()
    return tuple(vehicles)


@dataclass(frozen=True, slots=True)
class _Spell:
    """A time off shift, in seconds of the day; it may reach past midnight, and then ends after DAY_S."""

    from_s: int
    until_s: int


def _from_shifts(
    path: Path, rows: list[tuple[int, dict[str, str]]], stay: Stay, calendar: Calendar
) -> tuple[Vehicle, ...]:
    """Each vehicle-day becomes one stay: its longest spell off shift, the day taken to repeat.

    The energy it needs is that of all the day's miles, so it arrives that much below where it stops by itself.
    """
    cells = Cells(path)
    days: dict[str, list[tuple[int, int, bool]]] = {}
    miles: dict[str, float] = {}
    for line, row in rows:
        begin = cells.read(line, row, "start_time", time_of_day)
        end = cells.read(line, row, "end_time", time_of_day)
        driven = cells.read(line, row, "vmt", _miles)
        if begin is None or end is None or driven is None:
            continue
        day = row["veh_op_day_id"]
        days.setdefault(day, []).append((begin, end, row["on_shift"].strip() == "1"))
        miles[day] = miles.get(day, 0.0) + driven
    cells.refuse_if_any()
    width = max((len(day) for day in days), default=1)
    vehicles = []
    for day, spells in days.items():
        away = max(_off_shift(spells), key=lambda spell: spell.until_s - spell.from_s, default=None)
        if away is None:
            continue
        needed_wh = miles[day] * (stay.energy_per_mile_wh or 0)
        soc = max(0.0, stay.type.target_soc - needed_wh / stay.type.battery_wh)
        arrives_s = calendar.next_s(away.from_s % DAY_S)
        vehicles.append(
            Vehicle(
                id=f"{stay.prefix}{day.zfill(width)}",
                type=stay.type,
                arrives_s=arrives_s,
                departs_s=arrives_s + away.until_s - away.from_s,
                soc=round(soc, 4),
                at=stay.at,
            )
        )
    return tuple(vehicles)


def _miles(node: Node) -> float:
    return float(values.text(node))


def _off_shift(spells: list[tuple[int, int, bool]]) -> Iterator[_Spell]:
    """Times off shift in a day that repeats; what ends and begins at midnight is one."""
    off = [_Spell(begin, end) for begin, end, on_shift in sorted(spells) if not on_shift]
    if len(off) > 1 and off[0].from_s == 0 and off[-1].until_s >= DAY_S - 1:
        first = off.pop(0)
        off[-1] = _Spell(off[-1].from_s, DAY_S + first.until_s)
    yield from off
