"""A served depot for an hour, and whether anything grows meanwhile: `make soak-live`.

`busbar serve` with its defaults and a SQLite file, and beside it a process with simulated charge points over real OCPP
connections, all on loopback. Vehicles come and go thirty times as fast as they would, some charge points misbehave
(`soak_depot.py`), and people, a DERMS and a browser are busy too (`soak_disturb.py`). Every half minute the server is
measured (`soak_gauges.py`); the rules are in `soak_verdict.py`. Exit code 1 where one is broken.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from soak_depot import BASE_LOADS, METERED, depot_document, misbehaving
from soak_disturb import Api, Disturbance, Listener, look_around
from soak_end import examined
from soak_gauges import file_sizes, kept_cycles, metered, process_figures, server_processes, size_kb
from soak_processes import LogLines, Process, command, ports_of, started
from soak_table import tables, write_into
from soak_verdict import is_broken, judge

SPEED = 30
VEHICLES = "85 %"
METER_SECRET = "of-the-soak-meters"
CONNECT_WITHIN_S = 120.0
LONGEST_S = 24 * 3600.0
LATE_S = 600.0
"""A run whose samples come so late has no answers to wait for."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is to be run."""

    charge_points: int
    minutes: float
    sample_s: float
    cut_s: float
    out: Path | None


@dataclass
class Site:
    """What runs. (Mutable: it is measured.)"""

    server: Process
    charge_points: Process
    database: Path
    api: Api
    disturbance: Disturbance
    listener: Listener
    lines: LogLines
    began_s: float = field(default_factory=time.monotonic)
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def at_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began_s


def main() -> int:
    """Run it, or show what a run has written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charge-points", type=int, default=200, metavar="N")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sample", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--cut-every", type=float, default=600.0, metavar="SECONDS", help="From envelope to envelope.")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="Written after every sample.")
    parser.add_argument("--table", type=Path, metavar="FILE.json", help="Run nothing; show that run as Markdown.")
    parser.add_argument("--into", type=Path, metavar="PAGE.md", help="With --table: put it between the page's markers.")
    chosen = parser.parse_args()
    if chosen.table is not None:
        return _shown(chosen.table, chosen.into)
    options = Options(
        charge_points=chosen.charge_points,
        minutes=chosen.minutes,
        sample_s=chosen.sample,
        cut_s=chosen.cut_every,
        out=chosen.out,
    )
    # Everything that was started is ended, also where a shell had Ctrl-C ignored in its background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="busbar-soak-") as folder:
        run = soaked(options, Path(folder))
    if not run["samples"]:
        say("nothing was measured")
        return 1
    print(tables(run))
    return 1 if is_broken(judge(run)) else 0


def _shown(file: Path, page: Path | None) -> int:
    run = json.loads(file.read_text(encoding="utf-8"))
    if page is None:
        print(tables(run))
    else:
        write_into(page, run)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(words: str) -> None:
    """For whoever waits."""
    print(words, file=sys.stderr, flush=True)


def soaked(options: Options, folder: Path) -> dict[str, Any]:
    """One run, from nothing to nothing; interrupted, what there is of it."""
    run: dict[str, Any] = {
        "options": {"charge_points": options.charge_points, "minutes": options.minutes, "sample_s": options.sample_s},
        "misbehaving": misbehaving(options.charge_points),
        "samples": [],
        "done": {},
        "refused": {},
    }
    with site_at(options, folder) as site:
        run["samples"] = site.samples
        run["done"], run["refused"] = site.disturbance.done, site.disturbance.refused
        try:
            _measure(site, options, run)
        except KeyboardInterrupt:
            say("interrupted; ending everything")
        run["breaches"] = _breaches(site)
        site.listener.end()
        run["listener"] = {"visits": site.listener.visits, "heard": site.listener.heard}
        run["charge_points"] = {"exit_code": site.charge_points.end(), "said": _last_document(folder)}
        began_s = time.monotonic()
        exit_code = site.server.end()
        run["end"] = {"exit_code": exit_code, "ended_within_s": time.monotonic() - began_s}
        run["end"] |= examined(site.database)
        if run["end"]["exit_code"] != 0:
            say(site.server.said()[-4000:])
    _write(options.out, run)
    return run


def _breaches(site: Site) -> list[dict[str, Any]]:
    """The last ones, with what the server says about them."""
    try:
        found = site.api.ask("breaches").json()["breaches"]
    except (httpx.HTTPError, KeyError):
        return []
    return [{key: each.get(key) for key in ("node", "row", "cause", "started_at", "sentence")} for each in found]


def _last_document(folder: Path) -> Any:
    said = (folder / "charge-points.json").read_text(encoding="utf-8")
    return json.loads(said) if said else None


@contextmanager
def site_at(options: Options, folder: Path) -> Iterator[Site]:
    """The server and its charge points, connected; ended in any case."""
    database, depot_file = folder / "soak.sqlite", folder / "depot.json"
    url = f"sqlite:///{database}"
    depot_file.write_text(json.dumps(depot_document(options.charge_points)), encoding="utf-8")
    command("import", str(depot_file), database=url)
    secret = command("token", "create", "soak", "--role", "operator", database=url).strip()
    for node in METERED:
        command("credential", "meter", node, "--password", METER_SECRET, database=url)
    with ExitStack() as ending:
        server = started(_served(url), folder / "server.log")
        ending.callback(server.end)
        http_port, ocpp_port = ports_of(server)
        out = ending.enter_context((folder / "charge-points.json").open("wb"))
        points = started(_played(depot_file, options, http_port, ocpp_port), folder / "charge-points.log", out)
        ending.callback(points.end)
        origin = f"http://127.0.0.1:{http_port}"
        headers = {"Authorization": f"Bearer {secret}"}
        client = ending.enter_context(httpx.Client(base_url=origin, headers=headers, timeout=30, trust_env=False))
        api, listener = Api(client), Listener(http_port, secret)
        listener.start()
        ending.callback(listener.end)
        disturbance = Disturbance(
            api=api,
            database=url,
            depot_file=folder / "edited.json",
            charge_points=options.charge_points,
            every_s=options.cut_s,
        )
        site = Site(
            server=server,
            charge_points=points,
            database=database,
            api=api,
            disturbance=disturbance,
            listener=listener,
            lines=LogLines(server.log),
        )
        _await_connected(site, options.charge_points)
        site.began_s = time.monotonic()
        yield site


def _served(url: str) -> list[str]:
    return ["serve", "--database", url, "--ocpp-port", "0", "--http-port", "0", "--proof", "nothing", "--log-json"]


def _played(depot_file: Path, options: Options, http_port: int, ocpp_port: int) -> list[str]:
    words = ["charge-points", str(depot_file), "--url", f"ws://127.0.0.1:{ocpp_port}", "--vehicles", VEHICLES]
    words += ["--meters", f"http://127.0.0.1:{http_port}", "--meter-secret", METER_SECRET, "--speed", str(SPEED)]
    words += [word for node, load in BASE_LOADS.items() for word in ("--base-load", f"{node}={load}")]
    for behaviour, names in misbehaving(options.charge_points).items():
        words += ["--behaviour", f"{behaviour}={','.join(names)}"]
    # They end with us; should we hang, they end by themselves.
    return [*words, "--for", f"{round(min(LONGEST_S, options.minutes * 60 + 1800))} s", "--json"]


def _await_connected(site: Site, count: int) -> None:
    """And for the first cycle. Raises RuntimeError where most of them do not connect."""
    until_s = time.monotonic() + CONNECT_WITHIN_S
    while True:
        found = metered(site.api.metrics())
        connected = found["connected"]
        if connected >= 0.9 * count and found["cycle_number"] > 0:
            return
        if time.monotonic() > until_s or not site.server.is_alive or not site.charge_points.is_alive:
            raise RuntimeError(f"only {connected} of {count} connect: {site.charge_points.said()[-1000:]}")
        time.sleep(0.5)


def _measure(site: Site, options: Options, run: dict[str, Any]) -> None:
    """Samples at their times, and what is done between them."""
    samples = max(2, round(options.minutes * 60 / options.sample_s) + 1)
    for number in range(samples):
        while (left_s := number * options.sample_s - site.at_s) > 0:
            site.disturbance.due(site.at_s)
            time.sleep(min(0.5, left_s))
        if site.at_s > options.minutes * 60 + LATE_S:
            say("it does not keep up; ending it")
            return
        if not site.server.is_alive or not site.charge_points.is_alive:
            say(f"gone: {(site.server if not site.server.is_alive else site.charge_points).said()[-2000:]}")
            return
        site.disturbance.attempt("sampled", lambda: site.samples.append(_sample(site)))
        site.disturbance.attempt("looked around", lambda: look_around(site.api, options.charge_points))
        _write(options.out, run)
        say(_line(site.samples[-1]) if site.samples else "no sample yet")


def _sample(site: Site) -> dict[str, Any]:
    site.lines.read_on()
    processes = server_processes(site.server.pid)
    return {
        "at_s": round(site.at_s, 1),
        "server": {role: {"pid": pid, **process_figures(pid)} for role, pid in processes.items()},
        **file_sizes(site.database),
        "log_kb": size_kb(site.server.log),
        "kept_cycles": kept_cycles(site.database),
        **metered(site.api.metrics()),
        "connections": site.lines.events["connected"],
        "faults": dict(site.lines.faults),
    }


def _line(sample: dict[str, Any]) -> str:
    server = ", ".join(
        f"{role} {each['resident_kb'] / 1024:.1f} MB {each['open_files']} files {each['threads']} threads"
        for role, each in sample["server"].items()
    )
    return (
        f"{sample['at_s']:.0f} s: {server}; database {sample['database_kb']:.0f} kB, WAL {sample['wal_kb']:.0f} kB; "
        f"{sum(sample['cycles'].values())} cycles, {sample['overruns']} overruns, {sample['failures']} failures; "
        f"{sample['connected']} connected, {sample['connections']} connections; breaches {sample['breaches']}"
    )


def _write(out: Path | None, run: dict[str, Any]) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(run, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
