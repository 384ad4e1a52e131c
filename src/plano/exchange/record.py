"""One request from first byte to last, as it will be told: log, metrics and trace are views of this.

Filled in by the exchange while it runs, handed to the recorders once, at the end. Times are
readings of the event loop's monotonic clock in seconds; `at` alone is a date.
"""

from __future__ import annotations

from typing import Literal

from plano.catalog.names import ModelId, RouteName
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.routing.decision import Step

Phase = Literal["read", "decide", "connect", "head", "content", "stream", "write", "done"]
"""Where the request was when it ended: reading it, deciding, connecting upstream, waiting for
the head, waiting for the first content, relaying, writing the last bytes, all done."""

Ending = Literal["answered", "refused", "upstream_failed", "client_left", "gateway_failed"]
"""Who ended it: nobody (`answered`), the request itself, the provider, the client, or Plano."""


class ExchangeRecord:
    """The facts of one exchange. None means not reached or not known; unknown is not zero."""

    __slots__ = (
        "at",
        "attempts",
        "bytes_in",
        "bytes_out",
        "chosen",
        "client_host",
        "code",
        "decided",
        "decision",
        "dialect",
        "ended",
        "ending",
        "finish_reason",
        "first_byte",
        "first_content",
        "method",
        "path",
        "phase",
        "provider",
        "request_id",
        "requested",
        "route",
        "sent",
        "served",
        "started",
        "status",
        "stream",
        "upstream_id",
        "usage",
    )

    def __init__(self, *, request_id: str, method: str, path: str, at: float, started: float) -> None:
        self.request_id = request_id
        self.method = method
        self.path = path
        """Without the query string, which may carry secrets."""
        self.at = at
        """Seconds since 1970: when the request's first byte came."""
        self.started = started
        self.decided: float | None = None
        self.sent: float | None = None
        """When the request was handed to the upstream connection."""
        self.first_byte: float | None = None
        """When the upstream's head came."""
        self.first_content: float | None = None
        self.ended: float | None = None
        self.dialect: Dialect | None = None
        self.stream = False
        self.client_host: str | None = None
        self.requested: str | None = None
        """The model as the client named it, cut to 256 characters; the three names of a model
        are this one, `chosen` and `served`."""
        self.chosen: ModelId | None = None
        self.served: str | None = None
        self.provider: str | None = None
        self.decision: Step | None = None
        self.route: RouteName | None = None
        self.attempts = 0
        self.status: int | None = None
        """The status the client was sent; 499 when it left first."""
        self.code: str | None = None
        """The code of the error, from `plano.errors`; None when answered."""
        self.ending: Ending = "answered"
        self.phase: Phase = "read"
        self.bytes_in = 0
        self.bytes_out = 0
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.upstream_id: str | None = None
        """The provider's own id of the answer (`gen_ai.response.id`)."""
