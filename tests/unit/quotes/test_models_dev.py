"""Prices of models.dev."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.quotes.fetch import SourceFailed
from plano.quotes.models_dev import URL, keys_of, parse, read
from tests.unit.quotes.fakes import Network


def document(**providers: Any) -> bytes:
    return json.dumps(providers).encode()


def provider(**costs: Any) -> dict[str, Any]:
    """As the service words it: more about each model than its cost."""
    models = {
        name: {"id": name, "reasoning": False, "limit": {"context": 200000}, "cost": cost}
        for name, cost in costs.items()
    }
    return {"id": "any", "env": ["ANY_API_KEY"], "npm": "@ai-sdk/any", "models": models}


def test_a_price_goes_by_provider_and_model() -> None:
    """The names are ours in most cases; tiers are not compared."""
    sonnet: dict[str, Any] = {"input": 3, "output": 15.5, "cache_read": 0.3, "cache_write": 3.75}
    sonnet |= {"tiers": [{"input": 6, "output": 22.5}]}

    reading = parse(document(anthropic=provider(sonnet=sonnet)))

    assert (reading.values, reading.ignored) == ({"anthropic/sonnet": Price(3.0, 15.5, 0.3, 3.75)}, 0)


@pytest.mark.parametrize("odd", [None, "0.3", -0.3, True, 1e9, [0.3]], ids=json.dumps)
def test_a_cached_price_that_is_none_costs_the_model_nothing_else(odd: Any) -> None:
    """`cheapest` does not ask for it."""
    reading = parse(document(a=provider(m={"input": 3, "output": 15, "cache_read": odd, "cache_write": odd})))

    assert (reading.values, reading.ignored) == ({"a/m": Price(3.0, 15.0)}, 0)


def test_a_free_model_has_a_price() -> None:
    """Nothing is cheaper."""
    assert parse(document(openrouter=provider(free={"input": 0, "output": 0}))).values == {
        "openrouter/free": Price(0.0, 0.0)
    }


def test_a_model_without_a_cost_is_unknown() -> None:
    """Unknown is not zero, and no mistake either."""
    models = {
        "whisper": {"id": "whisper"},
        "mini": {"cost": None},
        "nano": {"cost": {"input": 1, "output": 2}},
    }

    reading = parse(document(openai={"models": models}))

    assert (list(reading.values), reading.ignored) == (["openai/nano"], 0)


@pytest.mark.parametrize(
    "cost",
    [
        {"input": -1, "output": 2},
        {"input": 1, "output": -0.001},
        {"input": "1", "output": 2},
        {"input": 1},
        {"output": 1},
        {"input": None, "output": 1},
        {"input": True, "output": 1},
        {"input": 1e6, "output": 1},
        [1, 2],
        "free",
    ],
    ids=json.dumps,
)
def test_what_is_no_price_is_left_out_and_counted(cost: Any) -> None:
    """One bad entry must not make its model the cheapest, nor cost the others theirs."""
    reading = parse(document(a=provider(bad=cost, good={"input": 1, "output": 2})))

    assert (reading.values, reading.ignored) == ({"a/good": Price(1.0, 2.0)}, 1)


@pytest.mark.parametrize("odd", [None, [], "x", {"models": []}, {"models": None}], ids=json.dumps)
def test_a_provider_of_another_form_does_not_hide_the_others(odd: Any) -> None:
    """It is counted, as one."""
    reading = parse(document(odd=odd, a=provider(good={"input": 1, "output": 2})))

    assert (list(reading.values), reading.ignored) == (["a/good"], 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"a": {"models": {}}}',
        b'{"a": NaN}',
        b'{"a": {"models": {"m": {"cost": {"input": NaN, "output": 1}}}}}',
        b'{"\xff": {}}',
        b'{"a":' * 50_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_document_without_prices_is_a_failure(body: bytes) -> None:
    """Then the last good prices stay: an empty catalogue is nobody's intention."""
    with pytest.raises(SourceFailed):
        parse(body)


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("openai/gpt-5-mini", ("openai/gpt-5-mini",)),
        ("gemini/gemini-2.5-pro", ("google/gemini-2.5-pro", "gemini/gemini-2.5-pro")),
        ("openrouter/x/y:free", ("openrouter/x/y:free",)),
        ("deepinfra/x/y", ("deepinfra/x/y",)),
    ],
)
def test_providers_have_other_names_there(model: str, keys: tuple[str, ...]) -> None:
    """A column of the table of providers; what is not in it is looked for under its own name."""
    assert keys_of(ModelId(model)) == keys


async def test_another_address_may_serve_the_same_form() -> None:
    """A mirror, a cached copy."""
    network = Network(document(a=provider(m={"input": 1, "output": 2})))

    await read(network, None)
    await read(network, "http://mirror/api.json")

    assert network.asked == [URL, "http://mirror/api.json"]
