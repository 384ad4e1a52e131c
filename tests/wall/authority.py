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

    def write_certificate(self, folder: Path, host: str) -> tuple[Path, Path]:
        """A certificate for `host` and its key as files, for a server that reads them itself."""
        issued = self._ca.issue_cert(host)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key
