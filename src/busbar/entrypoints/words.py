"""Figures and names as people read them."""

from collections.abc import Iterable, Sequence

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn, Leaves
from busbar.core.units import Amount, format_amount, format_ma, format_w

ROWS = ("L1", "L2", "L3", "total")
_WHOLE_FROM = 100_000
"""From 100 A or kW on, decimals are noise."""

_COUNTED_KINDS = ("GRID_CONNECTION", "CIRCUIT", "CHARGE_POINT", "CONNECTOR")

LIMIT_WORDS = {
    "max_rating": "maximum rating",
    "rating": "rating",
    "default_operating_capacity": "default operating capacity",
    "safe_operating_capacity": "safe operating capacity",
    "envelope": "envelope",
    "request": "request",
    "out_of_service": "out of service",
}


def number(thousandths: int) -> str:
    """Thousandths as A or kW without the unit: `640`, `19.5`, `0`.

    Everything is rounded to the nearest alike, so that what fits never looks as if it did not.
    """
    if abs(thousandths) >= _WHOLE_FROM:
        return str(round(thousandths / 1000))
    return f"{round(thousandths, -2) / 1000:g}"


def figure(row: int, value: int | None) -> str:
    """A value on one of the four rows: `640 A` or `150 kW`; nothing where there is none."""
    return "" if value is None else f"{number(value)} {unit_of(row)}"


def unit_of(row: int) -> str:
    """A for the lines, kW for the total."""
    return "kW" if row == ROWS.index("total") else "A"


def amount(value: Amount) -> str:
    """A limit as it is written in a depot file: `1200 kVA`, or `40 / 40 / 32 A` where the phases differ."""
    text = format_amount(value)
    if isinstance(text, str):
        return text
    if len(text) == 3:
        return " / ".join(each.removesuffix(" A") for each in text.values()) + " A"
    return ", ".join(f"{phase} {each}" for phase, each in text.items())


def setpoint(value: int, *, is_ac: bool) -> str:
    """A request, setpoint or rating of a connector, exact: `13.1 A` or `38 kW`."""
    return format_ma(value) if is_ac else format_w(value)


def rating(unit: ChargePoint) -> str:
    """A charge point's maximum rating, in its own unit and on its own side."""
    return setpoint(unit.max_rating, is_ac=unit.current is CurrentKind.AC)


def at_vehicle(unit: ChargePoint, supply_w: int) -> int:
    """W of supply as W at the vehicle, for showing beside a DC charge point's own figures."""
    return supply_w * unit.efficiency_permille // 1000


def display_name(subject: Depot | Circuit | ChargePoint | Connector) -> str:
    """What the record is called beside its id; nothing where it has no name."""
    return "" if isinstance(subject, Connector) else subject.name or ""


def plural(count: int, noun: str) -> str:
    """`1 vehicle`, `2 vehicles`, `no vehicles`."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def counts(kinds: Sequence[str]) -> str:
    """How many power nodes of each kind there are, the microgrid left out."""
    nouns = {kind: kind.lower().replace("_", " ") for kind in _COUNTED_KINDS}
    return joined([plural(kinds.count(kind), noun) for kind, noun in nouns.items()])


def sharing(strategy: str, leaves: Leaves, fair_in: FairIn) -> str:
    """`equal_share among connectors, fair in power`."""
    return f"{strategy} among {leaves.plural}, fair in {fair_in.value}"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def on_rows(rows: Iterable[str | None]) -> str:
    """`on L1`, `on L1 and L3`, `on all phases`, `in total`; nothing where no row is concerned."""
    found = [row for row in ROWS if row in set(rows)]
    lines = [row for row in found if row != "total"]
    parts = ["on all phases" if len(lines) == 3 else f"on {joined(lines)}"] if lines else []
    return joined([*parts, "in total"]) if "total" in found else "".join(parts)


def listed(names: Sequence[str], places: Sequence[int], *, most: int = 12) -> str:
    """Names one after the other, cut after `most`; neighbours are drawn together: `CP1/1 to CP1/4`.

    `places` says where each name stands among all there are, so that nothing is left out between `a to b`.
    """
    runs: list[list[str]] = []
    before = None
    for name, place in zip(names, places, strict=True):
        if before is not None and place == before + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
        before = place
    entries: list[tuple[str, int]] = []
    for run in runs:
        if len(run) >= 3:
            entries.append((f"{run[0]} to {run[-1]}", len(run)))
        else:
            entries += [(name, 1) for name in run]
    if len(entries) <= most:
        return joined([text for text, _ in entries])
    rest = sum(count for _, count in entries[most - 1 :])
    return joined([*(text for text, _ in entries[: most - 1]), f"{rest} more"])
