"""What people hand over as files: configurations, logs of sessions, labelled conversations."""

from __future__ import annotations

import math
import re
from io import BytesIO
from pathlib import Path

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Found
from plano.chat.conversation import Conversation
from plano.config.problems import ConfigurationInvalid
from plano.config.schema import File
from plano.config.texts import Texts
from plano.evaluation.labelled import LabelledFile
from plano.evaluation.lines import LinesAtFault
from plano.evaluation.replay.log import LogFile
from plano.routing.reading import read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from tests.fuzz.target import Target
from tests.unit.routing.route_sets import routes_of

# --- configurations ---

PROJECT = Path(__file__).parents[3]
VALID = tuple(
    path.read_text("utf-8")
    for folder, pattern in (
        ("examples", "**/*.yaml"),
        ("deploy", "config.yaml"),
        ("tests/golden/config", "*.yaml"),
    )
    for path in sorted((PROJECT / folder).glob(pattern))
)
CANARY = "canary-value-of-a-variable"
ENVIRONMENT = {"OPENAI_API_KEY": CANARY, "KEY": CANARY, "HOME": "/home"}
ODD = (
    "", "~", "''", "[]", "{}", "[[]]", "{a: b}", "-1", "0", "1e400", ".nan", "9" * 30, "true", "2026-11-22",
    "!!binary x", "&a [*a]", "*a", "<<", "<<: *a", "$KEY", "${KEY", "${NOBODY:-x}", "$NOBODY", "\\u0000",
    '"\\ud800"', "\u2028", "|", ">", "openai/gpt-4o", "openai/*", "*/*", "/", "a/b/c", "*", "none",
    "http://[", "https://a:99999/x", "10s", "-5ms", "32MiB", "redis://:p@h", "sha256:00", "simulated/a",
    "groq/x", "http://h/?{model}", "cheapest", "? ", "- ", ": ", "# ", *sorted(File.model_fields), "name",
    "model", "models", "base_url", "access_key", "hash", "keys", "type", "url", "limits", "target",
    "fallbacks", "headers", "capabilities", "session_cache", "routing_budget",
)  # fmt: skip
_WORD = re.compile(r"[^\s,:{}\[\]#]+")
_RAW = 0x80
"""From here on the first byte says: the rest is the file itself."""


def check_config(data: bytes) -> None:
    """A configuration, or problems each in its place and on its line; and never a value of a variable."""
    content = configuration_of(data)
    try:
        configuration, catalog = load_catalog(Texts("gateway.yaml", content), ENVIRONMENT)
    except ConfigurationInvalid as invalid:
        assert invalid.problems
        for problem in invalid.problems:
            assert str(problem).isprintable()
            assert problem.place.line >= 1
            assert problem.place.column >= 1
            assert problem.file == "gateway.yaml"
        assert CANARY not in f"{invalid} {invalid.warnings}"
        return
    keys = [row.access_key for row in configuration.providers]
    assert CANARY not in f"{configuration.warnings} {keys}"
    for model in catalog.models:
        found = catalog.find(model.name)
        assert model.is_wildcard or (isinstance(found, Found) and found.model is model)
    assert all(route.candidates for route in catalog.routes)


def configuration_of(data: bytes) -> bytes:
    """The bytes themselves, or one of the valid files with some of its words changed, as the bytes say."""
    if not data or data[0] >= _RAW:
        return data[1:]
    text = VALID[data[0] % len(VALID)]
    for at in range(1, min(len(data) - 3, 33), 4):
        text = _changed(text, *data[at : at + 4])
    return text.encode("utf-8", "surrogatepass")


def _changed(text: str, kind: int, high: int, low: int, choice: int) -> str:
    where = (high << 8 | low) * len(text) >> 16
    word = _WORD.search(text, where)
    line_end = text.find("\n", where) + 1 or len(text)
    line = text[text.rfind("\n", 0, where) + 1 : line_end]
    odd = ODD[choice % len(ODD)]
    match kind % 6:
        case 0 | 1 if word is not None:
            return text[: word.start()] + odd + text[word.end() :]
        case 2:
            return text[: line_end - len(line)] + text[line_end:]
        case 3:
            return text[:line_end] + line + text[line_end:]
        case 4:
            indent = line[: len(line) - len(line.lstrip())]
            return f"{text[:line_end]}{indent}{odd}: {ODD[(choice + low) % len(ODD)]}\n{text[line_end:]}"
        case _:
            return text[:where] + " " * (choice % 4) + text[where + choice % 3 :]


# --- logs of sessions ---


def check_session_log(data: bytes) -> None:
    """Requests of which everything makes sense, or every fault with its line."""
    try:
        requests = list(LogFile("log", BytesIO(data)).requests())
    except LinesAtFault as faults:
        _check_faults(str(faults), "log")
        return
    assert requests
    for request in requests:
        assert 1 <= request.line <= data.count(b"\n") + 1
        assert math.isfinite(request.at)
        assert request.chosen
        assert request.candidate
        assert min(request.tokens or 0, request.body_bytes, request.cached_tokens or 0) >= 0


def _check_faults(told: str, name: str) -> None:
    for line in told.split("\n"):
        assert re.match(rf"{name}:(\d+:)? expected |and \d+ more|{name}:\d+: ", line)
        assert line.isprintable()


# --- labelled conversations ---

CONFIGURED = routes_of(("code", "writing code"), ("prose", "essays"))


def check_labelled(data: bytes) -> None:
    """Turns whose label is one of their routes, or every fault with its line."""
    for routes in (CONFIGURED, RouteSet(())):
        file = LabelledFile("data", BytesIO(data), routes, _words)
        try:
            contents = file.check()
        except LinesAtFault as faults:
            _check_faults(str(faults), "data")
            continue
        turns = list(file.turns())
        assert (contents.turns, contents.without_route) == (
            len(turns),
            sum(turn.gold is None for turn in turns),
        )
        for turn in turns:
            assert turn.gold is None or turn.routes.named(turn.gold) is not None
            assert turn.ask


def _words(conversation: Conversation) -> tuple[Utterance, ...]:
    return read(conversation, budget_tokens=64)


# --- what fuzzing begins with ---

RAW = (
    "version: v0.4.0\nmodel_providers: [{model: openai/gpt-4o, access_key: $KEY, default: true}]\n",
    "version: v0.4.0\nx: &a {b: [*c], <<: *d}\nlisteners:\n- name: !!str x\n  type: model\n",
    VALID[0],
)
CONFIGURATIONS = (
    *(bytes([_RAW]) + text.encode() for text in RAW),
    *(bytes([number, 0, number, 0, number, 4, 200, number, 7]) for number in range(len(VALID))),
)
LOG = (
    (
        b'{"time":"2026-11-22T09:30:00Z","session":"s","requested":"fast","route":"code","candidates":["a/b"],"chosen":"a/b",'
        b'"decision":"preference","is_user_turn":true,"status":200,"input_tokens":10,"cached_tokens":4,"request_bytes":99}\n'
    ),
    b'{"time":1790000000.5,"session":7,"requested":"a/b"}\n\n{"time":1,"chosen":"a/b","x":[]}\n',
)
LOG_WORDS = (
    b'"time":', b'"2026-11-22T09:30:00Z"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"',
    b'"session":', b'"requested":', b'"route":', b'"candidates":["', b'"chosen":"', b'"decision":"affinity"',
    b'"status":', b'"x":"', b'"input_tokens":', b'"request_bytes":', b"null", b"1e400", b"-0",
    b"18446744073709551616", b"\\ud800", b"\xff", b"\n", b"\xef\xbb\xbf", b"}\n{", b"1e-400", b"[]",
)  # fmt: skip
LABELS = (
    (
        b'{"messages":[{"role":"user","content":"fix it"}],"route":"code","conversation":"c1"}\n'
        b'{"messages":[{"role":"user","content":"hi"}],"route":null,"conversation":7}\n'
    ),
    (
        b'{"messages":[{"role":"user","content":"x"}],"route":"r","routing_preferences":[{"name":"r","description":"d",'
        b'"examples":["e"],"models":["m"]}]}\n'
    ),
)
LABEL_WORDS = (
    b'"messages":[', b'{"role":"user","content":"x"}', b'"role":"system"', b'"route":', b'"code"', b'"prose"',
    b"null", b'"conversation":', b'"routing_preferences":', b'[{"name":"r","description":"d"}]',
    b'"examples":[', b"}\n{", b"\n", b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"1e400", b"18446744073709551616",
    b"[]", b"{}", b'"name":""',
)  # fmt: skip

TARGETS = (
    Target(
        "config",
        check_config,
        CONFIGURATIONS,
        tuple(odd.encode("utf-8", "replace") for odd in ODD if odd),
        500,
        hand_runs=100_000,
    ),
    Target("session_log", check_session_log, LOG, LOG_WORDS, holds_json=True),
    Target("labelled", check_labelled, LABELS, LABEL_WORDS, 500, holds_json=True),
)
