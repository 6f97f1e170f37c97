"""Secrets of tokens for the HTTP interface: made long and at random, so that a plain hash of them is enough."""

import hashlib
import secrets

PREFIX = "busbar_"
"""Lets people, and programs that look for secrets in the wrong places, see what it is."""
_SECRET_BYTES = 32


def make_token_secret() -> tuple[str, str]:
    """A new secret of 256 random bits (`busbar_` and 43 characters good for a URL), and its hash, which is kept."""
    secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    return secret, hash_of(secret)


def hash_of(secret: str) -> str:
    """SHA-256, in hex. Never fails: whatever a stranger sends has a hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
