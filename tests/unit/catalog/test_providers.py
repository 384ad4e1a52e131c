"""Where a provider is, in each dialect."""

from __future__ import annotations

import pytest

from plano.catalog.catalog import Endpoint
from plano.catalog.providers import (
    UnusableUrl,
    custom_provider,
    endpoints,
    known_providers,
    prompt_cache_s,
)
from plano.chat.dialect import Dialect
from plano.config.environment import KEY_VARIABLES, NOT_ENOUGH

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES

WITHOUT_BASE_URL = {
    "openai": "api.openai.com/v1",
    "anthropic": "api.anthropic.com/v1",
    "gemini": "generativelanguage.googleapis.com/v1beta/openai",
    "deepseek": "api.deepseek.com/v1",
    "groq": "api.groq.com/openai/v1",
    "mistral": "api.mistral.ai/v1",
    "xai": "api.x.ai/v1",
    "together_ai": "api.together.xyz/v1",
    "moonshotai": "api.moonshot.ai/v1",
    "zhipu": "open.bigmodel.cn/api/paas/v4",
    "xiaomi": "api.xiaomimimo.com/v1",
    "digitalocean": "inference.do-ai.run/v1",
    "vercel": "ai-gateway.vercel.sh/v1",
    "openrouter": "openrouter.ai/api/v1",
    "edenai": "api.edenai.run/v3",
}


def place(endpoint: Endpoint) -> str:
    query = f"?{endpoint.query}" if endpoint.query else ""
    return f"{endpoint.scheme}://{endpoint.host}:{endpoint.port}{endpoint.path}{query}"


@pytest.mark.parametrize(("provider", "base"), WITHOUT_BASE_URL.items())
def test_known_providers_are_where_they_say(provider: str, base: str) -> None:
    """A configuration that names nothing but a model has to arrive."""
    host, _, path = base.partition("/")

    found = endpoints(known_providers()[provider], None, "m")

    assert place(found[CHAT]) == f"https://{host}:443/{path}/chat/completions"


def test_every_provider_of_the_contract_is_known() -> None:
    """And which of them need to be told where they are."""
    lost = {name for name, row in known_providers().items() if row.base_url is None}

    assert set(known_providers()) == {*WITHOUT_BASE_URL, *lost, "chatgpt", "simulated"}
    assert lost == {"ollama", "azure_openai", "amazon_bedrock", "qwen", "plano"}


def test_every_key_variable_is_a_known_providers() -> None:
    """`plano up` without a file serves these."""
    known = known_providers()

    assert {known[name].base_url is not None for name in KEY_VARIABLES} == {True}
    assert set(NOT_ENOUGH.values()) <= set(known)


WHERE = [
    pytest.param("openai", "http://h:8000", "http://h:8000/v1/chat/completions", id="no path means v1"),
    pytest.param("openai", "http://h:8000/", "http://h:8000/v1/chat/completions", id="nor does a slash"),
    pytest.param("openai", "https://h/a/b/", "https://h:443/a/b/chat/completions", id="a path is the prefix"),
    pytest.param("openai", "http://[::1]:9", "http://::1:9/v1/chat/completions", id="an IPv6 address"),
    pytest.param("openai", "https://h?k=v", "https://h:443/v1/chat/completions?k=v", id="a query"),
    pytest.param("groq", "http://h", "http://h:80/v1/chat/completions", id="elsewhere than its own host"),
    pytest.param(
        "groq",
        "https://api.groq.com",
        "https://api.groq.com:443/openai/v1/chat/completions",
        id="its own host",
    ),
    pytest.param(
        "qwen",
        "https://dashscope-intl.aliyuncs.com",
        "https://dashscope-intl.aliyuncs.com:443/compatible-mode/v1/chat/completions",
        id="qwen at home",
    ),
    pytest.param(
        "qwen", "https://aliyuncs.com.h", "https://aliyuncs.com.h:443/v1/chat/completions", id="not at home"
    ),
    pytest.param(
        "amazon_bedrock",
        "https://bedrock-runtime.us-west-2.amazonaws.com",
        "https://bedrock-runtime.us-west-2.amazonaws.com:443/openai/v1/chat/completions",
        id="bedrock",
    ),
    pytest.param(
        "azure_openai",
        "https://x.openai.azure.com",
        "https://x.openai.azure.com:443/openai/deployments/m/chat/completions?api-version=2025-01-01-preview",
        id="azure",
    ),
    pytest.param(
        "azure_openai",
        "https://x.openai.azure.com?api-version=2024-10-21",
        "https://x.openai.azure.com:443/openai/deployments/m/chat/completions?api-version=2024-10-21",
        id="azure, another version",
    ),
    pytest.param(
        "ollama", "http://localhost:11434", "http://localhost:11434/v1/chat/completions", id="ollama"
    ),
]


@pytest.mark.parametrize(("provider", "base_url", "where"), WHERE)
def test_a_base_url_leads_to_the_operation(provider: str, base_url: str, where: str) -> None:
    """One slash too many is a 404 that takes an evening."""
    assert place(endpoints(known_providers()[provider], base_url, "m")[CHAT]) == where


def test_anthropic_speaks_both_and_takes_its_key_differently() -> None:
    """Its own API asks for x-api-key and a version; its layer for OpenAI's clients for a bearer."""
    anthropic = known_providers()["anthropic"]

    found = endpoints(anthropic, None, "m")

    assert {
        dialect: (endpoint.path, endpoint.auth or anthropic.auth, dict(endpoint.headers))
        for dialect, endpoint in found.items()
    } == {
        MESSAGES: ("/v1/messages", "x-api-key", {"anthropic-version": "2023-06-01"}),
        CHAT: ("/v1/chat/completions", "bearer", {}),
    }


@pytest.mark.parametrize(
    ("interface", "dialects", "auth"),
    [
        ("openai", {CHAT, RESPONSES}, "bearer"),
        ("anthropic", {MESSAGES, CHAT}, "x-api-key"),
        ("claude", {MESSAGES, CHAT}, "x-api-key"),
        ("groq", {CHAT}, "bearer"),
        ("plano", {CHAT}, "bearer"),
    ],
)
def test_a_custom_provider_speaks_what_it_says(interface: str, dialects: set[Dialect], auth: str) -> None:
    """What only the provider that invented it offers is not expected of others."""
    provider = custom_provider("mine", interface)

    assert (set(endpoints(provider, "http://h/api", "m")), provider.auth) == (dialects, auth)


def test_simulated_models_need_no_address() -> None:
    """They live in this process; a base URL only sets their pace."""
    simulated = known_providers()["simulated"]

    found = endpoints(simulated, "simulated://local?first_token_ms=50&tokens_per_s=200", "m")

    assert (found[MESSAGES], set(found)) == (
        Endpoint("simulated", "local", 0, "/v1/messages", "first_token_ms=50&tokens_per_s=200"),
        {CHAT, MESSAGES, RESPONSES},
    )


@pytest.mark.parametrize(
    "base_url",
    ["h", "//h", "ftp://h", "http://", "http://:80", "http://h:0", "http://h:port", "http://[::1",
     "http://a b", "http://h\n", "http://u@h", "http://u:p@h", "http://h#f", "http://h/{model}", "http://hé",
     "simulated://local"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_shown(base_url: str) -> None:
    """It may hold a password."""
    with pytest.raises(UnusableUrl) as caught:
        endpoints(known_providers()["openai"], base_url, "m")

    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "segment"), [("a?b#c", "a%3Fb%23c"), ("my/4o", "my%2F4o"), ("{model}", "%7Bmodel%7D")]
)
def test_a_declared_model_in_a_path_stays_one_segment(model: str, segment: str) -> None:
    """What an id holds is part of a name, not of an address; members are written the same way."""
    azure = known_providers()["azure_openai"]

    found = endpoints(azure, "https://x.openai.azure.com", model)

    assert found[CHAT].path == f"/openai/deployments/{segment}/chat/completions"


@pytest.mark.parametrize(
    ("model", "seconds"),
    [
        ("anthropic/claude-sonnet-4-5", 300),
        ("deepseek/deepseek-chat", 7200),
        ("gemini/gemini-2.5-pro", 300),
        ("mine/llama", 300),
        ("no slash", 300),
    ],
)
def test_a_prompt_cache_lasts_as_long_as_its_provider_says(model: str, seconds: float) -> None:
    """Five minutes where it says nothing."""
    assert prompt_cache_s(model) == seconds
