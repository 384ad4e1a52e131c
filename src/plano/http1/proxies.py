"""Which proxy, if any, stands before an origin: `HTTP_PROXY` and its relatives, read as curl does.

`http_proxy`, `https_proxy` and `all_proxy` name a proxy for the origin's scheme, `no_proxy` the
hosts reached without one; the lower-case spelling wins, and a variable set to nothing switches the
proxy off. There is no exception for the local machine: whoever wants one lists it. Only `http://`
proxies are spoken; another kind is reported when it would be used.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from plano.http1.failures import ConnectFailed
from plano.http1.origin import Origin

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. What it is told beside the request goes to it alone."""

    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)
    """The value of `Proxy-Authorization`, or empty."""

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Exemption:
    """One entry of `no_proxy`: a host and everything beneath it, or a network, perhaps one port."""

    name: str = ""
    """Lower case, without a leading or trailing dot; `*` is every host."""
    network: IpNetwork | None = None
    port: int | None = None

    def covers(self, host: str, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            address = _address(host)
            return address is not None and address in self.network
        return self.name in ("*", host) or host.endswith("." + self.name)


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment says about proxies, read once."""

    http: str = ""
    """The proxy's URL for origins without TLS, or empty; as it was written."""
    https: str = ""
    exempt: tuple[Exemption, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Proxies:
        """From variables such as `os.environ`.

        `HTTP_PROXY` in capitals is ignored where `REQUEST_METHOD` is set: in a CGI program it is
        a request's `Proxy` header (CVE-2016-5385, "httpoxy").
        """
        everything = _variable(environment, "all_proxy") or ""
        http = environment.get("http_proxy")
        if http is None and "REQUEST_METHOD" not in environment:
            http = environment.get("HTTP_PROXY")
        https = _variable(environment, "https_proxy")
        return cls(
            http=(everything if http is None else http).strip(),
            https=(everything if https is None else https).strip(),
            exempt=exemptions(_variable(environment, "no_proxy") or ""),
        )

    def before(self, origin: Origin) -> Proxy | None:
        """The proxy to connect to instead of `origin`. Raises `ConnectFailed` for one not spoken."""
        url = self.https if origin.scheme == "https" else self.http
        host = origin.host.lower().rstrip(".")
        if not url or any(exemption.covers(host, origin.port) for exemption in self.exempt):
            return None
        return parse_proxy(url)


def exemptions(no_proxy: str) -> tuple[Exemption, ...]:
    """`no_proxy`, entries apart by commas or spaces. An entry that is nothing known is a host name."""
    return tuple(_exemption(entry) for entry in no_proxy.replace(",", " ").split())


def parse_proxy(url: str) -> Proxy:
    """`http://user:password@host:port`; the scheme may be missing. The message of an error never
    repeats the URL, which may hold a password."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _not_spoken("is not a URL") from error
    if parts.scheme != "http":
        raise _not_spoken(f"has the scheme {parts.scheme!r}")
    if not host:
        raise _not_spoken("names no host")
    return Proxy(host=host, port=80 if port is None else port, authorization=_basic(parts))


def _not_spoken(found: str) -> ConnectFailed:
    return ConnectFailed(
        f"the proxy of the environment {found}; expected http://[user:password@]host[:port]"
        " (correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or exempt the host in NO_PROXY)",
        reason="proxy",
    )


def _basic(parts: SplitResult) -> bytes:
    """RFC 7617: the credentials of the URL, percent-decoded."""
    if parts.username is None:
        return b""
    credentials = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
    return b"Basic " + b64encode(credentials)


def _exemption(entry: str) -> Exemption:
    entry = entry.lower()
    network = _network(entry)
    if network is not None:
        return Exemption(network=network)
    host, port = _split_port(entry)
    network = _network(host)
    if network is not None:
        return Exemption(network=network, port=port)
    return Exemption(name=host.removeprefix("*.").strip("."), port=port)


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _network(text: str) -> IpNetwork | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _variable(environment: Mapping[str, str], name: str) -> str | None:
    return environment.get(name, environment.get(name.upper()))
