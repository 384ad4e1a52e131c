"""A messages request as a conversation."""

from __future__ import annotations

from plano.chat.conversation import Conversation, Role, Turn
from plano.chat.dialect import Dialect
from plano.wire.needs import Places
from plano.wire.splice import Head
from plano.wire.turns import Fields, Turns, named, parts, text, texts_of, tool_names

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_ATTACHMENTS = frozenset(("image", "document", "container_upload"))
PLACES = Places(
    Dialect.ANTHROPIC_MESSAGES,
    ("messages", "system"),
    ("tools",),
    (("output_format",), ("output_config", "format")),
    "image",
)


def conversation(head: Head) -> Conversation:
    turns = Turns(head.raw("messages"), "messages", _turn)
    return Conversation(
        turns,
        standing=lambda: texts_of(head.raw("system"), "system"),
        tool_names=lambda: tool_names(head.raw("tools")),
        newest_first=turns.newest_first,
    )


def _turn(message: Fields, where: str) -> Turn:
    """Tool results travel in the user's messages; a message of nothing else is the tool's."""
    role = _ROLES.get(named(message, where), "other")
    texts: list[str] = []
    attached = answered = False
    for kind, block, place in parts(message.get("content"), f"{where}.content"):
        attached = attached or kind in _ATTACHMENTS
        answered = answered or kind == "tool_result"
        found = text(block, "text", place) if kind == "text" else None
        if found is not None:
            texts.append(found)
    if answered and role == "user" and not texts and not attached:
        role = "tool"
    return Turn(role, tuple(texts), has_attachment=attached, has_tool_output=answered)
