"""`busbar webhook`: who is told of breaches and changes of mode."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

import typer

from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.engine.access import AccessRecords, Notice, NoticeKind, Webhook
from busbar.entrypoints.options import FINE, DatabaseOption, JsonOption
from busbar.entrypoints.render_access import removed_text, webhook_document, webhooks_document, webhooks_text
from busbar.entrypoints.screen import print_document, say, show

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Say who is told of breaches and modes.")

_LONGEST_URL = 2000
_SHORTEST_SECRET, _LONGEST_SECRET = 16, 200
_RANDOM_BYTES = 32
_KINDS = tuple(kind.value for kind in NoticeKind if kind is not NoticeKind.TEST)

IdArgument = Annotated[int, typer.Argument(metavar="ID", help="Which webhook, as `busbar webhook list` numbers them.")]


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where notices are sent (POST): https://HOST/PATH.")],
    depot: Annotated[
        str | None, typer.Option("--depot", metavar="ID", help="Of this depot only; by default of all of them.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help=f"{', '.join(_KINDS)}; several times; by default everything."),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option("--secret", metavar="SECRET", help="Signs with this; `-` reads it from standard input."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Plain HTTP beyond your own network, for all to read.")
    ] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Add a receiver, and show once what signs its notices."""
    import secrets

    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store
    from busbar.entrypoints.stored_depot import chosen_depot

    given = sys.stdin.readline().rstrip("\r\n") if secret == "-" else secret
    _refuse_wrong(url, kind or (), given, insecure=insecure)
    signing = given or secrets.token_urlsafe(_RANDOM_BYTES)

    async def act(store: Store, access: AccessRecords) -> Webhook:
        depot_id = None if depot is None else (await chosen_depot(store, depot, database)).id
        kinds = [NoticeKind(each) for each in dict.fromkeys(kind or ())]
        return await access.add_webhook(url=url, secret=signing, depot_id=depot_id, kinds=kinds, at=datetime.now(UTC))

    webhook = with_access(act, database=database)
    if as_json:
        print_document(webhook_document(webhook, waiting=0, secret=None if given else signing))
        return FINE
    if given:
        show(f"Webhook {webhook.id}: {webhook.url} is told from now on, signed with the secret that you gave.")
    else:
        # The secret alone on stdout: a script can take it from there.
        show(signing)
        say(f"Webhook {webhook.id}: {webhook.url} is told from now on. This signs its notices; it is shown once.")
    say(f"Try it: `busbar webhook test {webhook.id}`.")
    return FINE


@app.command("list")
def list_(database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """List the receivers, and how many notices wait for each."""
    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store

    async def act(_: Store, access: AccessRecords) -> tuple[Sequence[Webhook], Mapping[int, int]]:
        return await access.webhooks(), await access.deliveries_waiting()

    webhooks, waiting = with_access(act, database=database)
    if as_json:
        print_document(webhooks_document(webhooks, waiting))
    else:
        show(webhooks_text(webhooks, waiting))
    return FINE


@app.command("remove")
def remove(id_: IdArgument, database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """Tell a receiver nothing more, and forget what waits for it."""
    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store

    async def act(_: Store, access: AccessRecords) -> tuple[Webhook, int]:
        found = await _known(access, id_)
        waiting = (await access.deliveries_waiting()).get(id_, 0)
        return await access.remove_webhook(id_, at=datetime.now(UTC)) or found, waiting

    webhook, forgotten = with_access(act, database=database)
    if as_json:
        print_document(webhook_document(webhook, waiting=0, secret=None))
    else:
        show(removed_text(webhook, forgotten))
    return FINE


@app.command("test")
def send_test(id_: IdArgument, database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """Put a test notice on its way to a receiver."""
    from busbar.bootstrap import with_access
    from busbar.engine.ports import Store

    async def act(store: Store, access: AccessRecords) -> tuple[Webhook, int]:
        webhook = await _known(access, id_)
        depot_id = webhook.depot_id or next(iter(await store.depot_ids()), None)
        if depot_id is None:
            rule, fix = "A notice is about a depot, and there is none.", "Import one first: `busbar import DEPOT`."
            raise RefusedError((Problem(path="ID", value=str(id_), rule=rule, fix=fix),))
        document = {"text": f"A test of webhook {id_}, asked for on the command line."}
        notice = Notice(kind=NoticeKind.TEST, node=depot_id, at=datetime.now(UTC), document=document)
        await access.enqueue(depot_id, [notice], webhook_id=id_)
        return webhook, (await access.deliveries_waiting()).get(id_, 0)

    webhook, waiting = with_access(act, database=database)
    if as_json:
        print_document(webhook_document(webhook, waiting=waiting, secret=None))
    else:
        show(f"A test notice is on its way to webhook {webhook.id} ({webhook.url}).")
        say("The running service (`busbar serve`) delivers it within seconds; what waits: `busbar webhook list`.")
    return FINE


async def _known(access: AccessRecords, webhook_id: int) -> Webhook:
    """The webhook in use of that number. Raises RefusedError where there is none."""
    webhooks = await access.webhooks()
    for webhook in webhooks:
        if webhook.id == webhook_id:
            return webhook
    fix = f"Those in use: {', '.join(str(each.id) for each in webhooks[:8])}." if webhooks else "There is none."
    raise RefusedError((Problem(path="ID", value=str(webhook_id), rule="There is no such webhook.", fix=fix),))


def _refuse_wrong(url: str, kinds: Sequence[str], secret: str | None, *, insecure: bool) -> None:
    """Raises RefusedError with everything that is wrong with the options by themselves."""
    problems = [
        Problem(path="--kind", value=kind, rule="There is no such notice.", fix=suggestion(kind, known_names(_KINDS)))
        for kind in kinds
        if kind not in _KINDS
    ]
    wrong_url = _wrong_url(url, insecure=insecure)
    if wrong_url is not None:
        problems.insert(0, wrong_url)
    if secret is not None and not _SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
        rule = f"What signs has {_SHORTEST_SECRET} to {_LONGEST_SECRET} characters."
        # Not the value itself: it may be what somebody uses elsewhere.
        problems.append(Problem(path="--secret", rule=rule, fix="Leave it out for a random one."))
    if problems:
        raise RefusedError(tuple(problems))


def _wrong_url(url: str, *, insecure: bool) -> Problem | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if (
        host is None
        or parts.scheme not in ("http", "https")
        or port == 0
        or len(url) > _LONGEST_URL
        or not url.isprintable()
        or " " in url
    ):
        rule, fix = "Not an address that can be sent to.", "Write for example `https://alarms.example.org/busbar`."
        return Problem(path="URL", value=url[:_LONGEST_URL], rule=rule, fix=fix)
    if parts.username is not None or parts.password is not None:
        rule = "A password in an address is shown wherever the address is."
        fix = "Leave it out: every notice is signed, which proves where it comes from."
        # The address without it: this is printed.
        return Problem(path="URL", value=f"{parts.scheme}://...@{host}", rule=rule, fix=fix)
    if parts.scheme == "http" and not insecure and not _is_near(host):
        rule = "Notices would go over the network for all to read and change."
        return Problem(path="URL", value=url, rule=rule, fix="Use https://, or say --insecure.")
    return None


def _is_near(host: str) -> bool:
    """Whether it is this machine, or an address that is not routed beyond one's own network."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or (address.is_private and not address.is_unspecified)
