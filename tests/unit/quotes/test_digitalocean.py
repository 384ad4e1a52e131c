"""Prices of DigitalOcean's catalogue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.quotes.digitalocean import MOST_PAGES, URL, keys_of, parse, read
from plano.quotes.fetch import SourceFailed
from tests.unit.quotes.fakes import DOWN, Network


def entry(name: str, pricing: Any, creator: str | None = "OpenAI") -> dict[str, Any]:
    """As the service words it."""
    return {"id": "1", "model_id": name, "name": name, "creator": creator, "pricing": pricing}


def per_million(put_in: Any, put_out: Any, **cached: Any) -> dict[str, Any]:
    """The service's names, whatever the unit."""
    return {"input_price_per_million": put_in, "output_price_per_million": put_out, **cached}


def page(*entries: Any, number: int = 1, pages: int = 1) -> bytes:
    return json.dumps({"data": entries, "meta": {"page": number, "pages": pages, "total": 9}}).encode()


def test_prices_are_for_one_token_whatever_their_name() -> None:
    """The catalogue says `per_million` and means a token; read as it is named, all would be free."""
    reading, _ = parse(page(entry("openai-gpt-4o", per_million(2.5e-6, 1e-5))))

    assert reading.values["openai-gpt-4o"] == Price(2.5, 10.0)


def test_prices_for_a_million_are_taken_as_such() -> None:
    """Should the catalogue be put right, or another one serve the same form."""
    reading, _ = parse(page(entry("m", per_million(0.05, 0.4))))

    assert reading.values["m"] == Price(0.05, 0.4)


@pytest.mark.parametrize(
    ("cached", "price"),
    [
        ({"cache_read_input_price_per_million": 3e-7}, 0.3),
        ({"input_cache_read": 3e-7}, 0.3),
        ({"cache_read_input_price_per_million": 0, "input_cache_read": 3e-7}, 0.3),
        ({"cache_read_input_price_per_million": 0}, None),
        ({"cache_read_input_price_per_million": "3e-7"}, None),
        ({"cache_read_input_price_per_million": -3e-7}, None),
        ({}, None),
    ],
    ids=json.dumps,
)
def test_what_is_read_from_the_cache_has_a_price_of_its_own(
    cached: dict[str, Any], price: float | None
) -> None:
    """Under either name; where it is none, the model keeps its others."""
    reading, _ = parse(page(entry("m", per_million(3e-6, 1.5e-5, **cached))))

    assert reading.values["m"] == Price(3.0, 15.0, price)


def test_the_unit_is_the_models_not_the_amounts() -> None:
    """An input that costs next to nothing does not turn a million into one."""
    reading, _ = parse(page(entry("m", per_million(0, 0.4)), entry("n", per_million(0.0, 4e-7))))

    assert (reading.values["m"], reading.values["n"]) == (Price(0.0, 0.4), Price(0.0, 0.4))


def test_a_model_goes_by_its_id_and_by_its_creator_and_id() -> None:
    """Both are what people were told to write in `model_aliases`."""
    reading, _ = parse(page(entry("openai-gpt-4o", per_million(1, 2)), entry("x", per_million(1, 2), None)))

    assert list(reading.values) == ["openai-gpt-4o", "openai/openai-gpt-4o", "x"]


@pytest.mark.parametrize("pricing", [None, per_million(0, 0)], ids=["none", "zeros"])
def test_prices_that_nobody_filled_in_are_unknown(pricing: Any) -> None:
    """Zeros stand there for models that are not sold by the token."""
    reading, _ = parse(page(entry("m", pricing)))

    assert (reading.values, reading.ignored) == ({}, 0)


@pytest.mark.parametrize(
    "odd",
    [
        entry("m", per_million(-1, 2)),
        entry("m", per_million("1", 2)),
        entry("m", {"input_price_per_million": 1}),
        entry("m", []),
        {"pricing": per_million(1, 2)},
        "m",
        None,
    ],
    ids=json.dumps,
)
def test_what_is_no_price_is_left_out_and_counted(odd: Any) -> None:
    """And costs the others nothing."""
    reading, _ = parse(page(odd, entry("good", per_million(1, 2), None)))

    assert (list(reading.values), reading.ignored) == (["good"], 1)


async def test_all_pages_are_read() -> None:
    """A catalogue that grows must not lose the models behind the first page."""
    network = Network(
        page(entry("a", per_million(1, 2), None), "odd", pages=3),
        page(entry("b", per_million(1, 2), None), number=2, pages=3),
        page(entry("c", per_million(1, 2), None), "odd", number=3, pages=3),
    )

    reading = await read(network, None)

    assert (list(reading.values), reading.ignored) == (["a", "b", "c"], 2)
    assert network.asked == [URL, f"{URL}&page=2", f"{URL}&page=3"]


async def test_a_catalogue_without_an_end_is_left() -> None:
    """A page count is the service's word, and may be wrong."""
    network = Network(page(entry("a", per_million(1, 2)), pages=10**9))

    await read(network, "http://mirror/catalog")

    assert (len(network.asked), network.asked[-1]) == (MOST_PAGES, f"http://mirror/catalog?page={MOST_PAGES}")


async def test_a_page_that_cannot_be_read_fails_the_reading() -> None:
    """Half a catalogue would push the other half of the models to the end."""
    with pytest.raises(SourceFailed, match="503"):
        await read(Network(page(entry("a", per_million(1, 2)), pages=2), DOWN), None)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"data": {}}', b'{"data": []}', b'{"data": [null]}'])
async def test_a_document_without_prices_is_a_failure(body: bytes) -> None:
    """Then the last good prices stay."""
    with pytest.raises(SourceFailed):
        await read(Network(body), None)


def test_its_own_models_are_found_without_an_alias() -> None:
    """Others are, when they go by creator and id here as well."""
    own, other = keys_of(ModelId("digitalocean/openai-gpt-4o")), keys_of(ModelId("openai/gpt-4o"))

    assert (own, other) == (("openai-gpt-4o",), ("openai/gpt-4o",))
