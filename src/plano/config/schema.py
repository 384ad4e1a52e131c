"""What may be written in the file, as it is written: both generations of it, unknown keys refused.

Only the form of each value is checked here. What values mean together is `rules`' business, what
old forms mean is `migrate`'s, and what names lead to is the catalog's. The sections that concern
agents and prompts, which this router does not serve, are in `schema_unserved`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from plano.config.schema_unserved import (
    Agent,
    Filter,
    HostedEndpoint,
    ListenerAgent,
    PromptGuards,
    PromptTarget,
)
from plano.config.secret import Secret
from plano.config.strict import Strict
from plano.config.units import Duration, Flag, Name, Number, Port, Text, Whole, expected, wrong

Version = Literal["v0.1", "v0.1.0", "0.1-beta", "0.2.0", "v0.3.0", "v0.4.0"]
Interface = Literal[
    "openai", "anthropic", "claude", "gemini", "deepseek", "groq", "mistral", "xai", "together_ai",
    "moonshotai", "zhipu", "xiaomi", "digitalocean", "vercel", "openrouter", "edenai", "chatgpt",
    "ollama", "qwen", "plano",
]  # fmt: skip

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_FRAMING: Final = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
    )
)


def _read_secret(value: object) -> Secret:
    if not isinstance(value, str):
        raise expected("text")
    if not value:
        raise expected("a value that is not empty (is the variable empty?)")
    if not value.isascii() or not value.isprintable():
        raise expected("visible ASCII characters only, as header fields take no others")
    return Secret(value)


def _read_hash(value: object) -> object:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise expected("sha256: and 64 hex digits, as plano keys prints them (never the key itself)")
    return value


def _check_header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise expected("the name of a header field")
    return value


def _check_may_be_set(name: str) -> str:
    if name.lower() in _FRAMING:
        more = ": use http_host" if name.lower() == "host" else ""
        raise wrong(f"the header field {name!r} is the gateway's own to set{more}")
    return name


def _check_header_text(value: str) -> str:
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        raise wrong("expected characters that a header field can carry; got others")
    return value


SecretText = Annotated[Secret, BeforeValidator(_read_secret), WithJsonSchema({"type": "string"})]
HeaderName = Annotated[str, AfterValidator(_check_header_name)]
HeaderText = Annotated[str, AfterValidator(_check_header_text)]
Headers = dict[Annotated[HeaderName, AfterValidator(_check_may_be_set)], HeaderText]


class InlinePreference(Strict):
    """A route as v0.3.0 wrote it, under the model that is wanted for it."""

    name: Name
    description: str = ""


class Capabilities(Strict):
    """What a model can take; what is not said is not known, and nothing is kept from it."""

    context_tokens: Annotated[Whole, Field(ge=1)] | None = Field(None, description="the longest prompt")
    images: Flag | None = None
    tools: Flag | None = None
    structured_output: Flag | None = Field(None, description="answers after a JSON schema")


class Provider(Strict):
    """One model, or with `/*` all models, of one provider."""

    model: str = Field(description="<provider>/<model id>, or <provider>/* for all of its models")
    name: Name | None = Field(None, description="what clients may call it; the model in full unless given")
    access_key: SecretText | None = Field(None, description="the provider's key: $NAME reads a variable")
    default: Flag = Field(False, description="answers what nothing else decides")
    base_url: Text | None = Field(None, description="where the provider is; without a path, /v1 is meant")
    passthrough_auth: Flag = Field(False, description="send the client's own credential upstream")
    http_host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:\[\]-]+$")] | None = None
    provider_interface: Interface | None = Field(None, description="what a custom provider speaks")
    headers: Headers = Field({}, description="more header fields for the provider", repr=False)
    fallbacks: list[Text] = Field([], description="who answers in turn when it fails, asked for by name")
    capabilities: Capabilities | None = Field(None, description="candidates that cannot are passed over")
    routing_preferences: list[InlinePreference] = Field([], description="deprecated: use the top level's")


class Alias(Strict):
    """One more name for a model."""

    target: Text = Field(description="the name, the full model, or the bare id of a declared model")
    fallbacks: list[Text] | None = Field(None, description="instead of the target's own; [] is none at all")


class SelectionPolicy(Strict):
    """How a route's candidates are ordered."""

    prefer: Literal["cheapest", "fastest", "none"]


class RoutingPreference(Strict):
    """A kind of work, in words, and the models that are wanted for it."""

    name: Name
    description: str
    models: list[Text] = Field(min_length=1, description="the first is preferred, the rest are fallbacks")
    selection_policy: SelectionPolicy | None = None
    examples: list[Text] = Field([], description="a few utterances that belong to the route")


class SessionCache(Strict):
    """Where affinity is remembered."""

    type: Literal["memory", "redis"] = "memory"
    url: SecretText | None = Field(None, description="redis://:password@host:6379/0, rediss:// for TLS")
    tenant_header: HeaderName | None = Field(None, description="a header whose value keeps tenants apart")


class RoutingBudget(Strict):
    """What changing the model in a warm session may cost."""

    max_switch_spend_pct: Annotated[Number, Field(ge=0, le=100)]
    replenish_on_rebind: Flag = True
    cache_read_discount: Annotated[Number, Field(ge=0, le=1)] = 0.1
    record_counterfactual: Flag = False


class Routing(Strict):
    """Sessions, and how the router behaves."""

    session_ttl_seconds: Annotated[Whole, Field(ge=1)] = 600
    session_max_entries: Annotated[Whole, Field(ge=1, le=10_000)] = 10_000
    session_cache: SessionCache = SessionCache()
    route_on_user_only: Flag = False
    routing_budget: RoutingBudget | None = None
    route_explicit_models: Flag = False
    decision_timeout_ms: Annotated[Whole, Field(ge=1, le=600_000)] = 1000
    fallback_router: Literal["embedded", "none"] = Field(
        "embedded", description="who answers when the served router model does not"
    )
    embedded_threshold: Annotated[Number, Field(ge=0, le=3)] | None = Field(
        None, description="the embedded router's score under which no route fits; plano calibrate finds it"
    )
    router_prompt: Text | None = Field(
        None, description="a file with {routes} and {conversation}: the router model's own wording"
    )
    session_log: Text | None = None
    llm_provider: Text | None = Field(None, description="deprecated: write overrides.llm_routing_model")
    model: Text | None = Field(None, description="deprecated: write overrides.llm_routing_model")


def _check_source_type(value: object) -> object:
    if value not in ("cost", "latency"):
        raise expected("cost or latency")
    return value


class CostSource(Strict):
    """Where prices come from."""

    type: Annotated[Literal["cost"], BeforeValidator(_check_source_type)]
    provider: Literal["digitalocean", "models.dev", "bundled"]
    url: Text | None = None
    refresh_interval: Annotated[Whole, Field(ge=1)] | None = Field(None, description="seconds")
    model_aliases: dict[str, Text] = Field({}, description="the source's name of a model: ours")


class LatencySource(Strict):
    """Where latencies come from."""

    type: Literal["latency"]
    provider: Literal["prometheus", "observed"]
    url: Text | None = None
    query: Text | None = None
    refresh_interval: Annotated[Whole, Field(ge=1)] | None = Field(None, description="seconds")


class Overrides(BaseModel):
    """Behaviour of the gateway as a whole; an unknown key is a warning, not an error."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", hide_input_in_errors=True)

    llm_routing_model: Text | None = Field(None, description="a declared model that chooses routes")
    orchestrator_model_context_length: Annotated[Whole, Field(ge=1)] = 8192
    upstream_connect_timeout: Duration = 5.0
    upstream_tls_ca_path: Text | None = None
    agent_orchestration_model: Text | None = None
    prompt_target_intent_matching_threshold: Number | None = None
    optimize_context_window: Flag = False
    use_agent_orchestrator: Flag = False
    disable_signals: Flag = False


class PromptCaching(Strict):
    """Keeping a conversation where its prompt is cached."""

    enabled: Flag = False
    session_affinity: Flag = True
    inject_cache_control: Flag = True
    min_prefix_tokens: Annotated[Whole, Field(ge=1)] = 1024
    session_ttl_seconds: Annotated[Whole, Field(ge=1)] | None = None


class StateStorage(Strict):
    """Where the state of conversations is kept."""

    type: Literal["memory", "postgres"]
    connection_string: SecretText | None = None


class RateLimitSelector(Strict):
    """Whose requests are counted together."""

    key: Text
    value: str


class RateLimitAmount(Strict):
    """How many tokens in which time."""

    tokens: Annotated[Whole, Field(ge=0)]
    unit: Text


class RateLimit(Strict):
    """How much of a model somebody may use."""

    model: Text
    selector: RateLimitSelector
    limit: RateLimitAmount


class SpanAttributes(Strict):
    """What every span carries."""

    header_prefixes: list[Text] = Field([])
    static: dict[str, str] = Field({})


class Exporter(Strict):
    """Where answers are reported to."""

    type: Literal["posthog"]
    url: Text
    api_key: SecretText
    distinct_id_header: Text | None = None
    capture_messages: Flag = False


class Tracing(Strict):
    """Traces."""

    random_sampling: Annotated[Whole, Field(ge=0, le=100)] | None = None
    trace_arch_internal: Flag = False
    opentracing_grpc_endpoint: Text | None = None
    span_attributes: SpanAttributes | None = None
    exporters: list[Exporter] = Field([])


class GatewayKey(Strict):
    """Somebody who may ask, and for how much."""

    name: Name = Field(description="what logs and messages call it")
    hash: Annotated[str, BeforeValidator(_read_hash), WithJsonSchema({"type": "string"})] = Field(
        description="what plano keys new prints: the key itself is written nowhere"
    )
    owner: Text | None = Field(None, description="whose sessions its requests are; the name unless given")
    models: list[Text] | None = Field(
        None, min_length=1, description="names, aliases, or patterns such as openai/*; all unless given"
    )
    requests_per_minute: Annotated[Whole, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[Whole, Field(ge=1)] | None = None
    max_concurrent: Annotated[Whole, Field(ge=1)] | None = None
    max_usd_per_day: Annotated[Number, Field(ge=0.01)] | None = None


class Listener(Strict):
    """A port to serve on. The one of type `model` is this router's."""

    name: Name
    type: Literal["model", "prompt", "agent"]
    address: Text = "0.0.0.0"  # noqa: S104 - the original's default, which deployments rely on
    port: Port | None = None
    timeout: Duration | None = None
    max_retries: Annotated[Whole, Field(ge=0)] | None = None
    limits: dict[str, Any] = Field({}, description="limits of the edges, by name: body_bytes: 64MiB")
    keys: list[GatewayKey] | None = Field(
        None, min_length=1, description="who may ask; anybody who reaches the port unless given"
    )
    router: Literal["plano_orchestrator_v1"] | None = None
    agents: list[ListenerAgent] = Field([])
    input_filters: list[Text] = Field([])
    output_filters: list[Text] = Field([])


class LegacyListener(Strict):
    """A port as v0.1 wrote it."""

    address: Text = "0.0.0.0"  # noqa: S104 - as above
    port: Port | None = None
    message_format: Literal["openai"] | None = None
    timeout: Duration | None = None


class LegacyListeners(Strict):
    """The two ports that v0.1 knew."""

    egress_traffic: LegacyListener | None = None
    ingress_traffic: LegacyListener | None = None


def _form_of_listeners(value: object) -> str:
    return "as a mapping" if isinstance(value, dict) else "as a list"


def _kind_of_source(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return "a latency source" if kind == "latency" else "a cost source"


TAGS: Final = frozenset(("as a mapping", "as a list", "a cost source", "a latency source"))
"""What the alternatives below add to the place of an error; no key is called so."""

Listeners = Annotated[
    Annotated[list[Listener], Tag("as a list")] | Annotated[LegacyListeners, Tag("as a mapping")],
    Discriminator(_form_of_listeners),
]
MetricsSource = Annotated[
    Annotated[CostSource, Tag("a cost source")] | Annotated[LatencySource, Tag("a latency source")],
    Discriminator(_kind_of_source),
]


class File(Strict):
    """The configuration of Plano."""

    version: Version
    listeners: Listeners | None = None
    model_providers: list[Provider] | None = None
    llm_providers: list[Provider] | None = Field(None, description="deprecated: use model_providers")
    model_aliases: dict[Name, Alias] = Field({}, description='the alias "*" answers to any other name')
    routing_preferences: list[RoutingPreference] = Field([])
    routing: Routing = Routing()
    model_metrics_sources: list[MetricsSource] = Field([])
    overrides: Overrides = Overrides()
    prompt_caching: PromptCaching = PromptCaching()
    state_storage: StateStorage | None = None
    ratelimits: list[RateLimit] = Field([])
    tracing: Tracing | None = None
    mode: Literal["llm", "prompt"] | None = None
    endpoints: dict[str, HostedEndpoint] = Field({})
    system_prompt: str | None = None
    agents: list[Agent] = Field([])
    filters: list[Filter] = Field([])
    prompt_targets: list[PromptTarget] = Field([])
    prompt_guards: PromptGuards | None = None
