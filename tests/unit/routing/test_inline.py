"""Routes that requests bring, remembered."""

from __future__ import annotations

import json

import msgspec
import pytest

from plano.catalog.build import build
from plano.config.configuration import Configuration, ProviderRow
from plano.errors import InvalidRequest
from plano.routing.inline import MOST_REMEMBERED, InlineRoutes


def inline_routes() -> InlineRoutes:
    row = ProviderRow("openai/gpt-5", "best", ("model_providers", 0))
    return InlineRoutes(build(Configuration("x", providers=(row,), aliases={"*": "best"})))


def raw(name: str, model: str = "best") -> msgspec.Raw:
    return msgspec.Raw(json.dumps([{"name": name, "description": "", "models": [model]}]).encode())


def test_equal_bytes_give_the_same_routes() -> None:
    """Every step of an agent's loop brings the same ones; what was embedded for them is kept by object."""
    inline = inline_routes()

    assert inline.read(raw("a")) is inline.read(raw("a"))


def test_what_was_used_last_is_kept_and_the_oldest_forgotten() -> None:
    """Clients may bring any number of sets; the ones in use stay."""
    inline = inline_routes()
    first, second = inline.read(raw("first")), inline.read(raw("second"))

    for at in range(MOST_REMEMBERED - 1):
        inline.read(raw(str(at)))
        inline.read(raw("first"))

    assert (inline.read(raw("first")) is first, inline.read(raw("second")) is second) == (True, False)


def test_null_brings_no_routes() -> None:
    """Null counts as absent, as everywhere in a body."""
    assert inline_routes().read(msgspec.Raw(b"null")) is None


def test_the_catch_all_declares_nothing() -> None:
    """An alias that answers to any name would make every slip of the pen a candidate."""
    with pytest.raises(InvalidRequest, match=r"models\[0\]: 'bset' is not a declared model \(did you mean"):
        inline_routes().read(raw("a", "bset"))


def test_a_refused_set_is_refused_again() -> None:
    """Only what was read is remembered."""
    inline = inline_routes()

    for _ in range(2):
        with pytest.raises(InvalidRequest):
            inline.read(raw("a", "nobody"))
