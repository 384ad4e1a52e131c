"""What an answer cost in tokens, in one meaning for all providers.

OpenAI's prompt tokens include cached ones, Anthropic's input tokens exclude them; here
`input_tokens` always includes them. Unknown is None, never zero.
"""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one answer; None where the provider did not say."""

    input_tokens: int | None = None
    """All tokens read, cached ones included (`gen_ai.usage.input_tokens`)."""
    output_tokens: int | None = None
    """All tokens written, reasoning included."""
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
