"""`busbar token`: who may ask the HTTP interface, and who may write."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.engine.access import AccessRecords, Role, Token
from busbar.entrypoints.options import FINE, DatabaseOption, JsonOption
from busbar.entrypoints.render_access import (
    reach_text,
    state_of,
    token_document,
    tokens_document,
    tokens_text,
    utc_text,
)
from busbar.entrypoints.screen import print_document, say, show

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke keys to the HTTP interface.")

_LONGEST_NAME = 100
_MOST_NODES = 200
_DAYS = re.compile(r"([1-9][0-9]{0,3})\s*d")
_EXPIRES_FIX = "Write for example `90d`, or the last day: `2027-06-30`."

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is; stands in the audit log.")]


@app.command("create")
def create(
    name: NameArgument,
    role: Annotated[Role, typer.Option("--role", help="What it is good for.")],
    depot: Annotated[
        str | None, typer.Option("--depot", metavar="ID", help="For this depot only; by default for all of them.")
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="NODE", help="For a DERMS: a node it is granted; may be given several times."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="90d|DATE", help="How long it is good; by default for good.")
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make a token, show its secret once, and keep only its hash."""
    from busbar.adapters.tokens import make_token_secret
    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store
    from busbar.entrypoints.stored_depot import chosen_depot

    now = datetime.now(UTC)
    nodes = tuple(dict.fromkeys(node or ()))
    expires_at = _understood(name, role, nodes, expires, now)
    secret, secret_hash = make_token_secret()

    async def act(store: Store, access: AccessRecords) -> Token:
        here = None if depot is None and role is not Role.DERMS else await chosen_depot(store, depot, database)
        if here is not None:
            _refuse_unknown_nodes(here, nodes)
        await _refuse_taken(access, name.strip(), now)
        return await access.add_token(
            name=name.strip(),
            role=role,
            secret_hash=secret_hash,
            depot_id=None if here is None else here.id,
            nodes=nodes,
            at=now,
            expires_at=expires_at,
        )

    token = with_access(act, database=database)
    if as_json:
        print_document(token_document(token, now, secret=secret, changed=True))
    else:
        # The secret alone on stdout: a script can take it from there.
        show(secret)
        until = "" if token.expires_at is None else f", until {utc_text(token.expires_at)} UTC"
        say(
            f"This is the token of {token.name}, {reach_text(token)}{until}.",
            "It is shown once and only its hash is kept. Send it as `Authorization: Bearer TOKEN`.",
        )
    return FINE


@app.command("list")
def list_(database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """List all tokens, revoked ones too."""
    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store

    async def act(_: Store, access: AccessRecords) -> Sequence[Token]:
        return await access.tokens()

    now, tokens = datetime.now(UTC), with_access(act, database=database)
    if as_json:
        print_document(tokens_document(tokens, now))
    else:
        show(tokens_text(tokens, now))
    return FINE


@app.command("revoke")
def revoke(name: NameArgument, database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """Make a token void, at once."""
    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store

    now = datetime.now(UTC)

    async def act(_: Store, access: AccessRecords) -> tuple[Token, bool]:
        token = _named(await access.tokens(), name.strip())
        if token.revoked_at is not None:
            return token, False
        return await access.revoke_token(token.id, at=now) or token, True

    token, is_new = with_access(act, database=database)
    if as_json:
        print_document(token_document(token, now, secret=None, changed=is_new))
    elif is_new:
        show(f"The token of {token.name}, {reach_text(token)}, is void.")
    else:
        show(f"The token of {token.name} was revoked already, at {utc_text(token.revoked_at)} UTC; nothing changed.")
    return FINE


def _named(tokens: Sequence[Token], name: str) -> Token:
    """The one of that name that is not revoked, else the latest. Raises RefusedError where there is none."""
    found = [token for token in tokens if token.name == name]
    if not found:
        fix = suggestion(name, known_names(token.name for token in tokens if token.revoked_at is None))
        raise RefusedError((Problem(path="NAME", value=name, rule="There is no token of that name.", fix=fix),))
    return max(found, key=lambda token: (token.revoked_at is None, token.id))


def _understood(name: str, role: Role, nodes: Sequence[str], expires: str | None, now: datetime) -> datetime | None:
    """When it ends; None: never. Raises RefusedError with everything that is wrong with the options by themselves."""
    problems = []
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        rule = f"A name has 1 to {_LONGEST_NAME} printable characters."
        problems.append(Problem(path="NAME", value=name, rule=rule, fix="Say whose it is: `busbar token create ann`."))
    if role is Role.DERMS and not nodes:
        rule, fix = "A DERMS is granted nodes; without any it sees nothing.", "Add --node GC1."
        problems.append(Problem(path="--node", rule=rule, fix=fix))
    elif role is not Role.DERMS and nodes:
        rule = f"Nodes are granted to a DERMS alone; a{'n' if role is Role.OPERATOR else ''} {role.value} has them all."
        problems.append(Problem(path="--node", value=nodes[0], rule=rule, fix="Leave it out, or use --role derms."))
    elif len(nodes) > _MOST_NODES:
        rule, fix = f"At most {_MOST_NODES} nodes are granted.", "Name a node above them: all below it are granted too."
        problems.append(Problem(path="--node", value=str(len(nodes)), rule=rule, fix=fix))
    ends: datetime | None = None
    if expires is not None:
        found = _end_of(expires.strip(), now)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            ends = found
    if problems:
        raise RefusedError(tuple(problems))
    return ends


def _end_of(expires: str, now: datetime) -> datetime | Problem:
    """`90d` from now, or the end of that day (UTC)."""
    days = _DAYS.fullmatch(expires)
    if days is not None:
        return now + timedelta(days=int(days[1]))
    try:
        last = date.fromisoformat(expires)
    except ValueError:
        return Problem(path="--expires", value=expires, rule="Neither days nor a date.", fix=_EXPIRES_FIX)
    if last.year >= date.max.year:
        return Problem(path="--expires", value=expires, rule="That is too far away.", fix="Leave it out: for good.")
    ends = datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC)
    if ends <= now:
        return Problem(path="--expires", value=expires, rule="That day is over.", fix=_EXPIRES_FIX)
    return ends


def _refuse_unknown_nodes(depot: Depot, nodes: Sequence[str]) -> None:
    """Raises RefusedError with every node that the depot does not have."""
    from busbar.entrypoints.stored_depot import names_in

    names = names_in(depot)
    there = {depot.id, *(name for of_kind in names.values() for name in of_kind)}
    near = known_names([depot.id, *names["circuit"], *names["charge point"]])
    problems = [
        Problem(
            path="--node",
            value=node,
            rule=f"There is no such node in depot {depot.id!r}.",
            fix=suggestion(node, near),
        )
        for node in nodes
        if node not in there
    ]
    if problems:
        raise RefusedError(tuple(problems))


async def _refuse_taken(access: AccessRecords, name: str, now: datetime) -> None:
    """Raises RefusedError where a token of that name is in use."""
    if any(token.name == name and state_of(token, now) == "good" for token in await access.tokens()):
        rule = "A token of that name is in use; the audit log could not tell them apart."
        fix = f"Take another name, or revoke that one first: `busbar token revoke {name}`."
        raise RefusedError((Problem(path="NAME", value=name, rule=rule, fix=fix),))
