"""Webhooks on the command line: added, listed with what waits, tried, removed; and what is refused."""

import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from cli_runs import DEPOT, Run
from test_operate_commands import checked

from busbar.bootstrap import with_access
from busbar.engine.access import AccessRecords, Delivery, NoticeKind, Webhook
from busbar.engine.ports import Store

Found = TypeVar("Found")
URL = "https://alarms.example.org/busbar"


@pytest.fixture
def kept(run: Run) -> Run:
    """With the example depot, elizabeth, in the store."""
    assert run("import", DEPOT).code == 0
    return run


def stored(act: Callable[[Store, AccessRecords], Awaitable[Found]]) -> Found:
    return with_access(act, database=None)


async def webhooks(_: Store, access: AccessRecords) -> list[Webhook]:
    return list(await access.webhooks())


async def waiting(_: Store, access: AccessRecords) -> list[Delivery]:
    return list(await access.due_deliveries(now=datetime.now(UTC) + timedelta(seconds=5)))


def test_what_signs_is_shown_once(kept: Run) -> None:
    answer = kept("webhook", "add", URL)
    assert answer.code == 0
    secret = answer.out.strip()
    (webhook,) = stored(webhooks)
    assert (webhook.url, webhook.secret, webhook.depot_id, webhook.kinds) == (URL, secret, None, ())
    assert len(secret) >= 40
    assert "it is shown once" in answer.err
    assert "`busbar webhook test 1`" in answer.err
    assert secret not in answer.err
    assert secret not in kept("webhook", "list", "--json").out


def test_it_can_be_of_one_depot_and_of_some_kinds(kept: Run) -> None:
    kinds = ["--kind", "breach.opened", "--kind", "mode.changed"]
    document = checked(kept("webhook", "add", URL, "--depot", "elizabeth", *kinds, "--json"), "busbar/webhook/1")
    assert document["webhook"]["depot"] == "elizabeth"
    assert document["webhook"]["kinds"] == ["breach.opened", "mode.changed"]
    (webhook,) = stored(webhooks)
    assert webhook.kinds == (NoticeKind.BREACH_OPENED, NoticeKind.MODE_CHANGED)
    assert webhook.secret == document["secret"]


def test_a_secret_of_ones_own_comes_from_standard_input_and_is_not_shown(
    kept: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("what both sides know\n"))
    answer = kept("webhook", "add", URL, "--secret", "-")
    assert answer.code == 0
    assert "what both sides know" not in answer.out + answer.err
    (webhook,) = stored(webhooks)
    assert webhook.secret == "what both sides know"


def test_they_are_listed_with_what_waits(kept: Run) -> None:
    assert kept("webhook", "list").out.startswith("There is no webhook.")
    kept("webhook", "add", URL)
    kept("webhook", "add", "http://127.0.0.1:9/", "--kind", "breach.opened")
    assert kept("webhook", "test", "1").code == 0
    lines = kept("webhook", "list").out.splitlines()
    assert lines[1].split()[:5] == ["1", URL, "all", "everything", "1"]
    assert lines[2].split()[:5] == ["2", "http://127.0.0.1:9/", "all", "breach.opened", "0"]
    document = checked(kept("webhook", "list", "--json"), "busbar/webhooks/1")
    assert [(each["id"], each["waiting"]) for each in document["webhooks"]] == [(1, 1), (2, 0)]


def test_a_test_notice_is_put_on_its_way_and_who_delivers_it_is_said(kept: Run) -> None:
    kept("webhook", "add", URL, "--kind", "breach.opened")
    answer = kept("webhook", "test", "1")
    assert answer.code == 0
    assert f"on its way to webhook 1 ({URL})" in answer.out
    assert "running service (`busbar serve`) delivers it" in answer.err
    (delivery,) = stored(waiting)
    assert (delivery.notice.kind, delivery.depot_id, delivery.notice.node) == (
        NoticeKind.TEST,
        "elizabeth",
        "elizabeth",
    )
    assert checked(kept("webhook", "test", "1", "--json"), "busbar/webhook/1")["webhook"]["waiting"] == 2


def test_a_test_without_any_depot_is_refused(run: Run) -> None:
    assert run("webhook", "add", URL).code == 0
    answer = run("webhook", "test", "1")
    assert answer.code == 2
    assert "Import one first" in answer.err


def test_one_that_is_removed_is_told_nothing_more(kept: Run) -> None:
    kept("webhook", "add", URL)
    kept("webhook", "test", "1")
    answer = kept("webhook", "remove", "1")
    assert answer.out == f"Webhook 1 ({URL}) is told nothing more. 1 notice on the way to it is forgotten.\n"
    assert stored(webhooks) == []
    assert stored(waiting) == []
    for command in ("remove", "test"):
        again = kept("webhook", command, "1")
        assert again.code == 2
        assert "There is no such webhook." in again.err


def test_a_removed_one_is_a_document_too(kept: Run) -> None:
    kept("webhook", "add", URL)
    document = checked(kept("webhook", "remove", "1", "--json"), "busbar/webhook/1")
    assert document["webhook"]["removed_at"] is not None
    assert document["secret"] is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/busbar",
        "http://localhost/",
        "http://[::1]:9/",
        "http://192.168.7.7/alarm",
        "http://10.1.2.3:8000/x",
        "https://8.8.8.8/x",
    ],
)
def test_plain_http_goes_to_ones_own_network(kept: Run, url: str) -> None:
    assert kept("webhook", "add", url).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://alarms.example.org/"], ["URL = http://alarms.example.org/", "Use https://, or say --insecure."]),
        (["http://8.8.8.8/"], ["for all to read"]),
        (["http://0.0.0.0/"], ["for all to read"]),
        (["ftp://alarms.example.org/"], ["Not an address that can be sent to."]),
        (["alarms.example.org"], ["Not an address that can be sent to."]),
        (["https://"], ["Not an address that can be sent to."]),
        (["https://host:99999/"], ["Not an address that can be sent to."]),
        (["https://a b.example/"], ["Not an address that can be sent to."]),
        (["https://[::1"], ["Not an address that can be sent to."]),
        ([URL, "--kind", "breach.open"], ["--kind = breach.open", "Did you mean `breach.opened`?"]),
        ([URL, "--secret", "short"], ["--secret", "16 to 200 characters"]),
        ([URL, "--depot", "moon"], ["--depot = moon"]),
    ],
)
def test_what_cannot_be_added_is_refused_with_a_fix(kept: Run, arguments: list[str], said: list[str]) -> None:
    answer = kept("webhook", "add", *arguments)
    assert (answer.code, answer.out) == (2, "")
    for words in said:
        assert words in answer.err
    assert stored(webhooks) == []


def test_insecure_is_taken_at_its_word(kept: Run) -> None:
    assert kept("webhook", "add", "http://alarms.example.org/", "--insecure").code == 0


def test_a_password_in_an_address_is_refused_and_not_repeated(kept: Run) -> None:
    answer = kept("webhook", "add", "https://ann:open-sesame@alarms.example.org/", "--json")
    problems = checked(answer, "busbar/refusal/1", code=2)["problems"]
    assert problems[0]["value"] == "https://...@alarms.example.org"
    assert "open-sesame" not in answer.out


def test_everything_that_is_wrong_is_said_at_once(kept: Run) -> None:
    answer = kept("webhook", "add", "ftp://x", "--kind", "a", "--kind", "b", "--secret", "c", "--json")
    problems = checked(answer, "busbar/refusal/1", code=2)["problems"]
    assert [problem["path"] for problem in problems] == ["URL", "--kind", "--kind", "--secret"]
