"""Latencies of a Prometheus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plano.catalog.names import ModelId
from plano.quotes.fetch import SourceFailed
from plano.quotes.prometheus import by_model, parse, query_url, read
from tests.unit.quotes.fakes import Network


def answer(*series: Any, kind: str = "vector", status: str = "success") -> bytes:
    return json.dumps({"status": status, "data": {"resultType": kind, "result": series}}).encode()


def series(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1790000000.123, value]}


def test_a_series_goes_by_its_label() -> None:
    """The one that the original's documentation names; others are of no concern."""
    reading = parse(answer(series("0.85", model_name="openai/gpt-4o", job="x"), series("1", model_name="b")))

    assert (reading.values, reading.ignored) == ({"openai/gpt-4o": 0.85, "b": 1.0}, 0)


def test_several_series_of_a_model_count_with_their_mean() -> None:
    """One for each pod, say: which one comes last must not decide."""
    parsed = parse(answer(series("1", model_name="a", pod="1"), series("3", model_name="a", pod="2")))

    assert parsed.values == {"a": 2.0}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "0", "", "fast"])
def test_what_is_no_time_is_left_out_and_counted(value: str) -> None:
    """A rate over no requests is NaN; a model nobody asked is not the fastest."""
    reading = parse(answer(series(value, model_name="a"), series("1", model_name="b")))

    assert (reading.values, reading.ignored) == ({"b": 1.0}, 1)


@pytest.mark.parametrize(
    "odd", [series("1"), series("1", model="a"), {"metric": {"model_name": "a"}, "value": [1, 2]}, None, []]
)
def test_a_series_of_another_form_is_left_out_and_counted(odd: Any) -> None:
    """And costs the others nothing."""
    reading = parse(answer(odd, series("1", model_name="b")))

    assert (reading.values, reading.ignored) == ({"b": 1.0}, 1)


def test_nothing_measured_is_an_answer() -> None:
    """A quiet night: what was measured in the evening no longer counts."""
    assert parse(answer()).values == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (answer(series("1", model="a")), "'model_name'"),
        (answer(kind="matrix"), "vector"),
        (answer(status="error"), "'success'"),
        (b'{"status":"error","errorType":"bad_data","error":"1:5: parse error"}', "'success'"),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}', "vector"),
        (b'{"status":"success","data":{"resultType":"vector","result":{}}}', "form"),
        (b"<html>", "JSON"),
        (b"[]", "form"),
    ],
    ids=["no label", "matrix", "error", "error without data", "scalar", "no list", "html", "list"],
)
def test_an_answer_to_another_question_is_a_failure(body: bytes, said: str) -> None:
    """With what would help; nothing that the server said is repeated."""
    with pytest.raises(SourceFailed, match=said):
        parse(body)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://p:9090", "http://p:9090/api/v1/query?query=up%7Ba%3D%22b%22%7D"),
        ("http://p:9090/", "http://p:9090/api/v1/query?query=up%7Ba%3D%22b%22%7D"),
        ("https://p/prom?tenant=1", "https://p/prom/api/v1/query?tenant=1&query=up%7Ba%3D%22b%22%7D"),
    ],
)
def test_the_query_goes_under_the_address(url: str, asked: str) -> None:
    """With and without a path, and what an address asks for already."""
    assert query_url(url, 'up{a="b"}') == asked


async def test_one_query_is_asked() -> None:
    """At one moment: now."""
    network = Network(answer(series("1", model_name="a")))

    reading = await read(network, "http://p", "up")

    assert (reading.values, network.asked) == ({"a": 1.0}, ["http://p/api/v1/query?query=up"])


def test_series_may_be_labelled_with_any_name_of_a_model() -> None:
    """Whoever measures may know the alias only; a member of a wildcard has its name in full."""
    names = {"mini": ModelId("openai/gpt-4o-mini")}

    assert by_model({"mini": 1.0, "anthropic/claude": 2.0}, names) == {
        "openai/gpt-4o-mini": 1.0,
        "anthropic/claude": 2.0,
    }
