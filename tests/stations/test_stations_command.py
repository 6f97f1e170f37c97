"""`busbar charge-points`: what it shows, what it refuses, and that it ends when it is told to."""

import json
import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from strict_central import DEPOT, run, strict_central, until, yard

from busbar.core.errors import RefusedError
from busbar.entrypoints.charge_point_options import Given, Wanted, understood
from busbar.simulator.stations.behaviours import BEHAVIOURS

SCHEMA = files("busbar.entrypoints") / "schemas" / "charge-points.1.json"
COMMAND = """
import sys, typer
from busbar.core.errors import RefusedError
from busbar.entrypoints.command_charge_points import charge_points
app = typer.Typer()
app.command()(charge_points)
raise SystemExit(app(standalone_mode=False))
"""


def given(**more: object) -> Given:
    usual: dict[str, object] = {
        "url": "ws://127.0.0.1:9000",
        "passwords": None,
        "protocol": "mixed",
        "behaviour": (),
        "mix": None,
        "seed": 0,
        "vehicles": "all",
        "speed": 1.0,
        "for_": None,
        "meters": None,
        "base_load": (),
    }
    return Given(**{**usual, **more})  # type: ignore[arg-type]


def refused(**more: object) -> list[str]:
    """What is refused, and the fix of each."""
    with pytest.raises(RefusedError) as refusal:
        understood(given(**more), yard())
    return [f"{problem.path}: {problem.fix}" for problem in refusal.value.problems]


def test_options_are_understood(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("# of the north yard\n\nAC1 secret with spaces\nDC1  other\n")
    wanted: Wanted = understood(
        given(
            behaviour=["deaf=AC1,DC1", "slow=AC1"],
            vehicles="60 %",
            for_="10 min",
            passwords=str(passwords),
            base_load=["GC1=85 kW"],
        ),
        yard(),
    )
    assert wanted.behaviours["AC1"].name == "deaf+slow"
    assert wanted.behaviours["DC1"] is BEHAVIOURS["deaf"]
    assert (wanted.traffic.share, wanted.for_s) == (0.6, 600)
    assert wanted.passwords == {"AC1": "secret with spaces", "DC1": "other"}
    assert set(wanted.base_load) == {"GC1"}


def test_all_mistakes_are_named_at_once_each_with_its_fix() -> None:
    found = refused(
        url="http://there",
        protocol="1.5",
        behaviour=["deef=AC1", "deaf=AC7", "deaf"],
        mix="many",
        vehicles="120",
        speed=0.0,
        for_="3",
        meters="ftp://there",
        base_load=["GC9=1 kW", "GC1=1"],
    )
    assert [each.partition(":")[0] for each in found] == [
        "--url",
        "--meters",
        "--protocol",
        "--speed",
        "--vehicles",
        *["--behaviour"] * 3,
        "--mix",
        *["--base-load"] * 2,
        "--for",
    ]
    assert "--behaviour: Did you mean `deaf`?" in found
    assert "--behaviour: Did you mean `AC1`?" in found


def test_a_password_file_is_refused_without_showing_a_password(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("AC1 hush1\nAC1 hush2\nCP9 hush3\nhush4\n")
    with pytest.raises(RefusedError) as refusal:
        understood(given(passwords=str(passwords)), yard())
    assert len(refusal.value.problems) == 3
    assert "hush" not in str(refusal.value)
    assert refused(passwords=str(tmp_path / "nowhere"))[0].startswith("--passwords")


def test_a_mix_is_drawn_from_the_seed() -> None:
    wanted = [understood(given(mix="50 %", seed=seed), yard()).behaviours for seed in (1, 1, 2, 3, 4, 5)]
    assert [len(each) for each in wanted] == [1] * 6
    assert wanted[0] == wanted[1]
    assert len({str([(name, kind.name) for name, kind in each.items()]) for each in wanted}) > 2


def test_it_runs_until_it_is_interrupted_and_sums_up(tmp_path: Path) -> None:
    depot = tmp_path / "depot.yaml"
    depot.write_text(DEPOT)

    async def work() -> subprocess.CompletedProcess[str]:
        async with strict_central() as central:
            process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, str(depot), "--url", central.url, "--json", "--password", "hush"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            try:
                await until(lambda: central.connections.get("AC1") and central.of("DC1", "BootNotification"), for_s=20)
                assert central.headers["AC1"] is not None
                process.send_signal(signal.SIGINT)
                await until(lambda: process.poll() is not None, for_s=10)
            finally:
                process.kill()
            out, err = process.communicate()
            return subprocess.CompletedProcess([], process.returncode, out, err)

    ended = run(work)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    assert "Ctrl-C ends it" in ended.stderr
    document = json.loads(ended.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert (document["charge_points"], document["connected"], document["vehicles"]) == (2, 2, 3)


def test_it_stops_by_itself_and_says_who_could_not_connect(tmp_path: Path) -> None:
    depot = tmp_path / "depot.yaml"
    depot.write_text(DEPOT)
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, str(depot), "--url", "ws://127.0.0.1:9", "--for", "1 s"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert "2 charge points for 1 s." in ended.stdout
    assert "nobody there" in ended.stdout
