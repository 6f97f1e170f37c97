"""`busbar credential` and `busbar pending`: how charge points and meters prove who they are, and who could not."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.entrypoints.command_operate import DepotOption
from busbar.entrypoints.options import FINE, DatabaseOption, JsonOption
from busbar.entrypoints.screen import print_document, say, show
from busbar.entrypoints.words import plural

_SHORTEST, _LONGEST = 16, 40
"""Characters that OCPP gives a charge point's password (2.0.1, A00.FR.205)."""


class CredentialKind(StrEnum):
    """Whose credential."""

    CHARGE_POINT = "charge-point"
    METER = "meter"


def credential(
    kind: Annotated[CredentialKind, typer.Argument(metavar="charge-point|meter", help="Whose secret.")],
    subject: Annotated[
        str | None, typer.Argument(metavar="ID", help="Which charge point, or which metered circuit.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option("--password", metavar="SECRET", help="This one; `-` reads it from standard input. Else a random."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="For every charge point that has none yet.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="With --all: for those that have one, too.")] = False,
    file: Annotated[
        str | None, typer.Option("--file", metavar="PATH", help="With --all: a new file for lines `CP1 secret`.")
    ] = None,
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make a secret, show it once, and keep only its hash."""
    _refuse_mixed(kind, subject, password, all_=all_, replace=replace, file=file)
    if all_:
        assert file is not None, "--all without --file has been refused"
        return _for_all(Path(file), replace, depot, database, as_json)
    assert subject is not None, "neither ID nor --all has been refused"
    return _for_one(kind, subject, password, depot, database, as_json)


def _refuse_mixed(
    kind: CredentialKind, subject: str | None, password: str | None, *, all_: bool, replace: bool, file: str | None
) -> None:
    """Raises RefusedError for options that contradict each other."""
    rule = ""
    if all_ and (subject is not None or password is not None or kind is CredentialKind.METER):
        rule = "--all makes a secret for every charge point; it goes with no ID and no password."
    elif all_ and file is None:
        rule = "The secrets of --all are shown nowhere but in a file."
    elif not all_ and (file is not None or replace):
        rule = "--file and --replace go with --all."
    elif not all_ and subject is None:
        rule = "Whose secret?"
    if rule:
        fix = "Write `busbar credential charge-point CP1`, or `busbar credential charge-point --all --file PATH`."
        raise RefusedError((Problem(path="credential", rule=rule, fix=fix),))


def _for_one(
    kind: CredentialKind, subject: str, password: str | None, depot: str | None, database: str | None, as_json: bool
) -> int:
    from busbar.adapters.secrets import hash_secret, make_secret
    from busbar.bootstrap import with_store
    from busbar.engine.ports import ChargePointRecords, Credential, Store
    from busbar.entrypoints.stored_depot import chosen_depot, refuse_unknown

    secret = make_secret() if password is None else _given(password)
    stored_kind = "charge_point" if kind is CredentialKind.CHARGE_POINT else "meter"

    async def act(store: Store, records: ChargePointRecords) -> tuple[str, bool]:
        here = await chosen_depot(store, depot, database)
        refuse_unknown(here, "charge point" if stored_kind == "charge_point" else "circuit", subject, path="ID")
        before = await records.credential(stored_kind, here.id, subject)
        kept = Credential(kind=stored_kind, depot_id=here.id, subject=subject, secret_hash=hash_secret(secret))
        await records.save_credential(kept, at=datetime.now(UTC))
        return here.id, before is not None

    depot_id, is_replaced = with_store(act, database=database)
    if as_json:
        made: dict[str, object] = {
            "subject": subject,
            "secret": None if password is not None else secret,
            "replaced": is_replaced,
        }
        print_document(_document(depot_id, stored_kind, [made], file=None))
    elif password is None:
        # The secret alone on stdout: a script can take it from there.
        show(secret)
        say(f"This is the secret of {subject}; it is shown once and only its hash is kept.")
    else:
        show(f"{subject} has the secret that you gave; only its hash is kept.")
    if is_replaced:
        say("The one before is void: what still uses it is turned away at its next connection.")
    if kind is CredentialKind.CHARGE_POINT and not _SHORTEST <= len(secret) <= _LONGEST:
        say(f"Warning: OCPP gives a charge point's password {_SHORTEST} to {_LONGEST} characters.")
    return FINE


def _given(password: str) -> str:
    secret = sys.stdin.readline().rstrip("\r\n") if password == "-" else password
    if not secret:
        raise RefusedError((Problem(path="--password", rule="It is empty.", fix="Leave it out for a random one."),))
    return secret


def _for_all(file: Path, replace: bool, depot: str | None, database: str | None, as_json: bool) -> int:
    from busbar.adapters.secrets import hash_secret, make_secret
    from busbar.bootstrap import with_store
    from busbar.engine.ports import ChargePointRecords, Credential, Store
    from busbar.entrypoints.stored_depot import chosen_depot

    async def act(store: Store, records: ChargePointRecords) -> tuple[str, dict[str, str], set[str]]:
        here = await chosen_depot(store, depot, database)
        units = [unit.id for unit in here.charge_points]
        had = {unit for unit in units if await records.credential("charge_point", here.id, unit) is not None}
        made = {unit: make_secret() for unit in units if replace or unit not in had}
        # The file first: a hash whose secret nobody has would lock a charge point out.
        _write_new(file, [f"{unit} {secret}" for unit, secret in made.items()])
        for unit, secret in made.items():
            kept = Credential(kind="charge_point", depot_id=here.id, subject=unit, secret_hash=hash_secret(secret))
            await records.save_credential(kept, at=datetime.now(UTC))
        return here.id, made, had

    depot_id, made, had = with_store(act, database=database)
    if as_json:
        rows: list[dict[str, object]] = [{"subject": unit, "secret": None, "replaced": unit in had} for unit in made]
        print_document(_document(depot_id, "charge_point", rows, file=str(file)))
    else:
        show(
            f"Secrets of {plural(len(made), 'charge point')}, for your eyes alone: {file}. Only their hashes are kept."
        )
    if had and not replace:
        say(f"{plural(len(had), 'charge point')} had a secret already; with --replace a new one is made there, too.")
    elif had:
        say(f"Secrets made before are void now, of {plural(len(had), 'charge point')}.")
    return FINE


def _write_new(file: Path, lines: Sequence[str]) -> None:
    """A file that was not there before, readable by its owner alone, and on the disk when this returns."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fix = "Name a file that is not there yet, or move this one away."
        rule = "There is such a file; it may hold the secrets of before."
        raise RefusedError((Problem(path="--file", value=str(file), rule=rule, fix=fix),)) from None
    except OSError as error:
        raise BusbarError(f"{file} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
        os.fsync(stream.fileno())


def _document(depot_id: str, kind: str, made: Sequence[dict[str, object]], *, file: str | None) -> dict[str, object]:
    return {"schema": "busbar/credential/1", "depot": depot_id, "kind": kind, "credentials": list(made), "file": file}


def pending(database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """List who tried to connect and was turned away, the latest first."""
    from busbar.bootstrap import with_store
    from busbar.engine.ports import ChargePointRecords, PendingIdentity, Store
    from busbar.entrypoints.render_pending import pending_document, pending_text

    async def act(_: Store, records: ChargePointRecords) -> Sequence[PendingIdentity]:
        return await records.pending_identities()

    found = with_store(act, database=database)
    if as_json:
        print_document(pending_document(found))
    else:
        show(pending_text(found))
    return FINE
