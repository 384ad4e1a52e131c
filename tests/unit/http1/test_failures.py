"""Every exception of sockets, TLS, the resolver and llhttp becomes one of ours."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

import httptools
import pytest
from httptools.parser import errors as httptools_errors

from plano.http1 import failures
from plano.http1.failures import ALL, DIAL_ERRORS, PARSER_ERRORS, ConnectFailed, Failure


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


@pytest.mark.parametrize("name", [*httptools_errors.__all__])
def test_whatever_llhttp_raises_is_garbage(name: str) -> None:
    error = getattr(httptools, name)("Invalid status code")

    assert isinstance(error, PARSER_ERRORS)
    assert failures.of_parser(error, "a:80").message == "a:80 sent what is not HTTP/1.1: Invalid status code"


def test_all_lists_every_leaf() -> None:
    found = {leaf for leaf in leaves(Failure) if not leaf.__subclasses__()}

    assert found == set(ALL)
