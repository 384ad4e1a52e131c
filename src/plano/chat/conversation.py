"""A conversation in no provider's words: what routing reads of it.

Turns are read when they are looked at, the newest first where only those matter; nothing here
knows how a dialect writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

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


class Message(Protocol):
    """A turn that need not be read."""

    def may_be_users(self) -> bool:
        """False when it is surely not the user's; that is known for much less than reading it."""

    def read(self) -> Turn:
        """Raises InvalidRequest or InvalidJson that names the place."""


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A turn that has been read."""

    turn: Turn

    def may_be_users(self) -> bool:
        return self.turn.role == "user"

    def read(self) -> Turn:
        return self.turn


class Conversation:
    """The turns, oldest first, and what stands beside them. Reading may raise `InvalidRequest`
    or `InvalidJson` that names the place: nothing is looked at before it is asked for."""

    __slots__ = ("_newest_first", "_standing", "_tool_names", "turns")

    def __init__(
        self,
        turns: Sequence[Turn],
        *,
        standing: Callable[[], tuple[str, ...]] = tuple,
        tool_names: Callable[[], tuple[str, ...]] = tuple,
        newest_first: Callable[[], Iterator[Message]] | None = None,
    ) -> None:
        """`standing`: the instructions that stand outside the turns. `newest_first`: the turns from the last
        to the first, where that is cheaper than looking at them all."""
        self.turns = turns
        self._standing = standing
        self._tool_names = tool_names
        self._newest_first = newest_first

    def newest_first(self) -> Iterator[Message]:
        """The turns from the last to the first; what is not asked for costs nothing."""
        if self._newest_first is not None:
            return self._newest_first()
        return map(ReadMessage, reversed(self.turns))

    def instructions(self) -> tuple[str, ...]:
        """All texts of the system and the developer, wherever they stand; reads every turn."""
        spoken = (text for turn in self.turns if turn.role in _INSTRUCTING for text in turn.texts)
        return (*self._standing(), *spoken)

    def tool_names(self) -> tuple[str, ...]:
        """What the tools on offer are called, as listed."""
        return self._tool_names()
