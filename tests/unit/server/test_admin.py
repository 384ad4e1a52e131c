"""The admin listener: metrics and health, and what becomes of everything else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from plano.bootstrap import AdminListener, bind
from tests.wall.raw_client import RawClient, RawReply

Render = Callable[[str], Awaitable[tuple[str, bytes]]]


async def plain(accept: str) -> tuple[str, bytes]:
    return "text/plain; version=0.0.4", f"accepts {accept}\n".encode()


async def late(_: str) -> tuple[str, bytes]:
    raise TimeoutError


async def faulty(_: str) -> tuple[str, bytes]:
    raise RuntimeError("a defect")


@contextlib.asynccontextmanager
async def admin(render: Render = plain, *, ready: bool = True) -> AsyncIterator[RawClient]:
    """A client of an admin listener."""
    listener = AdminListener(render=render, is_ready=lambda: ready)
    with bind("127.0.0.1", 0) as listening:
        await listener.listen(listening)
        try:
            async with RawClient(listening.getsockname()[1]) as client:
                yield client
        finally:
            listener.stop()


async def got(client: RawClient, path: str, *headers: str) -> RawReply:
    await client.get(path, *headers)
    return await client.reply(to="GET")


async def test_a_scrape_is_rendered_for_who_scrapes() -> None:
    """Prometheus and OpenMetrics ask for different forms of the same."""
    async with admin() as client:
        reply = await got(client, "/metrics", "accept: text/plain")

    assert (reply.status, reply.header("content-type"), reply.body) == (
        200,
        "text/plain; version=0.0.4",
        b"accepts text/plain\n",
    )


@pytest.mark.parametrize(
    ("path", "ready", "status", "body"),
    [
        ("/healthz", True, 200, b'{"status":"ok"}'),
        ("/healthz", False, 200, b'{"status":"ok"}'),
        ("/readyz", True, 200, b'{"status":"ready"}'),
        ("/readyz", False, 503, b'{"status":"not ready"}'),
    ],
)
async def test_alive_is_not_ready(path: str, ready: bool, status: int, body: bytes) -> None:
    """What is not alive is restarted, what is not ready is left alone."""
    async with admin(ready=ready) as client:
        reply = await got(client, path)

    assert (reply.status, reply.body) == (status, body)


async def test_an_unknown_path_is_answered_with_the_known_ones() -> None:
    """A slip in a scraper's configuration is found where it shows."""
    async with admin() as client:
        reply = await got(client, "/metric")

    assert (reply.status, b"/metrics, /healthz, /readyz" in reply.body) == (404, True)


async def test_another_method_is_told_which_ones_there_are() -> None:
    """RFC 9110 §15.5.6 asks for it."""
    async with admin() as client:
        await client.post("/metrics", b"{}")
        reply = await client.reply()

    assert (reply.status, reply.header("allow")) == (405, "GET, HEAD")


async def test_workers_that_do_not_report_make_a_scrape_fail_not_lie() -> None:
    """A scrape that failed shows as a gap; an empty one as a restart."""
    async with admin(late) as client:
        reply = await got(client, "/metrics")

    assert (reply.status, reply.header("retry-after") is not None) == (503, True)


async def test_a_defect_in_a_scrape_is_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a scraper that waits for ever nor a traceback on the wire."""
    async with admin(faulty) as client:
        reply = await got(client, "/metrics")

    (record,) = caplog.records
    assert (reply.status, b"a defect" in reply.body, record.levelname) == (500, False, "ERROR")
    assert record.exc_info is not None


async def test_a_body_has_no_business_here() -> None:
    """Whoever reaches this listener by mistake must not make it hold megabytes."""
    async with admin() as client:
        await client.send(b"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n")
        reply = await client.reply()

    assert (reply.status, reply.header("connection")) == (413, "close")
