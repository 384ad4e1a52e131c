"""Between the gateway and its provider: names that lead nowhere, TLS that fails, hosts that are silent, and
connections that break in the middle of a request or of an answer.

Before the commit point the second candidate answers; behind it the client is told in the stream, and by an
end that is none.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from plano.chat.dialect import Dialect
from tests.fault.asks import answered, asked, request
from tests.fault.baseline import turns, unharmed, until
from tests.fault.cuts import Cuts
from tests.fault.failing import begun
from tests.fault.nowhere import Place as Port
from tests.fault.nowhere import deaf, full_backlog
from tests.fault.test_fallback import SECOND, answer, config_of, to_the_second, whole
from tests.fault.told import Told, error_in_event, events_in, told
from tests.fault.watched import gateway
from tests.wall.authority import Authority
from tests.wall.gateway import listener
from tests.wall.raw_client import RawClient
from tests.wall.relay import BLACK_HOLE, Cut, Link, Pass, Plan, Relay, Spoil, Swallow
from tests.wall.script import EVENT_STREAM, Chunk, Fin, Head, Pause, Raw, Rst, Script, Stall
from tests.wall.upstream import ScriptedUpstream, refusing_port

SHORT = "150ms"
LONG = "20s"
"""Not reached in any test that passes."""
PATIENT = {"first_byte_with_another_s": LONG, "first_byte_s": LONG, "silence_s": LONG}
WAITS = {**PATIENT, "first_byte_with_another_s": SHORT, "first_byte_s": SHORT}
HUSH = {**PATIENT, "silence_s": SHORT}
KNOCKS = {"upstream_connect_timeout": SHORT}
BOTH = pytest.mark.parametrize("stream", [False, True])
DIALECTS = pytest.mark.parametrize("dialect", list(Dialect))
ENDS = pytest.mark.parametrize("how", [pytest.param(Fin(), id="FIN"), pytest.param(Rst(), id="RST")])


@dataclass(frozen=True, slots=True)
class Where:
    """Where the first candidate is, and what the configuration says of it."""

    url: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=lambda: PATIENT)

    def config(self, *others: str) -> dict[str, Any]:
        more: dict[str, Any] = {"overrides": dict(self.overrides)} if self.overrides else {}
        return config_of(self.url, *others, **listener(**self.limits), **more)


Place = Callable[[Path], AbstractAsyncContextManager[Where]]


def at(url: str) -> Place:
    """An address; `{refusing}` is a port on which nobody listens."""

    @contextlib.asynccontextmanager
    async def place(_: Path) -> AsyncIterator[Where]:
        yield Where(url.format(refusing=refusing_port()))

    return place


def at_port(scheme: str, port: Port) -> Place:
    """A port that is silent; connecting has a limit."""

    @contextlib.asynccontextmanager
    async def place(_: Path) -> AsyncIterator[Where]:
        with port() as number:
            yield Where(f"{scheme}://127.0.0.1:{number}", KNOCKS)

    return place


def certified(name: str, *, trusted: bool) -> Place:
    """A provider that answers, over TLS, with a certificate for `name`."""

    @contextlib.asynccontextmanager
    async def place(folder: Path) -> AsyncIterator[Where]:
        authority = Authority()
        pem = authority.write_pem(folder / "authority.pem")
        async with ScriptedUpstream(tls=authority.serving(name)) as upstream:
            yield Where(upstream.url, {"upstream_tls_ca_path": str(pem)} if trusted else {})

    return place


@contextlib.asynccontextmanager
async def speaking_no_tls(_: Path) -> AsyncIterator[Where]:
    async with ScriptedUpstream(on_connect=[Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Fin()]) as upstream:
        yield Where(f"https://127.0.0.1:{upstream.port}")


def behind(plan: Plan, *, tls: bool = False, limits: Mapping[str, str] = WAITS) -> Place:
    """A provider that answers, and a network that does as planned to every connection."""

    @contextlib.asynccontextmanager
    async def place(folder: Path) -> AsyncIterator[Where]:
        authority = Authority()
        overrides = dict(KNOCKS)
        if tls:
            overrides["upstream_tls_ca_path"] = str(authority.write_pem(folder / "authority.pem"))
        async with (
            ScriptedUpstream(tls=authority.serving() if tls else None) as upstream,
            Relay(upstream.port, otherwise=replace(plan, lets_go=True), host=_host(tls)) as relay,
        ):
            yield Where(relay.url("https" if tls else "http"), overrides, limits)

    return place


def _host(tls: bool) -> str:
    """Certificates are about names."""
    return "localhost" if tls else "127.0.0.1"


IN_THE_HELLO = 60
"""Bytes of either side's first message of a handshake."""
IN_THE_HEAD = 40
IN_THE_BODY = 290
"""Of a request: behind its head, before its end."""

NOT_REACHED = [
    pytest.param(at("http://127.0.0.1:{refusing}"), 502, id="refused"),
    pytest.param(at("https://127.0.0.1:{refusing}"), 502, id="refused before TLS"),
    pytest.param(at("http://nowhere.invalid"), 502, id="no such name"),
    pytest.param(at("https://nowhere.invalid"), 502, id="no such name, with TLS"),
    pytest.param(certified("localhost", trusted=False), 502, id="an authority that nobody trusts"),
    pytest.param(certified("elsewhere.test", trusted=True), 502, id="a certificate for another name"),
    pytest.param(speaking_no_tls, 502, id="no TLS"),
    pytest.param(behind(Plan(down=Cut(IN_THE_HELLO)), tls=True), 502, id="FIN in the handshake"),
    pytest.param(behind(Plan(down=Cut(IN_THE_HELLO, Rst())), tls=True), 502, id="RST in the handshake"),
    pytest.param(behind(Plan(up=Cut(IN_THE_HELLO, Rst())), tls=True), 502, id="RST in the hello"),
    pytest.param(behind(Plan(down=Spoil(IN_THE_HELLO)), tls=True), 502, id="garbage in the handshake"),
    pytest.param(at_port("http", full_backlog), 504, id="a black hole before TCP"),
    pytest.param(at_port("https", deaf), 504, id="a black hole before TLS"),
    pytest.param(behind(BLACK_HOLE, tls=True), 504, id="a black hole for the hello"),
    pytest.param(behind(Plan(down=Swallow(IN_THE_HELLO)), tls=True), 504, id="a black hole in the handshake"),
]
NOT_ANSWERED = [
    pytest.param(behind(BLACK_HOLE), 504, id="a black hole behind TCP"),
    pytest.param(behind(Plan(up=Swallow(IN_THE_BODY))), 504, id="a black hole in the request's body"),
    pytest.param(behind(Plan(up=Cut(IN_THE_HEAD))), 502, id="FIN in the request's head"),
    pytest.param(behind(Plan(up=Cut(IN_THE_BODY))), 502, id="FIN in the request's body"),
    pytest.param(behind(Plan(up=Cut(IN_THE_BODY, Rst()))), 502, id="RST in the request's body"),
    pytest.param(behind(Plan(up=Cut(IN_THE_BODY, side="target"))), 504, id="half-open in the request"),
    pytest.param(behind(Plan(down=Cut(0, Rst()))), 502, id="RST before the head"),
    pytest.param(behind(Plan(down=Cut(IN_THE_HEAD))), 502, id="FIN in the head"),
    pytest.param(behind(Plan(down=Cut(IN_THE_HEAD, side="client"))), 502, id="half-open in the head"),
    pytest.param(behind(Plan(down=Swallow(IN_THE_HEAD))), 504, id="a black hole in the head"),
    pytest.param(behind(Plan(down=Spoil(IN_THE_HEAD))), 502, id="garbage in the head"),
]


@DIALECTS
@BOTH
@pytest.mark.parametrize(("place", "status"), [*NOT_REACHED, *NOT_ANSWERED])
async def test_the_second_answers_for_one_that_is_not_reached(
    place: Place, status: int, stream: bool, dialect: Dialect, tmp_path: Path
) -> None:
    """At once, or at the limit that applies; the client notices a header and nothing else."""
    async with (
        place(tmp_path) as where,
        ScriptedUpstream() as second,
        gateway(where.config(second.url)) as running,
    ):
        await answered(running.port, to_the_second())
        async with unharmed(running):
            reply = await asked(running.port, dialect, stream=stream)
            (*_, line) = await running.logged(3)

        assert answer(reply) == (200, whole(dialect, stream=stream), True, SECOND[dialect], "2")
        assert (line["attempts"], line["status"], line.get("code")) == (2, 200, None)


@DIALECTS
@BOTH
@pytest.mark.parametrize(("place", "status"), [*NOT_REACHED, *NOT_ANSWERED])
async def test_one_that_is_not_reached_and_the_last_is_told_in_the_dialect(
    place: Place, status: int, stream: bool, dialect: Dialect, tmp_path: Path
) -> None:
    """502 `upstream_unreachable`, after one more try; where its time ran out, 504 and no more tries."""
    async with place(tmp_path) as where, gateway(where.config()) as running:
        reply = await asked(running.port, dialect, stream=stream)
        (line,) = await running.logged(1)

    codes = {502: ("upstream_unreachable", "upstream_invalid", "upstream_broke"), 504: ("upstream_timeout",)}
    assert (reply.status, reply.whole) == (status, True)
    assert reply.error(dialect)["message"]
    assert (line["code"] in codes[status], line["ending"]) == (True, "upstream_failed")


BREAKS: dict[str, tuple[Callable[[Link], None], Mapping[str, str]]] = {
    "FIN": (lambda link: link.cut(Fin()), PATIENT),
    "RST": (lambda link: link.cut(Rst()), PATIENT),
    "FIN, and the provider does not know": (lambda link: link.cut(Fin(), "client"), PATIENT),
    "garbage": (lambda link: link.follow("down", Spoil()), PATIENT),
    "a black hole": (lambda link: link.swallow(), HUSH),
}


@contextlib.asynccontextmanager
async def tunnel(folder: Path, *, tls: bool) -> AsyncIterator[tuple[Cuts, Relay, dict[str, str]]]:
    """A provider, the network before it, and what a configuration must say to trust it."""
    authority = Authority()
    pem = authority.write_pem(folder / "authority.pem")
    async with (
        Cuts(authority.serving() if tls else None) as first,
        Relay(first.port, host=_host(tls)) as relay,
    ):
        yield first, relay, {"upstream_tls_ca_path": str(pem)} if tls else {}


@DIALECTS
@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "over TLS"])
@pytest.mark.parametrize("name", BREAKS)
async def test_a_connection_that_breaks_in_mid_stream_is_told_in_the_stream(
    name: str, tls: bool, dialect: Dialect, tmp_path: Path
) -> None:
    """TLS that ends without its farewell, a record that nobody can have sent, silence: what had come is out,
    then the reason, and an end that is none. The second is not asked: half an answer is with the client."""
    break_off, limits = BREAKS[name]
    rest_of_it: Script = [Pause(), Chunk(b": more\n\n"), Stall()]
    async with AsyncExitStack() as stack:
        first, relay, trust = await stack.enter_async_context(tunnel(tmp_path, tls=tls))
        second = await stack.enter_async_context(ScriptedUpstream())
        where = Where(relay.url("https" if tls else "http"), trust, limits)
        running = await stack.enter_async_context(gateway(where.config(second.url)))
        first.script = [Head(200, EVENT_STREAM), *map(Chunk, begun(dialect)), *rest_of_it]
        async with RawClient(running.port) as client:
            await client.send(request(dialect, "connection: close", stream=True))
            wire = await client.read_until(begun(dialect)[-1])
            break_off(relay.links[0])
            first.release()
            rest, ended = await client.read_to_end()
        reply = told(wire + rest, ended)
        (line,) = await running.logged(1)
        relay.links[0].abort()

    assert_told_late(reply, dialect)
    assert (line["status"], line["ending"], line["attempts"], second.attempts) == (
        200,
        "upstream_failed",
        1,
        [],
    )


def assert_told_late(reply: Told, dialect: Dialect) -> None:
    events = [event for event in events_in(reply.body) if not event.startswith(b":")]
    assert (reply.status, events[:-1], reply.loud) == (200, begun(dialect), True)
    assert error_in_event(dialect, events[-1])["message"]


@DIALECTS
@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "over TLS"])
@pytest.mark.parametrize("name", BREAKS)
async def test_a_connection_that_breaks_before_any_content_costs_the_client_nothing(
    name: str, tls: bool, stream: bool, dialect: Dialect, tmp_path: Path
) -> None:
    """The head has come, and of a plain answer the beginning: nothing of it has gone out."""
    break_off, limits = BREAKS[name]
    head = Head(200, EVENT_STREAM) if stream else Head()
    async with AsyncExitStack() as stack:
        first, relay, trust = await stack.enter_async_context(tunnel(tmp_path, tls=tls))
        second = await stack.enter_async_context(ScriptedUpstream())
        where = Where(relay.url("https" if tls else "http"), trust, limits)
        running = await stack.enter_async_context(gateway(where.config(second.url)))
        first.script = [head, Pause(), Chunk(b"\n"), Stall()]
        async with RawClient(running.port) as client:
            await client.send(request(dialect, "connection: close", stream=stream))
            link = await relay.link(0)
            attempt = await first.attempt(0)
            await until(lambda: link.passed["down"].given >= len(head.wire()))
            await turns()
            break_off(link)
            first.release()
            reply = told(*await client.read_to_end())
        relay.links[0].abort()
        await attempt.gone()

    assert answer(reply) == (200, whole(dialect, stream=stream), True, SECOND[dialect], "2")


@DIALECTS
@BOTH
async def test_a_slow_network_is_not_a_broken_one(stream: bool, dialect: Dialect) -> None:
    """Every piece of both ways is late; nothing is lost, and nobody else is asked."""
    late = Plan(up=Pass(0.01), down=Pass(0.01))
    async with (
        ScriptedUpstream() as upstream,
        Relay(upstream.port, otherwise=late) as relay,
        ScriptedUpstream() as second,
        gateway(Where(relay.url()).config(second.url)) as running,
    ):
        reply = await asked(running.port, dialect, stream=stream)

    assert (reply.status, reply.body, reply.whole) == (200, whole(dialect, stream=stream), True)
    assert second.attempts == []


@DIALECTS
@BOTH
@ENDS
async def test_a_client_behind_a_network_that_breaks_has_left(
    how: Fin | Rst, stream: bool, dialect: Dialect
) -> None:
    """The gateway cannot see the client, only the end of its connection; the provider is let go at once."""
    async with Cuts() as upstream, gateway(Where(upstream.url).config()) as running:
        async with unharmed(running), Relay(running.port) as relay, RawClient(relay.port) as client:
            upstream.script = [Stall()]
            await client.send(request(dialect, stream=stream))
            attempt = await upstream.attempt(1)
            relay.links[0].cut(how, "target")
            await attempt.gone(within_s=1.0)
            (_, line) = await running.logged(2)
            relay.links[0].abort()

        assert (line["status"], line["ending"]) == (499, "client_left")


@DIALECTS
@BOTH
async def test_a_request_that_the_network_cuts_short_is_none(stream: bool, dialect: Dialect) -> None:
    """Half of a body is sent to nobody."""
    wire = request(dialect, stream=stream)
    plan = Plan(up=Cut(len(wire) - 5, side="target"))
    async with ScriptedUpstream() as upstream, gateway(Where(upstream.url).config()) as running:
        async with unharmed(running), Relay(running.port, [plan]) as relay, RawClient(relay.port) as client:
            await client.send(wire)
            (_, line) = await running.logged(2)
            relay.links[0].abort()

        assert (line["status"], line["phase"], len(upstream.attempts)) == (499, "read", 2)
