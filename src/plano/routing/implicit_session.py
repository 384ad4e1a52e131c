"""Sessions that nobody named: told apart by how they began, as the original tells them apart.

A conversation grows at its end; its instructions, its tools and the first thing its user said stay. Their
hash is the session's id, the same on every replica. It goes over whole texts, so what was hashed before is
remembered by a fast digest: in a session only the first request pays.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from plano.routing.fnv import fnv1a64

SALT = "plano-affinity-v1"
MOST_REMEMBERED = 4096
"""Sessions, of some 200 bytes each."""
LARGE_BYTES = 256 * 1024
"""Hashing a beginning above this takes more than 2 ms: it should not hold up the event loop."""

_END = b"\x1f"


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a session is known by."""

    content: bytes = field(repr=False)
    digest: bytes

    @property
    def is_large(self) -> bool:
        return len(self.content) > LARGE_BYTES


def beginning_of(
    tenant: str | None, instructions: Sequence[str], tool_names: Sequence[str], first_user_text: str
) -> Beginning:
    """The salt, the tenant or nothing, the system and developer texts joined by newlines, the tools' names
    joined by commas and the user's first text, each followed by the byte 0x1f. Takes 1 µs a KiB.

    JSON can bring half a character, which UTF-8 has no bytes for: it gets its own.
    """
    parts = (SALT, tenant or "", "\n".join(instructions), ",".join(tool_names), first_user_text, "")
    content = _END.join([part.encode("utf-8", "surrogatepass") for part in parts])
    return Beginning(content, blake2b(content, digest_size=16).digest())


def implicit_session(beginning: Beginning) -> str:
    """`implicit:` and 16 hex digits of FNV-1a-64. Takes 8 µs a KiB, on any thread."""
    return f"implicit:{fnv1a64(beginning.content):016x}"


class ImplicitSessions:
    """Those seen lately. One thread; what is large is better hashed on another and told here.

    ```
    session = sessions.known(beginning) or sessions.learn(beginning, implicit_session(beginning))
    ```
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._sessions: OrderedDict[bytes, str] = OrderedDict()

    def known(self, beginning: Beginning) -> str | None:
        session = self._sessions.get(beginning.digest)
        if session is not None:
            self._sessions.move_to_end(beginning.digest)
        return session

    def learn(self, beginning: Beginning, session: str) -> str:
        self._sessions[beginning.digest] = session
        if len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        return session

    def __len__(self) -> int:
        return len(self._sessions)
