"""What is read of an utterance: enough to know what is wanted, never more than the encoder takes."""

from __future__ import annotations

LONGEST = 2048
"""Characters that go to the encoder, about what it can read; of a longer text the head and the tail,
because people ask before or after what they paste."""
HEAD = LONGEST * 6 // 10


def excerpt(text: str) -> str:
    """`text` with its white space made single, cut to its head and tail around `…`."""
    if len(text) > 2 * LONGEST:
        text = text[:LONGEST] + text[-LONGEST:]
    text = " ".join(text.split())
    if len(text) <= LONGEST:
        return text
    return f"{text[:HEAD]} … {text[HEAD - LONGEST :]}"
