"""Connecting: names, several addresses, TLS that is verified, and proxies that tunnel."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from plano.http1.dial import client_context
from plano.http1.failures import ConnectFailed, Failure
from plano.http1.limits import ClientLimits
from plano.http1.origin import Origin
from plano.http1.proxies import Proxies
from plano.http1.resolve import AddressInfo, Resolver
from tests.unit.http1.upstreams import Peer, Script, ask, forever, pool, until, upstream

ANSWERED = ["head", "body", "end"]


def reason_of(failure: Failure) -> str:
    assert isinstance(failure, ConnectFailed), failure
    return failure.reason


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nobody listens, kept from others while the test runs."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def named(*addresses: tuple[str, int]) -> Resolver:
    """A resolver that answers any name with these."""
    found: list[AddressInfo] = [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses
    ]
    return Resolver(asyncio.get_running_loop(), look_up=lambda _host, _port: found)


async def test_a_refused_connection_says_so(closed_port: int) -> None:
    async with pool() as connections:
        sink = await ask(connections, Origin("http", "127.0.0.1", closed_port))

        assert (sink.names, reason_of(sink.failure), f"127.0.0.1:{closed_port}" in sink.failure.message) == (
            ["broke"],
            "refused",
            True,
        )


async def test_an_address_that_refuses_is_passed_over(closed_port: int) -> None:
    async with upstream(forever) as up:
        resolver = named(("127.0.0.1", closed_port), ("127.0.0.1", up.origin.port))
        async with pool(resolver=resolver) as connections:
            sink = await ask(connections, Origin("http", "up.invalid", up.origin.port))

            assert sink.names == ANSWERED


async def test_an_address_that_does_not_answer_costs_its_head_start(
    full_port: tuple[str, int],
) -> None:
    """A black hole in front (a broken IPv6, say) must not cost the connect limit."""
    async with upstream(forever) as up:
        resolver = named(full_port, ("127.0.0.1", up.origin.port))
        async with pool(ClientLimits(connect_s=5.0), resolver=resolver) as connections:
            loop = asyncio.get_running_loop()
            began = loop.time()
            sink = await ask(connections, Origin("http", "up.invalid", up.origin.port))

            assert (sink.names, loop.time() - began < 2) == (ANSWERED, True)


async def test_when_no_address_connects_the_first_ones_trouble_is_told(closed_port: int) -> None:
    resolver = named(("127.0.0.1", closed_port), ("127.0.0.2", closed_port))
    async with pool(resolver=resolver) as connections:
        sink = await ask(connections, Origin("http", "up.invalid", closed_port))

        assert reason_of(sink.failure) == "refused"


@pytest.fixture
def full_port() -> Iterator[tuple[str, int]]:
    """Listens and never accepts, its queue filled: connecting to it hangs, as to a black hole."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        yield address
        for sock in waiting:
            sock.close()


async def test_connecting_has_a_limit(full_port: tuple[str, int]) -> None:
    async with pool(ClientLimits(connect_s=0.05)) as connections:
        origin = Origin("http", *full_port)
        sink = await ask(connections, origin)

        assert (reason_of(sink.failure), connections.taken(origin)) == ("timeout", 0)


async def test_cancelling_while_connecting_leaves_nothing(full_port: tuple[str, int]) -> None:
    async with pool() as connections:
        origin = Origin("http", *full_port)
        asking = asyncio.create_task(ask(connections, origin))
        await until(lambda: connections.taken(origin) == 1)
        asking.cancel()
        await asyncio.wait([asking])
        gc.collect()  # an unclosed socket would warn here

        assert (asking.cancelled(), connections.taken(origin)) == (True, 0)


@pytest.mark.parametrize(
    "host",
    ["nobody.invalid", "x" * 64 + ".invalid", "a..invalid", "nul\x00.invalid"],
    ids=["unknown", "label too long", "empty label", "NUL"],
)
async def test_a_name_that_does_not_resolve(host: str) -> None:
    async with pool() as connections:
        sink = await ask(connections, Origin("http", host, 80))

        assert (sink.names, reason_of(sink.failure)) == (["broke"], "dns")


async def test_a_dead_resolver_leaves_time_to_say_so() -> None:
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never(host: str, port: int) -> list[AddressInfo]:
        asyncio.run_coroutine_threadsafe(_wait(answered), loop).result()
        return []

    async with pool(ClientLimits(dns_s=0.03), resolver=Resolver(loop, look_up=never)) as connections:
        sink = await ask(connections, Origin("http", "slow.invalid", 80))
        answered.set()

        assert (reason_of(sink.failure), "0.03 s" in sink.failure.message) == ("dns", True)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


# --- TLS ---


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    """A client's context that knows the authority, as a configured file tells it."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return client_context(str(file))


def serving(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def test_tls_is_spoken_and_kept_alive(authority: trustme.CA, trusted: ssl.SSLContext) -> None:
    async with upstream(forever, tls=serving(authority, "127.0.0.1")) as up, pool(tls=trusted) as connections:
        sinks = [await ask(connections, up.origin, [b"x" * 1_000_000]) for _ in range(2)]

        assert ([sink.names for sink in sinks], up.connections) == ([ANSWERED] * 2, 1)


async def test_a_certificate_may_carry_another_name_than_the_address(
    authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    async with upstream(forever, tls=serving(authority, "api.test")) as up, pool(tls=trusted) as connections:
        origin = Origin("https", "127.0.0.1", up.origin.port, server_hostname="api.test")
        sink = await ask(connections, origin)

        assert sink.names == ANSWERED


async def test_an_unknown_authority_is_refused(trusted: ssl.SSLContext) -> None:
    async with (
        upstream(forever, tls=serving(trustme.CA(), "127.0.0.1")) as up,
        pool(tls=trusted) as connections,
    ):
        sink = await ask(connections, up.origin)

        assert (reason_of(sink.failure), "certificate was refused" in sink.failure.message) == (
            "untrusted",
            True,
        )


async def test_a_certificate_for_somebody_else_is_refused(
    authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    async with (
        upstream(forever, tls=serving(authority, "other.test")) as up,
        pool(tls=trusted) as connections,
    ):
        sink = await ask(connections, up.origin)

        assert (reason_of(sink.failure), connections.taken(up.origin)) == ("untrusted", 0)


async def test_tls_1_1_is_refused(authority: trustme.CA, trusted: ssl.SSLContext) -> None:
    old = serving(authority, "127.0.0.1")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with upstream(forever, tls=old) as up, pool(tls=trusted) as connections:
        sink = await ask(connections, up.origin)

        assert reason_of(sink.failure) == "tls"


async def test_a_peer_that_speaks_no_tls(trusted: ssl.SSLContext) -> None:
    async def speaks_http(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with upstream(speaks_http) as up, pool(tls=trusted) as connections:
        sink = await ask(connections, Origin("https", "127.0.0.1", up.origin.port))

        assert reason_of(sink.failure) == "tls"


async def test_a_peer_that_hangs_in_the_handshake(trusted: ssl.SSLContext) -> None:
    async def says_nothing(peer: Peer) -> None:
        await peer.gone()

    async with upstream(says_nothing) as up, pool(ClientLimits(connect_s=0.05), tls=trusted) as connections:
        origin = Origin("https", "127.0.0.1", up.origin.port)
        sink = await ask(connections, origin)
        await up.left.wait()

        assert (reason_of(sink.failure), connections.taken(origin)) == ("timeout", 0)


async def test_a_peer_that_leaves_in_the_handshake(trusted: ssl.SSLContext) -> None:
    async def leaves(peer: Peer) -> None:
        await peer.read(10)

    async with upstream(leaves) as up, pool(tls=trusted) as connections:
        sink = await ask(connections, Origin("https", "127.0.0.1", up.origin.port))

        assert reason_of(sink.failure) == "tls"


async def test_a_stale_tls_connection_is_replaced_unseen(
    authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    async def leaves_with_the_second(peer: Peer) -> None:
        await peer.answer()
        await peer.read(1)
        peer.reset()

    async with (
        upstream(leaves_with_the_second, forever, tls=serving(authority, "127.0.0.1")) as up,
        pool(tls=trusted) as connections,
    ):
        await ask(connections, up.origin)
        sink = await ask(connections, up.origin)

        assert (sink.names, connections.replays) == (ANSWERED, 1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nabc", ANSWERED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ["head", "body", "broke"]),
    ],
    ids=["until the end", "sized"],
)
async def test_tls_that_ends_without_a_farewell(
    said: bytes, told: list[str], authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    """Many servers just close. Only where the end is the framing can it be the end."""

    async def drops(peer: Peer) -> None:
        await peer.answer(said)

    async with upstream(drops, tls=serving(authority, "127.0.0.1")) as up, pool(tls=trusted) as connections:
        sink = await ask(connections, up.origin)

        assert sink.names == told


async def test_cancelling_over_tls_closes_at_once(authority: trustme.CA, trusted: ssl.SSLContext) -> None:
    asked = asyncio.Event()

    async def hangs(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.gone()

    async with upstream(hangs, tls=serving(authority, "127.0.0.1")) as up, pool(tls=trusted) as connections:
        asking = asyncio.create_task(ask(connections, up.origin))
        await asked.wait()
        asking.cancel()
        async with asyncio.timeout(0.25):
            await up.left.wait()

        assert connections.taken(up.origin) == 0


# --- proxies ---


def tunnelling(asked: list[bytes]) -> Script:
    """A proxy that does as CONNECT says."""

    async def tunnel(peer: Peer) -> None:
        request = await peer.request()
        asked.append(request)
        host, _, port = request.split(b" ")[1].rpartition(b":")
        reader, writer = await asyncio.open_connection(host.decode(), int(port))
        await peer.send(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(peer.read, writer))
                group.create_task(_pump_back(reader, peer))
        finally:
            writer.transport.abort()

    return tunnel


async def _pump(read: object, writer: asyncio.StreamWriter) -> None:
    assert callable(read)
    while data := await read(65536):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()


async def _pump_back(reader: asyncio.StreamReader, peer: Peer) -> None:
    while data := await reader.read(65536):
        await peer.send(data)
    peer.close()


async def test_tls_goes_through_a_proxys_tunnel(authority: trustme.CA, trusted: ssl.SSLContext) -> None:
    """The credentials are the proxy's alone; the origin never sees them."""
    asked: list[bytes] = []
    seen: list[bytes] = []

    async def notes(peer: Peer) -> None:
        seen.append(await peer.answer())
        seen.append(await peer.answer())

    async with (
        upstream(notes, tls=serving(authority, "127.0.0.1")) as up,
        upstream(tunnelling(asked)) as proxy,
    ):
        proxies = Proxies.read({"https_proxy": f"http://user:pass@127.0.0.1:{proxy.origin.port}"})
        async with pool(tls=trusted, proxies=proxies) as connections:
            sinks = [await ask(connections, up.origin) for _ in range(2)]

    assert [sink.names for sink in sinks] == [ANSWERED] * 2
    assert asked == [
        b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n" % (up.origin.port, up.origin.port)
    ]
    assert [b"roxy" in request for request in seen] == [False, False]


async def test_plain_requests_are_sent_to_the_proxy_in_absolute_form() -> None:
    seen: list[bytes] = []

    async def notes(peer: Peer) -> None:
        seen.append(await peer.answer())
        seen.append(await peer.answer())

    async with upstream(notes) as proxy:
        proxies = Proxies.read({"http_proxy": f"http://user:pass@127.0.0.1:{proxy.origin.port}"})
        async with pool(proxies=proxies) as connections:
            sinks = [await ask(connections, Origin("http", "api.invalid", 80)) for _ in range(2)]

    assert [sink.names for sink in sinks] == [ANSWERED] * 2
    request = (
        b"POST http://api.invalid/v1/chat/completions HTTP/1.1\r\n"
        b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\nHost: upstream\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert seen == [request, request]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407", id="407"
        ),
        pytest.param(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops", "502", id="502 with a body"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nsurplus", "after it", id="bytes before TLS"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", "SSH-2.0-x", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000, "did not end", id="an endless head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y\r\n", "did not end", id="a head cut off"),
        pytest.param(b"", "b''", id="nothing"),
    ],
)
async def test_a_proxy_that_does_not_tunnel(answer: bytes, found: str) -> None:
    async def refuses(peer: Peer) -> None:
        await peer.answer(answer)

    async with upstream(refuses) as proxy:
        proxies = Proxies.read({"https_proxy": f"http://127.0.0.1:{proxy.origin.port}"})
        async with pool(proxies=proxies) as connections:
            sink = await ask(connections, Origin("https", "api.invalid", 443))

    assert (reason_of(sink.failure), found in sink.failure.message) == ("proxy", True)


async def test_a_proxy_that_cannot_be_reached(closed_port: int) -> None:
    proxies = Proxies.read({"all_proxy": f"http://127.0.0.1:{closed_port}"})
    async with pool(proxies=proxies) as connections:
        sinks = [
            await ask(connections, Origin("http", "api.invalid", 80)),
            await ask(connections, Origin("https", "api.invalid", 443)),
        ]

    assert [reason_of(sink.failure) for sink in sinks] == ["proxy", "proxy"]


async def test_a_proxy_of_another_kind_is_reported_not_passed_by() -> None:
    """Going direct would break a rule of whoever set the proxy up."""
    async with (
        upstream(forever) as up,
        pool(proxies=Proxies.read({"all_proxy": "socks5://127.0.0.1:1"})) as connections,
    ):
        sink = await ask(connections, up.origin)

        assert (reason_of(sink.failure), up.connections) == ("proxy", 0)


async def test_an_exempt_host_is_reached_directly(closed_port: int) -> None:
    environment = {"all_proxy": f"http://127.0.0.1:{closed_port}", "no_proxy": "127.0.0.0/8"}
    async with upstream(forever) as up, pool(proxies=Proxies.read(environment)) as connections:
        sink = await ask(connections, up.origin)

        assert sink.names == ANSWERED


def test_a_client_context_never_weakens_verification() -> None:
    context = client_context()

    assert (context.verify_mode, context.check_hostname, context.minimum_version) == (
        ssl.CERT_REQUIRED,
        True,
        ssl.TLSVersion.TLSv1_2,
    )


def test_a_configured_authority_is_added_to_the_systems(authority: trustme.CA, tmp_path: Path) -> None:
    """Replacing them would cut off every public provider beside the private one."""
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))

    assert len(client_context(str(file)).get_ca_certs()) == len(client_context().get_ca_certs()) + 1
