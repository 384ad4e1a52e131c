"""How an exchange with an upstream can fail, in this package's own words.

Foreign exceptions (of sockets, TLS, the resolver, llhttp) become one of these where they are
caught: in `dial.py` while connecting, in `client.py` afterwards. What a failure means for a
request (another candidate, a status, a code) is decided outside this package.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import Literal

from httptools import HttpParserError, HttpParserUpgrade

ConnectReason = Literal[
    "refused", "unreachable", "dns", "tls", "untrusted", "timeout", "proxy", "busy", "exhausted", "closed"
]
"""`untrusted`: its certificate was refused; `busy`: all connections of the origin stayed taken;
`exhausted`: this machine has no descriptor, port or memory left; `closed`: the pool was closed."""

Phase = Literal["connect", "request", "head", "body"]
"""What was waited for: a connection, the upstream to take the request, its head, more of its body."""


class Failure(Exception):
    """No complete answer will come. The message says what was found and what was expected."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConnectFailed(Failure):
    """Nothing was sent: name, address, TLS or proxy did not lead to a usable connection."""

    def __init__(self, message: str, *, reason: ConnectReason) -> None:
        super().__init__(message)
        self.reason: ConnectReason = reason


class ResetBeforeHead(Failure):
    """The connection ended before a whole head arrived."""


class Truncated(Failure):
    """The connection ended inside a body whose framing promised more."""


class Garbage(Failure):
    """What arrived is not the head of an HTTP/1.1 response, or says two things about its framing."""


class BrokenFraming(Failure):
    """Behind a good head, what should frame the body does not: where it ends cannot be known."""


class TooLarge(Failure):
    """A head, or what surrounds the chunks, over its limit."""


class TookTooLong(Failure):
    """A limit of time has passed; the connection is closed already."""

    def __init__(self, message: str, *, phase: Phase) -> None:
        super().__init__(message)
        self.phase: Phase = phase


class Silence(TookTooLong):
    """The upstream took nothing, or sent nothing, for longer than the phase allows."""


class Overdue(TookTooLong):
    """The deadline of the whole exchange passed."""


Leaf = ConnectFailed | ResetBeforeHead | Truncated | Garbage | BrokenFraming | TooLarge | Silence | Overdue
"""What every failure is one of, for whoever tells all of them apart."""

ALL: tuple[type[Failure], ...] = (
    ConnectFailed,
    ResetBeforeHead,
    Truncated,
    Garbage,
    BrokenFraming,
    TooLarge,
    Silence,
    Overdue,
)
"""Every leaf, for whoever has to show that each is mapped."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}

DIAL_ERRORS = (OSError, UnicodeError, ValueError, OverflowError)
"""What sockets, the resolver, TLS and the event loop raise for an address that leads nowhere.
`OSError` covers `socket.gaierror`, `ssl.SSLError`, `TimeoutError` and every `ConnectionError`;
`UnicodeError` is a host name that is no name, `ValueError` one with a NUL, `OverflowError` a
port past 65535. Anything else is a defect here and is not disguised as a failure of the upstream."""


def of_socket(error: BaseException, where: str) -> ConnectFailed:
    """A TCP connection that did not come about."""
    reason: ConnectReason = "unreachable"
    if isinstance(error, ConnectionRefusedError):
        reason = "refused"
    elif isinstance(error, TimeoutError):
        reason = "timeout"
    elif _is_exhaustion(error):
        reason = "exhausted"
    return ConnectFailed(f"cannot connect to {where}: {_said(error)}", reason=reason)


def of_lookup(error: BaseException, host: str) -> ConnectFailed:
    """A name that did not resolve."""
    reason: ConnectReason = "exhausted" if _is_exhaustion(error) else "dns"
    return ConnectFailed(f"cannot resolve {host!r}: {_said(error)}", reason=reason)


def of_tls(error: BaseException, where: str) -> ConnectFailed:
    """A TLS handshake that failed; verification is never skipped, so this is final."""
    reason: ConnectReason = "exhausted" if _is_exhaustion(error) else "tls"
    said = _said(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = "untrusted"
        said = f"its certificate was refused ({getattr(error, 'verify_message', error)})"
    return ConnectFailed(f"no TLS with {where}: {said}", reason=reason)


PARSER_ERRORS = (HttpParserError, HttpParserUpgrade)
"""What llhttp raises of its own; a callback's error travels in the context of one of them."""


def of_parser(error: Exception, where: str, *, in_body: bool) -> Garbage | BrokenFraming:
    """Bytes that llhttp refuses."""
    if in_body:
        return BrokenFraming(f"{where} broke the framing of its answer: {error}")
    return Garbage(f"{where} sent what is not HTTP/1.1: {error}")


def is_cut(error: BaseException | None) -> bool:
    """Whether a lost connection was ended by the peer (FIN, RST) rather than by anything else."""
    return error is None or isinstance(error, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError))


def _is_exhaustion(error: BaseException) -> bool:
    """Whether it is this machine that has nothing left."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_MEMORY
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno in _EXHAUSTED


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, (socket.gaierror, ssl.SSLError)):
        return os.strerror(error.errno)  # asyncio's own words repeat the address
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
