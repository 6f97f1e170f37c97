"""Running the service and its HTTP interface in one event loop, from the first signal to the last setpoint."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from busbar.adapters.files.depot_file import load_depot
from busbar.bootstrap import import_depot
from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.core.fallbacks import fallbacks_that_do_not_fit
from busbar.core.projection import project
from busbar.entrypoints.api.app import create_app
from busbar.entrypoints.api.http_server import HttpServer
from busbar.entrypoints.api.links import OneTimeLinks
from busbar.entrypoints.documents import warning_text
from busbar.entrypoints.screen import say
from busbar.service import Service, Settings, running

STOP_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where the HTTP interface listens."""

    http_host: str
    http_port: int


def serve_until_stopped(
    settings: Settings,
    *,
    files: Sequence[str],
    addresses: Addresses,
    links: OneTimeLinks | None = None,
    on_ready: Callable[[int, int], None] | None = None,
) -> None:
    """Import the depot files, and serve until SIGTERM or Ctrl-C. Raises BusbarError.

    `links`: one-time links by which a browser may enter. `on_ready`: told the HTTP and the OCPP port once both listen.
    """
    depots = [load_depot(file) for file in files]
    for depot in depots:
        import_depot(depot, database=settings.database)
        say(f"{depot.id} imported.", *(warning_text(excess) for excess in fallbacks_that_do_not_fit(project(depot))))
    runner = asyncio.Runner(loop_factory=_event_loop)
    with runner:
        runner.run(_serve(settings, addresses, links, on_ready))


def read_passwords(path: Path) -> dict[str, str]:
    """Lines `NAME PASSWORD`; blank ones and those that begin with # are left out. Raises RefusedError."""
    found, problems = {}, []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        name, _, password = text.strip().partition(" ")
        if not password.strip():
            rule, fix = "A line is a name, a space and a password.", "Write `busbar@10.0.0.5:1883 secret`."
            problems.append(Problem(path=name, rule=rule, fix=fix, file=str(path), line=number))
        found[name] = password.strip()
    if problems:
        raise RefusedError(tuple(problems))
    return found


def _event_loop() -> asyncio.AbstractEventLoop:
    if os.name == "nt":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _listen(addresses: Addresses) -> socket.socket:
    """Where the HTTP interface is reached. Raises BusbarError where the port is taken."""
    family = socket.AF_INET6 if ":" in addresses.http_host else socket.AF_INET
    try:
        return socket.create_server((addresses.http_host, addresses.http_port), family=family)
    except OSError as error:
        place = f"{addresses.http_host} port {addresses.http_port}"
        raise BusbarError(f"Meters cannot push their values to {place}: {error}.") from error


OnReady = Callable[[int, int], None]


async def _serve(
    settings: Settings, addresses: Addresses, links: OneTimeLinks | None, on_ready: OnReady | None
) -> None:
    with _listen(addresses) as listener:
        await _serve_at(settings, addresses, listener, links, on_ready)


async def _serve_at(
    settings: Settings,
    addresses: Addresses,
    listener: socket.socket,
    links: OneTimeLinks | None,
    on_ready: OnReady | None,
) -> None:
    async with running(settings) as service:
        app = create_app(service, links=links)
        http = HttpServer(app, host=addresses.http_host, port=addresses.http_port)
        _stop_on_signals(service, http)
        http_port = listener.getsockname()[1]
        scheme = "wss" if settings.listening.certificate_file is not None else "ws"
        say(
            f"Serving {', '.join(service.loops)}.",
            f"Charge points: {scheme}://{settings.listening.host}:{service.ocpp.port}/CHARGE_POINT",
            f"Page and API: http://{addresses.http_host}:{http_port}/ (`busbar token create NAME --role ROLE` lets in)",
            f"Meters: http://{addresses.http_host}:{http_port}/api/v1/depots/DEPOT/meters/NODE",
            "Busbar is a supervisory limit, not a protection device. Ctrl-C ends it; charge points then fall back.",
        )
        if on_ready is not None:
            on_ready(http_port, service.ocpp.port)
        async with asyncio.TaskGroup() as group:
            http_task = group.create_task(http.serve(sockets=[listener]), name="http")
            loops = group.create_task(service.run(), name="loops")
            http_task.add_done_callback(lambda _: service.stop())
            await asyncio.wait([loops])
            http.should_exit = True


def _stop_on_signals(service: Service, http: HttpServer) -> None:
    """The first signal ends it in order; a second one at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        service.stop()
        http.should_exit = True
        loop.call_later(STOP_WITHIN_S, os._exit, 3)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
