"""Secrets of charge points and meters: hashed for keeping, checked without holding up the loop."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from busbar.core.errors import BusbarError

# The secrets are made by machines and long (`make_secret`); the cost is for those that people chose all the same. It
# is kept at 4 MB and about 12 ms because a thousand charge points come back at once when the process starts anew.
_COST = 2**12
_BLOCK = 8
_LANES = 1
_SALT_BYTES = 16
_KEY_BYTES = 32
_MOST_MEMORY = 256 * 2**20
_NAME = "scrypt"
_LONGEST_SECRET = 512


class BusyError(BusbarError):
    """More secrets wait to be checked than may wait; whoever asks should come back a little later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hashed:
    cost: int
    block: int
    lanes: int
    salt: bytes
    key: bytes


def make_secret() -> str:
    """A new secret of 32 characters, good for OCPP (16 to 40 characters of letters, digits, `-` and `_`)."""
    return secrets.token_urlsafe(24)


def hash_secret(secret: str | bytes) -> str:
    """`scrypt$n=4096,r=8,p=1$SALT$KEY`: all that is needed to check the secret, and not the secret. Takes about 12 ms.

    Raises BusbarError where the secret is empty or longer than 512 bytes.
    """
    given = _in_bytes(secret)
    if not 1 <= len(given) <= _LONGEST_SECRET:
        raise BusbarError(f"A secret has 1 to {_LONGEST_SECRET} bytes; this one has {len(given)}.")
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derive(given, _Hashed(cost=_COST, block=_BLOCK, lanes=_LANES, salt=salt, key=b"\0" * _KEY_BYTES))
    return f"{_NAME}$n={_COST},r={_BLOCK},p={_LANES}${_in_text(salt)}${_in_text(key)}"


def verify_secret(secret: str | bytes, secret_hash: str) -> bool:
    """Whether the hash is this secret's. Slow on purpose; `SecretChecker` does it off the event loop.

    Raises BusbarError where the hash is none of ours.
    """
    hashed = _parsed(secret_hash)
    given = _in_bytes(secret)
    if len(given) > _LONGEST_SECRET:
        return False
    return hmac.compare_digest(_derive(given, hashed), hashed.key)


class SecretChecker:
    """Checks secrets in a thread, few at a time, and remembers for a while what it found.

    Ten thousand charge points that reconnect cost ten thousand look-ups, not ten thousand hashes. What is remembered
    is a digest keyed with a key of this process, never the secret. A changed hash is another entry.
    """

    def __init__(self, *, remembered: int = 20_000, at_once: int = 2, waiting: int = 256) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._remembered = remembered
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting = 0
        self.hashes = 0
        """How often a hash was really computed."""

    async def verify(self, secret: str | bytes, secret_hash: str) -> bool:
        """As `verify_secret`. Raises BusyError where too many wait, BusbarError where the hash is none of ours."""
        mark = self._mark(_in_bytes(secret), secret_hash)
        known = self._recall(mark)
        if known is not None:
            return known
        if self._waiting >= self._most_waiting:
            raise BusyError(f"{self._waiting} secrets wait to be checked; come back in some seconds.")
        self._waiting += 1
        try:
            async with self._free:
                # Whoever waited behind the same secret finds it here.
                known = self._recall(mark)
                if known is not None:
                    return known
                self.hashes += 1
                is_right = await asyncio.to_thread(verify_secret, secret, secret_hash)
        finally:
            self._waiting -= 1
        self._remember(mark, is_right)
        return is_right

    def _mark(self, secret: bytes, secret_hash: str) -> bytes:
        inner = hmac.digest(self._key, secret, "sha256")
        return hmac.digest(self._key, secret_hash.encode() + b"\0" + inner, "sha256")

    def _recall(self, mark: bytes) -> bool | None:
        for memory, verdict in ((self._right, True), (self._wrong, False)):
            if mark in memory:
                memory.move_to_end(mark)
                return verdict
        return None

    def _remember(self, mark: bytes, is_right: bool) -> None:
        # Two memories, so that a flood of wrong secrets does not push out the right ones.
        memory, most = (self._right, self._remembered) if is_right else (self._wrong, self._remembered // 10)
        memory[mark] = None
        while len(memory) > most:
            memory.popitem(last=False)


def _derive(secret: bytes, hashed: _Hashed) -> bytes:
    return hashlib.scrypt(
        secret,
        salt=hashed.salt,
        n=hashed.cost,
        r=hashed.block,
        p=hashed.lanes,
        maxmem=_MOST_MEMORY,
        dklen=len(hashed.key),
    )


def _parsed(secret_hash: str) -> _Hashed:
    try:
        name, parameters, salt, key = secret_hash.split("$")
        numbers = dict(part.split("=") for part in parameters.split(","))
        hashed = _Hashed(
            cost=int(numbers["n"]),
            block=int(numbers["r"]),
            lanes=int(numbers["p"]),
            salt=base64.b64decode(salt, validate=True),
            key=base64.b64decode(key, validate=True),
        )
    except (ValueError, KeyError, binascii.Error) as error:
        raise BusbarError("A kept secret hash cannot be read; set the secret anew.") from error
    memory = 128 * hashed.cost * hashed.block
    is_sound = hashed.cost > 1 and hashed.cost & (hashed.cost - 1) == 0 and hashed.block > 0 and hashed.lanes > 0
    if name != _NAME or not is_sound or memory > _MOST_MEMORY // 2 or hashed.lanes > 16 or len(hashed.key) < 16:
        raise BusbarError("A kept secret hash is of a kind that is not used here; set the secret anew.")
    return hashed


def _in_bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


def _in_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
