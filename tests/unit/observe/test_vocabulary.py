"""Dashboards, alerts and log queries hang on these words: changing one has to be meant."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from plano.exchange.record import Ending, Phase
from plano.observe import vocabulary
from plano.observe.vocabulary import ENDED_BY, ENDED_IN, FAMILIES, FailedObject, LogLine, RoutedLine
from plano.routing.decision import Kind

DOCUMENT = Path(__file__).parents[3] / "docs" / "observability.md"


def test_log_fields_are_pinned() -> None:
    """A field that is renamed goes missing from somebody's query without an error."""
    assert LogLine.__struct_fields__ == (
        "time",
        "request_id",
        "method",
        "path",
        "stream",
        "ending",
        "phase",
        "attempts",
        "bytes_in",
        "bytes_out",
        "status",
        "code",
        "client",
        "dialect",
        "requested_model",
        "chosen_model",
        "served_model",
        "provider",
        "decision",
        "route",
        "finish_reason",
        "upstream_id",
        "decided_ms",
        "sent_ms",
        "first_byte_ms",
        "first_content_ms",
        "total_ms",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_creation_tokens",
        "reasoning_tokens",
        "detail",
        "key",
        "preferred_model",
        "failed",
    )
    assert FailedObject.__struct_fields__ == (
        "model",
        "code",
        "ms",
        "status",
        "input_tokens",
        "output_tokens",
    )
    assert RoutedLine.__struct_fields__[len(LogLine.__struct_fields__) :] == (
        "router",
        "score",
        "margin",
        "affinity",
        "switch",
        "counterfactual_model",
    )


def test_metrics_are_pinned() -> None:
    """Names, kinds and labels; the first four are the GenAI conventions' in Prometheus spelling."""
    model = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")

    assert [(family.name, family.kind, family.labels) for family in FAMILIES] == [
        ("gen_ai_client_token_usage", "histogram", (*model, "gen_ai_token_type")),
        ("gen_ai_client_operation_duration_seconds", "histogram", (*model, "error_type")),
        ("gen_ai_server_time_to_first_token_seconds", "histogram", model),
        ("gen_ai_server_time_per_output_token_seconds", "histogram", model),
        ("plano_requests_total", "counter", ("dialect", "decision", "status_class")),
        ("plano_decisions_total", "counter", ("step",)),
        ("plano_errors_total", "counter", ("code",)),
        ("plano_attempts_total", "counter", ()),
        ("plano_attempts_failed_total", "counter", (*model[1:], "error_type")),
        ("plano_fallbacks_total", "counter", model[1:]),
        ("plano_candidates_skipped_total", "counter", ("reason",)),
        ("plano_candidates_resting", "gauge", ()),
        ("plano_requests_shed_total", "counter", ("reason",)),
        ("plano_router_verdicts_total", "counter", ("router", "outcome")),
        ("plano_router_duration_seconds", "histogram", ("router",)),
        ("plano_routes_total", "counter", ("route",)),
        ("plano_affinity_lookups_total", "counter", ("store", "outcome")),
        ("plano_affinity_stores_total", "counter", ("store", "outcome")),
        ("plano_affinity_replays_total", "counter", ()),
        ("plano_affinity_switches_total", "counter", ("reason",)),
        ("plano_affinity_switches_vetoed_total", "counter", ()),
        ("plano_affinity_degraded", "gauge", ()),
        ("plano_affinity_sessions", "gauge", ()),
        ("plano_quotes_age_seconds", "gauge", ("source",)),
        ("plano_key_requests_total", "counter", ("key", "outcome")),
        ("plano_key_tokens_total", "counter", ("key", "gen_ai_token_type")),
        ("plano_key_cost_usd_total", "counter", ("key",)),
        ("plano_key_requests_counted_alone_total", "counter", ("key",)),
        ("plano_keys_degraded", "gauge", ()),
        ("plano_key_answers_untold_total", "counter", ()),
        ("plano_requests_in_flight", "gauge", ()),
        ("plano_log_lines_dropped_total", "counter", ()),
        ("plano_session_log_lines_dropped_total", "counter", ()),
        ("plano_records_lost_total", "counter", ()),
        ("plano_config_reloads_total", "counter", ("outcome",)),
        ("plano_config_last_reload_successful", "gauge", ()),
        ("plano_config_last_reload_success_timestamp_seconds", "gauge", ()),
        ("plano_event_loop_blocked_total", "counter", ()),
        ("plano_event_loop_blocked_longest_seconds", "gauge", ()),
        ("plano_worker_restarts_total", "counter", ("reason",)),
        ("plano_build_info", "info", ("version",)),
    ]


def test_bucket_bounds_are_pinned() -> None:
    """Histograms of different programs can be added only when their buckets agree: those of the first four
    are the conventions'."""
    doubling = tuple(0.01 * 2**power for power in range(14))

    assert {family.name: family.bounds for family in FAMILIES if family.bounds} == {
        "plano_router_duration_seconds": (
            *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
        ),
        "gen_ai_client_token_usage": tuple(4**power for power in range(14)),
        "gen_ai_client_operation_duration_seconds": doubling,
        "gen_ai_server_time_to_first_token_seconds": (
            *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
            *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
        ),
        "gen_ai_server_time_per_output_token_seconds": (
            *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
        ),
    }


def test_label_values_are_pinned() -> None:
    """They stand in queries beside the names."""
    assert (
        vocabulary.CHAT,
        vocabulary.INPUT,
        vocabulary.OUTPUT,
        vocabulary.NONE,
        vocabulary.OTHER,
        vocabulary.WELL_KNOWN_PROVIDERS,
    ) == (
        "chat",
        "input",
        "output",
        "none",
        "_OTHER",
        {
            "amazon_bedrock": "aws.bedrock",
            "azure_openai": "azure.ai.openai",
            "chatgpt": "openai",
            "gemini": "gcp.gemini",
            "mistral": "mistral_ai",
            "moonshotai": "moonshot_ai",
            "xai": "x_ai",
        },
    )


def test_outcomes_are_pinned() -> None:
    """They are the words of the reasons: each of these has one place; two are ours."""
    outcomes = (*vocabulary.VERDICT_OUTCOMES, vocabulary.NOTHING_TO_READ, *vocabulary.LOOKUP_OUTCOMES)

    budget = ("over_budget", *vocabulary.SWITCH_REASONS[:-1])
    assert (*outcomes, *budget, *vocabulary.SKIP_REASONS[:-1]) == get_args(Kind)
    assert (vocabulary.SWITCH_REASONS[-1], vocabulary.SKIP_REASONS[-1]) == ("unbudgeted", "resting")


def test_reasons_and_outcomes_of_what_goes_wrong_are_pinned() -> None:
    """Alerts are for these."""
    assert (
        vocabulary.SKIP_REASONS,
        vocabulary.SHED_REASONS,
        vocabulary.RELOAD_OUTCOMES,
        vocabulary.RESTART_REASONS,
    ) == (
        ("context_too_small", "no_images", "no_tools", "no_structured_output", "resting"),
        ("connections", "bodies", "memory", "upstream_connections"),
        ("taken", "refused"),
        ("died", "rolled"),
    )


def test_every_ending_and_phase_has_a_letter_of_its_own() -> None:
    """Two phases under one letter would make the termination state useless where it is needed."""
    assert (tuple(ENDED_BY), tuple(ENDED_IN)) == (get_args(Ending), get_args(Phase))
    assert (len(set(ENDED_BY.values())), len(set(ENDED_IN.values()))) == (len(ENDED_BY), len(ENDED_IN))


def test_every_name_is_documented() -> None:
    """Who reads a log or a graph has only the document to learn what a word means."""
    document = DOCUMENT.read_text(encoding="utf-8")
    names: list[str] = [*RoutedLine.__struct_fields__, *vocabulary.VERDICT_OUTCOMES]
    names += [*FailedObject.__struct_fields__, *vocabulary.SKIP_REASONS, *vocabulary.SHED_REASONS]
    names += [*vocabulary.RELOAD_OUTCOMES, *vocabulary.RESTART_REASONS]
    names += [*vocabulary.LOOKUP_OUTCOMES, *vocabulary.SWITCH_REASONS, vocabulary.NOTHING_TO_READ]
    for family in FAMILIES:
        names += [family.name, *family.labels]

    missing = [name for name in names if f"`{name}`" not in document]

    assert missing == []
