"""What can be wrong with Redis, in our words: the one place that knows redis-py's exceptions.

A server's own words are not repeated. Some answer an AUTH that they do not know by quoting it, password
and all, and nobody knows who answers at a wrong address.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from redis import exceptions


class NotRedis(Exception):
    """A reply that Redis would not give."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an operation came to nothing."""

    because: str
    """A clause for people."""
    is_of_key: bool = False
    """Redis is well; what stands under this one key is not ours."""


NOT_A_STRING = Trouble("another kind of value stands under the key (WRONGTYPE)", is_of_key=True)

_TOO_MANY = "max number of clients reached"
"""What a full server says before it closes; redis-py has no exception of its own for it."""

# Most telling first: redis-py counts several answers of a server among its connection errors.
_ANSWERS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "Redis refuses the user or the password, or wants one"),
    (exceptions.AuthorizationError, "Redis refuses the user"),
    (exceptions.NoPermissionError, "Redis does not permit the user this command or key (NOPERM)"),
    (exceptions.BusyLoadingError, "Redis is loading its data (LOADING)"),
    (exceptions.ReadOnlyError, "Redis is a replica that cannot be written to (READONLY)"),
    (exceptions.OutOfMemoryError, "Redis is out of memory (OOM)"),
    (exceptions.MovedError, "Redis is part of a cluster; the url should begin with redis+cluster:// (MOVED)"),
    (exceptions.AskError, "a cluster moves the key just now (ASK)"),
    (exceptions.ClusterDownError, "the cluster is down (CLUSTERDOWN)"),
    (NotRedis, "what answers does not speak Redis"),
    (exceptions.InvalidResponse, "what answers does not speak Redis"),
    (exceptions.TimeoutError, "Redis did not answer in time"),
)


def trouble_of(error: Exception, limit_s: float) -> Trouble:
    """What `error` means; `limit_s` is how long was waited."""
    if type(error) is exceptions.ConnectionError and isinstance(error.__cause__, exceptions.RedisError):
        error = error.__cause__  # over a Unix socket redis-py wraps what it is told while connecting
    for kind, because in _ANSWERS:
        if isinstance(error, kind):
            return Trouble(because)
    match error:
        case exceptions.ResponseError():
            return NOT_A_STRING if str(error).startswith("WRONGTYPE") else Trouble("Redis answers an error")
        case exceptions.ConnectionError() if str(error) == _TOO_MANY:
            return Trouble("Redis has too many clients")
        case exceptions.ConnectionError():
            return Trouble(f"Redis cannot be reached{_how(error)}")
        case TimeoutError():
            return Trouble(f"no answer from Redis in {limit_s * 1000:.0f} ms")
        case ssl.SSLError() | OSError():
            return Trouble(f"Redis cannot be reached ({type(error).__name__})")
        case _:
            return Trouble(f"Redis could not be asked ({type(error).__name__})")


def _how(error: BaseException) -> str:
    """redis-py raises its own while it handles the system's."""
    first = error.__cause__ or error.__context__
    while first is not None and not isinstance(first, OSError):
        first = first.__cause__ or first.__context__
    return "" if first is None else f" ({type(first).__name__})"
