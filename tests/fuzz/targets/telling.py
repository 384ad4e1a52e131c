"""What is told of a request, whatever clients and providers have put in it: lines of logs, and metrics."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from plano.catalog.names import ModelId
from plano.chat.usage import Usage
from plano.evaluation.lines import LinesAtFault
from plano.evaluation.replay.log import LogFile
from plano.exchange.record import ExchangeRecord
from plano.observe import session_log
from plano.observe.access_log import LINE_LIMIT, AccessLog, LogFormat
from plano.observe.exposition import render
from plano.observe.metrics import Metrics
from plano.observe.vocabulary import OTHER
from tests.fuzz.target import Target
from tests.unit.observe.records import answered

# --- lines ---

OUTSIDE = (
    "request_id", "client_host", "method", "path", "requested", "chosen", "served", "provider", "route",
    "finish_reason", "upstream_id", "detail", "session",
)  # fmt: skip
"""The facts of a record that a client or a provider can word."""
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^" ][^ ]*')
WORDS_OF_A_TEXT_LINE = 20
SEPARATOR = b"|"
LONGER = b"*"
"""Begins a part that is repeated: what is long is cut."""
REPEATED = 40
FORMATS: tuple[LogFormat, ...] = ("json", "text")


def check_log_lines(data: bytes) -> None:
    """One line each, printable, within what a pipe takes in one piece; and the line that a replay reads is
    read."""
    record = record_of(data)
    lines = [line_of(record, log_format) for log_format in FORMATS]
    for line in lines:
        assert line.endswith(b"\n")
        assert len(line) <= LINE_LIMIT
        assert line[:-1].decode().isprintable()
    assert isinstance(json.loads(lines[0]), dict)
    assert len(WORD.findall(lines[1].decode()[:-1])) == WORDS_OF_A_TEXT_LINE
    _check_session_line(session_log.rendered(record))


def _check_session_line(line: bytes) -> None:
    assert line.count(b"\n") == 1
    try:
        (request,) = LogFile("log", BytesIO(line)).requests()
    except LinesAtFault as faults:
        assert "tokens: expected" in str(faults)
        return
    assert request.tokens is None or request.tokens >= 0


class _Lines:
    """A writer that keeps."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.dropped = 0

    def write(self, lines: list[bytes]) -> None:
        self.lines += lines

    def close(self, timeout_s: float) -> bool:
        return timeout_s >= 0


def line_of(record: ExchangeRecord, log_format: LogFormat) -> bytes:
    writer = _Lines()
    log = AccessLog(writer, log_format)
    log.take([record])
    log.hand_over()
    (line,) = writer.lines
    return line


def record_of(data: bytes) -> ExchangeRecord:
    """A record whose words are the parts of the data, and whose counts are of any size."""
    parts = data.split(SEPARATOR)
    words = [part[1:] * REPEATED if part.startswith(LONGER) else part for part in parts]
    facts: dict[str, Any] = {
        name: word.decode("utf-8", "surrogateescape") for name, word in zip(OUTSIDE, words, strict=False)
    }
    # It is built from a request that was read, in which there is no half of a surrogate pair.
    facts["chosen"] = facts.get("chosen", "").encode("utf-8", "replace").decode() or "a/b"
    count = int.from_bytes(data[:20], "big")
    return answered(**facts, usage=Usage(count, count >> 64, None, len(data)), bytes_in=len(data))


# --- metrics ---

LINE = re.compile(r'#.*|[a-zA-Z_:][\w:]*(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? \S+')


def check_metrics(data: bytes) -> None:
    """A scraper reads it, whatever a model is called; and names that nobody configured are not among it."""
    names = [part.decode("utf-8", "replace") for part in data.split(SEPARATOR)]
    configured = [ModelId(name) for name in names[:2]]
    metrics = Metrics(configured)
    record = record_of(data)
    metrics.take([record, answered(chosen=ModelId(names[0]), code=names[-1], status=len(data))])
    _, body = render(metrics.snapshot(), "text/plain")
    text = body.decode()
    assert all(LINE.fullmatch(line) for line in text.split("\n") if line)
    families = text_string_to_metric_families(text)
    labels = [sample.labels for family in families for sample in family.samples]
    models = {each["gen_ai_request_model"] for each in labels if "gen_ai_request_model" in each}
    assert models <= {*configured, OTHER}


RECORDS = (
    b"req-1|203.0.113.9|POST|/v1/messages|fast|openai/gpt-5|gpt-5|openai|code|stop|id|detail|session",
    b'*a|b c|"|\\|\xc3\xa9|\xe2\x80\xae|\x1b[2J|\n|\r\n{}|\xff|*\xed\xa0\x80|*\xf3\xa0\x80\x81|*\\',
)
RECORD_WORDS = (
    b"|", b"|*", b"\n", b"\r", b"\x1b[", b"\x7f", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xc2\x85",
    b"\xed\xa0\x80", b"\xff", b"\xf3\xa0\x80\x81", b'"', b"\\", b" ", b"\xf0\x9f\x98\x80",
)  # fmt: skip
NAMES = (b"openai/gpt-5|anthropic/*|anthropic/x", b'a"b/c|x\\/*|\n/e|{}', b"a/b|upstream_broke")

TARGETS = (
    Target("log_lines", check_log_lines, RECORDS, RECORD_WORDS, 300, hand_runs=200_000),
    Target(
        "metrics", check_metrics, NAMES, (*RECORD_WORDS, b"{", b"}", b"=", b",", b"/*"), 120, hand_runs=20_000
    ),
)
