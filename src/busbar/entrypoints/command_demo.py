"""`busbar demo`: the shipped two-feeder depot at work, real server and simulated charge points, to be looked at.

Each command imports what it works with, because the server and the fill's compiler take a while to load.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError
from busbar.entrypoints.command_simulate import NIGHT, report_night
from busbar.entrypoints.options import FINE, JsonOption
from busbar.entrypoints.screen import print_document, say, show

_DEPOT = "wa_pta_depot"
_HOST, _HTTP_PORT = "127.0.0.1", 8080
_TOKEN = "demo"
_GOOD_FOR = timedelta(days=1)
_BASE_LOADS = ("GC1=140 kW", "GC2=90 kW")
"""A workshop, offices, air conditioning: what the depot's meters see and Busbar does not control."""
_PLANS = {"C1": (1.1, 36), "C2": (5.0, 36), "C3": (1.6, 30), "C4": (3.0, 27), "C5": (0.8, 30), "C6": (7.0, 54)}
"""By circuit, when vehicles leave, in hours from the start, and the kWh they need: some yards are in a hurry."""
_END_WITHIN_S = 5.0
_MOST_SAID = 2_000

# A process of its own, which ends when ours does, however that ends: then nobody holds its standard input any more.
_CHARGE_POINTS = """
import os, signal, sys, threading
def leave():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=leave, daemon=True).start()
from busbar.entrypoints.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Depot:
    """What was made ready."""

    file: Path
    id: str
    database: str
    meter_secret: str
    token_secret: str
    token_id: int
    folder: Path
    """For what lasts as long as the demo."""
    is_kept: bool
    """Whether the database stays when the demo ends."""


def demo(
    folder: Annotated[
        str | None, typer.Argument(metavar="[DIR]", help=f"With --report: where it goes; reports/{NIGHT} by default.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Play a simulated night instead, and write its report.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="Of the page; 8080 or any free one by default."),
    ] = None,
    for_: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=1, help="End after that; by default, at Ctrl-C.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", min=1, max=600, help="Batteries and stays run so much faster.")
    ] = 60.0,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="Keep it there; by default it is thrown away.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Run the shipped depot with simulated charge points, and say which page to open."""
    if report:
        return report_night(folder or f"reports/{NIGHT}", as_json=as_json)
    if folder is not None:
        fix = f"Write `busbar demo --report {folder}`."
        raise RefusedError((Problem(path="DIR", value=folder, rule="A folder goes with --report.", fix=fix),))
    with TemporaryDirectory(prefix="busbar-demo-") as temporary:
        place = Path(temporary)
        depot = _made_ready(place, database)
        try:
            _serve(depot, port=port, for_s=for_, speed=speed, as_json=as_json)
        finally:
            _revoke(depot)
    return FINE


def _made_ready(folder: Path, kept_at: str | None) -> _Depot:
    """The depot in the store, with secrets for its meters, a token for the page, and departures to be ready for."""
    from busbar.adapters.files.depot_file import load_depot
    from busbar.adapters.secrets import hash_secret, make_secret
    from busbar.adapters.tokens import make_token_secret
    from busbar.bootstrap import import_depot, shipped_scenario, with_access, with_store
    from busbar.engine.access import AccessRecords, Role
    from busbar.engine.ports import ChargePointRecords, Credential, Plan, Store

    database = kept_at or f"sqlite:///{folder / 'demo.db'}"
    file = shipped_scenario(_DEPOT)
    depot, now = load_depot(file), datetime.now(UTC)
    meter_secret, (token_secret, token_hash) = make_secret(), make_token_secret()
    meter_hash = hash_secret(meter_secret)
    import_depot(depot, database=database)

    async def fill(store: Store, records: ChargePointRecords) -> None:
        for circuit in depot.circuits:
            if circuit.meter:
                kept = Credential(kind="meter", depot_id=depot.id, subject=circuit.id, secret_hash=meter_hash)
                await records.save_credential(kept, at=now)
        for key, departs, energy_wh in _plans(depot, now):
            plan = Plan(key=key, departs=departs, energy_needed_wh=energy_wh, by=_TOKEN, at=now)
            await store.save_plan(depot.id, plan)

    async def let_in(_: Store, access: AccessRecords) -> int:
        # That of a demo that was killed: its link is lost.
        for token in await access.tokens():
            if token.name == _TOKEN and token.is_good(now):
                await access.revoke_token(token.id, at=now)
        made = await access.add_token(
            name=_TOKEN,
            role=Role.OPERATOR,
            secret_hash=token_hash,
            depot_id=depot.id,
            nodes=(),
            at=now,
            expires_at=now + _GOOD_FOR,
        )
        return made.id

    with_store(fill, database=database)
    token_id = with_access(let_in, database=database)
    return _Depot(
        file=file,
        id=depot.id,
        database=database,
        meter_secret=meter_secret,
        token_secret=token_secret,
        token_id=token_id,
        folder=folder,
        is_kept=kept_at is not None,
    )


def _plans(depot: Depot, now: datetime) -> Iterator[tuple[str, datetime, int]]:
    """Key, departure and Wh needed of vehicles of which something is known; of every fourth nothing is, as it goes."""
    outlets = [(unit, connector) for unit in depot.charge_points for connector in unit.connectors]
    for place, (unit, connector) in enumerate(outlets):
        if place % 4 == 3:
            continue
        hours, energy_kwh = _PLANS[unit.circuit]
        departs = now + timedelta(hours=hours, minutes=7 * (place % 5))
        yield f"connector:{unit.id}/{connector.id}", departs, 1000 * energy_kwh * (2 + place % 3) // 3


def _revoke(depot: _Depot) -> None:
    from busbar.bootstrap import with_access
    from busbar.engine.access import AccessRecords
    from busbar.engine.ports import Store

    async def act(_: Store, access: AccessRecords) -> None:
        await access.revoke_token(depot.token_id, at=datetime.now(UTC))

    with_access(act, database=depot.database)


def _serve(depot: _Depot, *, port: int | None, for_s: float | None, speed: float, as_json: bool) -> None:
    """Until Ctrl-C, or for so long."""
    import structlog

    from busbar.adapters.ocpp.listening import Listening, Proof
    from busbar.engine.timing import Timing
    from busbar.entrypoints.api.links import OneTimeLinks
    from busbar.entrypoints.log_lines import set_up_logging
    from busbar.entrypoints.serving import Addresses, serve_until_stopped
    from busbar.service import Settings

    set_up_logging(as_json=True if as_json else None)
    # Who watches a demo reads the page: of the log, only what must not be.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settings = Settings(
        database=depot.database,
        depots=(depot.id,),
        listening=Listening(host=_HOST, port=0, proof=Proof.NOTHING),
        # Quicker than a depot needs it: somebody is watching.
        timing=Timing(cycle_s=2.0, lease_s=60, renew_s=20.0, ramp_s=5.0, raise_s=2.0, sample_s=2),
    )
    links = OneTimeLinks()
    with ExitStack() as ending:

        def ready(http_port: int, ocpp_port: int) -> None:
            process = _connect(depot, http_port=http_port, ocpp_port=ocpp_port, speed=speed)
            ending.callback(_end, process)
            url = f"http://{_HOST}:{http_port}/enter/{links.make(depot.token_secret)}"
            if as_json:
                print_document({"schema": "busbar/demo/1", "url": url, "depot": depot.id, "ocpp_port": ocpp_port})
            else:
                show("", f"Open {url}")
                stays = "its database stays" if depot.is_kept else "nothing of it stays"
                say(f"It is good once and for ten minutes. Ctrl-C ends the demo; {stays}.")
            sys.stdout.flush()
            if for_s is not None:
                timer = threading.Timer(for_s, os.kill, (os.getpid(), signal.SIGTERM))
                timer.daemon = True
                timer.start()
                ending.callback(timer.cancel)

        addresses = Addresses(http_host=_HOST, http_port=_free_port() if port is None else port)
        serve_until_stopped(settings, files=(), addresses=addresses, links=links, on_ready=ready)


def _free_port() -> int:
    """8080, or where that is taken any."""
    try:
        with socket.create_server((_HOST, _HTTP_PORT)):
            return _HTTP_PORT
    except OSError:
        return 0


def _connect(depot: _Depot, *, http_port: int, ocpp_port: int, speed: float) -> subprocess.Popen[bytes]:
    """The depot's charge points and meters, in a process of their own, so that neither side holds the other up."""
    arguments = [
        *("charge-points", str(depot.file), "--url", f"ws://{_HOST}:{ocpp_port}", "--speed", f"{speed:g}"),
        *("--meters", f"http://{_HOST}:{http_port}", "--meter-secret", depot.meter_secret, "--vehicles", "90 %"),
        *(option for load in _BASE_LOADS for option in ("--base-load", load)),
    ]
    log = depot.folder / "charge-points.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHARGE_POINTS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=written,
            # Ctrl-C is for us; it ends with us.
            start_new_session=True,
        )
    threading.Thread(target=_watch, args=(process, log), daemon=True).start()
    return process


def _watch(process: subprocess.Popen[bytes], log: Path) -> None:
    """Say so where the charge points end by themselves."""
    if process.wait() != 0 and log.exists():
        said = log.read_text(encoding="utf-8", errors="replace")[-_MOST_SAID:]
        say(f"The simulated charge points ended with exit code {process.returncode}: {said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It ends by itself when nobody holds its standard input any more."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
