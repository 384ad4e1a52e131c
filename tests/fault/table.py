"""What may go wrong, what must come of it, and which tests show that: one row a fault, one line a clause.

`python -m tests.fault.table` prints the files that hold them all, for `make fault`. A test of its own sees to
it that every name here is a test, and that no clause is empty.
"""

from __future__ import annotations

from pathlib import Path

PLACES = {
    "fault": "tests/fault",
    "redis": "tests/contract",
    "process": "tests/integration/process",
    "integration": "tests/integration",
    "http1": "tests/unit/http1",
    "log": "tests/unit/observe",
}
"""What stands before the slash of a file below."""

LIST = "fault/fallback every_fault_on_the_list"
NONE = "fault/fallback every_answer_that_is_none"
REACHED = "fault/network the_second_answers_for_one_that_is_not_reached"
ALONE = "fault/network one_that_is_not_reached_and_the_last_is_told_in_the_dialect"
MID_STREAM = "fault/network a_connection_that_breaks_in_mid_stream_is_told_in_the_stream"
BEFORE = "fault/network a_connection_that_breaks_before_any_content_costs_the_client_nothing"
LEAVES = "fault/departure a_client_that_leaves_takes_its_upstream_request_with_it"
WORDS = "fault/redis_words whatever_redis_says_costs_a_request_its_affinity_and_nothing_else"
BODY = "fault/requests a_body_that_cannot_be_read_is_refused_and_sent_nowhere"
HEAD = "fault/requests a_head_that_cannot_be_served_is_refused"
TWO_WAYS = "fault/smuggling a_request_that_can_be_read_in_two_ways_is_refused_and_hides_nothing"
ROUTER = "fault/router_model a_fault_costs_one_decision_and_nothing_else"
STANDS_IN = "fault/routing the_embedded_router_stands_in"
EVERY_BYTE = "fault/truncation a_stream_cut_at_any_byte_is_an_error_unless_its_terminal_event_was_seen"

TABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "upstream refuses, resets before headers, TLS or DNS fails": {
        "next candidate at once": (LIST, REACHED),
        "the last: 502 upstream_unreachable": (
            ALONE,
            "fault/upstream_connections an_upstream_that_is_not_there_is_unreachable",
            "fault/upstream_connections a_fresh_connection_that_ends_before_the_head_is_tried_once_more",
            "fault/upstream_connections tls_to_an_upstream_that_speaks_none_is_unreachable",
        ),
        "TLS is never weakened": ("fault/upstream_connections tls_is_verified_and_never_weakened", REACHED),
        "a network that is merely slow": ("fault/network a_slow_network_is_not_a_broken_one",),
    },
    "idle pooled connection closed by the peer as we write": {
        "one silent replay, body intact": (
            "fault/upstream_connections a_stale_connection_is_replaced_once_and_in_silence",
            "fault/upstream_connections a_connection_that_its_upstream_has_closed_is_not_used",
        ),
        "one, and no more": (
            "fault/upstream_connections a_stale_connection_is_replaced_by_a_fresh_one_and_no_further",
            "fault/upstream_connections a_used_connection_that_has_begun_to_answer_is_not_replaced",
        ),
        "nobody else's answer": ("fault/upstream_connections what_nobody_asked_for_reaches_nobody",),
    },
    "reset, FIN, clean EOF or garbage in mid-stream": {
        "before commit: next candidate": (LIST, NONE, BEFORE),
        "after: error event, FIN without last chunk": (LIST, MID_STREAM, EVERY_BYTE),
        "however HTTP was broken": ("fault/truncation other_ways_to_end_at_any_byte_are_no_quieter",),
        "a plain answer": ("fault/truncation half_of_a_plain_answer_is_an_error_with_its_status",),
        "never a forged terminal event": (
            EVERY_BYTE,
            "fault/truncation_in_clients every_client_raises_at_a_stream_that_was_cut_and_at_no_other",
            "fault/truncation_in_clients every_client_raises_at_half_of_a_plain_answer",
            "fault/truncation_in_clients a_whole_stream_succeeds_however_its_connection_ends",
        ),
        "usage so far recorded": (
            "fault/truncation_in_clients the_record_tells_what_was_learnt_before_the_cut",
            "fault/upstream_words the_log_has_the_status_that_was_sent",
        ),
        "the prelude is held up to its cap": (
            NONE,
            "fault/truncation a_prelude_over_its_cap_has_begun_to_go_out",
        ),
    },
    "silence: no headers, no content, a stall, a trickle of comments": {
        "the limit that applies": (
            "fault/silence silence_before_the_first_content_is_an_error_with_its_status",
            "fault/silence connecting_takes_no_longer_than_its_limit",
            "fault/silence an_upstream_that_does_not_take_the_request_is_given_up",
            "fault/silence comments_in_mid_stream_keep_it_alive",
            "fault/silence a_slow_reader_does_not_make_its_upstream_silent",
            "fault/fallback no_time_is_no_second_attempt",
            "fault/patience who_stands_in_for_one_that_rests_has_the_time_of_the_last",
        ),
        "before commit: next candidate": (LIST, NONE, REACHED),
        "after: told in the stream": (
            "fault/silence a_stall_in_mid_stream_is_told_in_the_stream",
            MID_STREAM,
        ),
        "the upstream sees its connection closed within a second": (
            LIST,
            "fault/silence silence_before_the_first_content_is_an_error_with_its_status",
        ),
    },
    "429, 5xx, 529, in-band error event": {
        "as the rules": (
            LIST,
            NONE,
            "fault/fallback a_limit_is_kept_to_and_over_when_it_said",
            "fault/fallback_failures the_client_is_told_when_the_first_of_them_is_back",
            "fault/fallback_failures a_return_is_told_with_a_failure_of_another_kind",
            "fault/fallback_failures four_candidates_are_three_attempts",
            "fault/fallback_failures the_last_failure_is_what_the_client_hears",
            "fault/upstream_errors the_only_candidate_is_asked_once_more_where_that_may_help",
        ),
        "an outage: at most 1.2 attempts a request": (
            "fault/fallback an_outage_of_the_first_costs_next_to_nothing",
            "fault/fallback an_outage_under_load_costs_a_fifth_at_most",
            "fault/fallback an_outage_of_everybody_is_told_at_once_and_once_each",
            "fault/health a_departing_client_lets_the_next_request_try",
            "fault/health a_drain_lets_nobody_wait",
        ),
        "in the caller's dialect when passed on": (
            "fault/upstream_errors a_providers_own_error_is_passed_on",
            "fault/upstream_errors an_error_that_clients_cannot_read_is_put_in_their_words",
            "fault/upstream_errors an_error_in_a_200_gets_the_status_it_deserves",
            "fault/upstream_errors an_error_event_before_any_content_is_an_error_with_a_status",
            "fault/upstream_errors an_error_event_after_content_is_relayed_and_recorded",
            "fault/upstream_errors a_response_that_failed_is_whole_and_recorded_as_failed",
            "fault/upstream_words when_to_come_back_is_told_although_the_body_is_replaced",
            "fault/upstream_words a_document_in_place_of_a_stream_is_read_for_its_error",
            "fault/last_words an_error_in_another_shape_is_told_in_the_clients",
            "fault/last_words an_error_event_is_the_end_although_the_provider_goes_on",
        ),
    },
    "401, 403 from upstream": {
        "no retry with that key": ("fault/fallback_failures a_refused_key_is_not_sent_again", LIST, NONE),
        "502 upstream_auth, never 401": (
            "fault/upstream_errors a_refused_key_is_the_gateways_trouble",
            "fault/upstream_words a_refused_key_is_not_quoted",
            "fault/last_words an_error_that_quotes_the_key_is_passed_on_without_it",
            "fault/last_words an_error_event_that_quotes_the_key_is_relayed_without_it",
            "fault/last_words a_key_that_is_refused_in_mid_stream_is_told_in_our_words",
            "fault/fallback_failures a_refused_key_is_hopeless_only_if_all_else_is",
        ),
        "the caller's own key": ("fault/upstream_errors a_refused_key_of_the_callers_own_is_its_trouble",),
    },
    "other 4xx": {
        "passed on": ("fault/upstream_errors a_providers_own_error_is_passed_on", LIST, NONE),
        "no retry": (NONE, "fault/upstream_errors the_only_candidate_is_asked_once_more_where_that_may_help"),
    },
    "body that is not JSON, empty 200, HTML, oversized, compressed bomb, 3xx": {
        "an upstream failure": (
            NONE,
            "fault/upstream_answers an_answer_that_is_none_is_the_upstreams_failure",
            "fault/upstream_answers an_answer_over_the_limit_is_the_upstreams_failure",
            "fault/upstream_answers a_plain_answer_over_the_limit_that_has_begun_to_go_out_ends_loudly",
            "fault/upstream_answers a_large_event_after_content_is_told_in_the_stream",
            "fault/upstream_errors an_endless_error_is_not_read_to_its_end",
        ),
        "redirects are never followed": (NONE, "fault/upstream_words a_redirect_is_beyond_trying_again"),
        "what only looks like it is served": (
            "fault/upstream_answers an_answer_that_is_compressed_unasked_is_relayed_in_clear",
            "fault/upstream_answers a_stream_is_known_by_its_events",
            "fault/upstream_answers interim_answers_are_swallowed",
        ),
    },
    "client leaves while reading the body, waiting for Redis, the router, the connect, the first token, "
    "mid-stream, between attempts": {
        "upstream closed at once": (
            LEAVES,
            "fault/departure departures_are_noticed_within_a_quarter_of_a_second",
            "fault/departure a_client_that_leaves_without_reading_its_stream_is_noticed",
            "fault/departure a_client_that_leaves_while_its_request_is_not_taken_ends_it",
            "fault/network a_client_behind_a_network_that_breaks_has_left",
            "fault/pipelining a_client_that_leaves_takes_what_it_sent_ahead_with_it",
        ),
        "reading the body": (LEAVES, "fault/network a_request_that_the_network_cuts_short_is_none"),
        "waiting for Redis": (
            "fault/affinity a_client_that_leaves_while_redis_is_asked_is_gone",
            "fault/redis_words a_client_that_leaves_while_redis_is_silent_is_gone",
        ),
        "the router": (
            "fault/routing a_client_that_leaves_while_the_router_thinks_takes_the_question_with_it",
            "fault/router_model a_client_that_leaves_takes_its_question_along",
        ),
        "the connect": ("fault/departure a_client_that_leaves_while_connecting_leaves_no_socket_behind",),
        "no further attempt": (
            "fault/fallback who_leaves_while_the_first_is_silent_pays_for_no_second",
            "fault/fallback who_leaves_while_the_second_is_silent_takes_it_along",
        ),
        "logged 499": (LEAVES,),
    },
    "client reads slowly": {
        "reading upstream pauses; at most 256 KiB held": (
            "fault/slow_reader a_client_that_does_not_read_stops_its_upstream",
            "fault/slow_reader the_kernel_holds_little_for_it_too",
            "fault/fallback a_client_that_does_not_read_holds_up_the_second_as_it_would_the_first",
        ),
        "dropped after the stall limit": (
            "fault/slow_reader a_client_that_takes_nothing_is_dropped_at_the_stall_limit",
            "fault/slow_reader a_client_that_reads_slowly_is_not_dropped",
        ),
    },
    "request: slow headers or body, huge headers, URL or body, unknown encoding, deep nesting (> 64), "
    "duplicate keys, invalid UTF-8, lone surrogates, NaN, wrong types": {
        "408": ("fault/requests a_request_that_takes_too_long_to_arrive_is_refused",),
        "431, 415": (HEAD, "fault/requests a_compressed_body_is_refused_although_it_could_be_read"),
        "414": ("fault/requests a_target_over_the_limit_is_refused",),
        "413": (
            "fault/requests a_body_over_the_limit_is_refused_before_it_is_read",
            "fault/requests bodies_that_are_too_many_together_are_shed",
        ),
        "400": (BODY, "fault/requests 64_levels_are_not_too_many"),
        "connection closed where framing is in doubt": (TWO_WAYS,),
    },
    "CL with TE, obfuscated TE, bare LF, control bytes, obs-fold, pipelining, absolute-form, doubled Host": {
        "refused": (TWO_WAYS,),
        "answered in order": (
            "fault/pipelining pipelined_requests_are_answered_in_order_streams_among_them",
            "fault/pipelining the_next_request_is_not_begun_before_the_answer_is_out",
            "fault/pipelining errors_keep_their_place_and_a_malformed_request_comes_last",
            "fault/pipelining a_loud_ending_is_the_last_of_its_connection",
        ),
        "the upstream never sees a request that the client did not send": (
            TWO_WAYS,
            "fault/smuggling what_is_odd_but_clear_is_served_and_goes_up_in_one_plain_form",
            "fault/smuggling a_query_cannot_break_out_of_the_request_line",
            "fault/smuggling a_request_id_that_is_none_is_replaced",
        ),
    },
    "affinity id empty, over 256 bytes, with control or non-ASCII bytes, doubled": {
        "400 invalid_affinity_id": (
            HEAD,
            "integration/refusals a_malformed_affinity_is_refused",
            "integration/affinity an_id_that_is_none_is_refused_as_one",
        ),
    },
    "Redis absent at start, dies, hangs, refuses auth, answers WRONGTYPE, LOADING, READONLY, OOM, MOVED, "
    "garbage or 10 MiB": {
        "no affinity for the request": (
            WORDS,
            "fault/affinity a_gateway_starts_and_serves_without_redis",
            "fault/affinity redis_goes_while_the_gateway_serves",
            "fault/redis_words a_pin_that_cannot_be_kept_costs_the_client_nothing",
            "redis/redis_faults whatever_answers_costs_affinity_alone",
        ),
        "50 ms at most, breaker": (
            "redis/redis_faults a_paused_redis_costs_a_request_its_50_ms_and_then_nothing",
            "redis/redis_faults a_full_pool_is_waited_for_no_longer_than_an_operation",
            "redis/redis_faults a_pause_between_two_commands_ends_in_time_too",
        ),
        "background probe, recovery by itself": (
            WORDS,
            "fault/redis_words redis_that_dies_and_returns_is_found_again",
            "redis/redis_faults a_store_starts_without_redis_and_finds_it_later",
            "redis/redis_faults a_killed_redis_is_noticed_and_found_again",
        ),
        "value read cap 4 KiB; never pickle": (
            "fault/redis_words a_value_is_read_as_a_pin_or_not_at_all",
            "fault/affinity what_stands_under_the_key_is_not_trusted",
            "redis/redis_faults of_a_long_value_only_the_beginning_is_sent",
        ),
        "the url's password never logged": (
            WORDS,
            "fault/affinity a_wrong_password_costs_the_affinity_and_is_never_shown",
            "redis/redis_faults a_wrong_password_is_told_without_the_password",
        ),
        "a reply belongs to whoever asked": (
            "redis/redis_cancellation no_reply_reaches_the_wrong_caller",
            "redis/redis_cancellation a_reply_that_comes_too_late_reaches_nobody",
        ),
        "limits of keys hold as far as a worker knows": (
            "fault/keys whatever_redis_says_a_worker_counts_by_itself",
        ),
    },
    "router model down, slow, wordy, wrong, injected with text from the user": {
        "the step abstains with a reason": (
            ROUTER,
            STANDS_IN,
            "fault/routing without_a_stand_in_the_request_goes_on_to_the_default",
            "fault/router_model one_that_takes_no_question_costs_the_decisions_time",
            "fault/router_model one_that_is_not_there_is_found_out_at_once",
        ),
        "own breaker": (
            "fault/router_model one_that_keeps_failing_is_left_alone_until_it_is_well",
            "fault/router_model only_one_asks_whether_it_is_well",
            "fault/routing a_router_model_that_is_not_there",
        ),
        "the answer can only be one of this request's candidates": (
            "fault/router_model one_that_lies_or_obeys_the_user_names_no_other_route",
            "fault/routing what_a_user_says_cannot_choose_outside_the_routes",
        ),
    },
    "configuration invalid at start, edited while running, half written, replaced by symlink": {
        "every problem printed, exit 1": ("process/start a_broken_file_is_told_with_all_its_problems",),
        "a running gateway keeps the old one and says so": (
            "process/reload one_that_is_invalid_changes_nothing",
            "process/reload a_file_that_is_gone_for_a_while_changes_nothing",
        ),
        "a new one is built whole, then swapped": (
            "process/reload a_hangup_takes_what_the_file_says_now",
            "process/reload a_change_of_the_file_needs_no_signal",
            "process/reload links_that_are_swapped_are_a_change",
        ),
        "in-flight requests keep theirs": ("process/reload what_is_under_way_keeps_what_it_has",),
    },
    "SIGTERM with streams in flight; rolling restart; worker killed": {
        "readiness off, Connection: close": (
            "process/draining a_draining_gateway_is_alive_and_not_ready",
            "process/draining idle_clients_are_told_before_they_are_left",
        ),
        "drain up to a limit, the rest get an error event": (
            "process/draining a_stream_in_flight_is_finished",
            "process/draining at_the_drain_limit_a_client_is_told_in_its_dialect",
            "fault/upstream_words a_stream_that_the_drain_cuts_was_a_200_too",
            "fault/fallback a_drain_ends_the_attempt_that_is_under_way",
            "fault/fallback while_draining_the_second_still_answers",
        ),
        "0 failed requests in a rolling restart": (
            "process/changes_under_load nothing_is_lost_and_nothing_is_doubled",
        ),
        "the other workers unaffected": ("process/workers the_death_of_one_is_none_of_the_others_business",),
    },
    "descriptors, memory, disk, log pipe exhausted": {
        "shed with 503 and Retry-After before it happens": (
            "process/surroundings scarce_descriptors_are_shed_before_they_run_out",
            "integration/short_of_memory large_requests_are_shed_and_small_ones_answered",
            "fault/requests connections_that_are_too_many_are_shed",
            "fault/requests bodies_that_are_too_many_together_are_shed",
            "fault/upstream_words connections_that_are_all_taken_are_the_gateways_trouble",
            "fault/fallback a_fault_of_the_gateways_own_is_no_reason_to_ask_another",
        ),
        "logging never blocks or fails a request": (
            "process/surroundings a_reader_that_is_stuck_costs_lines_and_nothing_else",
            "process/surroundings a_reader_that_has_gone_costs_lines_and_nothing_else",
        ),
    },
}
NOT_THERE = {
    "429, 5xx, 529, in-band error event": "errors are not translated: a provider is asked in its own dialect",
    "telemetry collector dead or slow": "nothing is sent to a collector: spans are not made",
    "descriptors, memory, disk, log pipe exhausted": "a full disk under the access log is not played",
}
"""What is not shown, and why."""

IN_NO_ROW: dict[str, str] = {}
"""Files of this folder that show none of these faults, and what they show instead."""


def named() -> set[str]:
    """Every test of the table, as `path::name`."""
    return {_path(each) for clauses in TABLE.values() for tests in clauses.values() for each in tests}


def files() -> list[str]:
    """All that `make fault` runs: this folder, and the files elsewhere that are named."""
    elsewhere = {each.partition("::")[0] for each in named() if not each.startswith("tests/fault/")}
    return ["tests/fault", *sorted(elsewhere)]


def _path(test: str) -> str:
    place, _, name = test.partition(" ")
    folder, _, file = place.partition("/")
    return str(Path(PLACES[folder]) / f"test_{file}.py") + f"::test_{name}"


if __name__ == "__main__":
    print(*files())  # noqa: T201 - for the command line
