"""The running service delivers what the command line puts on its way."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from receivers import Receiver, receiving

from busbar.adapters.files.depot_file import load_depot
from busbar.bootstrap import import_depot
from busbar.entrypoints.cli import main

DEPOT_FILE = Path(__file__).parents[2] / "scenarios" / "examples" / "depot.yaml"
MAIN = "from busbar.entrypoints.cli import main; raise SystemExit(main())"
START_WITHIN_S, ARRIVES_WITHIN_S = 240.0, 20.0


def test_a_test_notice_arrives_while_the_service_runs(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'busbar.db'}"
    import_depot(load_depot(DEPOT_FILE), database=database)
    log = tmp_path / "log"
    with receiving(Receiver()) as receiver, log.open("wb") as written:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", MAIN, "serve", "--database", database, "--proof", "nothing", "--log-json"),
                *("--ocpp-port", "0", "--http-port", "0", "--cycle", "1"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
        try:
            _wait(lambda: b"Serving elizabeth" in log.read_bytes(), log, START_WITHIN_S)
            assert main(["webhook", "add", receiver.url, "--kind", "breach.opened", "--database", database]) == 0
            assert main(["webhook", "test", "1", "--database", database]) == 0
            _wait(lambda: bool(receiver.got), log, ARRIVES_WITHIN_S)
        finally:
            process.terminate()
            process.wait(20)
    (got,) = receiver.got
    document = json.loads(got.body)
    assert (document["kind"], document["depot"], document["node"]) == ("test", "elizabeth", "elizabeth")
    assert got.headers["busbar-signature"].startswith("t=")


def _wait(is_so: Callable[[], bool], log: Path, within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s, log.read_text(errors="replace")
        time.sleep(0.1)
