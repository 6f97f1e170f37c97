"""Tokens, as rows and back."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import refuse_second_token
from busbar.adapters.store.column_types import countable
from busbar.adapters.store.tables import tokens
from busbar.core.errors import BusbarError
from busbar.engine.access import Role, Token

_NAMES = tuple(field.name for field in fields(Token))
"""A token's fields are columns of the same names."""


async def write_token(
    connection: AsyncConnection,
    *,
    name: str,
    role: Role,
    secret_hash: str,
    depot_id: str | None,
    nodes: Sequence[str],
    at: datetime,
    expires_at: datetime | None,
) -> Token:
    """A new one. Raises BusbarError where one of that name is in use, or one has that secret."""
    same = await connection.execute(select(tokens).where(tokens.c.name == name))
    refuse_second_token([_token(row) for row in same.mappings()], at)
    if await read_token(connection, secret_hash) is not None:
        raise BusbarError("There is a token with that secret already; make another.")
    row = {
        "name": name,
        "role": role.value,
        "secret_hash": secret_hash,
        "depot_id": depot_id,
        "nodes": list(nodes),
        "created_at": at,
        "expires_at": expires_at,
    }
    kept = await connection.execute(insert(tokens).returning(tokens), row)
    return _token(kept.mappings().one())


async def read_tokens(connection: AsyncConnection) -> tuple[Token, ...]:
    """All, revoked ones too, oldest first."""
    found = await connection.execute(select(tokens).order_by(tokens.c.id))
    return tuple(_token(row) for row in found.mappings())


async def read_token(connection: AsyncConnection, secret_hash: str) -> Token | None:
    """The one with that hash, revoked or not."""
    found = await connection.execute(select(tokens).where(tokens.c.secret_hash == secret_hash))
    row = found.mappings().one_or_none()
    return None if row is None else _token(row)


async def revoke(connection: AsyncConnection, token_id: int, *, at: datetime) -> Token | None:
    """Revoke it; None where there is none. The first revocation stands."""
    its = tokens.c.id == countable(token_id)
    await connection.execute(update(tokens).where(its, tokens.c.revoked_at.is_(None)).values(revoked_at=at))
    row = (await connection.execute(select(tokens).where(its))).mappings().one_or_none()
    return None if row is None else _token(row)


async def last_use(connection: AsyncConnection, token_id: int) -> tuple[bool, datetime | None]:
    """Whether there is such a token, and when it was last used."""
    row = (await connection.execute(select(tokens.c.used_at).where(tokens.c.id == countable(token_id)))).one_or_none()
    return row is not None, None if row is None else row[0]


async def write_use(connection: AsyncConnection, token_id: int, *, at: datetime) -> None:
    """It was used."""
    await connection.execute(update(tokens).where(tokens.c.id == countable(token_id)).values(used_at=at))


def _token(row: Mapping[Any, Any]) -> Token:
    kept = {name: row[name] for name in _NAMES}
    return Token(**{**kept, "role": Role(row["role"]), "nodes": tuple(row["nodes"])})
