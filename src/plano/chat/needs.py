"""What a request needs of the model that is to answer it, as far as a provider would refuse it otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from plano.chat.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Needs:
    """Read cheaply, and never guessed: what is not sure is not needed."""

    dialect: Dialect
    """The one that it is written in."""
    tools: bool = False
    structured_output: bool = False
    """An answer after a JSON schema; JSON of any form is not meant."""
    images: bool = False
    """Read only where it was asked for."""
    tokens: int = 0
    """The prompt has at least that many, whichever tokenizer counts; counted only as far as asked for."""
