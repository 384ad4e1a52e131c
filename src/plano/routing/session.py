"""The session that a request belongs to, as the ladder is told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """Requests that may have to stay on one model."""

    id: str
    """As it was named, or `implicit:…` for one that is known by how it began."""
    key: str
    """Under which its pin is kept."""
    stays: bool
    """Once decided it stays, whatever is said next; else each turn of the user's is decided anew, and what
    an agent does about that turn follows it."""
    is_user_turn: bool
    """The request brings new words of the user's, and not only what came of a tool."""
    ttl_s: float
    """How long a pin lasts, from the decision."""

    @property
    def follows(self) -> bool:
        """Whether the decision that is remembered is to be used."""
        return self.stays or not self.is_user_turn
