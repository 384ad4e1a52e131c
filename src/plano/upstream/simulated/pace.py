"""How fast a simulated model speaks, read from the query string of its endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

LONGEST_ANSWER_TOKENS = 100_000
"""More than any provider writes in one answer; keeps a slip of the finger from filling memory."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The default waits for nothing."""

    first_token_s: float = 0.0
    """From the request to the first token."""
    token_s: float = 0.0
    """Between one token and the next."""
    tokens: int = 0
    """The answer is at least so long; 0 leaves it at its natural length."""


@lru_cache(maxsize=256)
def read_pace(query: str) -> Pace:
    """`first_token_ms=50&tokens_per_s=200&tokens=500`, each part optional.

    Raises ValueError that names the part when a key is unknown or a number makes no sense.
    """
    parts = dict(parse_qsl(query, keep_blank_values=True))
    unknown = parts.keys() - {"first_token_ms", "tokens_per_s", "tokens"}
    if unknown:
        raise ValueError(f"expected first_token_ms, tokens_per_s or tokens; got '{min(unknown)}'")
    first_token_ms = _number(parts, "first_token_ms", most=600_000)
    tokens_per_s = _number(parts, "tokens_per_s", most=1_000_000)
    return Pace(
        first_token_s=first_token_ms / 1000,
        token_s=1 / tokens_per_s if tokens_per_s else 0.0,
        tokens=int(_number(parts, "tokens", most=LONGEST_ANSWER_TOKENS)),
    )


def _number(parts: dict[str, str], key: str, *, most: float) -> float:
    text = parts.get(key, "0")
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise ValueError(f"{key}: expected a number from 0 to {most:g}; got '{text}'")
    return number
