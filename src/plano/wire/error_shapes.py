"""Errors that are in another dialect than their client's, or in none: what they say, wherever they say it.

A gateway before a provider answers in its own words, and some providers answer every path in one dialect.
"""

from __future__ import annotations

import msgspec

from plano.wire import loose

LONGEST_MESSAGE = 1000
LONGEST_QUOTATION = 200

_PLACES = (
    ("error", "message"),
    ("error",),
    ("message",),
    ("detail", "message"),
    ("detail", "msg"),
    ("detail",),
    ("errors", "message"),
    ("errors",),
    ("error", "detail"),
    ("msg",),
)
"""Where the message may stand: OpenAI and Anthropic, Ollama and Hugging Face, Mistral and AWS, FastAPI (whose
`detail` is a text, or a list of what is wrong), and others."""


def is_openais(body: bytes) -> bool:
    """Whether OpenAI's clients can read it: an `error` with a message, as nearly every provider has it."""
    found = _document(body)
    return loose.at(found, "type") != "error" and isinstance(loose.at(found, "error", "message"), str)


def is_anthropics(body: bytes) -> bool:
    """Whether Anthropic's clients can read it: they go by the type, inside and outside."""
    found = _document(body)
    error = loose.at(found, "error")
    has_members = all(isinstance(loose.at(error, member), str) for member in ("type", "message"))
    return loose.at(found, "type") == "error" and has_members


def message_of(body: bytes) -> str | None:
    """What an error of any shape that is known says; None: it has none of them, or says nothing."""
    found = _first(_document(body))
    for path in _PLACES:
        end = found
        for key in path:
            end = _first(loose.at(end, key))
        if isinstance(end, str) and end.strip():
            return end[:LONGEST_MESSAGE]
    return None


def quotation(body: bytes) -> str:
    """The beginning of what it is instead, on one line; nothing of a page, which tells a program nothing."""
    text = body[: 4 * LONGEST_QUOTATION].decode("utf-8", "replace")
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return "" if line.startswith("<") else line[:LONGEST_QUOTATION]


def _document(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except loose.UNREADABLE:
        return None


def _first(found: object) -> object:
    """Google's errors come in a list of one."""
    return found[0] if isinstance(found, list) and found else found
