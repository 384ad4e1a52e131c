"""Every exception of sockets, TLS, the resolver and llhttp becomes one of ours."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import get_args

import httptools
import pytest
from httptools.parser import errors as httptools_errors

from plano.http1 import failures
from plano.http1.failures import ALL, DIAL_ERRORS, PARSER_ERRORS, ConnectFailed, Failure, Leaf


def leaves(error: type[BaseException]) -> Iterator[type[BaseException]]:
    yield error
    for child in error.__subclasses__():
        yield from leaves(child)


SOCKET_ERRORS: list[BaseException] = [
    *[OSError(number, os.strerror(number)) for number in sorted(errno.errorcode)],
    *[socket.gaierror(getattr(socket, name), name) for name in dir(socket) if name.startswith("EAI_")],
    *[ssl.SSLError(1, "tls"), ssl.SSLEOFError(8, "eof"), ssl.SSLZeroReturnError(6, "closed")],
    *[ssl.SSLSyscallError(5, "system"), ssl.SSLCertVerificationError(1, "certificate")],
    TimeoutError(),
    ConnectionAbortedError("SSL handshake is taking longer than 60.0 seconds: aborting the connection"),
    UnicodeError("label empty or too long"),
    ValueError("embedded null byte"),
    OverflowError("port must be 0-65535"),
]


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}-{error.args[0] if error.args else ''}"


@pytest.mark.parametrize("error", SOCKET_ERRORS, ids=_name)
def test_whatever_connecting_raises_is_mapped(error: BaseException) -> None:
    assert isinstance(error, DIAL_ERRORS)

    mapped = [
        failures.of_socket(error, "a:80"),
        failures.of_lookup(error, "a"),
        failures.of_tls(error, "a:80"),
    ]

    assert [(type(failure), bool(failure.message)) for failure in mapped] == [(ConnectFailed, True)] * 3


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.ECONNRESET, "unreachable"),
        (errno.EMFILE, "exhausted"),
        (errno.ENFILE, "exhausted"),
        (errno.EADDRNOTAVAIL, "exhausted"),
    ],
)
def test_the_reason_tells_whose_trouble_it_is(number: int, reason: str) -> None:
    """A machine out of descriptors must not look like an upstream that is down."""
    assert failures.of_socket(OSError(number, os.strerror(number)), "a:80").reason == reason


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_exhaustion_is_told_wherever_it_is_met(number: int) -> None:
    """Looking a name up opens files, and TLS reads authorities: that is this machine's trouble there too."""
    error = OSError(number, os.strerror(number))

    reasons = [failures.of_lookup(error, "a").reason, failures.of_tls(error, "a:80").reason]
    reasons.append(failures.of_lookup(socket.gaierror(socket.EAI_MEMORY, "Memory"), "a").reason)

    assert reasons == ["exhausted"] * 3


def test_the_words_are_the_systems() -> None:
    """asyncio's own repeat the address and hide the reason in brackets."""
    error = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")

    message = failures.of_socket(error, "127.0.0.1:1").message

    assert message == "cannot connect to 127.0.0.1:1: Connection refused"


@pytest.mark.parametrize("name", [*httptools_errors.__all__])
def test_whatever_llhttp_raises_is_garbage(name: str) -> None:
    error = getattr(httptools, name)("Invalid status code")

    assert isinstance(error, PARSER_ERRORS)
    found = [failures.of_parser(error, "a:80", in_body=in_body) for in_body in (False, True)]

    assert [(type(each), each.message) for each in found] == [
        (failures.Garbage, "a:80 sent what is not HTTP/1.1: Invalid status code"),
        (failures.BrokenFraming, "a:80 broke the framing of its answer: Invalid status code"),
    ]


def test_all_lists_every_leaf() -> None:
    found = {leaf for leaf in leaves(Failure) if not leaf.__subclasses__()}

    assert found == set(ALL) == set(get_args(Leaf))
