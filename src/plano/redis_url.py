"""Where Redis is, as its url says it: the forms that redis-py and the original read, and two more for
Sentinel and Cluster, which have none that everybody agrees on.

    redis://[[user]:password@]host[:port][/database]        rediss:// for TLS
    unix:///path[?db=…&username=…&password=…]               also redis+unix://
    redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/service[/database]
    redis+cluster://[[user]:password@]host[:port][,host[:port]…]

Sentinel and Cluster over TLS begin with rediss+. No message holds any part of the url but the names of
its options: a password may stand anywhere in one that is written wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

FORMS = (
    "redis://[[user]:password@]host[:port][/database], rediss:// for TLS, unix:///path, "
    "redis+sentinel:// or redis+cluster://"
)
REDIS_PORT = 6379
SENTINEL_PORT = 26379

_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_OPTIONS = {
    "server": ("db", "protocol", *_TLS_OPTIONS),
    "unix": ("db", "protocol", "user", "username", "pass", "password"),
    "sentinel": ("db", "protocol", "sentinel_username", "sentinel_password", *_TLS_OPTIONS),
    "cluster": ("protocol", *_TLS_OPTIONS),
}
_KINDS = {
    "redis": "server",
    "unix": "unix",
    "redis+unix": "unix",
    "redis+sentinel": "sentinel",
    "redis+cluster": "cluster",
}
_SERVICE = re.compile(r"[\w.-]+", re.ASCII)  # as Sentinel itself takes them
_NOS = ("0", "f", "false", "n", "no")


class AddressInvalid(ValueError):
    """A url of Redis that leads nowhere. The message says what was expected, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server's address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Socket:
    """A server on this machine."""

    path: str


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Who knows which server is the master of a service."""

    endpoints: tuple[Endpoint, ...]
    service: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Some of the servers that share the keys."""

    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server is known. Nothing but the url itself makes this weaker."""

    ca_file: str | None = None
    """None: the authorities that the machine trusts."""
    certificate_file: str | None = None
    key_file: str | None = None
    is_verified: bool = True
    checks_host: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """Where, which database, as whom."""

    at: Endpoint | Socket | Sentinels | Cluster
    database: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        """For people: where, without who asks and with what password."""
        place = _place(self.at) + (f", database {self.database}" if self.database else "")
        return f"{place}, over TLS" if self.tls else place


def _place(at: Endpoint | Socket | Sentinels | Cluster) -> str:
    match at:
        case Endpoint():
            return _host_port(at)
        case Socket(path):
            return path
        case Sentinels(endpoints, service):
            return f"{service}, by the Sentinels {', '.join(map(_host_port, endpoints))}"
        case Cluster(endpoints):
            return f"the cluster of {', '.join(map(_host_port, endpoints))}"


def _host_port(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def parse_address(url: str) -> Address:
    """The address that `url` says. Raises AddressInvalid."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddressInvalid(f"the url cannot be read; expected {FORMS}") from None
    has_tls = parts.scheme.startswith("rediss")
    kind = _KINDS.get(parts.scheme.replace("rediss", "redis", 1))
    if kind is None or (kind == "unix" and has_tls):
        raise AddressInvalid(f"unknown scheme; expected {FORMS}")
    if parts.fragment:
        raise AddressInvalid("nothing may follow a '#'; one in a password is written %23")
    options = _options(parts, kind)
    return _address(parts, kind, options, _tls(options) if has_tls else None)


def _address(parts: SplitResult, kind: str, options: Mapping[str, str], tls: Tls | None) -> Address:
    user, password = _credentials(parts)
    path = parts.path.strip("/")
    if kind == "unix":
        if not parts.path or (parts.netloc and not parts.netloc.endswith("@")):
            raise AddressInvalid("expected a path: unix:///run/redis.sock")
        user = options.get("username") or options.get("user") or user
        password = options.get("password") or options.get("pass") or password
        return Address(Socket(unquote(parts.path)), _database(options.get("db", "")), user, password)
    if kind == "cluster":
        if path not in ("", "0"):
            raise AddressInvalid("a cluster has the database 0 alone")
        return Address(Cluster(_endpoints(parts, REDIS_PORT)), 0, user, password, tls)
    if kind == "sentinel":
        service, _, database = path.partition("/")
        if not _SERVICE.fullmatch(service):
            raise AddressInvalid("expected a service after the hosts: redis+sentinel://host:26379/mymaster")
        known_as = options.get("sentinel_username"), options.get("sentinel_password")
        sentinels = Sentinels(_endpoints(parts, SENTINEL_PORT), service, *known_as)
        return Address(sentinels, _database(options.get("db", database)), user, password, tls)
    endpoints = _endpoints(parts, REDIS_PORT)
    if len(endpoints) != 1:
        raise AddressInvalid("several hosts; expected one, or redis+sentinel:// or redis+cluster://")
    return Address(endpoints[0], _database(options.get("db", path)), user, password, tls)


def _options(parts: SplitResult, kind: str) -> dict[str, str]:
    try:
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise AddressInvalid("what follows '?' cannot be read; expected name=value") from None
    known = _OPTIONS[kind]
    if any(name not in known for name in options):
        raise AddressInvalid(f"unknown option; expected one of {', '.join(known)}")
    return options


def _tls(options: Mapping[str, str]) -> Tls:
    wanted = options.get("ssl_cert_reqs", "required")
    if wanted not in ("required", "none"):
        raise AddressInvalid("ssl_cert_reqs: expected 'required' or 'none'")
    is_verified = wanted == "required"
    checks_host = is_verified and options.get("ssl_check_hostname", "true").lower() not in _NOS
    files = options.get("ssl_ca_certs"), options.get("ssl_certfile"), options.get("ssl_keyfile")
    return Tls(*files, is_verified, checks_host)


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    user, password = parts.username, parts.password
    return unquote(user) if user else None, unquote(password) if password else None


def _endpoints(parts: SplitResult, default_port: int) -> tuple[Endpoint, ...]:
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return tuple(_endpoint(host, default_port) for host in hosts)


def _endpoint(text: str, default_port: int) -> Endpoint:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressInvalid(
            "a host or port cannot be read; expected host:port, with a port up to 65535"
        ) from None
    if not host:
        raise AddressInvalid(f"expected a host; {FORMS}")
    return Endpoint(unquote(host), default_port if port is None else port)


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise AddressInvalid("the database is no number; expected redis://host:6379/0")
    return int(text)
