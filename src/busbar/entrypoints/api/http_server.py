"""The web server: it leaves signals to whoever runs it, and ends although listeners to events would stay."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from busbar.entrypoints.api.app import end_streams

MOST_CONNECTIONS = 400
KEEP_ALIVE_S = 30
END_WITHIN_S = 5


class HttpServer(uvicorn.Server):
    """Serves the application until `should_exit`."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        self._app = app
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=END_WITHIN_S,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves them alone."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and the open event streams first."""
        end_streams(self._app)
        await super().shutdown(sockets)
