"""What has gone is freed at once: connections come and go, and the cycle collector comes seldom."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator

import pytest

from plano.chat.dialect import Dialect
from plano.exchange.ask import Ask
from plano.exchange.relaying import Relay
from plano.http1.client import ClientConnection
from plano.http1.connection import Connection
from plano.http1.reply import Reply
from plano.http1.request import Request, RequestReader
from plano.http1.response import ResponseReader
from tests.fault.baseline import until
from tests.wall.answers import cut_stream
from tests.wall.gateway import config_at, gateway
from tests.wall.raw_client import RawClient
from tests.wall.script import Fin, Rst, Script, sized
from tests.wall.upstream import ScriptedUpstream

FLEETING = (Ask, Connection, RequestReader, Reply, Request, Relay, ClientConnection, ResponseReader)
CHAT = "/v1/chat/completions"


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the collector, what is part of a cycle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> dict[str, int]:
    found = [type(each).__name__ for each in gc.get_objects() if isinstance(each, FLEETING)]
    return {name: found.count(name) for name in set(found)}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_nothing_of_a_connection_outlives_it(stream: bool) -> None:
    """A connection with its parser is kilobytes; clients that open one for each request make millions."""
    body = json.dumps({"model": "gpt-wall", "stream": stream, "messages": []}).encode()
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        before = alive()
        for _ in range(5):
            async with RawClient(running.port) as client:
                await client.post(CHAT, body)
                await client.reply()
        upstream.close_idle()
        await running.logged(5)
        await until(lambda: alive() == before)


FAILURES = [
    pytest.param([Rst()], id="reset before the head"),
    pytest.param(sized(b"<html>", status=200), id="no JSON"),
    pytest.param(sized(b"<html>", status=503), id="a page"),
    pytest.param(sized(b"", status=302), id="a redirect"),
    pytest.param([*cut_stream(Dialect.OPENAI_CHAT, 700), Fin()], id="a cut stream"),
]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("script", FAILURES)
async def test_nothing_of_a_failed_exchange_outlives_it(script: Script) -> None:
    """An exception remembers where it was raised, and with that the request's body: in an outage that
    would be every body of every request until the collector comes."""
    body = json.dumps({"model": "gpt-wall", "stream": True, "messages": []}).encode()
    before = alive()
    async with ScriptedUpstream([script] * 3) as upstream, gateway(config_at(upstream)) as running:
        for _ in range(3):
            async with RawClient(running.port) as client:
                await client.post(CHAT, body)
                await client.reply()
        upstream.close_idle()
        await running.logged(3)

        await until(lambda: alive() == before)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("body", [b"{", b'{"model":"nobody"}', b'{"model":1}'])
async def test_nothing_of_a_refused_request_outlives_it(body: bytes) -> None:
    """Refusals are exceptions too."""
    before = alive()
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        for _ in range(3):
            async with RawClient(running.port) as client:
                await client.post(CHAT, body)
                await client.reply()
        await running.logged(3)

        await until(lambda: alive() == before)
