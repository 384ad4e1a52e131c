"""One request to answer, as the edge has read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from plano.catalog.allowance import Allowance
from plano.chat.dialect import Dialect
from plano.exchange.record import ExchangeRecord
from plano.exchange.sessions import Claim


class Telling(msgspec.Struct, frozen=True):
    """That the decision is wanted whole, and whose it is."""

    trace_id: str
    is_all: bool
    """The decision is the answer; nothing is sent to a model. Else it goes along in a field."""


class Ask(msgspec.Struct):
    """One request to answer, as the edge has read it."""

    dialect: Dialect
    body: bytes
    query: str
    forwarded: Sequence[tuple[bytes, bytes]]
    """Client headers that may travel on."""
    credential: Callable[[], Sequence[tuple[bytes, bytes]]]
    """Reads the client's own credential; asked only for models with `passthrough_auth`."""
    lines: bytes
    """Field lines that every answer to this request carries."""
    record: ExchangeRecord
    claim: Claim | None = None
    """What the head says about the session; None: the request stands alone."""
    telling: Telling | None = None
    """None: the decision is carried out, and told in a few fields."""
    allowance: Allowance | None = None
    """What the caller may use; None: everything that is declared."""
    admission: Callable[[], Awaitable[None]] | None = None
    """To be awaited before anything else: raises PlanoError where the request may not begin. None: it may."""
