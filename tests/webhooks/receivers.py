"""Who is told in the tests: real HTTP servers on loopback, and what they were sent."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Got:
    """One request as it came in."""

    at_s: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def place(self) -> tuple[str, int]:
        """Which node it is about, and which of the test's notices it is."""
        return self.document["node"], self.document["count"]


@dataclass
class Receiver:
    """Answers as it is told to."""

    got: list[Got] = field(default_factory=list)
    status: int = 204
    statuses: list[int] = field(default_factory=list)
    """Of the next answers, before `status` holds."""
    takes_s: float = 0.0
    answer: bytes = b""
    location: str = ""
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/busbar"

    def places(self) -> list[tuple[str, int]]:
        """Of everything, in the order in which it came."""
        return [each.place for each in self.got]


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """It listens; at the same port as before where it did."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.lock:
                receiver.at_once += 1
                receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Got(at_s=time.monotonic(), path=self.path, headers=headers, body=body))
                status = receiver.statuses.pop(0) if receiver.statuses else receiver.status
            time.sleep(receiver.takes_s)
            with receiver.lock:
                receiver.at_once -= 1
            try:
                self.send_response(status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)
            except OSError:
                # Whoever asked has gone.
                pass

        def log_message(self, format: str, *args: object) -> None:
            """Not at all."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True
        block_on_close = False

    server = Server(("127.0.0.1", receiver.port), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
