"""Quotes from the configured sources, to be read without waiting."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from plano.catalog.build import build
from plano.catalog.catalog import Catalog
from plano.catalog.names import ModelId
from plano.catalog.sources import LatencySource, PriceSource, QuoteSources
from plano.config.configuration import Configuration, ProviderRow, RouteRow
from plano.quotes.board import Board
from plano.quotes.fetch import Fetch
from tests.unit.observe.records import answered
from tests.unit.quotes.fakes import DOWN, Network, Silent, Time, even

MINI, SONNET = ModelId("openai/gpt-4o-mini"), ModelId("anthropic/claude-sonnet-4-5")
NOBODY = Network(AssertionError("nobody is to be asked"))


def catalog(prefer: str = "none") -> Catalog:
    rows = tuple(
        ProviderRow(name, name, ("model_providers", index))
        for index, name in enumerate(["openai/gpt-4o-mini", "anthropic/*"])
    )
    models = (MINI, SONNET)
    paths = (("routing_preferences", 0, "models", 0), ("routing_preferences", 0, "models", 1))
    facts: dict[str, Any] = {"prefer": prefer}
    route = RouteRow("code", "writing code", models, paths, ("routing_preferences", 0), **facts)
    return build(Configuration("test", providers=rows, routes=(route,)))


def board(sources: QuoteSources, fetch: Fetch, prefer: str = "none", time: Time | None = None) -> Board:
    time = time or Time()
    return Board(
        catalog(prefer), sources, fetch=fetch, now=time.now, today=time.now, chance=even, sleep=time.sleep
    )


def listed(**aliases: tuple[str, ...]) -> QuoteSources:
    named = {ModelId(name.replace("__", "/").replace("_", "-")): keys for name, keys in aliases.items()}
    return QuoteSources(PriceSource("models.dev", aliases=named))


def prices(**costs: tuple[float, float]) -> bytes:
    """By provider: what its one model, `m`, costs."""
    return json.dumps(
        {
            provider: {"models": {"m": {"cost": {"input": put_in, "output": put_out}}}}
            for provider, (put_in, put_out) in costs.items()
        }
    ).encode()


def test_bundled_prices_are_there_from_the_start_when_a_route_compares_them() -> None:
    """The first decision must not differ from the second."""
    quotes = board(QuoteSources(), NOBODY, "cheapest")

    quoted = [quotes.usd_per_mtok(model) for model in (MINI, SONNET, ModelId("openai/nothing"))]

    assert quoted[2] is None
    assert 0 < (quoted[0] or 0) < (quoted[1] or 0)


def test_bundled_prices_are_there_from_the_start_when_sessions_are_priced() -> None:
    """The first change of a session is judged by them, whatever routes compare."""
    quotes = Board(catalog(), QuoteSources(), fetch=NOBODY, prices_sessions=True)

    rates = quotes.rates(SONNET)

    assert rates is not None
    assert (rates.cached_usd_per_mtok or 0) < rates.input_usd_per_mtok


def test_an_alias_may_name_a_model_of_the_bundled_table() -> None:
    """A deployment or a mirror has a name of its own, and somebody else's price."""
    aliases = {ModelId("mine/deployed"): ("openai/nothing", "openai/gpt-4o-mini")}
    quotes = board(QuoteSources(PriceSource(aliases=aliases)), NOBODY, "cheapest")

    assert quotes.usd_per_mtok(ModelId("mine/deployed")) == quotes.usd_per_mtok(MINI)


async def test_bundled_prices_are_loaded_when_they_are_first_asked_for() -> None:
    """By the first request that brings routes of its own and wants the cheapest; it does not wait."""
    quotes = board(QuoteSources(), NOBODY)
    quotes.start(asyncio.get_running_loop())
    await asyncio.sleep(0)
    unasked = quotes.states[0].quoted_at

    first = quotes.usd_per_mtok(MINI)
    await next(task for task in asyncio.all_tasks() if task.get_name() == "quotes: bundled")
    price = quotes.usd_per_mtok(MINI)
    await quotes.close()

    assert (unasked, first, price is not None) == (None, None, True)


async def test_input_and_output_are_added_up() -> None:
    """The price a million tokens each way would have; `rates` tells them apart."""
    network = Network(prices(openai=(0.25, 2.0)))
    quotes = board(listed(openai__gpt_4o_mini=("openai/m",)), network)

    await quotes.refresh(within_s=5.0)

    price = quotes.rates(MINI)
    assert price is not None
    assert (price.input_usd_per_mtok, price.output_usd_per_mtok, quotes.usd_per_mtok(MINI)) == (
        0.25,
        2.0,
        2.25,
    )


async def test_an_alias_goes_before_the_own_name() -> None:
    """It was written because the own name means something else there; the first that is listed counts."""
    names = {"openai": (1.0, 1.0), "mirror": (3.0, 3.0)}
    sources = QuoteSources(
        PriceSource("models.dev", aliases={ModelId("openai/m"): ("gone/m", "mirror/m"), MINI: ("openai/m",)})
    )
    quotes = board(sources, Network(prices(**names)))

    await quotes.refresh(within_s=5.0)

    assert (quotes.usd_per_mtok(ModelId("openai/m")), quotes.usd_per_mtok(MINI)) == (6.0, 2.0)


async def test_a_member_of_a_wildcard_has_a_price() -> None:
    """By its name in full, declared or not."""
    quotes = board(listed(), Network(prices(anthropic=(3.0, 15.0))))

    await quotes.refresh(within_s=5.0)

    assert (quotes.usd_per_mtok(ModelId("anthropic/m")), quotes.usd_per_mtok(SONNET)) == (18.0, None)


async def test_candidates_without_a_price_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """They go last for ever, for the want of an alias."""
    time = Time(naps=3)
    quotes = board(
        listed(openai__gpt_4o_mini=("openai/m",)), Network(prices(openai=(1, 1))), "cheapest", time
    )

    quotes.start(asyncio.get_running_loop())
    await time.tired.wait()
    await quotes.close()

    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("no price of models.dev for anthropic/claude-sonnet-4-5: last among the cheapest")


async def test_this_gateways_own_measurements_are_the_default() -> None:
    """Nothing has to be configured for `fastest`."""
    time = Time()
    quotes = board(QuoteSources(), NOBODY, time=time)
    for _ in range(3):
        quotes.observe(answered(sent=time.at - 2, first_content=time.at - 1.5, ended=time.at))

    assert (quotes.latency_s(MINI), quotes.latency_s(SONNET), quotes.states[1].name) == (
        0.5,
        None,
        "observed",
    )


async def test_a_prometheus_takes_the_place_of_measurements() -> None:
    """The operator knows better: it sees all replicas, perhaps by another measure."""
    series = {"metric": {"model_name": "mini"}, "value": [1, "0.5"]}
    said = {"status": "success", "data": {"resultType": "vector", "result": [series]}}
    sources = QuoteSources(latencies=LatencySource("http://p", "q", names={"mini": MINI}))
    time = Time()
    quotes = board(sources, Network(json.dumps(said).encode()), time=time)
    for _ in range(3):
        quotes.observe(answered(sent=time.at - 2, first_content=time.at - 1, ended=time.at))

    await quotes.refresh(within_s=5.0)

    assert (quotes.latency_s(MINI), quotes.latency_s(SONNET)) == (0.5, None)


async def test_a_source_that_does_not_answer_is_not_waited_for() -> None:
    """The state says so, for whoever shows prices."""
    quotes = board(listed(), Silent())

    await quotes.refresh(within_s=0.01)

    assert quotes.states[0].trouble == "no whole answer within 0.01 s"


async def test_after_an_outage_prices_are_fresh_again() -> None:
    """Seen from outside: the last good ones meanwhile, the new ones then."""
    time = Time(naps=4)
    network = Network(prices(openai=(1, 1)), DOWN, b"<html>", prices(openai=(2, 2)))
    seen: list[float | None] = []

    async def look_and_sleep(seconds: float) -> None:
        seen.append(quotes.usd_per_mtok(ModelId("openai/m")))
        await time.sleep(seconds)

    quotes = Board(
        catalog(), listed(), fetch=network, now=time.now, today=time.now, chance=even, sleep=look_and_sleep
    )
    quotes.start(asyncio.get_running_loop())
    await time.tired.wait()
    await quotes.close()

    assert seen == [None, 2.0, 2.0, 2.0, 4.0]


@pytest.mark.parametrize("sources", [QuoteSources(), listed()], ids=["bundled", "listed"])
async def test_closing_ends_everything_that_is_under_way(sources: QuoteSources) -> None:
    """A task that is left asks for ever, or complains at the end of the loop. Closing twice is harmless."""
    others = asyncio.all_tasks()
    quotes = board(sources, Silent(), "cheapest")
    quotes.start(asyncio.get_running_loop())
    await asyncio.sleep(0)

    await quotes.close()
    await quotes.close()

    assert asyncio.all_tasks() == others
