"""People's orders, plans and secrets on the command line: what is kept, what is said, and what is refused."""

import asyncio
import io
import json
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from cli_depots import depot as small_depot
from cli_depots import write
from cli_runs import DEPOT, Answer, Run
from jsonschema import Draft202012Validator

from busbar.adapters.secrets import verify_secret
from busbar.bootstrap import with_store
from busbar.engine.ports import ChargePointRecords, OverrideKind, Store

Found = TypeVar("Found")
SCHEMAS = files("busbar.entrypoints") / "schemas"
ANN = ("--by", "Ann Lee")


@pytest.fixture
def kept(run: Run) -> Run:
    """With the example depot, elizabeth, in the store."""
    assert run("import", DEPOT).code == 0
    return run


def stored(act: Callable[[Store, ChargePointRecords], Awaitable[Found]]) -> Found:
    """What is in the store that the commands use."""
    return with_store(act, database=None)


async def in_force(store: Store, _: ChargePointRecords) -> list[tuple[OverrideKind, str, str, str]]:
    return [(one.kind, one.subject, one.by, one.reason) for one in await store.overrides("elizabeth")]


@cache
def validator(schema: str) -> Draft202012Validator:
    _, name, version = schema.split("/")
    found = json.loads((SCHEMAS / f"{name}.{version}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found, format_checker=Draft202012Validator.FORMAT_CHECKER)


def checked(answer: Answer, schema: str, *, code: int = 0) -> dict[str, Any]:
    """The document of an answer, after it has been validated against the schema it names."""
    assert answer.code == code, answer.err
    document: dict[str, Any] = json.loads(answer.out)
    assert document["schema"] == schema
    validator(schema).validate(document)
    return document


# Orders

ORDERS = [
    ("hold", "resume", "CP1/1", OverrideKind.HOLD, "on hold"),
    ("stop", "resume", "CP1/1", OverrideKind.STOP, "stopped"),
    ("isolate", "return", "CP1", OverrideKind.OUT_OF_SERVICE, "out of service"),
    ("safe", "normal", "C1", OverrideKind.SAFE, "SAFE by order"),
    ("safe", "normal", "GC1", OverrideKind.SAFE, "SAFE by order"),
]


@pytest.mark.parametrize(("order", "lift", "subject", "kind", "words"), ORDERS)
def test_an_order_is_kept_with_its_person_and_reason_until_it_is_lifted(
    kept: Run, order: str, lift: str, subject: str, kind: OverrideKind, words: str
) -> None:
    given = kept(order, subject, *ANN, "--reason", "smells burnt")
    assert given.code == 0
    assert given.out == f"{subject} is {words}, by Ann Lee (smells burnt).\n"
    assert "within one cycle" in given.err
    assert stored(in_force) == [(kind, subject, "Ann Lee", "smells burnt")]
    lifted = kept(lift, subject, "--by", "Ben")
    assert lifted.code == 0
    assert f"{subject} is" in lifted.out
    assert "by Ben; Ann Lee had ordered it" in lifted.out
    assert stored(in_force) == []


def test_isolating_says_that_the_unit_has_to_be_switched_off(kept: Run) -> None:
    assert "has to be switched off" in kept("isolate", "CP1", *ANN).err
    assert "switched off" not in kept("hold", "CP1/1", *ANN).err


def test_the_same_order_again_changes_nothing_and_says_whose_it_is(kept: Run) -> None:
    kept("hold", "CP1/1", *ANN, "--reason", "smells burnt")
    again = kept("hold", "CP1/1", "--by", "Ben", "--reason", "other")
    assert again.code == 0
    assert "on hold already, by Ann Lee since" in again.out
    assert again.err == ""
    assert stored(in_force) == [(OverrideKind.HOLD, "CP1/1", "Ann Lee", "smells burnt")]


def test_lifting_what_is_not_in_force_changes_nothing(kept: Run) -> None:
    answer = kept("resume", "CP1/1", *ANN)
    assert (answer.code, answer.out, answer.err) == (0, "CP1/1 is not on hold; nothing changed.\n", "")


def test_resume_lifts_a_stop_as_well(kept: Run) -> None:
    kept("hold", "CP1/1", *ANN)
    kept("stop", "CP1/1", *ANN)
    answer = kept("resume", "CP1/1", *ANN)
    assert "not on hold any more" in answer.out
    assert "not stopped any more" in answer.out
    assert stored(in_force) == []


def test_an_order_is_lifted_after_its_subject_left_the_depot(kept: Run, tmp_path: Path) -> None:
    kept("isolate", "CP2", *ANN)
    document = yaml.safe_load(Path(DEPOT).read_text(encoding="utf-8"))
    document["charge_points"] = [unit for unit in document["charge_points"] if unit["id"] != "CP2"]
    assert kept("import", write(tmp_path / "smaller.yaml", document)).code == 0
    assert kept("isolate", "CP2", *ANN).code == 2
    assert kept("return", "CP2", *ANN).code == 0
    assert stored(in_force) == []


@pytest.mark.parametrize(
    ("arguments", "path", "rule", "fix"),
    [
        (["hold", "CP1/11"], "CONNECTOR = CP1/11", "There is no connector 'CP1/11' in depot", "Did you mean `CP1/1`?"),
        (["stop", "CP1"], "CONNECTOR = CP1", "'CP1' is a charge point, not a connector.", "for example `CP1/1`"),
        (["resume", "CP9999/1"], "CONNECTOR", "There is no connector", "Did you mean"),
        (["isolate", "CP2/1"], "CHARGE_POINT = CP2/1", "is a connector, not a charge point.", "for example `CP2`"),
        (["return", "cp2"], "CHARGE_POINT = cp2", "There is no charge point", "Did you mean `CP2`?"),
        (["safe", "CP1"], "NODE = CP1", "'CP1' is a charge point, not a circuit.", "`busbar isolate CP1`"),
        (["normal", "c1"], "NODE = c1", "There is no circuit", "Did you mean `C1`?"),
    ],
)
def test_what_is_not_in_the_depot_is_refused_with_the_nearest(
    kept: Run, arguments: list[str], path: str, rule: str, fix: str
) -> None:
    answer = kept(*arguments, *ANN)
    assert (answer.code, answer.out) == (2, "")
    for part in (path, rule, fix):
        assert part in answer.err
    assert stored(in_force) == []
    assert checked(kept(*arguments, *ANN, "--json"), "busbar/refusal/1", code=2)


@pytest.mark.parametrize("by", [[], ["--by", ""], ["--by", "  "]])
def test_an_order_without_a_named_person_is_refused(kept: Run, by: list[str]) -> None:
    for arguments in (["hold", "CP1/1"], ["normal", "C1"], ["plan", "vehicle:BUS17", "--priority", "1"]):
        answer = kept(*arguments, *by)
        assert (answer.code, answer.out) == (2, "")
        assert "--by" in answer.err
    assert stored(in_force) == []


def test_orders_lists_what_is_in_force_in_the_depots_own_time(kept: Run) -> None:
    assert kept("orders").out == "elizabeth: no orders in force.\n"
    kept("hold", "CP1/1", *ANN, "--reason", "smells burnt")
    kept("safe", "C1", "--by", "Ben")
    kept("normal", "C1", "--by", "Cem")
    shown = kept("orders").out
    assert "1 order in force; times of Australia/Perth." in shown
    assert "smells burnt" in shown
    assert "Ben" not in shown
    everything = kept("orders", "--all").out
    assert "Ben" in everything
    assert "Cem" in everything


def test_orders_keep_their_schemas(kept: Run) -> None:
    first = checked(kept("hold", "CP1/1", *ANN, "--json"), "busbar/order/1")
    assert (first["depot"], first["changed"]) == ("elizabeth", True)
    assert (first["overrides"][0]["kind"], first["overrides"][0]["ended_at"]) == ("hold", None)
    again = checked(kept("hold", "CP1/1", "--by", "Ben", "--json"), "busbar/order/1")
    assert (again["changed"], again["overrides"]) == (False, first["overrides"])
    checked(kept("plan", "connector:CP1/1", *ANN, "--priority", "3", "--json"), "busbar/plan/1")
    listed = checked(kept("orders", "--json"), "busbar/orders/1")
    assert listed["overrides"] == first["overrides"]
    assert [plan["key"] for plan in listed["plans"]] == ["connector:CP1/1"]
    lifted = checked(kept("resume", "CP1/1", "--by", "Ben", "--json"), "busbar/order/1")
    assert (lifted["changed"], lifted["overrides"][0]["ended_by"]) == (True, "Ben")
    nothing = checked(kept("resume", "CP1/1", "--by", "Ben", "--json"), "busbar/order/1")
    assert (nothing["changed"], nothing["overrides"]) == (False, [])
    assert checked(kept("orders", "--json"), "busbar/orders/1")["overrides"] == []
    assert checked(kept("orders", "--all", "--json"), "busbar/orders/1")["overrides"] == lifted["overrides"]


# Which depot


def test_without_a_depot_there_is_nothing_to_order(run: Run) -> None:
    answer = run("hold", "CP1/1", *ANN)
    assert answer.code == 2
    assert "There is no depot in SQLite file" in answer.err
    assert "busbar import DEPOT" in answer.err


def test_of_several_depots_one_has_to_be_named(kept: Run, tmp_path: Path) -> None:
    kept("import", write(tmp_path / "small.yaml", small_depot()))
    answer = kept("hold", "CP1/1", *ANN)
    assert answer.code == 2
    assert "There are 2 depots" in answer.err
    assert "--depot: elizabeth, small" in answer.err
    assert "Did you mean `elizabeth`?" in kept("orders", "--depot", "elisabeth").err
    assert kept("hold", "CP1/1", *ANN, "--depot", "small").code == 0
    assert stored(in_force) == []
    assert "1 order in force" in kept("orders", "--depot", "small").out


# Plans


def test_a_plan_says_when_a_vehicle_leaves_and_what_it_needs(kept: Run) -> None:
    answer = kept("plan", "vehicle:BUS17", *ANN, "--departs", "2099-11-23T05:10:00+08:00", "--energy", "210.0001 kWh")
    assert answer.code == 0
    assert answer.out == "vehicle:BUS17: departs 2099-11-23 05:10 (Australia/Perth), needs 210.001 kWh; by Ann Lee.\n"
    assert "passed" not in answer.err

    async def plans(store: Store, _: ChargePointRecords) -> list[tuple[str, datetime | None, int | None, int | None]]:
        return [(one.key, one.departs, one.energy_needed_wh, one.priority) for one in await store.plans("elizabeth")]

    # Rounded up: it shall not leave with less than it needs.
    assert stored(plans) == [("vehicle:BUS17", datetime(2099, 11, 22, 21, 10, tzinfo=UTC), 210_001, None)]
    kept("plan", "vehicle:BUS17", *ANN, "--priority", "-2")
    assert stored(plans) == [("vehicle:BUS17", None, None, -2)]
    assert "vehicle:BUS17" in kept("orders").out
    assert "nothing is known beforehand" in kept("plan", "vehicle:BUS17", *ANN, "--clear").out
    assert "vehicle:BUS17" not in kept("orders").out


def test_a_departure_that_has_passed_is_warned_of(kept: Run) -> None:
    answer = kept("plan", "vehicle:BUS17", *ANN, "--departs", "2020-01-01T00:00:00Z")
    assert answer.code == 0
    assert "Warning: that time has passed." in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "BUS17", "--priority", "1"], "This names no vehicle."),
        (["plan", "vehicle:", "--priority", "1"], "This names no vehicle."),
        (["plan", "vehicel:BUS17", "--priority", "1"], "Did you mean `vehicle`?"),
        (["plan", "connector:CP1/11", "--priority", "1"], "Did you mean `CP1/1`?"),
        (["plan", "vehicle:BUS17"], "This says nothing of the vehicle."),
        (["plan", "vehicle:BUS17", "--clear", "--priority", "1"], "A plan that is cleared says nothing."),
        (["plan", "vehicle:BUS17", "--energy", "210"], "The unit is missing."),
        (["plan", "vehicle:BUS17", "--energy", "210 kW"], "kW is a unit of power; energy is wanted here."),
        (["plan", "vehicle:BUS17", "--energy", "-1 kWh"], "Negative."),
        (["plan", "vehicle:BUS17", "--departs", "05:10"], "Not a time in ISO 8601."),
        (["plan", "vehicle:BUS17", "--departs", "2026-11-23T05:10"], "2026-11-23T05:10:00+08:00"),
        (["plan", "vehicle:BUS17", "--priority", "soon"], "Invalid value for '--priority'"),
    ],
)
def test_a_plan_that_cannot_be_understood_is_refused(kept: Run, arguments: list[str], said: str) -> None:
    answer = kept(*arguments, *ANN)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert kept("orders").out == "elizabeth: no orders in force.\n"


# Secrets


def hash_of(kind: str, subject: str) -> str | None:
    async def ask(_: Store, records: ChargePointRecords) -> str | None:
        found = await records.credential(kind, "elizabeth", subject)
        return None if found is None else found.secret_hash

    return stored(ask)


@pytest.mark.parametrize(
    ("kind", "stored_as", "subject"), [("charge-point", "charge_point", "CP1"), ("meter", "meter", "C1")]
)
def test_a_secret_is_shown_once_and_only_its_hash_is_kept(
    kept: Run, tmp_path: Path, kind: str, stored_as: str, subject: str
) -> None:
    answer = kept("credential", kind, subject)
    assert answer.code == 0
    secret = answer.out.strip()
    assert len(secret) >= 16
    secret_hash = hash_of(stored_as, subject)
    assert secret_hash is not None
    assert verify_secret(secret, secret_hash)
    for path in (tmp_path / "kept").iterdir():
        assert secret.encode() not in path.read_bytes()
    other = kept("credential", kind, subject)
    assert other.out.strip() != secret
    assert "The one before is void" in other.err
    changed = hash_of(stored_as, subject)
    assert changed is not None
    assert not verify_secret(secret, changed)


def test_a_given_password_is_not_shown(kept: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = kept("credential", "charge-point", "CP1", "--password", "correct horse battery")
    assert answer.code == 0
    assert "correct horse" not in answer.out + answer.err
    first = hash_of("charge_point", "CP1")
    assert first is not None
    assert verify_secret("correct horse battery", first)
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe, not a list\n"))
    kept("credential", "charge-point", "CP1", "--password", "-")
    second = hash_of("charge_point", "CP1")
    assert second is not None
    assert verify_secret("from a pipe, not a list", second)


def test_a_password_that_charge_points_may_not_take_is_warned_of(kept: Run) -> None:
    assert "16 to 40 characters" in kept("credential", "charge-point", "CP1", "--password", "short").err
    assert "16 to 40" not in kept("credential", "charge-point", "CP1").err


def test_secrets_for_all_charge_points_go_into_a_file_of_the_owner_alone(kept: Run, tmp_path: Path) -> None:
    one = kept("credential", "charge-point", "CP1").out.strip()
    path = tmp_path / "secrets.txt"
    answer = kept("credential", "charge-point", "--all", "--file", path)
    assert answer.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = dict(line.split(" ") for line in path.read_text(encoding="utf-8").splitlines())
    assert len(lines) == 11
    assert "CP1" not in lines
    assert not any(secret in answer.out + answer.err for secret in lines.values())
    for unit, secret in lines.items():
        kept_hash = hash_of("charge_point", unit)
        assert kept_hash is not None
        assert verify_secret(secret, kept_hash)
    untouched = hash_of("charge_point", "CP1")
    assert untouched is not None
    assert verify_secret(one, untouched)
    assert "1 charge point had a secret already" in answer.err


def test_a_file_of_secrets_is_never_overwritten(kept: Run, tmp_path: Path) -> None:
    path = tmp_path / "secrets.txt"
    path.write_text("precious", encoding="utf-8")
    answer = kept("credential", "charge-point", "--all", "--file", path)
    assert answer.code == 2
    assert "There is such a file" in answer.err
    assert path.read_text(encoding="utf-8") == "precious"
    assert hash_of("charge_point", "CP1") is None
    nowhere = kept("credential", "charge-point", "--all", "--file", tmp_path / "nowhere" / "secrets.txt")
    assert nowhere.code == 2
    assert "cannot be written" in nowhere.err
    assert hash_of("charge_point", "CP1") is None


def test_replacing_makes_new_secrets_for_everybody(kept: Run, tmp_path: Path) -> None:
    kept("credential", "charge-point", "--all", "--file", tmp_path / "first.txt")
    document = checked(
        kept("credential", "charge-point", "--all", "--replace", "--file", tmp_path / "second.txt", "--json"),
        "busbar/credential/1",
    )
    assert document["file"] == str(tmp_path / "second.txt")
    assert [(one["secret"], one["replaced"]) for one in document["credentials"]] == [(None, True)] * 12
    lines = dict(line.split(" ") for line in (tmp_path / "second.txt").read_text(encoding="utf-8").splitlines())
    kept_hash = hash_of("charge_point", "CP1")
    assert kept_hash is not None
    assert verify_secret(lines["CP1"], kept_hash)


def test_a_secret_as_a_document(kept: Run) -> None:
    document = checked(kept("credential", "meter", "C1", "--json"), "busbar/credential/1")
    [made] = document["credentials"]
    assert (document["kind"], made["subject"], made["replaced"]) == ("meter", "C1", False)
    kept_hash = hash_of("meter", "C1")
    assert kept_hash is not None
    assert verify_secret(made["secret"], kept_hash)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["charge-point"], "Whose secret?"),
        (["charge-point", "CP1", "--all", "--file", "x"], "--all makes a secret for every charge point"),
        (["meter", "--all", "--file", "x"], "--all makes a secret for every charge point"),
        (["charge-point", "--all"], "shown nowhere but in a file"),
        (["charge-point", "CP1", "--file", "x"], "--file and --replace go with --all."),
        (["charge-point", "CP1", "--password", ""], "It is empty."),
        (["charge-point", "CP1", "--password", "x" * 600], "512"),
        (["charge-point", "CP111"], "Did you mean"),
        (["charge-point", "CP1/1"], "is a connector, not a charge point"),
        (["meter", "CP1"], "is a charge point, not a circuit"),
        (["person", "CP1"], "person"),
    ],
)
def test_a_secret_for_nobody_is_refused(kept: Run, arguments: list[str], said: str) -> None:
    answer = kept("credential", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert hash_of("charge_point", "CP1") is None


# Who was turned away


def test_pending_lists_who_was_turned_away_without_what_steers_a_terminal(kept: Run) -> None:
    assert kept("pending").out == "Nobody was turned away.\n"

    async def turn_away(_: Store, records: ChargePointRecords) -> None:
        at = datetime(2026, 11, 22, 12, tzinfo=UTC)
        for _attempt in range(3):
            await records.note_pending("CP77", address="10.0.0.7", reason="unknown", at=at)
        await records.note_pending("\x1b[31mred", address="10.0.0.8", reason="wrong password", at=at.replace(hour=13))

    stored(turn_away)
    answer = kept("pending")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    lines = answer.out.splitlines()
    assert "red" in lines[1]
    assert lines[2].split() == ["CP77", "10.0.0.7", "unknown", "3", *("2026-11-22", "12:00:00") * 2]
    document = checked(kept("pending", "--json"), "busbar/pending/1")
    assert [one["attempts"] for one in document["pending"]] == [1, 3]


# Beside a running service


def test_an_order_is_seen_by_whoever_has_the_store_open(kept: Run) -> None:
    async def watch(store: Store, _: ChargePointRecords) -> tuple[int, int]:
        before = len(await store.overrides("elizabeth"))
        answer = await asyncio.to_thread(kept, "hold", "CP1/1", *ANN)
        assert answer.code == 0
        return before, len(await store.overrides("elizabeth"))

    assert stored(watch) == (0, 1)
