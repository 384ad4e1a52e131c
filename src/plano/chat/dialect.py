"""The three ways clients speak."""

from __future__ import annotations

from enum import Enum


class Dialect(Enum):
    """One public API; the value is what logs and messages call it."""

    OPENAI_CHAT = "openai_chat"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    OPENAI_RESPONSES = "openai_responses"

    # Members are singletons. Enum's own hash is written in Python and would be paid several times a request.
    __hash__ = object.__hash__
