"""A chat request as a conversation."""

from __future__ import annotations

from plano.chat.conversation import Conversation, Role, Turn
from plano.chat.dialect import Dialect
from plano.wire.needs import Places
from plano.wire.splice import Head
from plano.wire.turns import Fields, Turns, named, parts, text, tool_names

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_ATTACHMENTS = frozenset(("image_url", "input_audio", "file", "video_url"))
PLACES = Places(
    Dialect.OPENAI_CHAT, ("messages",), ("tools", "functions"), (("response_format",),), "image_url"
)


def conversation(head: Head) -> Conversation:
    turns = Turns(head.raw("messages"), "messages", _turn)
    return Conversation(
        turns, tool_names=lambda: tool_names(head.raw("tools")), newest_first=turns.newest_first
    )


def _turn(message: Fields, where: str) -> Turn:
    role = _ROLES.get(named(message, where), "other")
    if role == "tool":
        return Turn("tool", has_tool_output=True)
    texts: list[str] = []
    attached = False
    for kind, part, place in parts(message.get("content"), f"{where}.content"):
        attached = attached or kind in _ATTACHMENTS
        found = text(part, "text", place) if kind == "text" else None
        if found is not None:
            texts.append(found)
    return Turn(role, tuple(texts), has_attachment=attached)
