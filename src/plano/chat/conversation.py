"""A conversation in no provider's words: what routing reads of it.

Turns are read when they are looked at, the newest first where only those matter; nothing here
knows how a dialect writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "developer", "user", "assistant", "tool", "other"]
"""Who speaks. `tool` is a message that brings nothing but tool output; `other` is a speaker that
a provider may know and Plano does not."""

_INSTRUCTING = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message."""

    role: Role
    texts: tuple[str, ...] = ()
    """Its text parts in order; neither tool output nor thinking is among them."""
    has_attachment: bool = False
    """It carries an image, a file or sound."""
    has_tool_output: bool = False
    """It carries the result of a tool call, alone (`tool`) or beside the user's own words (`user`)."""

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


class Conversation:
    """The turns, oldest first, and what stands beside them. Reading may raise `InvalidRequest`
    or `InvalidJson` that names the place: nothing is looked at before it is asked for."""

    __slots__ = ("_standing", "_tool_names", "turns")

    def __init__(
        self,
        turns: Sequence[Turn],
        *,
        standing: Callable[[], tuple[str, ...]],
        tool_names: Callable[[], tuple[str, ...]],
    ) -> None:
        """`standing`: the instructions that stand outside the turns."""
        self.turns = turns
        self._standing = standing
        self._tool_names = tool_names

    def instructions(self) -> tuple[str, ...]:
        """All texts of the system and the developer, wherever they stand; reads every turn."""
        spoken = (text for turn in self.turns if turn.role in _INSTRUCTING for text in turn.texts)
        return (*self._standing(), *spoken)

    def tool_names(self) -> tuple[str, ...]:
        """What the tools on offer are called, as listed."""
        return self._tool_names()
