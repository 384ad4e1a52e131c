"""What a provider's words must not tell its callers: the operator's secrets that it was sent.

Some quote the key that they refuse, or the whole head of the request. Errors are searched for what this
very attempt was sent; answers are not touched. How a secret is cut or coded beyond JSON's escapes is
anybody's guess: what is no longer the secret itself is not found.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from plano.catalog.catalog import Model

STARS = b"***"
SHORTEST = 8
"""Shorter values are no secrets (`none`, `ollama`), and to replace them would spoil words that hold them."""
_MAY_BE_SECRET = re.compile(
    r"auth|cookie|credential|key|passw|pwd|secret|session|sig|token|^code$", re.IGNORECASE
)
"""In the name of a configured field. The value of any other is as little a secret as a product's name."""
_PARTS = re.compile(r"[\s;,]+")


def secrets_of(model: Model) -> tuple[str, ...]:
    """What the model's requests carry and only the operator may know, the longest first."""
    values = [] if model.access_key is None else [model.access_key.reveal()]
    for name, value in model.headers.items():
        if _MAY_BE_SECRET.search(name):
            values += [value, *_PARTS.split(value)]
    for endpoint in model.endpoints.values():
        for field in endpoint.query.split("&"):
            name, _, written = field.partition("=")
            if _MAY_BE_SECRET.search(unquote_plus(name)):
                values += [
                    written,
                    unquote(written),
                    unquote_plus(written),
                ]  # as it was sent, and as it was read
    return tuple(sorted({each for each in values if len(each) >= SHORTEST}, key=len, reverse=True))


def withheld(words: bytes, secrets: tuple[str, ...]) -> bytes:
    """The words with stars in place of the secrets, also of those written with JSON's escapes."""
    for secret in secrets:
        words = words.replace(secret.encode(), STARS)
        if b"\\" in words:
            words = _escaped(secret).sub(STARS, words)
    return words


def withheld_text(words: str, secrets: tuple[str, ...]) -> str:
    """The same of a text that may have been cut: half a secret at its end is one too."""
    words = withheld(words.encode("utf-8", "replace"), secrets).decode("utf-8", "replace")
    for secret in secrets:
        for length in range(len(secret) - 1, SHORTEST - 1, -1):
            if words.endswith(secret[:length]):
                return words[:-length] + STARS.decode()
    return words


@lru_cache(maxsize=256)
def _escaped(secret: str) -> re.Pattern[bytes]:
    return re.compile(b"".join(map(_any_form, secret)))


def _any_form(character: str) -> bytes:
    """A character as it is, or escaped: with its number always, with a backslash where JSON has that."""
    units = character.encode("utf-16-be").hex()
    number = b"".join(b"\\\\u(?i:%b)" % units[at : at + 4].encode() for at in range(0, len(units), 4))
    short = json.dumps(character, ensure_ascii=False)[1:-1]
    forms = {re.escape(character.encode()), re.escape(short.encode()), number}
    if character == "/":
        forms.add(rb"\\/")
    return b"(?:%b)" % b"|".join(sorted(forms))
