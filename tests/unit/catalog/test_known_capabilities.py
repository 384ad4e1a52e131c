"""What is known of a model's limits, and from whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from plano.catalog.build import load_catalog
from plano.catalog.capabilities import UNKNOWN, Capabilities
from plano.catalog.catalog import Found
from plano.catalog.known_capabilities import MOST_REMEMBERED, KnownCapabilities

CONFIGURATION = """\
version: v0.4.0
model_providers:
  - {model: openai/*}
  - {model: openai/gpt-4, name: told, capabilities: {context_tokens: 4096, images: true}}
  - {model: openai/gpt-4-0613, name: elsewhere, base_url: "http://127.0.0.1:8000"}
  - {model: openai/gpt-3.5-turbo, name: owned, base_url: "https://api.openai.com/v1"}
  - {model: anthropic/*}
  - {model: openrouter/*}
  - {model: deepseek/deepseek-chat}
  - {model: azure_openai/gpt-4, name: deployed, base_url: "https://us.openai.azure.com"}
  - model: mine/llama
    base_url: http://127.0.0.1:8000
    provider_interface: openai
    capabilities: {context_tokens: 8192, tools: false, structured_output: false}
"""


def known(tmp_path: Path, name: str, *, loaded: bool = True) -> Capabilities:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, "utf-8")
    _, catalog = load_catalog(file, {})
    found = catalog.find(name)
    assert isinstance(found, Found)
    capabilities = KnownCapabilities()
    if loaded:
        capabilities.load()
    return capabilities.of(found.model, found.upstream_model)


KNOWN = [
    pytest.param(
        "told", Capabilities(4096, images=True, structured_output=False), id="the file is believed first"
    ),
    pytest.param("elsewhere", UNKNOWN, id="whatever answers there may be called so"),
    pytest.param("deployed", UNKNOWN, id="the name of a deployment says nothing"),
    pytest.param("openrouter/openai/gpt-4", UNKNOWN, id="who shortens prompts takes any"),
    pytest.param(
        "owned", Capabilities(17409, images=False, structured_output=False), id="the provider's own address"
    ),
    pytest.param("openai/gpt-4o", Capabilities(136_000), id="a member, with room for a rounded window"),
    pytest.param("openai/gpt-of-tomorrow", UNKNOWN, id="nobody has heard of it"),
    pytest.param("anthropic/claude-sonnet-4-5", Capabilities(1_000_000), id="what can be asked for"),
    pytest.param("mine/llama", Capabilities(8192, tools=False, structured_output=False), id="one's own"),
]


@pytest.mark.parametrize(("name", "capabilities"), KNOWN)
def test_what_is_known_of_a_model(name: str, capabilities: Capabilities, tmp_path: Path) -> None:
    """What its entry says, then what is documented of the provider's own model at its own address."""
    assert known(tmp_path, name) == capabilities


def test_no_window_is_known_before_the_table_is_loaded(tmp_path: Path) -> None:
    """Loading it takes longer than a request may wait; what the package itself knows is there at once."""
    assert known(tmp_path, "owned", loaded=False) == Capabilities(images=False, structured_output=False)
    assert known(tmp_path, "openai/gpt-4o", loaded=False) == UNKNOWN


def test_members_of_wildcards_are_not_remembered_without_end(tmp_path: Path) -> None:
    """Clients may invent any number of them."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, "utf-8")
    _, catalog = load_catalog(file, {})
    capabilities = KnownCapabilities()
    (wildcard, *_) = catalog.models

    answers = {capabilities.of(wildcard, f"gpt-of-day-{at}") for at in range(MOST_REMEMBERED + 10)}

    assert answers == {UNKNOWN}
    assert capabilities.of(wildcard, "o1-mini").tools is False


@pytest.mark.parametrize(
    ("limits", "has_limits"),
    [
        (UNKNOWN, False),
        (Capabilities(images=True, tools=True, structured_output=True), False),
        (Capabilities(1), True),
        (Capabilities(images=False), True),
        (Capabilities(tools=False), True),
        (Capabilities(structured_output=False), True),
    ],
)
def test_only_what_a_model_cannot_is_a_limit(limits: Capabilities, has_limits: bool) -> None:
    """Nobody looks into a request for what everybody takes."""
    assert limits.has_limits is has_limits
