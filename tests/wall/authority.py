"""A certificate authority of the test's own: for upstreams that speak TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    """Trusted by nobody but whom it is shown to."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def serving(self, host: str = "localhost") -> ssl.SSLContext:
        """A server's context with a certificate for `host`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host).configure_cert(context)
        return context

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        return context

    def write_pem(self, path: Path) -> Path:
        """The authority's certificate as a file, for `overrides.upstream_tls_ca_path`."""
        self._ca.cert_pem.write_to_path(str(path))
        return path
