"""What a scraper gets: the vocabulary's families, in a text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from plano import __version__
from plano.catalog.names import ModelId
from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord
from plano.observe.exposition import render
from plano.observe.gauges import Gauges, LastReload
from plano.observe.metrics import Metrics, Snapshot
from plano.observe.routing_counts import RoutingCounter
from plano.observe.upkeep import Upkeep
from plano.observe.vocabulary import FAMILIES, Family
from tests.unit.observe.records import answered, bare, failed, judged, said, skipped

OPENMETRICS = "application/openmetrics-text; version=1.0.0; q=0.8, text/plain; version=0.0.4; q=0.3"
Sample = tuple[str, frozenset[tuple[str, str]]]


GAUGES = Gauges(1, 5, {"digitalocean": 12.5}, 2, 1.5, LastReload(False, 1762079472.5))
UPKEEP = Upkeep({"refused": 3}, {"died": 2}, 4, 6)


def snapshot(*records: ExchangeRecord, in_flight: int = 0) -> Snapshot:
    metrics = Metrics(
        [ModelId("openai/gpt-4o-mini"), ModelId("azure_openai/*"), ModelId("mine/llama")],
        RoutingCounter(routers=["mine/orchestrator", "embedded"], routes=["code"], store="memory"),
    )
    metrics.take(records)
    return metrics.snapshot(
        in_flight=in_flight, log_lines_dropped=7, records_lost=1, gauges=GAUGES, upkeep=UPKEEP
    )


def samples(scraped: Snapshot) -> dict[Sample, float]:
    _, body = render(scraped, "")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text(body.decode())
        for sample in family.samples
    }


def named(found: dict[Sample, float], name: str) -> dict[frozenset[tuple[str, str]], float]:
    return {labels: value for (sample, labels), value in found.items() if sample == name}


def labelled(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


@pytest.mark.parametrize(
    ("accept", "content_type", "read"),
    [
        pytest.param("", "text/plain; version=0.0.4; charset=utf-8", read_text, id="nothing said"),
        pytest.param("*/*", "text/plain; version=0.0.4; charset=utf-8", read_text, id="a browser"),
        pytest.param(
            OPENMETRICS,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            openmetrics.text_string_to_metric_families,
            id="Prometheus",
        ),
    ],
)
def test_every_family_is_read_back_in_the_form_that_was_asked_for(
    accept: str, content_type: str, read: Callable[[str], Iterable[Metric]]
) -> None:
    """One line that does not parse costs the whole scrape."""
    well = answered(
        reasons=(judged("matched"),), failed=(failed(),), key="research", usd=0.5, is_counted_alone=True
    )
    records = well, bare(status=400, code="no_model")
    told, body = render(snapshot(*records), accept)
    families = {family.name: family for family in read(body.decode())}

    found = [_as_declared(family, families) for family in FAMILIES]

    assert (told, found) == (content_type, [(family.name, set(family.labels)) for family in FAMILIES])


def _as_declared(declared: Family, read: dict[str, Metric]) -> tuple[str, set[str]]:
    """The name and the labels under which a declared family was found."""
    base = declared.name.removesuffix("_total")
    family = read.get(base) or read.get(base.removesuffix("_info")) or read[declared.name]
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    return declared.name, labels


def test_a_histogram_is_cumulated() -> None:
    """`le` means at most: each bucket holds those below it."""
    found = samples(snapshot(answered(), answered(ended=100.75), answered(ended=9999.5)))
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": "openai/gpt-4o-mini",
        "error_type": "",
    }
    name = "gen_ai_client_operation_duration_seconds"

    buckets = named(found, f"{name}_bucket")

    assert [buckets[labelled(**labels, le=bound)] for bound in ("0.16", "0.32", "2.56", "81.92", "+Inf")] == [
        *(0, 1, 2, 2, 3),
    ]
    assert found[f"{name}_sum", labelled(**labels)] == 2.5 + 0.25 + 9899.0


@pytest.mark.parametrize(
    ("status", "code", "error_type"),
    [
        (200, None, ""),
        (200, "upstream_broke", "upstream_broke"),
        (429, None, "429"),
        (418, None, "_OTHER"),
        (504, "upstream_timeout", "upstream_timeout"),
        (None, None, ""),
    ],
)
def test_an_error_has_a_type(status: int | None, code: str | None, error_type: str) -> None:
    """Our code where there is one, else the status the provider gave."""
    found = samples(snapshot(answered(status=status, code=code)))
    (labels,) = named(found, "gen_ai_client_operation_duration_seconds_count")

    assert dict(labels)["error_type"] == error_type


@pytest.mark.parametrize(
    ("chosen", "provider", "model"),
    [
        ("openai/gpt-4o-mini", "openai", "openai/gpt-4o-mini"),
        ("azure_openai/my-deployment", "azure.ai.openai", "azure_openai/*"),
        ("mine/llama", "mine", "mine/llama"),
        ("gone/llama", "_OTHER", "_OTHER"),
    ],
)
def test_providers_go_by_the_conventions_names(chosen: str, provider: str, model: str) -> None:
    """Other programs of the same company report under these."""
    found = samples(snapshot(answered(chosen=ModelId(chosen))))
    (labels,) = named(found, "gen_ai_server_time_to_first_token_seconds_count")

    assert (dict(labels)["gen_ai_provider_name"], dict(labels)["gen_ai_request_model"]) == (provider, model)


def test_tokens_are_told_apart_by_type() -> None:
    """What is read and what is written have different prices."""
    found = samples(snapshot(answered(), answered(code="client_left", status=499)))

    assert {
        dict(labels)["gen_ai_token_type"]: total
        for labels, total in named(found, "gen_ai_client_token_usage_sum").items()
    } == {"input": 240, "output": 10}


def test_requests_decisions_errors_and_gauges_add_up() -> None:
    """The first graph anybody draws."""
    found = samples(
        snapshot(
            answered(),
            answered(attempts=2),
            answered(status=429, decision="explicit"),
            bare(status=400, code="no_model"),
            bare(),
            in_flight=3,
        )
    )

    assert named(found, "plano_requests_total") == {
        labelled(dialect="openai_chat", decision="alias", status_class="2xx"): 2,
        labelled(dialect="openai_chat", decision="explicit", status_class="4xx"): 1,
        labelled(dialect="none", decision="none", status_class="4xx"): 1,
        labelled(dialect="none", decision="none", status_class="none"): 1,
    }
    assert named(found, "plano_decisions_total") == {
        labelled(step="explicit"): 1,
        labelled(step="alias"): 2,
        labelled(step="affinity"): 0,
        labelled(step="preference"): 0,
        labelled(step="default"): 0,
    }
    assert {labels: count for labels, count in named(found, "plano_errors_total").items() if count} == {
        labelled(code="no_model"): 1
    }
    assert [
        found[name, labelled()]
        for name in (
            "plano_attempts_total",
            "plano_requests_in_flight",
            "plano_log_lines_dropped_total",
            "plano_records_lost_total",
        )
    ] == [4, 3, 7, 1]


def test_what_routing_and_sessions_came_to_is_told() -> None:
    """Under the words that the reasons have."""
    stood_in = judged("matched", passed=("mine/orchestrator",), elapsed_ms=2.0)
    found = samples(
        snapshot(
            answered(reasons=(said("miss"), stood_in), route="code"),
            answered(reasons=(said("hit"),), route="mine", is_user_turn=False),
            answered(reasons=(said("anew"), stood_in, said("cheaper")), route="code", has_switched=True),
            answered(reasons=(said("anew"), stood_in, said("over_budget")), route="code"),
        )
    )

    def those_of(name: str) -> dict[frozenset[tuple[str, str]], float]:
        return {labels: value for labels, value in named(found, name).items() if value}

    assert those_of("plano_router_verdicts_total") == {
        labelled(router="embedded", outcome="matched"): 3,
        labelled(router="mine/orchestrator", outcome="unable"): 3,
    }
    assert those_of("plano_routes_total") == {labelled(route="code"): 3, labelled(route="_OTHER"): 1}
    assert those_of("plano_affinity_lookups_total") == {
        labelled(store="memory", outcome="miss"): 1,
        labelled(store="memory", outcome="hit"): 1,
        labelled(store="memory", outcome="anew"): 2,
    }
    assert those_of("plano_affinity_switches_total") == {labelled(reason="cheaper"): 1}
    duration = "plano_router_duration_seconds"
    assert [
        found[f"{duration}_bucket", labelled(router="embedded", le=le)] for le in ("0.001", "0.0025")
    ] == [
        *(0, 3),
    ]
    assert [
        found[f"plano_affinity_{name}", labelled()]
        for name in ("replays_total", "switches_vetoed_total", "degraded", "sessions")
    ] == [1, 1, 1, 5]
    assert named(found, "plano_quotes_age_seconds") == {labelled(source="digitalocean"): 12.5}


def test_failures_and_who_stood_in_are_told() -> None:
    """Which provider is down, although every client has its answer."""
    timed_out = failed(usage=Usage(input_tokens=100, output_tokens=3))
    found = samples(
        snapshot(
            answered(
                chosen=ModelId("mine/llama"), preferred=ModelId("openai/gpt-4o-mini"), failed=(timed_out,)
            ),
            answered(chosen=ModelId("mine/llama"), preferred=ModelId("azure_openai/my-own"), set_back=2),
            answered(preferred=ModelId("openai/gpt-4o-mini"), failed=(failed(), failed())),
            answered(
                chosen=ModelId("mine/llama"),
                preferred=ModelId("openai/gpt-4o-mini"),
                failed=(
                    failed(code="upstream_error", status=503),
                    failed(code="upstream_error", status=599),
                    failed("gone/model", "upstream_auth", 401),
                ),
                ending="upstream_failed",
            ),
            bare(shed="memory", code="overloaded", status=503, ending="gateway_failed"),
            answered(reasons=(skipped("no_images"),)),
        )
    )

    def those_of(name: str) -> dict[frozenset[tuple[str, str]], float]:
        return {labels: value for labels, value in named(found, name).items() if value}

    mini = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "openai/gpt-4o-mini"}
    azure = {"gen_ai_provider_name": "azure.ai.openai", "gen_ai_request_model": "azure_openai/*"}
    gone = {"gen_ai_provider_name": "_OTHER", "gen_ai_request_model": "_OTHER"}
    assert those_of("plano_attempts_failed_total") == {
        labelled(**mini, error_type="upstream_timeout"): 3,
        labelled(**mini, error_type="503"): 1,
        labelled(**mini, error_type="_OTHER"): 1,
        labelled(**gone, error_type="upstream_auth"): 1,
    }
    assert those_of("plano_fallbacks_total") == {labelled(**mini): 1, labelled(**azure): 1}
    assert those_of("plano_candidates_skipped_total") == {
        labelled(reason="resting"): 2,
        labelled(reason="no_images"): 1,
    }
    assert those_of("plano_requests_shed_total") == {labelled(reason="memory"): 1}
    tokens = {"gen_ai_operation_name": "chat", "gen_ai_token_type": "input"}
    assert those_of("gen_ai_client_token_usage_sum")[labelled(**mini, **tokens)] == 100 + 2 * 120


def test_what_befalls_the_processes_is_told() -> None:
    """What did not happen is 0, and can be told from what nobody counts."""
    found = samples(snapshot())

    assert {
        (name, *dict(labels).values()): found[name, labels]
        for name, labels in found
        if name.startswith(("plano_config", "plano_worker", "plano_event", "plano_session_log"))
        and not name.endswith("_created")
    } == {
        ("plano_config_reloads_total", "taken"): 0,
        ("plano_config_reloads_total", "refused"): 3,
        ("plano_config_last_reload_successful",): 0,
        ("plano_config_last_reload_success_timestamp_seconds",): 1762079472.5,
        ("plano_worker_restarts_total", "died"): 2,
        ("plano_worker_restarts_total", "rolled"): 0,
        ("plano_event_loop_blocked_total",): 4,
        ("plano_event_loop_blocked_longest_seconds",): 1.5,
        ("plano_session_log_lines_dropped_total",): 6,
    }
    assert found["plano_candidates_resting", labelled()] == 2


def test_what_is_not_known_has_no_sample() -> None:
    """No sessions in this process is not the same as no sessions."""
    found = samples(Snapshot())

    assert (named(found, "plano_affinity_sessions"), named(found, "plano_quotes_age_seconds")) == ({}, {})


def test_every_error_code_is_there_before_it_happens() -> None:
    """A counter that appears with its first error hides that error from `rate()`."""
    found = samples(Snapshot())

    assert found["plano_errors_total", labelled(code="upstream_timeout")] == 0


def test_the_process_and_the_version_are_shown() -> None:
    """Memory and descriptors are what runs out; the version is what was changed."""
    found = samples(Snapshot())

    assert found["plano_build_info", labelled(version=__version__)] == 1
    assert min(
        found[name, labelled()]
        for name in ("process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds")
    )
