"""A gateway key and what is kept of it: the key is random, its digest is all that anybody stores."""

from __future__ import annotations

from hashlib import sha256

PREFIX = "pk-"
"""By which people, and scanners for leaked secrets, know a key of this gateway."""
RANDOM_BYTES = 32
SCHEME = "sha256:"


def digest_of(key: bytes) -> bytes:
    """SHA-256: a key has 256 random bits, so that nobody gets from the digest to it, fast as it is."""
    return sha256(key).digest()


def hash_of(key: str) -> str:
    """The digest as a configuration has it."""
    return SCHEME + digest_of(key.encode()).hex()
