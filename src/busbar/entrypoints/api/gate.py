"""Who asks, and whether they may: tokens from the `Authorization` header or the session cookie."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import NoReturn
from urllib.parse import urlsplit

from fastapi import Request

from busbar.adapters.tokens import hash_of
from busbar.core.errors import BusbarError
from busbar.engine.access import Role, Token
from busbar.entrypoints.api.rates import Buckets, Rates
from busbar.entrypoints.api.refusals import refuse
from busbar.entrypoints.api.served import Served

COOKIE = "busbar_session"
REMEMBERED_S = 10.0
"""So long a revoked token may still be taken for good."""
USE_NOTED_S = 60.0
MOST_REMEMBERED = 10_000
_MOST_SECRET_CHARACTERS = 200
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="busbar"'}


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who asks."""

    token: Token
    by_cookie: bool
    """A browser sends cookies whoever's page asks: a write needs proof that it was ours."""


class Gate:
    """Finds the token behind a secret, remembers it for a while, and lets nobody ask too much."""

    def __init__(self, served: Served, rates: Rates, *, now_s: Callable[[], float] = monotonic) -> None:
        self._served, self._now_s = served, now_s
        self._asked = Buckets(rates.token_burst, rates.token_rate_per_s, now_s=now_s)
        self._failed = Buckets(rates.failure_burst, rates.failure_rate_per_s, now_s=now_s)
        self._found: OrderedDict[str, tuple[Token | None, float]] = OrderedDict()
        self._noted_s: OrderedDict[int, float] = OrderedDict()
        self._once_good: OrderedDict[str, None] = OrderedDict()

    async def caller(self, request: Request) -> Caller:
        """Who asks. Raises NotServedError (401, 429)."""
        secret, by_cookie = presented(request)
        if secret is None:
            fix = "Send `Authorization: Bearer TOKEN`; `busbar token create NAME --role ROLE` makes one."
            rule = "A token is asked for."
            refuse(401, "authorization", rule, fix, headers=_CHALLENGE)
        token = await self.entry(secret, request)
        wait_s = self._asked.take(str(token.id))
        if wait_s:
            _refuse_flood("Too many questions from this token.", wait_s)
        return Caller(token=token, by_cookie=by_cookie)

    async def caller_if_any(self, request: Request) -> Caller | None:
        """As `caller`, where a token was sent at all."""
        return None if presented(request)[0] is None else await self.caller(request)

    async def entry(self, secret: str, request: Request) -> Token:
        """The good token with this secret. Raises NotServedError (401; 429 after too many wrong ones)."""
        address = address_of(request)
        hashed = hash_of(secret)
        # Who was good before is looked up even from an address that others use to guess.
        wait_s = 0 if hashed in self._once_good else self._failed.wait_s(address)
        if wait_s:
            _refuse_flood("Too many wrong tokens from this address.", wait_s)
        token = await self._token(hashed)
        if token is None or not token.is_good(datetime.now(UTC)):
            self._failed.take(address)
            refuse_secret()
        self._once_good[hashed] = None
        _bound(self._once_good)
        await self._note_use(token)
        return token

    async def is_still_good(self, token: Token) -> bool:
        """Asked of the store anew."""
        found = await self._served.access.token_with(token.secret_hash)
        return found is not None and found.is_good(datetime.now(UTC))

    def fail(self, request: Request) -> None:
        """Somebody presented a one-time code that is none. Raises NotServedError (429) after too many."""
        wait_s = self._failed.take(address_of(request))
        if wait_s:
            _refuse_flood("Too many wrong codes from this address.", wait_s)

    async def _token(self, hashed: str) -> Token | None:
        now_s = self._now_s()
        known = self._found.get(hashed)
        if known is not None and now_s - known[1] < REMEMBERED_S:
            return known[0]
        token = await self._served.access.token_with(hashed)
        self._found[hashed] = (token, now_s)
        self._found.move_to_end(hashed)
        _bound(self._found)
        return token

    async def _note_use(self, token: Token) -> None:
        now_s = self._now_s()
        if now_s - self._noted_s.get(token.id, -USE_NOTED_S) < USE_NOTED_S:
            return
        self._noted_s[token.id] = now_s
        _bound(self._noted_s)
        try:
            await self._served.access.note_use(token.id, at=datetime.now(UTC))
        except BusbarError:
            # It is for people who clean up; nobody waits for it, and reading goes on without it.
            self._noted_s.pop(token.id, None)


def presented(request: Request) -> tuple[str | None, bool]:
    """The secret that was sent, and whether as a cookie. A header counts before a cookie."""
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, secret = header.partition(" ")
        is_secret = kind.lower() == "bearer" and 0 < len(secret.strip()) <= _MOST_SECRET_CHARACTERS
        return (secret.strip() if is_secret else None), False
    cookie = request.cookies.get(COOKIE, "")
    return (cookie if 0 < len(cookie) <= _MOST_SECRET_CHARACTERS else None), True


def refuse_role(token: Token, roles: tuple[Role, ...]) -> None:
    """Raises NotServedError (403) where the token's role is none of these."""
    if token.role not in roles:
        rule = f"A token of role {token.role.value} may not do this."
        fix = f"Use one of role {' or '.join(role.value for role in roles)}."
        refuse(403, "authorization", rule, fix)


def refuse_other_page(request: Request, caller: Caller) -> None:
    """Raises NotServedError (403) for a write in a browser's name that did not come from our own page."""
    if not caller.by_cookie:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Where the browser says both, both must be ours.
    says_ours = [site == "same-origin"] if site is not None else []
    if origin is not None:
        says_ours.append(urlsplit_netloc(origin) == request.headers.get("host", "").lower())
    if not says_ours or not all(says_ours):
        rule = "A write with a session cookie has to come from Busbar's own page."
        refuse(403, "origin", rule, "Send `Authorization: Bearer TOKEN` instead of a cookie.")


def urlsplit_netloc(origin: str) -> str | None:
    """The host and port of an origin; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def address_of(request: Request) -> str:
    """Where somebody asks from."""
    return request.client.host if request.client is not None else "unknown"


def refuse_secret() -> NoReturn:
    """Raises NotServedError (401). Whether it was never good or is not any more makes no difference."""
    rule, fix = "This is not a good token.", "Use one that is neither revoked nor expired; `busbar token list`."
    refuse(401, "authorization", rule, fix, headers=_CHALLENGE)


def _refuse_flood(rule: str, wait_s: int) -> NoReturn:
    refuse(429, "authorization", rule, f"Ask again in {wait_s} s.", headers={"Retry-After": str(wait_s)})


def _bound(
    kept: OrderedDict[str, None] | OrderedDict[str, tuple[Token | None, float]] | OrderedDict[int, float],
) -> None:
    while len(kept) > MOST_REMEMBERED:
        kept.popitem(last=False)
