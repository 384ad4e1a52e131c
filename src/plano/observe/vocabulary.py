"""Every name the outside sees in the log and in the metrics: written here once, pinned by a test.

A dashboard or an alert is built on these words, so changing one is a change of the contract. The
`gen_ai_*` names are the OpenTelemetry GenAI conventions in Prometheus spelling (dots become
underscores, seconds a suffix, `{token}` nothing), with the bucket bounds they prescribe.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import msgspec

from plano.errors import KeyLimit
from plano.exchange.record import Shed
from plano.routing.decision import Inability


class FailedObject(msgspec.Struct, omit_defaults=True, gc=False):
    """One attempt that came to nothing, in a JSON line."""

    model: str
    """`provider/model`."""
    code: str
    ms: float
    """When it was over."""
    status: int | None = None
    """What the provider answered with."""
    input_tokens: int | None = None
    """What it has counted nevertheless; of the last attempt the line's own fields tell."""
    output_tokens: int | None = None


class LogLine(msgspec.Struct, omit_defaults=True, gc=False):
    """One request in the access log; a JSON line has these fields in this order.

    What is unknown is left out, never zero. A field that ends in `_ms` counts milliseconds from
    the request's first byte to that moment, so that any two can be subtracted.
    """

    time: str
    """When the request's first byte came: RFC 3339, UTC, milliseconds."""
    request_id: str
    method: str
    path: str
    """Without the query string."""
    stream: bool
    """Whether the client asked for a stream."""
    ending: str
    """Who ended it: `answered`, `refused`, `upstream_failed`, `client_left`, `gateway_failed`."""
    phase: str
    """Where it was then: `read`, `decide`, `connect`, `head`, `content`, `stream`, `done`."""
    attempts: int
    bytes_in: int
    bytes_out: int
    status: int | None = None
    """The status the client was sent; 499 when it left first."""
    code: str | None = None
    """The code of the error, when there was one."""
    client: str | None = None
    """The address of the peer."""
    dialect: str | None = None
    requested_model: str | None = None
    """What the client wrote in `model`."""
    chosen_model: str | None = None
    """`provider/model` the request was sent to."""
    served_model: str | None = None
    """What the provider says has answered."""
    provider: str | None = None
    decision: str | None = None
    """The step that chose: `explicit`, `alias`, `affinity`, `preference`, `default`."""
    route: str | None = None
    finish_reason: str | None = None
    upstream_id: str | None = None
    """The provider's own id of the answer."""
    decided_ms: float | None = None
    sent_ms: float | None = None
    first_byte_ms: float | None = None
    first_content_ms: float | None = None
    total_ms: float | None = None
    input_tokens: int | None = None
    """All tokens read, cached ones included."""
    output_tokens: int | None = None
    """All tokens written, reasoning included."""
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
    detail: str | None = None
    """What the connection to the provider met with."""
    key: str | None = None
    """The gateway key, by its configured name."""
    preferred_model: str | None = None
    """`provider/model` that would have been sent to first, where another was chosen in its place."""
    failed: tuple[FailedObject, ...] = ()
    """The attempts that came to nothing, in order."""


class RoutedLine(LogLine, omit_defaults=True, gc=False):
    """One request about which somebody had to be asked: a router, or where its session stays."""

    router: str | None = None
    """Who said which route fits, or that none does: `embedded`, or the full name of a served model."""
    score: float | None = None
    """Of the route that was chosen, or of the nearest, by the router's own measure."""
    margin: float | None = None
    """By how much that route leads the next."""
    affinity: str | None = None
    """What the session's pin came to: one of `LOOKUP_OUTCOMES`."""
    switch: str | None = None
    """Why the session has changed models: one of `SWITCH_REASONS`; or `over_budget`, why it has not."""
    counterfactual_model: str | None = None
    """What routing would have had, had the budget allowed it (`record_counterfactual`)."""


UNKNOWN = "-"
"""A word of a text line whose value is not known."""

ENDED_BY = {
    "answered": "-",
    "refused": "R",
    "upstream_failed": "U",
    "client_left": "C",
    "gateway_failed": "G",
}
"""The first letter of a text line's termination state: who ended the request."""

ENDED_IN = {
    "read": "R",
    "decide": "D",
    "connect": "C",
    "head": "H",
    "content": "F",
    "stream": "S",
    "done": "-",
}
"""The second letter: in which phase (`F`: waiting for the first content)."""

OPERATION_NAME = "gen_ai_operation_name"
PROVIDER_NAME = "gen_ai_provider_name"
REQUEST_MODEL = "gen_ai_request_model"
TOKEN_TYPE = "gen_ai_token_type"  # noqa: S105 - tokens of a language model, not a secret
ERROR_TYPE = "error_type"
DIALECT = "dialect"
STATUS_CLASS = "status_class"
DECISION = "decision"
STEP = "step"
CODE = "code"
ROUTER = "router"
OUTCOME = "outcome"
ROUTE = "route"
STORE = "store"
REASON = "reason"
SOURCE = "source"
VERSION = "version"
KEY = "key"

CHAT = "chat"
"""The one operation that is relayed today."""
INPUT = "input"
OUTPUT = "output"
NONE = "none"
"""A label of what was not reached: a request refused before anybody decided, a router that could tell."""
OTHER = "_OTHER"
"""A label of what is not among the known values (the conventions' own word for it)."""

UNABLE = "unable"
NOTHING_TO_READ = "nothing_to_read"
VERDICT_OUTCOMES = ("matched", "none_fits", UNABLE)
"""What a router that was asked came to; `NOTHING_TO_READ` is nobody's, for nobody was asked."""
KEPT, NOT_KEPT = "kept", "not_kept"
STORE_OUTCOMES = (KEPT, NOT_KEPT)
RESTING = "resting"
"""Why a candidate was set back, and not left out."""
SKIP_REASONS = (*get_args(Inability), RESTING)
SHED_REASONS: tuple[str, ...] = get_args(Shed)
TAKEN, REFUSED = "taken", "refused"
RELOAD_OUTCOMES = (TAKEN, REFUSED)
DIED, ROLLED = "died", "rolled"
RESTART_REASONS = (DIED, ROLLED)
LOOKUP_OUTCOMES = ("hit", "miss", "stale", "unavailable", "anew", "raced")
UNBUDGETED = "unbudgeted"
"""Why a session has changed models where nobody counts what that costs."""
SWITCH_REASONS = ("cheaper", "within_budget", "cold", "unknown_price", UNBUDGETED)

ADMITTED = "admitted"
KEY_OUTCOMES = (ADMITTED, *get_args(KeyLimit))
"""Whether a request with a gateway key was let in, or which of the key's limits has turned it away."""

Kind = Literal["counter", "gauge", "histogram", "info"]


class Family(NamedTuple):
    """One metric as it is scraped."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, without infinity."""


_MODEL = (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL)

TOKEN_USAGE = Family(
    "gen_ai_client_token_usage",
    "histogram",
    "Tokens of one answer, as the provider counted them.",
    (*_MODEL, TOKEN_TYPE),
    (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
)
OPERATION_DURATION = Family(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    "From sending a request to a provider until its answer ended.",
    (*_MODEL, ERROR_TYPE),
    (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
TIME_TO_FIRST_TOKEN = Family(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "From sending a request to a provider until the first content of its stream.",
    _MODEL,
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
TIME_PER_OUTPUT_TOKEN = Family(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    "Time for each token of a stream after the first.",
    _MODEL,
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
REQUESTS = Family(
    "plano_requests_total", "counter", "Requests that have ended.", (DIALECT, DECISION, STATUS_CLASS)
)
DECISIONS = Family("plano_decisions_total", "counter", "Requests by the step that chose the model.", (STEP,))
ERRORS = Family("plano_errors_total", "counter", "Requests that ended in an error, by its code.", (CODE,))
ATTEMPTS = Family("plano_attempts_total", "counter", "Requests sent to providers, repeated ones included.")
ATTEMPTS_FAILED = Family(
    "plano_attempts_failed_total",
    "counter",
    "Requests to a provider that came to nothing and that it is to blame for.",
    (PROVIDER_NAME, REQUEST_MODEL, ERROR_TYPE),
)
FALLBACKS = Family(
    "plano_fallbacks_total",
    "counter",
    "Requests that another model has answered in place of this one.",
    (PROVIDER_NAME, REQUEST_MODEL),
)
SKIPPED = Family(
    "plano_candidates_skipped_total",
    "counter",
    "Candidates that were passed over for a request, or set back, by the reason.",
    (REASON,),
)
RESTING_NOW = Family(
    "plano_candidates_resting", "gauge", "Models that have failed or are limited, and go last for a while."
)
SHED = Family(
    "plano_requests_shed_total",
    "counter",
    "Requests turned away with 503 to protect the gateway, by what there was too little of.",
    (REASON,),
)
RELOADS = Family("plano_config_reloads_total", "counter", "Configurations read while running.", (OUTCOME,))
RELOAD_SUCCESSFUL = Family(
    "plano_config_last_reload_successful",
    "gauge",
    "Whether the configuration that was read last is the one that serves.",
)
RELOAD_SUCCESS_TIME = Family(
    "plano_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the configuration that serves was taken, in seconds since 1970.",
)
LOOP_BLOCKED = Family(
    "plano_event_loop_blocked_total", "counter", "Times that an event loop was held up for a second or more."
)
LOOP_BLOCKED_LONGEST = Family(
    "plano_event_loop_blocked_longest_seconds", "gauge", "The longest of these times, of a worker that runs."
)
RESTARTS = Family("plano_worker_restarts_total", "counter", "Workers that were replaced.", (REASON,))
VERDICTS = Family(
    "plano_router_verdicts_total",
    "counter",
    "Questions which route fits, by the router and what came of asking it.",
    (ROUTER, OUTCOME),
)
ROUTER_DURATION = Family(
    "plano_router_duration_seconds",
    "histogram",
    "From asking which route fits until the verdict, by the router that gave it.",
    (ROUTER,),
    (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
ROUTES = Family("plano_routes_total", "counter", "Requests by the route that was chosen.", (ROUTE,))
LOOKUPS = Family(
    "plano_affinity_lookups_total",
    "counter",
    "Requests of sessions, by what their pin came to.",
    (STORE, OUTCOME),
)
STORES = Family(
    "plano_affinity_stores_total",
    "counter",
    "Pins of new decisions, by whether the store took them.",
    (STORE, OUTCOME),
)
REPLAYS = Family(
    "plano_affinity_replays_total",
    "counter",
    "Hits of requests in which no user speaks: an agent's own steps.",
)
SWITCHES = Family(
    "plano_affinity_switches_total", "counter", "Changes of a session's model, by their reason.", (REASON,)
)
SWITCHES_VETOED = Family(
    "plano_affinity_switches_vetoed_total", "counter", "Changes of a session's model that cost too much."
)
AFFINITY_DEGRADED = Family(
    "plano_affinity_degraded", "gauge", "Workers that do without the store of pins, for it is in trouble."
)
AFFINITY_SESSIONS = Family("plano_affinity_sessions", "gauge", "Sessions that are held in memory.")
QUOTES_AGE = Family(
    "plano_quotes_age_seconds",
    "gauge",
    "Since prices or latencies were last read from a source on the network.",
    (SOURCE,),
)
KEY_REQUESTS = Family(
    "plano_key_requests_total",
    "counter",
    "Requests with a gateway key, by whether its limits let them in.",
    (KEY, OUTCOME),
)
KEY_TOKENS = Family(
    "plano_key_tokens_total", "counter", "Tokens of a gateway key's answers.", (KEY, TOKEN_TYPE)
)
KEY_COST = Family(
    "plano_key_cost_usd_total",
    "counter",
    "What a gateway key's answers cost, where prices are known.",
    (KEY,),
)
KEY_ALONE = Family(
    "plano_key_requests_counted_alone_total",
    "counter",
    "Requests that a worker let in by what it knew itself, for Redis could not be asked.",
    (KEY,),
)
KEYS_DEGRADED = Family(
    "plano_keys_degraded",
    "gauge",
    "Workers that count by themselves what gateway keys have had, for Redis is in trouble.",
)
KEYS_UNTOLD = Family(
    "plano_key_answers_untold_total",
    "counter",
    "Answers whose tokens or money Redis was not told before their window ended.",
)
IN_FLIGHT = Family("plano_requests_in_flight", "gauge", "Requests that have begun and not ended.")
LOG_LINES_DROPPED = Family(
    "plano_log_lines_dropped_total", "counter", "Access-log lines that could not be written."
)
SESSION_LINES_DROPPED = Family(
    "plano_session_log_lines_dropped_total", "counter", "Lines of the session log that could not be written."
)
RECORDS_LOST = Family(
    "plano_records_lost_total", "counter", "Requests that a defect kept out of the log or the metrics."
)
BUILD = Family("plano_build_info", "info", "The version that runs.", (VERSION,))

FAMILIES: tuple[Family, ...] = (
    TOKEN_USAGE,
    OPERATION_DURATION,
    TIME_TO_FIRST_TOKEN,
    TIME_PER_OUTPUT_TOKEN,
    REQUESTS,
    DECISIONS,
    ERRORS,
    ATTEMPTS,
    ATTEMPTS_FAILED,
    FALLBACKS,
    SKIPPED,
    RESTING_NOW,
    SHED,
    VERDICTS,
    ROUTER_DURATION,
    ROUTES,
    LOOKUPS,
    STORES,
    REPLAYS,
    SWITCHES,
    SWITCHES_VETOED,
    AFFINITY_DEGRADED,
    AFFINITY_SESSIONS,
    QUOTES_AGE,
    KEY_REQUESTS,
    KEY_TOKENS,
    KEY_COST,
    KEY_ALONE,
    KEYS_DEGRADED,
    KEYS_UNTOLD,
    IN_FLIGHT,
    LOG_LINES_DROPPED,
    SESSION_LINES_DROPPED,
    RECORDS_LOST,
    RELOADS,
    RELOAD_SUCCESSFUL,
    RELOAD_SUCCESS_TIME,
    LOOP_BLOCKED,
    LOOP_BLOCKED_LONGEST,
    RESTARTS,
    BUILD,
)

WELL_KNOWN_PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "azure_openai": "azure.ai.openai",
    "chatgpt": "openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "xai": "x_ai",
}
"""Prefixes of the configuration that the conventions know under another name; the rest go as they are."""
