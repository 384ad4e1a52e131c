"""Where quotes come from, out of a configuration."""

from __future__ import annotations

import pytest

from plano.catalog.build import build
from plano.catalog.sources import LatencySource, PriceSource, QuoteSources, known_names, quote_sources
from plano.config.configuration import Configuration, ProviderRow
from plano.config.schema import CostSource
from plano.config.schema import LatencySource as LatencyEntry

ROWS = tuple(
    ProviderRow(model, name, ("model_providers", index))
    for index, (model, name) in enumerate(
        [("openai/gpt-5-mini", "mini"), ("openai/o3", "openai/o3"), ("anthropic/*", "anthropic/*")]
    )
)
ALIASES = {"fast": "mini", "haiku": "anthropic/claude-haiku-4-5", "*": "mini"}


def configured(*sources: CostSource | LatencyEntry) -> QuoteSources:
    configuration = Configuration("test", providers=ROWS, aliases=ALIASES, metrics_sources=sources)
    return quote_sources(configuration, build(configuration))


def test_nothing_has_to_be_configured() -> None:
    """Both policies work out of the box, without a network."""
    assert configured() == QuoteSources(PriceSource("bundled"), None)


def test_a_source_is_taken_as_configured() -> None:
    """With its interval in seconds."""
    cost = CostSource(type="cost", provider="models.dev", url="http://mirror", refresh_interval=60)
    latency = LatencyEntry(type="latency", provider="prometheus", url="http://p", query="q")

    sources = configured(cost, latency)

    names = sources.latencies.names if sources.latencies else {}
    assert sources == QuoteSources(
        PriceSource("models.dev", "http://mirror", 60), LatencySource("http://p", "q", None, names)
    )


@pytest.mark.parametrize("ours", ["openai/gpt-5-mini", "mini", "gpt-5-mini", "fast"])
def test_model_aliases_may_say_any_name_of_ours(ours: str) -> None:
    """As everywhere in the file."""
    cost = CostSource(
        type="cost", provider="digitalocean", model_aliases={"openai/do-mini": ours, "do-mini": ours}
    )

    assert configured(cost).prices.aliases == {"openai/gpt-5-mini": ("openai/do-mini", "do-mini")}


def test_a_name_that_is_caught_by_the_catch_all_is_not_ours() -> None:
    """The alias `*` would give its model the price of another."""
    cost = CostSource(type="cost", provider="models.dev", model_aliases={"a/b": "gone/model"})

    assert configured(cost).prices.aliases == {"gone/model": ("a/b",)}


def test_every_fixed_name_leads_to_its_model() -> None:
    """Series of a Prometheus are labelled with whichever one the one who measures knows."""
    names = known_names(build(Configuration("test", providers=ROWS, aliases=ALIASES)))

    assert names == {
        "openai/gpt-5-mini": "openai/gpt-5-mini",
        "mini": "openai/gpt-5-mini",
        "gpt-5-mini": "openai/gpt-5-mini",
        "fast": "openai/gpt-5-mini",
        "openai/o3": "openai/o3",
        "o3": "openai/o3",
        "haiku": "anthropic/claude-haiku-4-5",
    }


@pytest.mark.parametrize(
    ("sources", "needed"),
    [
        (QuoteSources(), False),
        (QuoteSources(PriceSource("models.dev")), True),
        (QuoteSources(PriceSource("digitalocean", "http://mirror")), False),
        (QuoteSources(PriceSource("digitalocean", "HTTPS://mirror")), True),
        (QuoteSources(latencies=LatencySource("http://p", "q")), False),
        (QuoteSources(latencies=LatencySource("https://p", "q")), True),
    ],
)
def test_who_starts_knows_whether_tls_is_needed(sources: QuoteSources, needed: bool) -> None:
    """The authorities take tens of milliseconds to read: at the start, not while requests wait."""
    assert sources.needs_tls is needed


def test_addresses_are_not_shown() -> None:
    """They may hold a password."""
    sources = QuoteSources(
        PriceSource("models.dev", "http://me:canary@h"), LatencySource("http://me:canary@p", "q")
    )

    assert "canary" not in repr(sources)
