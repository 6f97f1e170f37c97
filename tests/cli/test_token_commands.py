"""Tokens on the command line: shown once, kept as a hash, listed, revoked; and what is refused."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from cli_runs import DEPOT, Run
from test_operate_commands import checked

from busbar.adapters.tokens import hash_of
from busbar.bootstrap import with_access
from busbar.engine.access import AccessRecords, Role, Token
from busbar.engine.ports import Store

Found = TypeVar("Found")


@pytest.fixture
def kept(run: Run) -> Run:
    """With the example depot, elizabeth, in the store."""
    assert run("import", DEPOT).code == 0
    return run


def stored(act: Callable[[Store, AccessRecords], Awaitable[Found]]) -> Found:
    return with_access(act, database=None)


def with_hash(secret_hash: str) -> Token | None:
    async def act(_: Store, access: AccessRecords) -> Token | None:
        return await access.token_with(secret_hash)

    return stored(act)


def test_a_token_is_shown_once_and_kept_as_a_hash(kept: Run) -> None:
    answer = kept("token", "create", "ann", "--role", "operator")
    assert answer.code == 0
    secret = answer.out.strip()
    assert secret.startswith("busbar_")
    assert len(secret) > 40
    assert answer.out == f"{secret}\n"
    assert "token of ann, operator of all depots" in answer.err
    assert secret not in answer.err
    token = with_hash(hash_of(secret))
    assert token is not None
    assert (token.name, token.role, token.depot_id, token.nodes) == ("ann", Role.OPERATOR, None, ())
    assert secret not in kept("token", "list").out


def test_a_derms_is_granted_nodes_of_the_only_depot(kept: Run) -> None:
    answer = kept("token", "create", "grid", "--role", "derms", "--node", "GC1", "--node", "C4", "--json")
    document = checked(answer, "busbar/token/1")
    assert document["changed"]
    token = document["token"]
    assert (token["role"], token["depot"], token["nodes"]) == ("derms", "elizabeth", ["GC1", "C4"])
    found = with_hash(hash_of(document["secret"]))
    assert found is not None
    assert found.nodes == ("GC1", "C4")


@pytest.mark.parametrize(
    ("expires", "ends"),
    [
        ("90d", lambda now: now + timedelta(days=90)),
        ("2099-12-31", lambda _: datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
def test_it_ends_after_days_or_with_a_day(kept: Run, expires: str, ends: Callable[[datetime], datetime]) -> None:
    document = checked(
        kept("token", "create", "ann", "--role", "viewer", "--expires", expires, "--json"), "busbar/token/1"
    )
    ends_at = datetime.fromisoformat(document["token"]["expires_at"])
    assert abs(ends_at - ends(datetime.now(UTC))) < timedelta(minutes=1)


def test_all_are_listed_with_what_they_are_good_for(kept: Run) -> None:
    assert kept("token", "list").out.startswith("There is no token.")
    kept("token", "create", "ann", "--role", "operator", "--depot", "elizabeth")
    kept("token", "create", "board", "--role", "viewer", "--expires", "30d")
    kept("token", "revoke", "ann")
    lines = kept("token", "list").out.splitlines()
    assert lines[1].split()[:5] == ["ann", "operator", "of", "elizabeth", "revoked"]
    assert lines[2].split()[:6] == ["board", "viewer", "of", "all", "depots", "good"]
    document = checked(kept("token", "list", "--json"), "busbar/tokens/1")
    assert [(each["name"], each["state"]) for each in document["tokens"]] == [("ann", "revoked"), ("board", "good")]
    assert "secret" not in json.dumps(document)


def test_a_revoked_one_is_void_and_its_name_is_free_again(kept: Run) -> None:
    secret = kept("token", "create", "ann", "--role", "viewer").out.strip()
    answer = kept("token", "revoke", "ann")
    assert (answer.code, answer.out) == (0, "The token of ann, viewer of all depots, is void.\n")
    token = with_hash(hash_of(secret))
    assert token is not None
    assert token.revoked_at is not None
    again = kept("token", "revoke", "ann")
    assert again.code == 0
    assert "was revoked already" in again.out
    assert not checked(kept("token", "revoke", "ann", "--json"), "busbar/token/1")["changed"]
    assert kept("token", "create", "ann", "--role", "viewer").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ann", "--role", "derms"], ["--node", "without any it sees nothing", "Add --node GC1."]),
        (["ann", "--role", "viewer", "--node", "GC1"], ["--node = GC1", "Nodes are granted to a DERMS alone"]),
        (["ann", "--role", "derms", "--node", "GC9"], ["--node = GC9", "There is no such node", "Did you mean `GC"]),
        (["ann", "--role", "viewer", "--depot", "elizabet"], ["--depot = elizabet", "Did you mean `elizabeth`?"]),
        (["ann", "--role", "viewer", "--expires", "soon"], ["--expires = soon", "`90d`"]),
        (["ann", "--role", "viewer", "--expires", "2020-01-01"], ["That day is over."]),
        (["ann", "--role", "viewer", "--expires", "9999-12-31"], ["too far away"]),
        ([" ", "--role", "viewer"], ["NAME", "printable characters"]),
        (["a" * 101, "--role", "viewer"], ["NAME", "printable characters"]),
        (["ann", "--role", "king"], ["king"]),
        (["ann"], ["--role"]),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_fix(kept: Run, arguments: list[str], said: list[str]) -> None:
    answer = kept("token", "create", *arguments)
    assert (answer.code, answer.out) == (2, "")
    for words in said:
        assert words in answer.err
    assert kept("token", "list").out.startswith("There is no token.")


def test_everything_that_is_wrong_is_said_at_once(kept: Run) -> None:
    answer = kept("token", "create", "", "--role", "derms", "--expires", "soon", "--json")
    problems = checked(answer, "busbar/refusal/1", code=2)["problems"]
    assert [problem["path"] for problem in problems] == ["NAME", "--node", "--expires"]


def test_a_name_that_is_in_use_is_refused(kept: Run) -> None:
    kept("token", "create", "ann", "--role", "viewer")
    answer = kept("token", "create", "ann", "--role", "operator")
    assert answer.code == 2
    assert "A token of that name is in use" in answer.err
    assert "busbar token revoke ann" in answer.err


def test_revoking_what_is_not_there_names_the_nearest(kept: Run) -> None:
    kept("token", "create", "scoreboard", "--role", "viewer")
    answer = kept("token", "revoke", "scorebord")
    assert (answer.code, answer.out) == (2, "")
    assert "Did you mean `scoreboard`?" in answer.err
