"""Latencies from a Prometheus: an instant query whose series are labelled with the model's name.

https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries. Each series needs the label
`model_name`; several series of one model count with their mean. Values are taken for seconds, but only
their order matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean

import msgspec

from plano.catalog.names import ModelId
from plano.quotes.fetch import Fetch, SourceFailed, with_query
from plano.quotes.reading import UNUSABLE, Reading, decoded, offloaded

LABEL = "model_name"
_EXPECTED = "a Prometheus answer to an instant query"


class _Series(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]
    """When, and how much: as text, since it may be NaN."""


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - Prometheus's own name
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None


async def read(fetch: Fetch, url: str, query: str) -> Reading[float]:
    """Raises SourceFailed."""
    return await offloaded(parse, await fetch.get(query_url(url, query)))


def query_url(url: str, query: str) -> str:
    """Where to ask, under Prometheus's address `url`."""
    bare, mark, own = url.partition("#")[0].partition("?")
    return with_query(f"{bare.rstrip('/')}/api/v1/query{mark}{own}", "query", query)


def parse(document: bytes) -> Reading[float]:
    """Seconds by the label's value. Raises SourceFailed for another form, or when no series has the label."""
    answer = decoded(document, _Answer, expected=_EXPECTED)
    if answer.status != "success" or answer.data is None:
        raise SourceFailed("the query failed; expected status 'success'")
    if answer.data.resultType != "vector":
        raise SourceFailed(f"the query's result is no vector; expected one series a model ({LABEL!r})")
    series = decoded(answer.data.result, list[msgspec.Raw], expected=_EXPECTED)
    seconds: dict[str, list[float]] = {}
    unlabelled = ignored = 0
    for entry in series:
        try:
            name, value = _labelled(msgspec.json.decode(entry, type=_Series))
        except UNUSABLE:
            ignored += 1
            continue
        if name:
            seconds.setdefault(name, []).append(value)
        else:
            unlabelled += 1
    if unlabelled and not seconds:
        raise SourceFailed(f"no series has the label {LABEL!r}; expected e.g. avg by ({LABEL}) (…)")
    return Reading({name: fmean(values) for name, values in seconds.items()}, ignored + unlabelled)


def by_model(seconds: Mapping[str, float], names: Mapping[str, ModelId]) -> dict[str, float]:
    """The same by our models: series may be labelled with any name that one of ours has."""
    return {names.get(name, name): value for name, value in seconds.items()}


def _labelled(series: _Series) -> tuple[str, float]:
    """Raises ValueError for what is no time: NaN (nothing was asked meanwhile), infinite, none at all."""
    value = float(series.value[1])
    if not math.isfinite(value) or value <= 0:
        raise ValueError("expected a time above zero")
    return series.metric.get(LABEL, ""), value
