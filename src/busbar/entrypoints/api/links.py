"""One-time links: a person at this machine opens the page without ever seeing a token."""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

GOOD_FOR_S = 600.0
MOST_LINKS = 100
"""The oldest is forgotten beyond."""
_CODE_BYTES = 32


class OneTimeLinks:
    """Codes that stand for a token's secret, once and for ten minutes; kept in memory alone, by their hash."""

    def __init__(self, *, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._made: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def make(self, secret: str) -> str:
        """A new code of 256 bits; the link is `/enter/CODE`."""
        code = secrets.token_urlsafe(_CODE_BYTES)
        self._made[_mark(code)] = (secret, self._now_s())
        while len(self._made) > MOST_LINKS:
            self._made.popitem(last=False)
        return code

    def use(self, code: str) -> str | None:
        """The secret it stands for; None for one that is not known, was used, or is too old."""
        secret, made_s = self._made.pop(_mark(code), ("", 0.0))
        return secret if secret and self._now_s() - made_s <= GOOD_FOR_S else None


def _mark(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
