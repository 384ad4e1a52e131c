"""A chat completion, whole or in chunks: both have their facts in the same members."""

from __future__ import annotations

from typing import Annotated

import msgspec

from plano.chat.usage import Usage
from plano.wire import loose
from plano.wire.loose import NOTHING

Index = Annotated[int, msgspec.Meta(ge=0, le=loose.LARGEST_COUNT)]
"""As `loose.count` reads it: which of a chunk's readings is used must not change whose piece it is."""


class Choice(msgspec.Struct, gc=False):
    """One of the answers asked for, or the next piece of it."""

    index: Index | None = 0
    finish_reason: str | None = None
    """None, or empty with some providers, until the last piece."""
    delta: dict[str, msgspec.Raw] | None = None


class Chunk(msgspec.Struct, gc=False):
    """The members that are learnt from, undecoded: whatever is in them, a chunk can be read."""

    id: msgspec.Raw = NOTHING
    model: msgspec.Raw = NOTHING
    choices: msgspec.Raw = NOTHING
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


_UNKNOWN = Usage()

_decode_choices = msgspec.json.Decoder(list[Choice]).decode


def choices_of(raw: msgspec.Raw) -> list[Choice]:
    """The choices; of one with odd types in it, what can be read."""
    try:
        return _decode_choices(raw)
    except loose.UNREADABLE:
        found = loose.value(raw)
    return [_odd_choice(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _odd_choice(found: dict[str, object]) -> Choice:
    delta = found.get("delta")
    return Choice(
        index=loose.count(found.get("index")),
        finish_reason=loose.text_at(found, "finish_reason"),
        delta={key: msgspec.Raw(msgspec.json.encode(each)) for key, each in delta.items()}
        if isinstance(delta, dict)
        else None,
    )


def usage_of(raw: msgspec.Raw) -> Usage | None:
    """Cached tokens are among the prompt's already. DeepSeek counts them in a member of its own."""
    found = loose.fields(loose.value(raw))
    prompt = loose.fields(found.get("prompt_tokens_details"))
    completion = loose.fields(found.get("completion_tokens_details"))
    count = loose.count
    usage = Usage(
        count(found.get("prompt_tokens")),
        count(found.get("completion_tokens")),
        count(prompt.get("cached_tokens", found.get("prompt_cache_hit_tokens"))),
        count(prompt.get("cache_write_tokens")),
        count(completion.get("reasoning_tokens")),
    )
    return None if usage == _UNKNOWN else usage
