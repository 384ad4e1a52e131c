"""Models that stand in for one that was asked for by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from plano.catalog.build import load_catalog
from plano.routing.router import Ladder

CONFIGURATION = """\
version: v0.4.0
model_providers:
  - {model: openai/gpt-4o, name: large, default: true, fallbacks: [steady, groq/llama]}
  - {model: anthropic/*, fallbacks: [anthropic/claude-small, small]}
  - {model: openai/gpt-4o-mini, name: small}
  - {model: groq/*}
model_aliases:
  steady: {target: anthropic/claude-large}
  best: {target: large}
  alone: {target: large, fallbacks: []}
  careful: {target: large, fallbacks: [small]}
  "*": {target: small, fallbacks: [large]}
routing_preferences:
  - {name: code, description: writing code, models: [large, careful, anthropic/claude-large]}
"""
LARGE = ["openai/gpt-4o", "anthropic/claude-large", "groq/llama"]

ASKED = [
    pytest.param("large", LARGE, id="by its name"),
    pytest.param("openai/gpt-4o", LARGE, id="in full"),
    pytest.param("gpt-4o", LARGE, id="by its bare id"),
    pytest.param(None, LARGE, id="as the default"),
    pytest.param("best", LARGE, id="an alias is one more name"),
    pytest.param("alone", LARGE[:1], id="an alias that says there are none"),
    pytest.param("careful", ["openai/gpt-4o", "openai/gpt-4o-mini"], id="an alias has its own"),
    pytest.param("anyone", ["openai/gpt-4o-mini", "openai/gpt-4o"], id="the alias of all other names"),
    pytest.param("small", ["openai/gpt-4o-mini"], id="none were given"),
    pytest.param(
        "anthropic/claude-large",
        ["anthropic/claude-large", "anthropic/claude-small", "openai/gpt-4o-mini"],
        id="a member of a wildcard",
    ),
    pytest.param(
        "anthropic/claude-small",
        ["anthropic/claude-small", "openai/gpt-4o-mini"],
        id="a member that stands in for the others",
    ),
]


@pytest.fixture
def ladder(tmp_path: Path) -> Ladder:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, "utf-8")
    _, catalog = load_catalog(file, {})
    return Ladder(catalog)


@pytest.mark.parametrize(("name", "models"), ASKED)
def test_a_named_model_comes_with_its_fallbacks(name: str | None, models: list[str], ladder: Ladder) -> None:
    """In the order in which they are written, nobody's fallbacks behind them, and nobody twice."""
    decision = ladder.at_once(name)

    assert decision is not None
    assert [each.id for each in decision.candidates] == models


def test_a_decision_with_fallbacks_is_remembered(ladder: Ladder) -> None:
    """What a name leads to is worked out once."""
    assert ladder.at_once("large") is ladder.at_once("large")


def test_a_routes_candidates_are_those_it_lists(tmp_path: Path) -> None:
    """A route says itself who comes next; fallbacks of its models would mix two orders."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, "utf-8")

    _, catalog = load_catalog(file, {})

    (route,) = catalog.routes
    assert [each.id for each in route.candidates] == ["openai/gpt-4o", "anthropic/claude-large"]
