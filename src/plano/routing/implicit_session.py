"""Sessions that nobody named: told apart by how they began, as the original tells them apart.

A conversation grows at its end; its instructions, its tools and the first thing its user said stay. Their
hash is the session's id, the same on every replica. It goes over whole texts, so what was hashed before is
remembered by a fast digest: in a session only the first request pays.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock

from plano.routing.fnv import fnv1a64

SALT = "plano-affinity-v1"
MOST_REMEMBERED = 4096
"""Beginnings, of some 120 bytes each."""
LARGE_BYTES = 256 * 1024
"""A beginning above this takes longer than 2 ms when it is new: hash it off the event loop."""

_END = b"\x1f"


def implicit_session(
    tenant: str | None, instructions: Sequence[str], tool_names: Sequence[str], first_user_text: str
) -> str:
    """`implicit:` and 16 hex digits of FNV-1a-64 over the salt, the tenant or nothing, the system and
    developer texts joined by newlines, the tools' names joined by commas and the user's first text, each
    followed by the byte 0x1f."""
    return _session(_beginning(tenant, instructions, tool_names, first_user_text))


class ImplicitSessions:
    """The same, remembered. Any thread."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._lock = Lock()

    def of(
        self,
        tenant: str | None,
        instructions: Sequence[str],
        tool_names: Sequence[str],
        first_user_text: str,
    ) -> str:
        """The session's id: about 1 µs a KiB when it is known, 8 µs a KiB when it is new."""
        beginning = _beginning(tenant, instructions, tool_names, first_user_text)
        digest = blake2b(beginning, digest_size=16).digest()
        with self._lock:
            known = self._known.get(digest)
            if known is not None:
                self._known.move_to_end(digest)
                return known
        session = _session(beginning)
        with self._lock:
            self._known[digest] = session
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return session

    def __len__(self) -> int:
        return len(self._known)


def _beginning(
    tenant: str | None, instructions: Sequence[str], tool_names: Sequence[str], first_user_text: str
) -> bytes:
    """What is hashed. JSON can bring half a character, which UTF-8 has no bytes for: it gets its own."""
    parts = (SALT, tenant or "", "\n".join(instructions), ",".join(tool_names), first_user_text, "")
    return _END.join(part.encode("utf-8", "surrogatepass") for part in parts)


def _session(beginning: bytes) -> str:
    return f"implicit:{fnv1a64(beginning):016x}"
