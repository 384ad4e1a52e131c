"""Every problem Plano can report to a caller: one tree, one leaf a code.

A leaf says its stable `code`, the HTTP status, whose fault it is, and whether another
candidate may be tried. How a problem is worded for a dialect is `wire`'s business;
which exception of a library becomes which leaf is decided at that library's edge.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Fault = Literal["caller", "gateway", "upstream"]
KeyLimit = Literal["requests", "tokens", "concurrent", "quota"]
"""What a gateway key has a limit of: a minute's requests and tokens, requests under way, a day's money."""

KEY_REFUSED = (
    "The provider refused the key it was given; "
    "check access_key of this model in the gateway's configuration."
)
"""The message for that, whatever the provider says: some quote the key."""


class PlanoError(Exception):
    """A problem with a code. `message` says what was found, what was expected and what to do."""

    code: ClassVar[str]
    status: int
    fault: ClassVar[Fault]
    may_try_another: ClassVar[bool] = False
    """Whether another candidate could answer the same request."""
    is_lasting: bool = False
    """Whether trying again cannot help although the status suggests it: `x-should-retry: false` says so."""
    detail: str | None = None
    """What only the log is told: addresses, what was found there."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """The request field at fault, as the client wrote it (`model`, `messages[3].role`)."""

    def forget_frames(self) -> None:
        """To be called once the problem is told: an exception holds on to the frames it went through, and
        they to the request's body, in a cycle that only the collector would find, and it comes seldom."""
        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = None
            error = error.__cause__ or error.__context__


class CallerError(PlanoError):
    """The request is at fault; sending it again unchanged cannot help."""

    fault = "caller"


class InvalidRequest(CallerError):
    """A body or a field that cannot be read as its dialect says."""

    code = "invalid_request"
    status = 400


class InvalidJson(CallerError):
    """Not JSON, not UTF-8, a duplicate key, NaN, or nested too deeply."""

    code = "invalid_json"
    status = 400


class MalformedHttp(CallerError):
    """A request whose framing is in doubt; the connection ends with the answer."""

    code = "malformed_http"
    status = 400


class NoModel(CallerError):
    """Nobody decided: no model named, no route matched, no default declared."""

    code = "no_model"
    status = 400


class DialectNotSpoken(CallerError):
    """The chosen provider does not speak the client's dialect."""

    code = "dialect_not_supported"
    status = 400


class InvalidAffinityId(CallerError):
    """An `x-model-affinity` that is empty, too long, doubled or not visible ASCII."""

    code = "invalid_affinity_id"
    status = 400


class Unauthenticated(CallerError):
    """No gateway key, or none that is configured, where the listener asks for one."""

    code = "invalid_api_key"
    status = 401


class ModelNotFound(CallerError):
    """A model name that nothing declared answers to, or nothing that the caller's key may use."""

    code = "model_not_found"
    status = 404


class NotFound(CallerError):
    """A path that is not served."""

    code = "not_found"
    status = 404


class MethodNotAllowed(CallerError):
    """A known path with another method; `allowed` belongs into `Allow`."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class RequestTimeout(CallerError):
    """Headers or body did not arrive within their deadline."""

    code = "request_timeout"
    status = 408


class BodyTooLarge(CallerError):
    """A body over the configured limit."""

    code = "request_too_large"
    status = 413


class TargetTooLong(CallerError):
    """A request target over the limit."""

    code = "uri_too_long"
    status = 414


class UnsupportedEncoding(CallerError):
    """A `content-encoding` or transfer coding that cannot be read."""

    code = "unsupported_encoding"
    status = 415


class HeadersTooLarge(CallerError):
    """Header fields over the limit."""

    code = "headers_too_large"
    status = 431


class KeyExhausted(CallerError):
    """A gateway key has had what it may have for now: `retry_after_s` says for how long."""

    def __init__(self, message: str, *, key: str, limit: KeyLimit, retry_after_s: float) -> None:
        super().__init__(message)
        self.key = key
        """By its name in the configuration."""
        self.limit = limit
        self.retry_after_s = retry_after_s


class RateLimited(KeyExhausted):
    """More requests or tokens in a minute, or more requests at a time, than the key may have."""

    code = "rate_limit_exceeded"
    status = 429


class QuotaExceeded(KeyExhausted):
    """The key has spent what it may spend in a day."""

    code = "insufficient_quota"
    status = 429
    is_lasting = True


class ClientLeft(CallerError):
    """The client went away. Never sent; 499 in logs (nginx's number)."""

    code = "client_left"
    status = 499


class GatewayError(PlanoError):
    """Plano itself is at fault, or shields itself."""

    fault = "gateway"


class Internal(GatewayError):
    """A defect. The message never carries more than the request id."""

    code = "internal_error"
    status = 500


class Overloaded(GatewayError):
    """Shed before a limit of memory or descriptors is reached, or met with one on the way to a provider."""

    code = "overloaded"
    status = 503


class ShuttingDown(GatewayError):
    """The drain limit was reached while this request was in flight."""

    code = "shutting_down"
    status = 503


class UpstreamError(PlanoError):
    """The provider is at fault; another candidate may do better."""

    fault = "upstream"
    may_try_another = True


class UpstreamUnreachable(UpstreamError):
    """Refused, reset before headers, TLS or DNS failed."""

    code = "upstream_unreachable"
    status = 502


class UpstreamAuth(UpstreamError):
    """The provider refused the configured key (401 or 403); never shown as 401."""

    code = "upstream_auth"
    status = 502
    is_lasting = True


class UpstreamInvalid(UpstreamError):
    """An answer that is not what the dialect promises: HTML, 3xx, empty, not JSON, oversized."""

    code = "upstream_invalid"
    status = 502


class UpstreamRefused(UpstreamError):
    """The provider answered with an error of its own, which is passed on with its status.

    Also an error event that came before any content: the provider's 200 was not one, and the
    status is the one its dialect gives to that kind of error.
    """

    code = "upstream_error"
    status = 502

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.lines = b""
        """Field lines of the provider's head that still hold for the answer that replaces its own."""
        self.body: bytes | None = None
        """The provider's own words, which are passed on as they are where nobody else can answer; None: what
        it said is nothing that a client of its dialect could read. Its `lines` are all of its head then."""


class UpstreamBroke(UpstreamError):
    """The answer ended before its terminal event, or its framing broke."""

    code = "upstream_broke"
    status = 502


class UpstreamTimeout(UpstreamError):
    """No head, no content, or silence for longer than the limit that applies."""

    code = "upstream_timeout"
    status = 504


ALL: tuple[type[PlanoError], ...] = (
    InvalidRequest,
    InvalidJson,
    MalformedHttp,
    NoModel,
    DialectNotSpoken,
    InvalidAffinityId,
    Unauthenticated,
    ModelNotFound,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    TargetTooLong,
    UnsupportedEncoding,
    RateLimited,
    QuotaExceeded,
    HeadersTooLarge,
    ClientLeft,
    Internal,
    Overloaded,
    ShuttingDown,
    UpstreamUnreachable,
    UpstreamAuth,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamBroke,
    UpstreamTimeout,
)
"""Every leaf, in the order of status; `docs/errors.md` lists them for callers."""
