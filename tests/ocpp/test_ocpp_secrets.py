"""Secrets: hashed, checked, remembered."""

import asyncio

import pytest
from ocpp_peers import in_loop

from busbar.adapters.secrets import BusyError, SecretChecker, hash_secret, make_secret, verify_secret
from busbar.core.errors import BusbarError


def test_a_hash_says_how_it_was_made_and_does_not_hold_the_secret() -> None:
    written = hash_secret("correct horse")
    name, parameters, salt, key = written.split("$")
    assert name == "scrypt"
    assert parameters == "n=4096,r=8,p=1"
    assert salt
    assert key
    assert "horse" not in written


def test_the_right_secret_and_only_that_is_verified() -> None:
    written = hash_secret("correct horse")
    assert verify_secret("correct horse", written)
    assert verify_secret(b"correct horse", written)
    assert not verify_secret("correct horse ", written)
    assert not verify_secret("", written)
    assert not verify_secret("x" * 10_000, written)


def test_the_same_secret_is_hashed_differently_each_time() -> None:
    assert hash_secret("a") != hash_secret("a")


def test_a_hash_of_another_cost_is_verified_by_what_it_says_of_itself() -> None:
    # RFC 7914, section 12: scrypt("password", "NaCl", N=1024, r=8, p=16); first with a digit of it changed.
    key = "/bq+HJ00cgB4VucZDQHp/nxq18vII4gw53N2Y0s3MWI="
    assert verify_secret("password", f"scrypt$n=1024,r=8,p=16$TmFDbA==${key}") is False
    key = "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA=="
    assert verify_secret("password", f"scrypt$n=1024,r=8,p=16$TmFDbA==${key}")


@pytest.mark.parametrize(
    "written",
    ["", "plain", "scrypt$$$", "scrypt$n=3,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "md5$n=2,r=8,p=1$AA==$AA=="],
)
def test_a_hash_that_is_none_of_ours_is_refused(written: str) -> None:
    with pytest.raises(BusbarError):
        verify_secret("a", written)


def test_an_empty_or_endless_secret_is_not_hashed() -> None:
    for secret in ("", "x" * 513):
        with pytest.raises(BusbarError):
            hash_secret(secret)


def test_a_made_secret_is_long_enough_for_ocpp_and_never_the_same() -> None:
    assert 16 <= len(make_secret()) <= 40
    assert make_secret() != make_secret()


@in_loop
async def test_ten_thousand_reconnects_cost_one_hash() -> None:
    checker, written = SecretChecker(), hash_secret("right")
    for _ in range(10_000):
        assert await checker.verify("right", written)
    assert checker.hashes == 1


@in_loop
async def test_a_wrong_secret_is_remembered_as_wrong_and_a_new_hash_is_looked_at_anew() -> None:
    checker = SecretChecker()
    old, new = hash_secret("old"), hash_secret("new")
    assert not await checker.verify("new", old)
    assert not await checker.verify("new", old)
    assert checker.hashes == 1
    assert await checker.verify("new", new)
    assert not await checker.verify("old", new)


@in_loop
async def test_a_flood_of_wrong_secrets_does_not_push_out_right_ones() -> None:
    checker, written = SecretChecker(remembered=10), hash_secret("right")
    assert await checker.verify("right", written)
    for number in range(5):
        assert not await checker.verify(f"wrong {number}", written)
    before = checker.hashes
    assert await checker.verify("right", written)
    assert checker.hashes == before


@in_loop
async def test_too_many_at_once_are_asked_to_come_back() -> None:
    checker, written = SecretChecker(waiting=2, at_once=1), hash_secret("right")
    found = await asyncio.gather(*(checker.verify(f"{n}", written) for n in range(5)), return_exceptions=True)
    assert sum(isinstance(one, BusyError) for one in found) == 3
    assert found[:2] == [False, False]


@in_loop
async def test_the_loop_goes_on_while_a_secret_is_checked() -> None:
    checker, written = SecretChecker(), hash_secret("right")
    check = asyncio.create_task(checker.verify("right", written))
    turns = 0
    while not check.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
