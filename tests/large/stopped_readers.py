"""Clients that stop reading a long stream: what each costs, and when it is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Load
from tests.large.flood import flood
from tests.large.kernel import ESTABLISHED, Held, sockets, tcp_bytes
from tests.large.slow_requests import LATE_S
from tests.large.stand import FLOOD, Stand, stand

KIB = 1024
MOST_EACH_BYTES = 256 * KIB
CLIENT_BUFFER_BYTES = 64 * KIB
"""Theirs is not what is measured; larger ones would fill this machine."""
LOOK_EVERY_S = 0.5
FILLING_S = 60.0
"""Within so long everybody's buffers are full, however busy the machine."""
BODY = json.dumps(
    {"model": FLOOD, "stream": True, "messages": [{"role": "user", "content": "go on"}]}
).encode()
GIVEN_BACK_S = 3.0
"""The gateway looks every second whether a crowd has gone."""
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: wall\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


@dataclass(slots=True)
class Reader:
    """One client, as seen in the kernel's table of sockets."""

    port: int
    queued: int = -1
    stalled_at: float = 0.0
    """When the gateway's kernel last took, or gave, a byte for it."""
    seen_at: float = 0.0
    """When the connection was last there."""
    is_dropped: bool = False


@dataclass(slots=True)
class Watch:
    """Looks at the kernel's table now and then."""

    gateway_port: int
    flood_port: int
    readers: dict[int, Reader]
    kernel_out: int = 0
    """Bytes that the gateway's kernel holds for the clients, at the last look."""
    kernel_in: int = 0
    """Bytes from the upstream that the gateway has not read."""
    upstreams: int = 0
    """Connections of the gateway to the upstream."""
    orphans: int = 0
    """Sockets to clients that the gateway has closed, and whose bytes the kernel still holds."""
    orphaned_bytes: int = 0
    most_at_once: int = 0
    """Clients for whom something is held."""

    def look(self) -> None:
        now = asyncio.get_running_loop().time()
        self.kernel_out = self.kernel_in = self.upstreams = self.orphans = self.orphaned_bytes = 0
        living = set()
        for each in sockets():
            if each.peer_port == self.flood_port and each.state == ESTABLISHED:
                self.upstreams += 1
                self.kernel_in += each.unread_bytes
            elif each.port == self.gateway_port and (reader := self.readers.get(each.peer_port)):
                if each.state != ESTABLISHED:
                    self.orphans += 1
                    self.orphaned_bytes += each.unsent_bytes
                    continue
                living.add(each.peer_port)
                self.kernel_out += each.unsent_bytes
                reader.seen_at = now
                if each.unsent_bytes != reader.queued:
                    reader.queued, reader.stalled_at = each.unsent_bytes, now
        self.most_at_once = max(self.most_at_once, len(living))
        for port, reader in self.readers.items():
            reader.is_dropped = port not in living and reader.queued >= 0

    @property
    def is_full(self) -> bool:
        """Whether nothing has moved for two seconds, for anybody."""
        now = asyncio.get_running_loop().time()
        return all(r.queued > 0 and now - r.stalled_at > 2.0 for r in self.readers.values())

    @property
    def are_dropped(self) -> bool:
        return all(reader.is_dropped for reader in self.readers.values())


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was found."""

    clients: int
    stall_s: float
    before: Held
    full: Held
    after: Held
    kernel_out: int
    kernel_in: int
    all_sockets_bytes: int
    orphans: int
    orphaned_bytes: int
    upstreams_left: int
    most_at_once: int
    waited: Sequence[float]
    """From the last byte that moved for a client until it was last seen connected; a look takes a while."""
    load: Load

    @property
    def each_bytes(self) -> float:
        return (self.full.rss_bytes - self.before.rss_bytes) / self.clients

    @property
    def kept_bytes(self) -> float:
        return (self.after.rss_bytes - self.before.rss_bytes) / self.clients

    @property
    def troubles(self) -> list[str]:
        found = []
        if self.each_bytes > MOST_EACH_BYTES:
            found.append(f"{self.each_bytes / KIB:.0f} KiB each; at most {MOST_EACH_BYTES // KIB}")
        if self.most_at_once < self.clients:
            found.append(
                f"{self.most_at_once} were there at once: the stall limit is too short for this machine"
            )
        if len(self.waited) < self.clients or max(self.waited) > self.stall_s + LATE_S:
            found.append(f"{len(self.waited)} dropped, the last after {max(self.waited, default=0):.1f} s")
        if self.upstreams_left:
            found.append(f"{self.upstreams_left} connections to the upstream are still open")
        if self.kept_bytes > self.each_bytes / 4:
            found.append(f"{self.kept_bytes / KIB:.0f} KiB each were not given back")
        if self.load.errors:
            found.append(f"{self.load.errors} healthy requests failed")
        if self.after.descriptors > self.before.descriptors:
            found.append(f"descriptors {self.before.descriptors} before, {self.after.descriptors} after")
        return found


async def run(clients: int, stall_s: float) -> int:
    """The exit code."""
    async with flood() as port, stand({"client_stall_s": f"{stall_s:g}s"}, flood_port=port) as bench:
        await bench.load(3.0)
        await asyncio.sleep(0.5)
        stopped = await _stop(bench, port, clients, stall_s)
    _tell(stopped)
    print("missed" if stopped.troubles else "reached")
    return int(bool(stopped.troubles))


async def _stop(bench: Stand, flood_port: int, clients: int, stall_s: float) -> Stopped:
    before, sockets_before = bench.held, tcp_bytes()
    with contextlib.ExitStack() as stack:
        watch = Watch(bench.port, flood_port, {})
        for _ in range(clients):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CLIENT_BUFFER_BYTES)
            client.connect(("127.0.0.1", bench.port))
            client.sendall(REQUEST)
            watch.readers[client.getsockname()[1]] = Reader(client.getsockname()[1])
            await asyncio.sleep(0.002)
        full, figures = await _until_full(bench, watch, sockets_before, before)
        load = await bench.load(2.0)
        await _until(watch, lambda: watch.are_dropped, 2 * stall_s + FILLING_S)
        await asyncio.sleep(GIVEN_BACK_S)
        watch.look()
        waited = [r.seen_at - r.stalled_at for r in watch.readers.values() if r.is_dropped]
        return Stopped(
            clients, stall_s, before, full, bench.held, *figures,
            watch.orphans, watch.orphaned_bytes, watch.upstreams, watch.most_at_once, waited, load,
        )  # fmt: skip


async def _until_full(
    bench: Stand, watch: Watch, sockets_before: int, before: Held
) -> tuple[Held, tuple[int, int, int]]:
    """What is held at the most: by the process, and by the kernel."""
    loop = asyncio.get_running_loop()
    end = loop.time() + FILLING_S
    full, figures = before, (0, 0, 0)
    while loop.time() < end and not watch.is_full and not watch.are_dropped:
        watch.look()
        now = bench.held
        if now.rss_bytes >= full.rss_bytes:
            full, figures = now, (watch.kernel_out, watch.kernel_in, tcp_bytes() - sockets_before)
        await asyncio.sleep(LOOK_EVERY_S)
    return full, figures


async def _until(watch: Watch, claim: object, within_s: float) -> None:
    assert callable(claim)
    end = asyncio.get_running_loop().time() + within_s
    while not claim() and asyncio.get_running_loop().time() < end:
        watch.look()
        await asyncio.sleep(LOOK_EVERY_S)


def _tell(found: Stopped) -> None:
    each = found.clients * KIB
    waited = sorted(found.waited) or [0.0]
    print(
        f"{found.clients} clients that read nothing, stall limit {found.stall_s:g} s\n"
        f"  the process: {found.each_bytes / KIB:.0f} KiB each "
        f"({found.before.rss_bytes >> 20} to {found.full.rss_bytes >> 20} MiB), afterwards "
        f"{found.after.rss_bytes >> 20} MiB\n"
        f"  its kernel buffers: {found.kernel_out / each:.0f} KiB each for the client, "
        f"{found.kernel_in / each:.0f} KiB from the upstream; all sockets of the machine "
        f"{found.all_sockets_bytes / each:.0f} KiB each\n"
        f"  dropped after {waited[0]:.1f} to {waited[-1]:.1f} s without a byte; three seconds later "
        f"{found.orphans} sockets with {found.orphaned_bytes >> 20} MiB of theirs are left in the kernel, "
        f"{found.upstreams_left} connections to the upstream\n"
        f"  healthy beside: {found.load.requests / found.load.seconds:.0f} requests/s, "
        f"p99 {found.load.p99_us:.0f} us, {found.load.errors} failed"
    )
    for trouble in found.troubles:
        print(f"  ! {trouble}")
