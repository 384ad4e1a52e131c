"""One request from first byte to last, as it will be told: log, metrics and trace are views of this.

Filled in by the exchange while it runs, handed to the recorders once, at the end. Times are
readings of the event loop's monotonic clock in seconds; `at` alone is a date.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from plano.catalog.names import ModelId, RouteName
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.errors import KeyLimit
from plano.routing.decision import Reason, Step
from plano.routing.session import Account

Phase = Literal["read", "decide", "connect", "head", "content", "stream", "done"]
"""Where the request was when it ended: reading it, deciding, connecting upstream, waiting for
the head, waiting for the first content, relaying, all done."""

Shed = Literal["connections", "bodies", "memory", "upstream_connections"]
"""What a limit of the gateway's own protects: connections of clients, request bodies held, memory,
connections to providers."""

Ending = Literal["answered", "refused", "upstream_failed", "client_left", "gateway_failed"]
"""Who ended it: nobody (`answered`), the request itself, the provider, the client, or Plano."""


class FailedAttempt(msgspec.Struct, frozen=True):
    """An attempt that came to nothing, and its provider is to blame."""

    model: ModelId
    code: str
    """From `plano.errors`."""
    at: float
    """When it was over."""
    status: int | None = None
    """What the provider answered with, or the status that its dialect gives to its error; None: neither."""
    usage: Usage | None = None
    """What the provider has counted for it nevertheless. That of the last attempt is the record's own."""


class ExchangeRecord(msgspec.Struct, kw_only=True):
    """The facts of one exchange. None means not reached or not known; unknown is not zero."""

    request_id: str
    method: str
    path: str
    """Without the query string, which may carry secrets."""
    at: float
    """Seconds since 1970: when the request's first byte came."""
    started: float
    decided: float | None = None
    sent: float | None = None
    """When the request was handed to the upstream connection."""
    first_byte: float | None = None
    """When the upstream's head came."""
    first_content: float | None = None
    ended: float | None = None
    dialect: Dialect | None = None
    stream: bool = False
    client_host: str | None = None
    key: str | None = None
    """The gateway key it came with, by its configured name; None: none was asked for, or none known."""
    key_limit: KeyLimit | None = None
    """Which limit of that key has turned it away; None: none."""
    is_counted_alone: bool = False
    """It was let in by what this worker knows, for the windows that all share were out of reach."""
    usd: float | None = None
    """What its key was charged for the answer, at list prices; None: no key, or no price or usage known."""
    requested: str | None = None
    """The model as the client named it, cut to 256 characters; the three names of a model are this
    one, `chosen` and `served`."""
    chosen: ModelId | None = None
    served: str | None = None
    provider: str | None = None
    decision: Step | None = None
    route: RouteName | None = None
    reasons: tuple[Reason, ...] = ()
    """What the steps said, where somebody had to be asked."""
    session: str | None = None
    """What tells its session from all others, the tenant included; None: the request stands alone."""
    is_user_turn: bool | None = None
    """Whether a user speaks in it; False inside a tool loop, None where that was not looked at."""
    is_kept: bool | None = None
    """Whether the session's store took its pin; None: none was to be written."""
    has_switched: bool = False
    """The session was on another model before."""
    candidates: tuple[ModelId, ...] = ()
    """The models that routing ranks for a request of a session, whatever then was chosen; none where the
    session's pin was followed and nobody asked."""
    counterfactual: ModelId | None = None
    """What routing would have had, had the budget allowed it; where that is to be recorded."""
    account: Account | None = None
    """What the session's account is written from; None: none is kept."""
    attempts: int = 0
    failed: tuple[FailedAttempt, ...] = ()
    """In order; the last attempt too, when that has failed."""
    preferred: ModelId | None = None
    """Who was to be asked first, where somebody else was asked before or after it."""
    set_back: int = 0
    """How many candidates others went before, because they rest."""
    shed: Shed | None = None
    """What there was too little of to answer it."""
    status: int | None = None
    """The status the client was sent; 499 when it left first."""
    code: str | None = None
    """The code of the error, from `plano.errors`; None when answered."""
    detail: str | None = None
    """What the connection to the provider met with, addresses included: for the log, never for clients."""
    ending: Ending = "answered"
    phase: Phase = "read"
    bytes_in: int = 0
    bytes_out: int = 0
    usage: Usage | None = None
    finish_reason: str | None = None
    upstream_id: str | None = None
    """The provider's own id of the answer (`gen_ai.response.id`)."""

    def begin_again(self, chosen: ModelId, provider: str) -> None:
        """Another attempt begins: nothing that was learnt from the one before is true of this one, but what
        it has cost is paid."""
        if self.preferred is None:
            self.preferred = self.chosen
        if self.usage is not None and self.failed:
            *before, last = self.failed
            self.failed = (*before, msgspec.structs.replace(last, usage=self.usage))
        self.attempts += 1
        self.chosen = chosen
        self.provider = provider
        self.phase = "connect"
        self.ending = "answered"
        self.sent = self.first_byte = None
        self.served = self.code = self.finish_reason = self.upstream_id = None
        self.usage = None

    @property
    def bill(self) -> tuple[tuple[ModelId, Usage], ...]:
        """Who has counted how much, attempt by attempt: those that failed are paid for as well."""
        counted = [(each.model, each.usage) for each in self.failed if each.usage is not None]
        if self.chosen is not None and self.usage is not None:
            counted.append((self.chosen, self.usage))
        return tuple(counted)
