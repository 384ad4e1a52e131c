"""What the kernel says of a process and of the sockets on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import PROC, field_bytes, read

ESTABLISHED = "01"
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at a moment."""

    rss_bytes: int
    descriptors: int
    threads: int


def held(pid: int) -> Held:
    """Zeros once it is gone."""
    status = read(PROC / str(pid) / "status")
    threads = [int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:")]
    return Held(field_bytes(status, "VmRSS"), descriptors(pid), sum(threads))


def descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Socket:
    """One end of a connection."""

    port: int
    peer_port: int
    state: str
    """As the kernel writes it, `ESTABLISHED` for instance."""
    unsent_bytes: int
    """Written and not acknowledged by the peer's kernel."""
    unread_bytes: int


def sockets(path: Path = Path("/proc/net/tcp")) -> Iterator[Socket]:
    """Every TCP socket of this network namespace, IPv4."""
    for line in path.read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        unsent, _, unread = queues.partition(":")
        yield Socket(_port(local), _port(remote), state, int(unsent, 16), int(unread, 16))


def tcp_bytes() -> int:
    """What all TCP sockets of this machine occupy, the rest of their buffers' pages included."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            words = line.split()
            return int(words[words.index("mem") + 1]) * PAGE_BYTES
    return 0


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
