"""The two ports of a gateway: bound before anything else is started, so that a taken one is said at once."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from plano import bootstrap
from plano.cli.exits import InputAtFault, OutsideAtFault

ADMIN_HOST = "127.0.0.1"
ADMIN_PORT = 9092


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gateway listens."""

    models: socket.socket
    admin: socket.socket
    address: str
    """Both in words, with the numbers that were picked."""

    @staticmethod
    @contextlib.contextmanager
    def bound(host: str, port: int, admin_port: int) -> Iterator[Ports]:
        """Both, until the context ends. Raises OutsideAtFault when one cannot be had."""
        if port == admin_port != 0:
            raise InputAtFault(f"--admin-port {admin_port} is the port that serves models; choose another")
        with _bound(host, port, "--port") as models, _bound(ADMIN_HOST, admin_port, "--admin-port") as admin:
            yield Ports(models, admin, _address(host, models, admin))


def _address(host: str, models: socket.socket, admin: socket.socket) -> str:
    place = f"[{host}]" if ":" in host else host
    port, admin_port = models.getsockname()[1], admin.getsockname()[1]
    return f"http://{place}:{port}, admin on http://{ADMIN_HOST}:{admin_port}"


def _bound(host: str, port: int, option: str) -> socket.socket:
    try:
        return bootstrap.bind(host, port)
    except (OSError, UnicodeError) as problem:
        raise OutsideAtFault(f"cannot listen on {host}:{port}: {_why(problem, option)}") from problem


def _why(problem: OSError | UnicodeError, option: str) -> str:
    if not isinstance(problem, OSError):
        return "not the name of an address"
    reason = problem.strerror or str(problem)
    match problem.errno:
        case errno.EADDRINUSE:
            return f"{reason}; stop what holds it, or choose another with {option}"
        case errno.EADDRNOTAVAIL | socket.EAI_NONAME:
            return f"{reason}; expected an address of this machine for --host"
        case errno.EACCES:
            return f"{reason}; ports below 1024 need privileges, choose another with {option}"
        case _:
            return reason
