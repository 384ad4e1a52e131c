"""Records as the exchange hands them over."""

from __future__ import annotations

from plano.catalog.names import ModelId, RouteName
from plano.chat.dialect import Dialect
from plano.chat.usage import Usage
from plano.exchange.record import ExchangeRecord, FailedAttempt
from plano.routing.decision import Kind, Reason


def bare(**facts: object) -> ExchangeRecord:
    """A request of which nothing else is known."""
    record = ExchangeRecord(
        request_id="req-1", method="POST", path="/v1/chat/completions", at=1762079472.123, started=100.0
    )
    for name, value in facts.items():
        setattr(record, name, value)
    return record


def answered(**facts: object) -> ExchangeRecord:
    """A stream that went well. Its times are multiples of a power of two, so that sums are exact."""
    record = bare(
        client_host="203.0.113.9",
        dialect=Dialect.OPENAI_CHAT,
        stream=True,
        requested="fast",
        chosen=ModelId("openai/gpt-4o-mini"),
        served="gpt-4o-mini-2024-07-18",
        provider="openai",
        decision="alias",
        attempts=1,
        status=200,
        phase="done",
        finish_reason="stop",
        upstream_id="chatcmpl-1",
        bytes_in=1000,
        bytes_out=2000,
        decided=100.25,
        sent=100.5,
        first_byte=100.75,
        first_content=101.0,
        ended=103.0,
        usage=Usage(input_tokens=120, output_tokens=5, cache_read_tokens=64),
    )
    for name, value in facts.items():
        setattr(record, name, value)
    return record


def failed(
    model: str = "openai/gpt-4o-mini",
    code: str = "upstream_timeout",
    status: int | None = None,
    usage: Usage | None = None,
) -> FailedAttempt:
    """An attempt that was over 125 ms after the request's first byte."""
    return FailedAttempt(ModelId(model), code, 100.125, status, usage)


def said(kind: Kind) -> Reason:
    """What the affinity step says."""
    return Reason("affinity", "abstained", "", kind=kind)


def skipped(kind: Kind) -> Reason:
    """What is said of a candidate that cannot take the request."""
    return Reason("preference", "skipped", "", kind=kind)


def judged(
    kind: Kind,
    router: str | None = "embedded",
    *,
    passed: tuple[str, ...] = (),
    elapsed_ms: float = 15.625,
) -> Reason:
    """What the preference step says; its time is a 64th of a second, so that sums are exact."""
    return Reason(
        "preference",
        "chose",
        "",
        RouteName("code"),
        0.81234567,
        0.25,
        router,
        kind,
        elapsed_ms,
        passed,
    )
