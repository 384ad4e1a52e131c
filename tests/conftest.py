"""What holds for every test: nothing is sent beyond this machine, no secret is told, and properties
are repeatable."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.wall.canary import WITNESS, Listener

settings.register_profile(
    "repeatable",
    derandomize=True,  # the same examples in every run: what fails here fails everywhere
    deadline=None,  # how long one example takes says more about the machine than about the code
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("fuzz", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile("repeatable")

_strayed: list[str] = []


class StrayedOffLoopback(RuntimeError):
    """A test tried to reach another machine. Not an OSError, so that code under test cannot take
    it for an upstream that is down."""


def _is_here(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _stay_here(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: sees every connect, send and look-up of this process, whoever makes it.

    Names under `.invalid` never exist (RFC 6761), which is answered here without asking a resolver.
    """
    host: object
    match event, arguments:
        case "socket.connect" | "socket.sendto", (_, (host, *_)):
            pass
        case "socket.getaddrinfo" | "socket.gethostbyname", (host, *_):
            pass
        case _:
            return
    if _is_here(host):
        return
    name = host.decode("latin-1") if isinstance(host, bytes) else str(host)
    if name.rstrip(".").endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    _strayed.append(f"{event} {name}")
    raise StrayedOffLoopback(f"{event}: {name!r} is not this machine; tests stay on loopback")


sys.addaudithook(_stay_here)


@pytest.fixture(autouse=True)
def stays_on_loopback() -> Iterator[None]:
    """Fails a test that strayed even when the code under test swallowed the exception."""
    _strayed.clear()
    yield
    strayed = list(_strayed)
    _strayed.clear()
    assert strayed == []


logging.getLogger().addHandler(Listener(WITNESS))


@pytest.fixture(autouse=True)
def tells_no_secret() -> Iterator[None]:
    """Fails a test in which a key was seen anywhere but upstream, or a prompt anywhere but there and in the
    body of an answer; see `tests.wall.canary`."""
    yield
    leaks = WITNESS.leaks()
    assert leaks == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was looked through in the whole run: a scan that nobody can see may have ended long ago."""
    terminalreporter.write_line(WITNESS.summary())
