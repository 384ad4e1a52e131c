"""Anthropic's token counts in the one meaning of `Usage`."""

from __future__ import annotations

from plano.chat.usage import Usage
from plano.wire import loose

Counts = dict[str, int]

_KEYS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def counts_in(found: object) -> Counts:
    """The counts that a `usage` object holds; those of a stream's later events are totals so far,
    so they replace earlier ones."""
    members = loose.fields(found)
    details = loose.fields(members.get("output_tokens_details"))
    counted = {key: loose.count(members.get(key)) for key in _KEYS}
    counted["thinking_tokens"] = loose.count(details.get("thinking_tokens"))
    return {key: count for key, count in counted.items() if count is not None}


def usage_of(counts: Counts) -> Usage | None:
    """Anthropic's input tokens exclude what was read from the cache or written to it; ours do not."""
    if not counts:
        return None
    read, created = counts.get("cache_read_input_tokens"), counts.get("cache_creation_input_tokens")
    uncached = counts.get("input_tokens")
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (created or 0),
        output_tokens=counts.get("output_tokens"),
        cache_read_tokens=read,
        cache_creation_tokens=created,
        reasoning_tokens=counts.get("thinking_tokens"),
    )
