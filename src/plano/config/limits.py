"""`listeners[].limits`: the limits of the HTTP edges by their names, and what else sets them.

The two edges share a few names; the upstream's are then written with `upstream_` before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Final

from pydantic_core import PydanticCustomError

from plano.config.document import describe
from plano.config.problems import did_you_mean
from plano.config.units import read_count, read_duration, read_size
from plano.http1.limits import ClientLimits, ServerLimits

Limits = Mapping[str, float | int]

_SERVER: Final = {limit.name: limit.name for limit in fields(ServerLimits)}
_CLIENT: Final = {
    f"upstream_{limit.name}" if limit.name in _SERVER else limit.name: limit.name
    for limit in fields(ClientLimits)
}
NAMES: Final = (*_SERVER, *_CLIENT)


def read_limits(written: Mapping[str, object]) -> Iterator[tuple[str, float | int | None, str | None]]:
    """Each limit as its name, its value, and what is wrong with it if anything is."""
    for name, value in written.items():
        if name not in NAMES:
            yield name, None, f"unknown limit {name!r}{did_you_mean(name, NAMES)}"
            continue
        try:
            yield name, _reader(name)(value), None
        except PydanticCustomError as error:
            shown = repr(value) if isinstance(value, str | int | float) else describe(value)
            what = (error.context or {}).get("what", "another form")
            yield name, None, f"expected {what}; got {shown[:40]}"


def _reader(name: str) -> Callable[[object], float | int]:
    if name.endswith("_s"):
        return read_duration
    return read_size if name.endswith("_bytes") else read_count


def server_limits(limits: Limits) -> ServerLimits:
    """The limits of client connections."""
    return ServerLimits(**{field: limits[name] for name, field in _SERVER.items() if name in limits})  # type: ignore[arg-type]  # read_limits gave each its type


def client_limits(limits: Limits, *, timeout_s: float, connect_s: float) -> ClientLimits:
    """The limits of upstream connections; what `limits` says itself comes first."""
    said = {field: limits[name] for name, field in _CLIENT.items() if name in limits}
    return ClientLimits(**{"exchange_s": timeout_s, "connect_s": connect_s} | said)  # type: ignore[arg-type]  # as above
