"""Where requests go: the key of a pool of connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port; two that are equal share connections.

    Build it once and keep it: the hash is computed here, so that looking up its connections
    for every request costs little.
    """

    scheme: Literal["http", "https"]
    host: str
    """A name or an address, IPv6 without brackets."""
    port: int
    server_hostname: str | None = None
    """The name that the certificate must carry and SNI asks for, where it is not `host`."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        key = (self.scheme, self.host, self.port, self.server_hostname)
        object.__setattr__(self, "_hash", hash(key))

    def __hash__(self) -> int:
        return self._hash

    @property
    def authority(self) -> str:
        """`host:port`, IPv6 in brackets, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def wire_authority(self) -> bytes:
        """The same as it is sent: international names in their ASCII form."""
        return self.authority.encode("ascii" if self.host.isascii() else "idna")

    @property
    def host_field(self) -> bytes:
        """The value of `Host`: the port is left out where the scheme says it (RFC 9110 §4.2.3)."""
        return self.wire_authority.removesuffix(b":443" if self.scheme == "https" else b":80")
