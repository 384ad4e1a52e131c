"""What a key's list of models allows."""

from __future__ import annotations

import pytest

from plano.catalog.build import build
from plano.catalog.catalog import Catalog, Found
from plano.catalog.gateway_keys import gateway_keys
from plano.config.configuration import Configuration, KeyRow, Listener, ProviderRow

PROVIDERS = tuple(
    ProviderRow(model, name or model, ("model_providers", index))
    for index, (model, name) in enumerate(
        (
            ("openai/gpt-4o", ""),
            ("openai/gpt-4o", "second account"),
            ("openai/o3", ""),
            ("anthropic/claude-sonnet-4-5", ""),
            ("mistral/*", ""),
        )
    )
)
ASKED = (
    "openai/gpt-4o",
    "second account",
    "o3",
    "claude-sonnet-4-5",
    "mistral/mistral-large",
    "mistral/codestral",
    "quick",
)


def allowed(*entries: str) -> list[str]:
    """Which of `ASKED` lead to a model that may be used."""
    row = KeyRow(
        "a",
        bytes(32),
        ("keys", 0),
        models=entries,
        paths=tuple(("keys", 0, "models", n) for n, _ in enumerate(entries)),
    )
    configuration = Configuration(
        "test", listener=Listener(keys=(row,)), providers=PROVIDERS, aliases={"quick": "o3"}
    )
    catalog = build(configuration)
    (key,) = gateway_keys(configuration, catalog) or ()
    assert key.allowance is not None
    return [
        name for name in ASKED if key.allowance.allows(_found(catalog, name).model, _found(catalog, name).id)
    ]


def _found(catalog: Catalog, name: str) -> Found:
    found = catalog.find(name)
    assert isinstance(found, Found)
    return found


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        pytest.param(["second account"], ["second account"], id="one of two accounts with one model"),
        pytest.param(["quick"], ["o3", "quick"], id="an alias allows its model, under each name"),
        pytest.param(["o3"], ["o3", "quick"], id="a bare id"),
        pytest.param(["openai/gpt-*"], ["openai/gpt-4o", "second account"], id="a pattern"),
        pytest.param(["*"], list(ASKED), id="everything"),
        pytest.param(["mistral/*"], ["mistral/mistral-large", "mistral/codestral"], id="a wildcard"),
        pytest.param(["mistral/cod*"], ["mistral/codestral"], id="a pattern within a wildcard"),
        pytest.param(["mistral/codestral"], ["mistral/codestral"], id="a member"),
        pytest.param(["*claude*", "*o3"], ["o3", "claude-sonnet-4-5", "quick"], id="stars anywhere"),
    ],
)
def test_a_list_allows_models_and_not_names(entries: list[str], names: list[str]) -> None:
    """Whichever way a request comes to a model, the answer is the same."""
    assert allowed(*entries) == names
