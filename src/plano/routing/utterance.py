"""What a router reads of a conversation: who said what, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn with text, as it was meant: without envelopes that a coding agent put around it."""

    speaker: Speaker
    text: str
    """Never empty."""
