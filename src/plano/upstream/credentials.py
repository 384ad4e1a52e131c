"""The field that carries a provider's key. Keys are revealed here and nowhere else."""

from __future__ import annotations

from plano.catalog.catalog import Secret
from plano.http1.reply import field_line


def credential_line(auth: str, key: Secret | None) -> bytes:
    """The header line for `key` as the provider expects it; empty without a key.

    `auth` is a provider row's word: `bearer` (RFC 6750), `x-api-key` (Anthropic), `api-key` (Azure)
    or `none`.
    """
    if key is None or auth == "none":
        return b""
    text = key.reveal().encode("utf-8")
    if auth == "bearer":
        return field_line(b"authorization", b"Bearer " + text)
    return field_line(auth.encode("ascii"), text)
