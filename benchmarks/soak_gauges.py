"""What `soak.py` reads every half minute: processes by /proc, files by their sizes, the server by its metrics."""

import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from live_gauges import children, cpu_s, resident_kb

_STORE = "busbar.adapters.store.answering"
_LINE = re.compile(r"^(busbar_\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def server_processes(pid: int) -> dict[str, int]:
    """By role, the server's processes: `service` itself, `store`, and whatever else it has started."""
    found = {"service": pid}
    for child in children(pid):
        words = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")
        found["store" if _STORE in words else f"other {len(found)}"] = child
    return found


def process_figures(pid: int) -> dict[str, float]:
    """Memory, open files, threads and CPU time of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
    return {
        "resident_kb": resident_kb(pid),
        "open_files": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": threads,
        "cpu_s": round(cpu_s(pid), 2),
    }


def file_sizes(database: Path) -> dict[str, float]:
    """kB of a SQLite file and its log of writes."""
    wal = database.with_name(f"{database.name}-wal")
    return {"database_kb": size_kb(database), "wal_kb": size_kb(wal)}


def size_kb(path: Path) -> float:
    """0 where it is not there."""
    return path.stat().st_size / 1024 if path.exists() else 0.0


def kept_cycles(database: Path) -> int:
    """Cycles in the store."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=15)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM cycles").fetchone()
    return int(count)


def metered(text: str) -> dict[str, Any]:
    """What of a server's metrics is followed here."""
    values: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for name, labels, value in _LINE.findall(text):
        values.setdefault(name, []).append((dict(_LABEL.findall(labels)), float(value)))

    def one(name: str) -> int:
        return int(sum(value for _, value in values.get(name, [])))

    def by(name: str, label: str) -> dict[str, int]:
        return {labels[label]: int(value) for labels, value in values.get(name, []) if value}

    return {
        "cycle_number": one("busbar_cycle_number"),
        "cycles": by("busbar_cycles", "outcome"),
        "overruns": one("busbar_cycle_overruns"),
        "failures": one("busbar_cycle_failures"),
        "breaches": by("busbar_breaches", "cause"),
        "setpoints": by("busbar_setpoints", "result"),
        "connected": one("busbar_charge_points_connected"),
        "vehicles": by("busbar_vehicles", "state"),
    }
