"""A snapshot as a scraper reads it: Prometheus text or OpenMetrics, as it asked.

Importing this loads prometheus_client, which takes longer than a start of the gateway may spend
on it: import it when the first scrape comes, and off the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from plano import __version__
from plano.errors import UpstreamRefused
from plano.observe import vocabulary as words
from plano.observe.distribution import Distribution
from plano.observe.failure_counts import FailureCounts
from plano.observe.gauges import Gauges
from plano.observe.key_counts import KeyCounts
from plano.observe.metrics import CODES, STEPS, Cell, Snapshot
from plano.observe.routing_counts import RoutingCounts
from plano.observe.upkeep import Upkeep

Labels = TypeVar("Labels", bound=tuple[str, ...])
Series = dict[tuple[str, ...], Distribution]


def render(snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
    """The content type and the body that answer a scrape with this `Accept` header.

    Beside the snapshot it shows the process that renders: memory, descriptors, start time.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(snapshot))
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class _Families(Collector):
    """The vocabulary's families, filled from one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        cells = self._snapshot.cells
        failures = self._snapshot.failures
        yield _histogram(words.TOKEN_USAGE, _token_usage(cells, failures))
        yield _histogram(words.OPERATION_DURATION, _durations(cells))
        yield _histogram(words.TIME_TO_FIRST_TOKEN, _by_model(cells, lambda cell: cell.first_token))
        yield _histogram(words.TIME_PER_OUTPUT_TOKEN, _by_model(cells, lambda cell: cell.per_token))
        yield _counter(words.REQUESTS, _requests(cells))
        yield _counter(words.DECISIONS, _decisions(cells))
        yield _counter(words.ERRORS, _errors(cells))
        yield _counter(words.ATTEMPTS, {(): sum(cell.attempts for cell in cells)})
        yield from _failures(failures, self._snapshot.routing)
        yield from _routing(self._snapshot.routing)
        yield from _keys(self._snapshot.keys)
        yield from _gauges(self._snapshot.gauges)
        yield from _upkeep(self._snapshot.upkeep)
        yield _gauge(words.IN_FLIGHT, {(): self._snapshot.in_flight})
        yield _counter(words.LOG_LINES_DROPPED, {(): self._snapshot.log_lines_dropped})
        yield _counter(words.RECORDS_LOST, {(): self._snapshot.records_lost})
        build = words.BUILD.name.removesuffix("_info")
        yield InfoMetricFamily(build, words.BUILD.help, {words.VERSION: __version__})


def _failures(counts: FailureCounts, routing: RoutingCounts) -> Iterator[Metric]:
    failed = {
        (*_provider_and_model(model), error): count for (model, error), count in counts.attempts.items()
    }
    yield _counter(words.ATTEMPTS_FAILED, failed)
    yield _counter(
        words.FALLBACKS, {_provider_and_model(model): count for model, count in counts.fallbacks.items()}
    )
    skipped = {**routing.skipped, words.RESTING: counts.set_back}
    yield _counter(words.SKIPPED, _each_of(words.SKIP_REASONS, skipped))
    yield _counter(words.SHED, _each_of(words.SHED_REASONS, counts.shed))


def _each_of(values: Iterable[str], counts: Mapping[str, int]) -> dict[tuple[str], int]:
    """Every value from the start, so that a rate over its first count is not lost."""
    return {(value,): counts.get(value, 0) for value in values}


def _upkeep(upkeep: Upkeep) -> Iterator[Metric]:
    yield _counter(words.RELOADS, _each_of(words.RELOAD_OUTCOMES, upkeep.reloads))
    yield _counter(words.RESTARTS, _each_of(words.RESTART_REASONS, upkeep.restarts))
    yield _counter(words.LOOP_BLOCKED, {(): upkeep.loop_blocked})
    yield _counter(words.KEYS_UNTOLD, {(): upkeep.key_answers_untold})
    yield _counter(words.SESSION_LINES_DROPPED, {(): upkeep.session_lines_dropped})


def _keys(counts: KeyCounts) -> Iterator[Metric]:
    yield _counter(words.KEY_REQUESTS, counts.requests)
    yield _counter(words.KEY_TOKENS, counts.tokens)
    yield _counter(words.KEY_COST, {(key,): usd for key, usd in counts.usd.items()})
    yield _counter(words.KEY_ALONE, {(key,): count for key, count in counts.alone.items()})


def _routing(counts: RoutingCounts) -> Iterator[Metric]:
    yield _counter(words.VERDICTS, counts.verdicts)
    durations = {(router,): distribution for router, distribution in counts.durations.items()}
    yield _histogram(words.ROUTER_DURATION, durations)
    yield _counter(words.ROUTES, {(route,): count for route, count in counts.routes.items()})
    yield _counter(words.LOOKUPS, counts.lookups)
    yield _counter(words.STORES, counts.stores)
    yield _counter(words.REPLAYS, {(): counts.replays})
    yield _counter(words.SWITCHES, {(reason,): count for reason, count in counts.switches.items()})
    yield _counter(words.SWITCHES_VETOED, {(): counts.vetoed})


def _gauges(gauges: Gauges) -> Iterator[Metric]:
    sessions = gauges.affinity_sessions
    yield _gauge(words.AFFINITY_DEGRADED, {(): gauges.affinity_degraded})
    yield _gauge(words.AFFINITY_SESSIONS, {} if sessions is None else {(): sessions})
    yield _gauge(words.KEYS_DEGRADED, {(): gauges.keys_degraded})
    yield _gauge(words.RESTING_NOW, {(): gauges.candidates_resting})
    yield _gauge(words.LOOP_BLOCKED_LONGEST, {(): gauges.loop_blocked_longest_s})
    last = gauges.last_reload
    yield _gauge(words.RELOAD_SUCCESSFUL, {} if last is None else {(): int(last.was_successful)})
    yield _gauge(words.RELOAD_SUCCESS_TIME, {} if last is None else {(): last.succeeded_at})
    yield _gauge(words.QUOTES_AGE, {(source,): age_s for source, age_s in gauges.quotes_age_s.items()})


def _gauge(family: words.Family, values: Mapping[Labels, float]) -> Metric:
    metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in values.items():
        metric.add_metric(labels, value)
    return metric


def _counter(family: words.Family, counts: Mapping[Labels, float]) -> Metric:
    metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for labels, count in counts.items():
        metric.add_metric(labels, count)
    return metric


def _histogram(family: words.Family, series: Mapping[Labels, Distribution]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels, distribution in series.items():
        metric.add_metric(labels, _cumulated(family.bounds, distribution.counts), distribution.total)
    return metric


def _cumulated(bounds: Iterable[float], counts: list[int]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    sum_so_far = 0
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        sum_so_far += count
        buckets.append((_bound_label(bound), sum_so_far))
    return buckets


def _bound_label(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # the library has no annotation here


def _add(series: Series, labels: tuple[str, ...], distribution: Distribution) -> None:
    if not any(distribution.counts):
        return
    series.setdefault(labels, Distribution([0] * len(distribution.counts))).add(distribution)


def _model_labels(cell: Cell) -> tuple[str, str, str]:
    return words.CHAT, *_provider_and_model(cell.labels.model)


def _provider_and_model(model: str) -> tuple[str, str]:
    provider = model.partition("/")[0]
    return words.WELL_KNOWN_PROVIDERS.get(provider, provider), model


def _by_model(cells: Iterable[Cell], part: Callable[[Cell], Distribution]) -> Series:
    series: Series = {}
    for cell in cells:
        _add(series, _model_labels(cell), part(cell))
    return series


def _token_usage(cells: Iterable[Cell], failures: FailureCounts) -> Series:
    series: Series = {}
    for cell in cells:
        _add(series, (*_model_labels(cell), words.INPUT), cell.input_tokens)
        _add(series, (*_model_labels(cell), words.OUTPUT), cell.output_tokens)
    for kind, counts in ((words.INPUT, failures.input_tokens), (words.OUTPUT, failures.output_tokens)):
        for model, distribution in counts.items():
            _add(series, (words.CHAT, *_provider_and_model(model), kind), distribution)
    return series


def _durations(cells: Iterable[Cell]) -> Series:
    series: Series = {}
    for cell in cells:
        _add(series, (*_model_labels(cell), _error_type(cell)), cell.duration)
    return series


def _error_type(cell: Cell) -> str:
    """Our code, or the status of a provider's own error that was passed on; empty when it went well."""
    code, status = cell.labels.code, cell.labels.status
    if (code and code != UpstreamRefused.code) or status[0] not in "45":
        return code
    return words.OTHER if status.endswith("xx") else status


def _requests(cells: Iterable[Cell]) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for cell in cells:
        status = cell.labels.status
        status_class = status if status == words.NONE else f"{status[0]}xx"
        labels = (cell.labels.dialect, cell.labels.decision, status_class)
        counts[labels] = counts.get(labels, 0) + cell.requests
    return counts


def _decisions(cells: Iterable[Cell]) -> dict[tuple[str, ...], int]:
    # Every step from the start, so that a rate over the first request is not lost.
    counts: dict[tuple[str, ...], int] = {(step,): 0 for step in STEPS}
    for cell in cells:
        if cell.labels.decision != words.NONE:
            step = (cell.labels.decision,)
            counts[step] = counts.get(step, 0) + cell.requests
    return counts


def _errors(cells: Iterable[Cell]) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {(code,): 0 for code in CODES}
    for cell in cells:
        if cell.labels.code:
            code = (cell.labels.code,)
            counts[code] = counts.get(code, 0) + cell.requests
    return counts
