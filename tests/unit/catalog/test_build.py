"""From a file to a catalog: what the original's forms come to here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.build import build, load_catalog
from plano.catalog.catalog import Catalog, Found
from plano.config.configuration import Configuration, ProviderRow
from plano.config.problems import ConfigurationInvalid


class Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: Any = None) -> Any:
        return f"sk-canary-{key}"


@pytest.fixture
def catalog_of(tmp_path: Path) -> Any:
    """Loads a text as if it were a file."""

    def write(text: str) -> tuple[Configuration, Catalog]:
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        return load_catalog(path, Everything())

    return write


FORMS = {
    "aliases over many providers": """
version: v0.3.0
listeners: [{type: model, name: gateway, port: 12000}]
model_providers:
  - {model: openai/gpt-5-mini, access_key: $OPENAI_API_KEY, default: true}
  - {model: openai/*, access_key: $OPENAI_API_KEY}
  - {model: anthropic/*, access_key: $ANTHROPIC_API_KEY}
  - {model: anthropic/claude-haiku-4-5, access_key: $ANTHROPIC_API_KEY}
  - {model: azure_openai/gpt-5-mini, access_key: $AZURE_API_KEY, base_url: https://us.openai.azure.com}
  - model: amazon_bedrock/us.amazon.nova-pro-v1:0
    access_key: $AWS_BEARER_TOKEN_BEDROCK
    base_url: https://bedrock-runtime.us-west-2.amazonaws.com
  - {model: together_ai/openai/gpt-oss-20b, access_key: $TOGETHER_API_KEY}
  - {model: ollama/llama3.1, base_url: "http://localhost:11434"}
  - {model: shop/llama3.2, provider_interface: openai, base_url: "http://localhost:11434"}
model_aliases:
  shop.summary.v1: {target: claude-haiku-4-5}
  shop.code.v1: {target: us.amazon.nova-pro-v1:0}
tracing: {random_sampling: 100, trace_arch_internal: true}
""",
    "the first generation": """
version: v0.1.0
overrides: {llm_routing_model: Plano-Orchestrator, optimize_context_window: true}
listeners:
  egress_traffic: {address: 0.0.0.0, port: 12000, message_format: openai, timeout: 30s}
  ingress_traffic: {address: 0.0.0.0, port: 10000, message_format: openai, timeout: 30s}
endpoints:
  tickets: {endpoint: "127.0.0.1:8080", connect_timeout: 0.005s, protocol: http}
llm_providers:
  - {name: main, model: openai/gpt-4o, access_key: $OPENAI_API_KEY, default: true,
     routing_preferences: [{name: chat, description: small talk}]}
system_prompt: |
  Answer in one sentence.
prompt_guards: {input_guards: {jailbreak: {on_exception: {message: "No."}}}}
prompt_targets:
  - name: ticket
    description: look a ticket up
    parameters:
      - {name: number, description: its number, required: true, type: int, in_path: true, format: "n"}
      - {name: kind, description: its kind, type: str, enum: [bug, wish], default: bug}
      - {name: sure, description: whether to ask, type: bool, enum: [true, false], default: false}
    endpoint: {name: tickets, path: "/t/{number}", http_method: POST,
               http_headers: {Authorization: "Bearer $TICKETS_KEY"}}
    auto_llm_dispatch_on_response: false
    system_prompt: Be brief.
state_storage: {type: memory}
""",
    "agents and filters": """
version: v0.3.0
agents: [{id: trip, url: "http://localhost:10510"}]
filters:
  - {id: guard, url: "http://localhost:10500", type: http}
  - {id: rewrite, url: "http://localhost:10501", type: mcp, transport: streamable-http, tool: rewrite}
model_providers: [{model: openai/gpt-4o, access_key: $OPENAI_API_KEY, default: true}]
listeners:
  - type: agent
    name: travel
    port: 8001
    router: plano_orchestrator_v1
    agents:
      - {id: trip, description: plans trips, default: true, input_filters: [guard]}
      - {id: other, description: the older form, filter_chain: [guard, rewrite]}
  - {type: model, name: m, address: 0.0.0.0, port: 12000, input_filters: [guard], output_filters: [guard]}
  - {type: prompt, name: p, port: 10000}
overrides: {agent_orchestration_model: plano/Plano-Orchestrator, use_agent_orchestrator: false}
""",
    "routes and everything about them": """
version: v0.4.0
model_providers:
  - {model: plano/hf.co/someone/router.gguf:Q4_K_M, base_url: "http://localhost:11434"}
  - {model: openai/gpt-4o, access_key: $OPENAI_API_KEY}
  - {model: xai/grok-4, access_key: $GROK_API_KEY, passthrough_auth: false}
  - {model: moonshotai/kimi, access_key: $KIMI, base_url: https://example.com/coding/v1,
     headers: {User-Agent: "shop/1"}, http_host: example.com}
overrides: {llm_routing_model: "plano/hf.co/someone/router.gguf:Q4_K_M", upstream_connect_timeout: 10s}
routing_preferences:
  - name: code
    description: writing code
    models: [openai/gpt-4o, xai/grok-4]
    selection_policy: {prefer: cheapest}
  - {name: prose, description: essays, models: [xai/grok-4], selection_policy: {prefer: fastest}}
model_metrics_sources:
  - {type: cost, provider: models.dev, url: "https://example.com/api.json", refresh_interval: 3600,
     model_aliases: {xai/grok: xai/grok-4}}
  - {type: latency, provider: prometheus, url: "http://localhost:9090", query: "avg(x)", refresh_interval: 60}
routing:
  session_ttl_seconds: 600
  session_max_entries: 10000
  session_cache: {type: redis, url: "redis://:$REDIS_PASSWORD@redis:6379/0", tenant_header: x-org-id}
  route_on_user_only: true
  routing_budget: {max_switch_spend_pct: 20, record_counterfactual: true}
prompt_caching: {enabled: true, session_ttl_seconds: 3600}
ratelimits:
  - {model: openai/gpt-4o, selector: {key: x-user, value: "*"}, limit: {tokens: 100000, unit: hour}}
tracing:
  opentracing_grpc_endpoint: http://localhost:4317
  span_attributes: {header_prefixes: [x-user-], static: {environment: production}}
  exporters: [{type: posthog, url: "https://example.com", api_key: $POSTHOG_API_KEY, capture_messages: false}]
mode: llm
""",
    "a subscription": """
version: v0.3.0
listeners: [{type: model, name: m, port: 12000}]
model_providers: [{model: chatgpt/*}]
""",
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_valid_for_the_original_loads_unchanged(form: str, catalog_of: Any) -> None:
    """Nobody should have to edit a file to try this router; and nothing shows a key."""
    configuration, catalog = catalog_of(FORMS[form])

    assert catalog.models
    assert "canary" not in repr((configuration, catalog.models, catalog.aliases, catalog.routes))


def test_routes_are_linked_in_their_order(catalog_of: Any) -> None:
    """The first is preferred; the rest are what to fall back on."""
    _, catalog = catalog_of(FORMS["routes and everything about them"])

    assert [
        (route.name, [found.id for found in route.candidates], route.prefer) for route in catalog.routes
    ] == [
        ("code", ["openai/gpt-4o", "xai/grok-4"], "cheapest"),
        ("prose", ["xai/grok-4"], "fastest"),
    ]


def test_a_subscription_sends_the_clients_credential(catalog_of: Any) -> None:
    """There is no key to configure."""
    _, catalog = catalog_of(FORMS["a subscription"])

    assert catalog.models[0].passthrough_auth


def test_a_router_model_that_is_not_declared_is_a_warning(catalog_of: Any) -> None:
    """The original asks a hosted one then; this router has its own."""
    configuration, _ = catalog_of(FORMS["the first generation"])

    assert (
        "'Plano-Orchestrator' is not a declared model: the embedded router answers"
        in configuration.warnings[-1]
    )


ROUTERS = """
version: v0.4.0
model_providers:
  - {model: plano/katanemo/Plano-Orchestrator-4B, name: router, base_url: "http://gpu:8000"}
  - {model: ollama/qwen3, base_url: "http://localhost:11434"}
  - {model: lab/qwen3, provider_interface: openai, base_url: "http://lab:8000", passthrough_auth: true}
  - {model: chatgpt/gpt-5}
  - {model: openai/*, access_key: $OPENAI_API_KEY}
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("router", "plano/katanemo/Plano-Orchestrator-4B"),
        ("plano/katanemo/Plano-Orchestrator-4B", "plano/katanemo/Plano-Orchestrator-4B"),
        ("katanemo/Plano-Orchestrator-4B", "plano/katanemo/Plano-Orchestrator-4B"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini"),
    ],
    ids=["name", "full", "bare", "wildcard"],
)
def test_a_declared_router_model_is_linked(name: str, found: str, catalog_of: Any) -> None:
    """By any of its names, as everywhere in the file; and nothing is said about it."""
    configuration, catalog = catalog_of(ROUTERS + f"overrides: {{llm_routing_model: {name}}}\n")

    assert (catalog.router_model.id, configuration.warnings) == (found, ())


def test_without_a_router_model_the_embedded_one_answers(catalog_of: Any) -> None:
    """That is the ordinary case, and not worth a warning, whatever else is declared."""
    configuration, catalog = catalog_of(ROUTERS)

    assert (catalog.router_model, configuration.warnings) == (None, ())


NO_ROUTERS = [
    pytest.param(
        "chatgpt/gpt-5",
        "expected a model that speaks openai_chat; got 'chatgpt/gpt-5', which speaks openai_responses",
        id="another dialect",
    ),
    pytest.param(
        "qwen3",
        "'qwen3' is the id of several declared models: name one of ollama/qwen3, lab/qwen3",
        id="ambiguous",
    ),
    pytest.param(
        "openai/*",
        "expected one model; got the wildcard 'openai/*': name one of its models",
        id="a wildcard",
    ),
]


@pytest.mark.parametrize(("name", "said"), NO_ROUTERS)
def test_a_model_that_cannot_be_asked_is_a_problem(name: str, said: str, catalog_of: Any) -> None:
    """It is declared, so it is meant; no request would ever be routed by it."""
    with pytest.raises(ConfigurationInvalid) as caught:
        catalog_of(ROUTERS + f"overrides: {{llm_routing_model: {name}}}\n")

    (problem,) = caught.value.problems
    assert (problem.place.line, problem.path, problem.message) == (9, "overrides.llm_routing_model", said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param(
            "overrides: {llm_routing_model: roter}",
            ["'roter' is not a declared model (did you mean 'router'?): the embedded router answers instead"],
            id="a slip",
        ),
        pytest.param(
            "routing: {llm_provider: router}",
            ["deprecated: write overrides.llm_routing_model"],
            id="as v0.1 wrote it",
        ),
        pytest.param(
            "routing: {model: hosted}",
            [
                "deprecated: write overrides.llm_routing_model",
                "'hosted' is not a declared model: the embedded router answers instead",
            ],
            id="the hosted one, as v0.1 wrote it",
        ),
        pytest.param(
            "routing: {llm_provider: router, model: hosted}",
            [
                "deprecated: write overrides.llm_routing_model",
                "deprecated: write overrides.llm_routing_model; ignored, as routing.llm_provider is given",
            ],
            id="both of v0.1",
        ),
        pytest.param(
            "overrides: {llm_routing_model: lab/qwen3}",
            ["'lab/qwen3' passes on the client's credential, and is asked here without any"],
            id="the client's credential",
        ),
    ],
)
def test_what_is_odd_about_a_router_model_is_a_warning(
    written: str, said: list[str], catalog_of: Any
) -> None:
    """The gateway starts, and routes one way or the other."""
    configuration, _ = catalog_of(ROUTERS + written + "\n")

    assert [warning.partition(": ")[2].partition(": ")[2] for warning in configuration.warnings] == said


def test_a_wording_for_no_router_model_is_a_warning(catalog_of: Any, tmp_path: Path) -> None:
    """The embedded router asks nobody anything."""
    (tmp_path / "prompt.txt").write_text("{routes}{conversation}")

    configuration, _ = catalog_of(ROUTERS + "routing: {router_prompt: prompt.txt}\n")

    assert "no effect: there is no served router model to ask" in configuration.warnings[0]


def test_a_price_given_for_nobody_is_a_warning(catalog_of: Any) -> None:
    """Its route would be ordered without it."""
    text = FORMS["routes and everything about them"].replace("grok: xai/grok-4", "grok: xai/grok-5")

    configuration, _ = catalog_of(text)

    assert "'xai/grok' is given as 'xai/grok-5', which is not a declared model" in configuration.warnings[-1]


def test_one_host_with_two_ports_is_two_providers(catalog_of: Any) -> None:
    """Two servers on one machine; the original takes them for one."""
    _, catalog = catalog_of(
        "version: v0.4.0\nmodel_providers:\n"
        "  - {model: a/m, provider_interface: openai, base_url: 'http://h:1'}\n"
        "  - {model: b/m, provider_interface: openai, base_url: 'http://h:2'}\n"
    )

    assert [next(iter(model.endpoints.values())).port for model in catalog.models] == [1, 2]


def test_the_environment_alone_makes_a_catalog() -> None:
    """`plano up` in an empty folder."""
    _, catalog = load_catalog(None, {"ANTHROPIC_API_KEY": "sk-canary"})

    found = catalog.find("anthropic/claude-sonnet-4-5")
    assert isinstance(found, Found)
    assert (found.by, catalog.default) == ("wildcard", None)


def test_an_empty_environment_still_answers() -> None:
    """With simulated models, one of which is the default."""
    _, catalog = load_catalog(None, {})

    assert catalog.default is not None
    assert catalog.default.id == "simulated/demo"


def test_building_alone_refuses_what_leads_nowhere() -> None:
    """Programs that make a configuration themselves get the same answer."""
    with pytest.raises(ConfigurationInvalid, match="requires 'base_url'"):
        build(Configuration("test", providers=(ProviderRow("ollama/m", "ollama/m", ("model_providers", 0)),)))


def cheapest(source: str) -> str:
    """Two models that the bundled table does not know, of which the cheapest is wanted."""
    return f"""
version: v0.4.0
model_providers:
  - {{model: mine/large, base_url: "http://127.0.0.1:8000", provider_interface: openai}}
  - {{model: simulated/any}}
routing_preferences:
  - {{name: code, description: writing code, models: [large, any], selection_policy: {{prefer: cheapest}}}}
model_metrics_sources: [{source}]
"""


@pytest.mark.parametrize(
    "source",
    [
        "{type: cost, provider: models.dev}",
        "{type: cost, provider: digitalocean}",
        "{type: cost, provider: bundled, model_aliases: {openai/gpt-4o: large}}",
    ],
)
def test_prices_may_come_from_elsewhere(source: str, catalog_of: Any) -> None:
    """What a source on the network knows is not known at check time; an alias borrows another's price."""
    _, catalog = catalog_of(cheapest(source))

    assert [route.prefer for route in catalog.routes] == ["cheapest"]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "{type: cost, provider: bundled}",
        "{type: cost, provider: bundled, model_aliases: {openai/no-such-model: large}}",
        "{type: latency, provider: observed}",
    ],
)
def test_the_cheapest_of_models_without_prices_is_refused(source: str, catalog_of: Any) -> None:
    """The order would silently be the written one, for ever."""
    with pytest.raises(ConfigurationInvalid, match="expected prices to compare"):
        catalog_of(cheapest(source))


NAMES = st.sampled_from(
    [
        "openai/o3",
        "openai/*",
        "groq/o3",
        "ollama/m",
        "mine/m",
        "o3",
        "m",
        "auto",
        "*",
        "",
        "openai/x y",
        "a/b/*",
    ]
)
MODELS = st.fixed_dictionaries(
    {"model": NAMES},
    optional={
        "name": NAMES,
        "default": st.booleans(),
        "base_url": st.sampled_from(["http://h", "h", "simulated://local", "https://h:1/a?b=c"]),
        "provider_interface": st.sampled_from(["openai", "claude", "groq", "nobody"]),
    },
)
ROUTES = st.fixed_dictionaries({"name": NAMES, "description": NAMES, "models": st.lists(NAMES, max_size=3)})


@given(
    st.lists(MODELS, max_size=4),
    st.dictionaries(NAMES, st.fixed_dictionaries({"target": NAMES}), max_size=3),
    st.lists(ROUTES, max_size=2),
)
def test_whatever_is_declared_is_linked_or_refused(
    tmp_path_factory: Any, models: list[Any], aliases: dict[str, Any], routes: list[Any]
) -> None:
    """A catalog has no dangling end: whatever it lists, it finds."""
    path = tmp_path_factory.getbasetemp() / "declared.yaml"
    declared = {"model_providers": models, "model_aliases": aliases, "routing_preferences": routes}
    path.write_text(yaml.safe_dump({"version": "v0.4.0"} | declared), "utf-8")

    listed: list[object] = []
    try:
        _, catalog = load_catalog(path, {})
    except ConfigurationInvalid:
        pass
    else:
        names = [model.name for model in catalog.models if not model.is_wildcard] + list(catalog.aliases)
        listed = [catalog.find(name) for name in names]

    assert [answer for answer in listed if not isinstance(answer, Found)] == []
