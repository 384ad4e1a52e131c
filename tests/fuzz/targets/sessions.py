"""Whose session a request is, where its pin is kept and what is read there: ids, keys, pins, urls of Redis;
and what a router model answers."""

from __future__ import annotations

import math
import re

from plano.errors import InvalidAffinityId
from plano.http1.request import Request
from plano.redis_url import Address, AddressInvalid, Cluster, Endpoint, Sentinels, Socket, parse_address
from plano.routing.affinity import (
    KEY_PREFIX,
    LONGEST_ID,
    MOST_VALUE_BYTES,
    MOST_WARM_MODELS,
    Pin,
    Unreadable,
    is_session_id,
    is_tenant,
    read_pin,
    render,
    session_key,
)
from plano.routing.answer import read_answer
from plano.routing.fnv import OFFSET_BASIS, PRIME
from plano.routing.implicit_session import beginning_of, implicit_session
from plano.routing.verdict import Matched
from plano.server.inference import Sessions
from tests.fuzz.target import Target
from tests.unit.routing.route_sets import routes_of

# --- ids and keys ---

SESSIONS = Sessions(b"x-tenant")
SEPARATOR = b"|"
LONGEST_HASHED = 48
"""Bytes of an input that are hashed twice, once by the definition, byte by byte."""


def check_affinity(data: bytes) -> None:
    """An id is refused or is visible ASCII; the key leads back to tenant and id; whatever a session began
    with, its hash is the one of the definition."""
    tenant, _, session_id = data.partition(SEPARATOR)
    request = Request(0.0, fields={b"x-tenant": tenant, b"x-model-affinity": session_id})
    try:
        claim = SESSIONS.claim(request)
    except InvalidAffinityId as problem:
        assert problem.message.isprintable()
        assert not (is_session_id(session_id.decode("latin-1")) and is_tenant(tenant.decode("latin-1")))
    else:
        assert claim is not None
        assert claim.session_id is not None
        assert claim.session_id.encode() == session_id
        assert re.fullmatch(rb"[!-~]{1,%d}" % LONGEST_ID, session_id)
        _check_key(claim.tenant or "", claim.session_id)
    _check_implicit(data[-LONGEST_HASHED:])


def _check_key(tenant: str, session_id: str) -> None:
    assert session_key(None, session_id) == KEY_PREFIX + session_id
    key = session_key(tenant, session_id)
    assert key.startswith(KEY_PREFIX)
    encoded, _, rest = key.removeprefix(KEY_PREFIX).partition(":")
    assert (encoded.replace("%3A", ":").replace("%25", "%"), rest) == (tenant, session_id)


def _check_implicit(data: bytes) -> None:
    texts = data.decode("utf-8", "surrogateescape").split("|")
    beginning = beginning_of(texts[0], texts[1:2], texts[2:3], texts[-1])
    state = OFFSET_BASIS
    for byte in beginning.content:
        state = (state ^ byte) * PRIME % 2**64
    assert implicit_session(beginning) == f"implicit:{state:016x}"


# --- pins ---


def check_pin(data: bytes) -> None:
    """A value is a pin that is written again as it was read, or none for a stated reason."""
    pin = read_pin(data)
    if isinstance(pin, Unreadable):
        assert pin.because.isprintable()
        return
    assert len(data) <= MOST_VALUE_BYTES
    rendered = render(pin)
    assert isinstance(rendered, bytes)
    assert len(rendered) <= MOST_VALUE_BYTES
    again = read_pin(rendered)
    assert isinstance(again, Pin)
    assert again == pin or len(data) > MOST_VALUE_BYTES // 2
    assert (again.model_name, again.route_name) == (pin.model_name, pin.route_name)
    if pin.spending is not None:
        spent = pin.spending
        assert math.isfinite(spent.never_switching_usd)
        assert math.isfinite(spent.switches_usd)
        assert min(spent.never_switching_usd, spent.switches_usd, spent.switches) >= 0
        assert len(spent.warm) <= MOST_WARM_MODELS


# --- urls ---

PASSWORD = "canary-password"
STANDS_FOR = "PW"


def check_redis_url(data: bytes) -> None:
    """A url is an address, or refused; and a password in it is told to nobody."""
    url = data.decode("utf-8", "replace").replace(STANDS_FOR, PASSWORD)
    try:
        address = parse_address(url)
    except AddressInvalid as problem:
        assert PASSWORD not in str(problem)
        assert str(problem).isprintable()
        assert problem.__suppress_context__ or problem.__context__ is None
        return
    assert 0 <= address.database < 10**9
    assert all(0 <= endpoint.port < 2**16 and endpoint.host for endpoint in _endpoints(address))
    if address.password == PASSWORD and url.count(PASSWORD) == 1:
        assert PASSWORD not in f"{address} {address!r}"


def _endpoints(address: Address) -> tuple[Endpoint, ...]:
    match address.at:
        case Endpoint() as endpoint:
            return (endpoint,)
        case Socket():
            return ()
        case Sentinels(endpoints) | Cluster(endpoints):
            return endpoints


# --- answers of router models ---

ROUTES = routes_of(
    ("code generation", "writing code"),
    ("prose", "essays"),
    ("don't", "an apostrophe"),
    ('say "hi"', "quotes"),
    ("Sum", "addition"),
    ("sum", "a twin but for its case"),
    ("\u7ffb\u8bd1", "another script"),
)


def check_router_answer(data: bytes) -> None:
    """The answer can only be one of the routes that were asked about; why it is not, fits into a log line."""
    verdict = read_answer(data.decode("utf-8", "surrogateescape"), ROUTES)
    if isinstance(verdict, Matched):
        assert verdict.route in [route.name for route in ROUTES]
    else:
        assert verdict.because.isprintable()
        assert len(verdict.because) < 300


# --- what fuzzing begins with ---

PINS = (
    b'{"model_name":"openai/gpt-5","route_name":"code","version":1}',
    b'{"route_name":null,"logical_expires_at":1790000000,"model_name":"a/b"}',
    (
        b'{"model_name":"a/b","spending":{"first_model":"a/b","never_switching_usd":0.5,"switches_usd":1e-9,"switches":1,'
        b'"context_tokens":100,"context_bytes":400,"warm":{"a/b":{"tokens":100,"at":1790000000}}}}'
    ),
)
PIN_WORDS = (
    b'"model_name":"', b'"route_name":', b'"version":1', b'"spending":{', b'"first_model":"', b'"switches":',
    b'"never_switching_usd":', b'"context_tokens":', b'"warm":{', b'"tokens":', b'"at":', b"null", b"1e308",
    b"-1", b"9007199254740993", b"1e400", b"\\ud800", b"\xff", b"NaN", b"{}", b'""',
)  # fmt: skip
URLS = (
    b"redis://:PW@host:6379/0", b"rediss://user:PW@[::1]/3?ssl_cert_reqs=none",
    b"unix:///run/redis.sock?password=PW&db=2",
    b"redis+sentinel://:PW@a:1,b:2/mymaster/4?sentinel_password=PW",
    b"rediss+cluster://a,b:7000?ssl_ca_certs=/x",
)  # fmt: skip
URL_WORDS = (
    b"redis://", b"rediss://", b"unix://", b"redis+sentinel://", b"redis+cluster://", b"redis+unix://", b"PW",
    b"@", b"%", b"%23", b"#", b"?", b"&", b"db=", b"protocol=3", b"username=", b"password=PW",
    b"ssl_cert_reqs=", b"ssl_check_hostname=", b"sentinel_password=PW", b"[", b"]", b":", b",", b"/",
    b"\xe2\x84\x80", b"65536", b"\\", b"\n",
)  # fmt: skip
ANSWERS = (
    b'{"route": ["prose", "code generation"]}', b"{'route': 'don\\'t'}", b'```json\n{"route": "sum"}\n```',
    b'<think>{"route": "prose"}</think>\\n{"route": null}', b"other",
    b'Sure: {"why": {}, "route": ["SUM"]} as asked',
)  # fmt: skip
ANSWER_WORDS = (
    b'{"route":', b"{'route':", b'["', b'"]', b'"}', b"'}", b"prose", b"code generation", b"don't",
    b'say \\"hi\\"', b"Sum", b"\xe7\xbf\xbb\xe8\xaf\x91", b"other", b"null", b"None", b"<think>", b"</think>",
    b"```", b"```json", b"\\n", b"\\", b"\\'", b"\xff", b"\\ud800",
)  # fmt: skip

TARGETS = (
    Target(
        "affinity",
        check_affinity,
        (b"acme|session-1", b"a:b%3A|c", b"|" + b"s" * 256, b"t|s|tool|hello"),
        (b"|", b":", b"%", b"%3A", b"%25", b"\x7f", b"\xc3\xa9", b"\n"),
        300,
    ),
    Target("pin", check_pin, PINS, PIN_WORDS, holds_json=True),
    Target("redis_url", check_redis_url, URLS, URL_WORDS, 200),
    Target("router_answer", check_router_answer, ANSWERS, ANSWER_WORDS, holds_json=True),
)
