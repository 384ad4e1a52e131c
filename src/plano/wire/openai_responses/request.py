"""A responses request as a conversation."""

from __future__ import annotations

from plano.chat.conversation import Conversation, Role, Turn
from plano.chat.dialect import Dialect
from plano.wire.needs import Places
from plano.wire.splice import Head
from plano.wire.turns import Fields, Turns, named, opens_with, parts, text, texts_of, tool_names

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
}
_TEXTS = frozenset(("text", "input_text", "output_text"))
_ATTACHMENTS = frozenset(("input_image", "input_file", "input_audio"))
_TOOL_ANSWERS = frozenset(("mcp_approval_response",))
PLACES = Places(
    Dialect.OPENAI_RESPONSES, ("input", "instructions"), ("tools",), (("text", "format"),), "input_image"
)


def conversation(head: Head) -> Conversation:
    turns = _turns(head)
    return Conversation(
        turns,
        standing=lambda: texts_of(head.raw("instructions"), "instructions"),
        tool_names=lambda: tool_names(head.raw("tools")),
        newest_first=turns.newest_first if isinstance(turns, Turns) else None,
    )


def _turns(head: Head) -> Turns | tuple[Turn]:
    """Plain text is one turn of the user."""
    raw = head.raw("input")
    if raw is not None and opens_with(raw, b'"'):
        return (Turn("user", texts_of(raw, "input")),)
    return Turns(raw, "input", _turn)


def _turn(item: Fields, where: str) -> Turn:
    """Items that are not messages are calls and thoughts of the model, or what came of its calls."""
    kind = text(item, "type", where)
    if kind not in (None, "message"):
        if kind in _TOOL_ANSWERS or kind.endswith("_output"):
            return Turn("tool", has_tool_output=True)
        return Turn("assistant")
    role = _ROLES.get(named(item, where), "other")
    texts: list[str] = []
    attached = False
    for part_kind, part, place in parts(item.get("content"), f"{where}.content"):
        attached = attached or part_kind in _ATTACHMENTS
        found = text(part, "text", place) if part_kind in _TEXTS else None
        if found is not None:
            texts.append(found)
    return Turn(role, tuple(texts), has_attachment=attached)
