"""Quotes over the wire: a source on loopback that answers, fails, hangs and recovers."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from plano.catalog.catalog import Catalog
from plano.catalog.names import ModelId
from plano.catalog.sources import LatencySource, PriceSource, QuoteSources
from plano.http1.alarms import Alarms
from plano.http1.dial import client_context
from plano.http1.limits import ClientLimits
from plano.http1.pool import Pool
from plano.http1.proxies import Proxies
from plano.quotes.board import Board
from plano.quotes.fetch import PoolFetch, SourceFailed
from tests.unit.quotes.fakes import Time, even
from tests.wall.authority import Authority
from tests.wall.script import JSON, Fin, Head, Raw, Rst, Script, Stall, chunked, close_delimited, sized
from tests.wall.upstream import ScriptedUpstream

MODEL = ModelId("openai/m")
LARGEST = 4096


def prices(each: float) -> bytes:
    return json.dumps({"openai": {"models": {"m": {"cost": {"input": each, "output": each}}}}}).encode()


@asynccontextmanager
async def pool(
    *, tls: Callable[[], ssl.SSLContext] = client_context, proxies: Proxies | None = None
) -> AsyncIterator[Pool]:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    connections = Pool(loop, ClientLimits(), alarms, tls=tls, proxies=proxies)
    try:
        yield connections
    finally:
        await connections.close()
        alarms.close()


async def fetched(*script: Script, path: str = "/api.json", within_s: float = 5.0) -> bytes:
    async with ScriptedUpstream(script) as upstream, pool() as connections:
        fetch = PoolFetch(connections, within_s=within_s, largest_bytes=LARGEST)
        return await fetch.get(upstream.url + path)


@pytest.mark.parametrize(
    "script",
    [sized(b"{}"), chunked([b"{", b"}"], headers=JSON), close_delimited(b"{}")],
    ids=["sized", "chunked", "closed"],
)
async def test_a_document_comes_whole(script: Script) -> None:
    """However it is delimited."""
    assert await fetched(script) == b"{}"


FAULTS = [
    pytest.param(sized(b"{}", status=500), "500", id="server error"),
    pytest.param(sized(b"{}", status=404), "404", id="not found"),
    pytest.param(
        sized(b"", status=302, headers=[("location", "http://127.0.0.1:1/")]), "redirects", id="redirect"
    ),
    pytest.param(sized(b"", status=304), "304", id="not modified"),
    pytest.param(sized(b"\x1f\x8b", headers=[("content-encoding", "gzip")]), "compressed", id="compressed"),
    pytest.param(sized(b" " * (LARGEST + 1)), "more than 4096 bytes", id="too large, announced"),
    pytest.param(chunked([b" " * 1024] * 5), "more than 4096 bytes", id="too large, in chunks"),
    pytest.param([Head(200), Fin()], "inside the body", id="truncated"),
    pytest.param([Rst()], "before a whole head", id="reset"),
    pytest.param([Raw(b"SSH-2.0\r\n"), Fin()], "HTTP/1.1", id="another protocol"),
]


@pytest.mark.parametrize(("script", "said"), FAULTS)
async def test_anything_but_a_whole_document_is_a_failure(script: Script, said: str) -> None:
    """In words, and with the connection closed."""
    with pytest.raises(SourceFailed, match=said):
        await fetched(script)


@pytest.mark.parametrize(
    "script",
    [[Stall()], [Head(200), Stall()], [Head(200), Raw(b"1\r\n{\r\n"), Stall()]],
    ids=["head", "body", "rest"],
)
async def test_a_source_that_hangs_is_left_in_time(script: Script) -> None:
    """Wherever it hangs; the wall notices that the connection is closed."""
    async with ScriptedUpstream([script]) as upstream, pool() as connections:
        with pytest.raises(SourceFailed):
            await PoolFetch(connections, within_s=0.06).get(upstream.url)

        attempt = await upstream.attempt(0)
        await attempt.gone()


async def test_a_port_where_nobody_listens_is_a_failure() -> None:
    """The failure names the place, which is the operator's own."""
    async with ScriptedUpstream() as upstream:
        await upstream.stop_listening()
        async with pool() as connections:
            with pytest.raises(SourceFailed, match=f"127.0.0.1:{upstream.port}"):
                await PoolFetch(connections).get(upstream.url)


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://h/", "http://", "http://h:99999/", "http://[x/"])
async def test_an_address_that_is_none_is_a_failure(url: str) -> None:
    """It comes from a configuration that another version may have checked."""
    async with pool() as connections:
        with pytest.raises(SourceFailed, match="address"):
            await PoolFetch(connections).get(url)


async def test_what_is_asked_for() -> None:
    """Plain JSON, once; the user and the password of the address as a credential, and nowhere else."""
    async with ScriptedUpstream([sized(b"{}")]) as upstream, pool() as connections:
        address = upstream.url.replace("http://", "http://me:p%40ss@")
        await PoolFetch(connections).get(f"{address}/a b/ü?q=x y&z=%7B#part")

        request = (await upstream.attempt(0)).request
        headers = dict(request.headers)
        credential = base64.b64encode(b"me:p@ss").decode()
        assert (request.method, request.target) == ("GET", "/a%20b/%C3%BC?q=x%20y&z=%7B")
        assert headers["authorization"] == f"Basic {credential}"
        assert headers["accept-encoding"] == "identity"
        assert headers["host"] == f"127.0.0.1:{upstream.port}"


async def test_a_source_over_tls() -> None:
    """With the authorities that providers are trusted by."""
    authority = Authority()
    async with (
        ScriptedUpstream([sized(b"{}")], tls=authority.serving()) as upstream,
        pool(tls=authority.trusting) as connections,
    ):
        assert await PoolFetch(connections).get(upstream.url) == b"{}"


async def test_a_source_behind_a_proxy() -> None:
    """The proxy of the environment, as for providers."""
    async with ScriptedUpstream([sized(b"{}")]) as proxy:
        proxies = Proxies.read({"http_proxy": proxy.url})
        async with pool(proxies=proxies) as connections:
            await PoolFetch(connections).get("http://catalogue.invalid/api.json")

        assert (await proxy.attempt(0)).request.target == "http://catalogue.invalid/api.json"


async def quoted(scripts: Sequence[Script]) -> list[float | None]:
    """What a board quotes before it has asked, and after each of its attempts."""
    seen: list[float | None] = []
    time = Time(naps=len(scripts))

    async def look_and_sleep(seconds: float) -> None:
        seen.append(quotes.usd_per_mtok(MODEL))
        await time.sleep(seconds)

    async with ScriptedUpstream(scripts) as upstream, pool() as connections:
        fetch = PoolFetch(connections, within_s=0.06, largest_bytes=LARGEST)
        sources = QuoteSources(PriceSource("models.dev", upstream.url))
        quotes = Board(
            Catalog((), {}), sources, fetch=fetch, today=time.now, chance=even, sleep=look_and_sleep
        )
        quotes.start(asyncio.get_running_loop())
        await time.tired.wait()
        await quotes.close()
    return seen


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(sized(b"", status=500), id="500"),
        pytest.param(sized(b"", status=307, headers=[("location", "/")]), id="redirect"),
        pytest.param([Stall()], id="hang"),
        pytest.param(sized(b" " * (LARGEST + 1)), id="oversized"),
        pytest.param(sized(b"<html>down for maintenance</html>"), id="not JSON"),
        pytest.param(sized(b"{}"), id="empty"),
    ],
)
async def test_the_last_good_prices_stay_in_an_outage(fault: Script) -> None:
    """And the new ones come when it is over."""
    seen = await quoted([sized(prices(1.0)), fault, fault, sized(prices(2.0))])

    assert seen == [None, 2.0, 2.0, 2.0, 4.0]


async def test_a_prometheus_is_asked_its_query() -> None:
    """As people write it: braces, quotes, brackets."""
    query = 'avg by (model_name) (rate(x_sum{job="a b"}[5m]))'
    series = {"metric": {"model_name": MODEL}, "value": [1, "0.25"]}
    said = {"status": "success", "data": {"resultType": "vector", "result": [series]}}
    async with ScriptedUpstream([sized(json.dumps(said).encode())]) as upstream, pool() as connections:
        sources = QuoteSources(latencies=LatencySource(f"{upstream.url}/prom/", query))
        quotes = Board(Catalog((), {}), sources, fetch=PoolFetch(connections))

        await quotes.refresh(within_s=5.0)

        target = (await upstream.attempt(0)).request.target
        assert target == (
            "/prom/api/v1/query?query=avg%20by%20%28model_name%29%20%28rate%28x_sum%7Bjob%3D%22a%20b%22%7D%5B5m%5D%29%29"
        )
        assert quotes.latency_s(MODEL) == 0.25
