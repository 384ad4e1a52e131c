"""What is learnt from an answer on its way past."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from plano.chat.usage import Usage

MESSAGE_CHARACTERS = 1000
"""What is kept of a provider's message."""
KIND_CHARACTERS = 100
"""A longer name for an error is none."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error that a provider sends inside an answer whose status was 200."""

    kinds: tuple[str, ...]
    """Its names for the error (`code`, `type`), the most specific first."""
    message: str


class ReplyFacts(msgspec.Struct, frozen=True):
    """What a whole answer says of itself; None where it does not, or not in a readable way."""

    served: str | None = None
    """The model that answered, by the provider's word."""
    usage: Usage | None = None
    finish_reason: str | None = None
    id: str | None = None
    error: Complaint | None = None
    is_answer: bool = True
    """It has what every answer of its dialect has."""
