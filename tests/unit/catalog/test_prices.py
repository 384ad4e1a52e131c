"""What models cost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

from plano.catalog.build import build
from plano.catalog.catalog import Catalog, Model
from plano.catalog.prices import known_members, price_at, price_of
from plano.config.configuration import Configuration, ProviderRow


def model(name: str, base_url: str | None = None, interface: str | None = None) -> Model:
    row = ProviderRow(name, name, ("model_providers", 0), base_url=base_url, provider_interface=interface)
    catalog: Catalog = build(Configuration("test", providers=(row,)))
    return catalog.models[0]


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"]
)
def test_well_known_models_have_a_price(name: str) -> None:
    """Reading costs less than writing everywhere, which is also how a mixed-up table shows."""
    price = price_of(model(name))

    assert price is not None
    assert 0 < price.input_usd_per_mtok < price.output_usd_per_mtok < price.both


def test_what_the_cache_holds_is_read_at_a_price_of_its_own() -> None:
    """The lowest of several tiers, like the others; who writes for nothing has no price for it."""
    sonnet, mini = price_at("anthropic/claude-sonnet-4-5"), price_at("openai/gpt-4o-mini")

    assert sonnet is not None
    assert mini is not None
    assert (sonnet.cached_usd_per_mtok, sonnet.cache_write_usd_per_mtok) == (0.3, 3.75)
    assert (mini.cached_usd_per_mtok, mini.cache_write_usd_per_mtok) == (0.075, None)


def test_prices_of_the_tables_own_date_are_the_same_tomorrow() -> None:
    """What is worked out from a file must come out again."""
    usage, made_at = Usage(input_tokens=1000), get_snapshot().timestamp
    then = calc_price(
        usage, "deepseek-chat", provider_id="deepseek", genai_request_timestamp=made_at
    ).total_price

    price = price_at("deepseek/deepseek-chat", of_the_day=False)

    assert price is not None
    assert price.input_usd_per_mtok == pytest.approx(float(then) * 1000)


def test_what_is_not_known_has_no_price() -> None:
    """Unknown is not zero: nothing would look cheaper than what nobody knows."""
    unknown = [
        model("openai/no-such-model"),
        model("simulated/any"),
        model("mine/gpt-4o", "http://h", "openai"),
        model("ollama/llama3.1", "http://h"),
    ]

    assert [price_of(entry) for entry in unknown] == [None] * 4


def test_members_of_a_wildcard_are_listed_in_full() -> None:
    """So that they can be asked for as they are printed."""
    members = known_members(model("anthropic/*"))

    assert members
    assert all(member.startswith("anthropic/claude") for member in members)


def test_a_wildcard_of_nobody_knows_no_members() -> None:
    """A custom provider's models are its own affair."""
    assert known_members(model("mine/*", "http://h", "openai")) == ()


def test_loading_a_configuration_loads_no_prices() -> None:
    """They take longer to load than everything else; only who asks should wait."""
    code = (
        "import sys; from plano.catalog.build import load_catalog; load_catalog(None, {});"
        "print('genai_prices' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout == "False\n"
