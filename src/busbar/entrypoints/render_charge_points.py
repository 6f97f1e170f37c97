"""What `busbar charge-points` shows: a line now and then, and a summary at the end."""

from dataclasses import asdict
from typing import Any

from rich.text import Text

from busbar.entrypoints.words import number, plural
from busbar.simulator.stations.running import Seen

SCHEMA = "busbar/charge-points/1"


def count_line(seen: Seen) -> str:
    """`wa_pta: 22 of 24 connected, 18 of 22 vehicles charging, 412 kW. ...`"""
    count = seen.count
    line = (
        f"{seen.depot}: {count.ready} of {count.charge_points} connected, "
        f"{count.charging} of {plural(count.vehicles, 'vehicle')} charging, {number(count.power_w)} kW."
    )
    if seen.meter_trouble:
        line += f" Meters: {seen.meter_trouble}."
    return line + _troubles(seen)


def _troubles(seen: Seen) -> str:
    if not seen.troubles:
        return ""
    name, why = seen.troubles[0]
    return f" {name}: {why}."


def summary_text(seen: Seen) -> Text:
    """How it ended."""
    count = seen.count
    text = Text()
    text.append(f"{seen.depot}: ", style="bold")
    text.append(f"{plural(count.charge_points, 'charge point')} for {seen.ran_s:.0f} s.\n")
    lines = [
        ("Connected at the end", f"{count.connected}, {count.ready} of them accepted"),
        ("Connections opened", f"{count.connections}"),
        ("Vehicles at the end", f"{count.vehicles}, {count.charging} of them charging"),
        ("Power at the end", f"{number(count.power_w)} kW, at most {number(seen.peak_w)} kW"),
        ("Messages sent", f"{count.calls}"),
        ("Orders received", f"{count.orders}"),
    ]
    if count.errors:
        lines.append(("Answered with an error", f"{count.errors}"))
    if count.dropped:
        lines.append(("Messages without room", f"{count.dropped}"))
    if seen.readings_pushed or seen.readings_failed:
        lines.append(("Meter readings", f"{seen.readings_pushed} pushed, {seen.readings_failed} failed"))
    if seen.meter_trouble:
        lines.append(("Meters", seen.meter_trouble))
    lines += [(f"{name}", why) for name, why in seen.troubles]
    width = max(len(label) for label, _ in lines)
    for label, value in lines:
        text.append(f"  {label:<{width}}  {value}\n")
    text.right_crop(1)
    return text


def count_document(seen: Seen) -> dict[str, Any]:
    """The same for programs (`busbar/charge-points/1`)."""
    return {
        "schema": SCHEMA,
        "depot": seen.depot,
        "ran_s": round(seen.ran_s, 1),
        **asdict(seen.count),
        "peak_w": seen.peak_w,
        "troubles": dict(seen.troubles),
        "readings_pushed": seen.readings_pushed,
        "readings_failed": seen.readings_failed,
        "meter_trouble": seen.meter_trouble,
    }
