"""What a router is given to read: the words of a conversation, up to the latest ones of the user.

It goes from the newest turn back and stops as soon as it has enough, so a long history costs
nothing. Turns behind the user's latest words are the agent's own steps; they change nothing about
what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from plano.chat.conversation import Conversation, Turn
from plano.routing.envelopes import words_of
from plano.routing.utterance import Speaker, Utterance

MOST_UTTERANCES: Final = 16
"""Turns with words that are read."""
BYTES_A_TOKEN: Final = 4
"""A budget of tokens is one of four times as many bytes of UTF-8."""
HEAD_SHARE: Final = 0.6
"""How much of a turn that is too long is kept from its beginning, where people say what it is about; the
rest is kept from its end, where they often ask."""
MARK: Final = "…"
"""Stands where something was left out."""

MOST_PASSED: Final = 5000
"""Messages that are looked at. An agent takes two or three for a step, so this is a loop of some two
thousand; passing over them takes a few milliseconds."""
MOST_READ: Final = 1000
"""Of those, the ones that have to be read to see whose they are: with Anthropic, tool output is the user's
by its role."""

_SPEAKERS: Final[dict[str, Speaker]] = {"user": "user", "assistant": "assistant"}


def read(conversation: Conversation, *, budget_tokens: int) -> tuple[Utterance, ...]:
    """The latest utterances, oldest first; the last is the user's, and none when the user has no words.

    Together they are no longer than `budget_tokens`, which is at least 1. Raises InvalidRequest or
    InvalidJson, with the place, for a message that was looked at and cannot be read.
    """
    room = budget_tokens * BYTES_A_TOKEN
    newest_first: list[Utterance] = []
    for utterance in islice(_utterances(conversation), MOST_UTTERANCES):
        size = _bytes_of(utterance.text)
        if size > room:
            if not newest_first:
                newest_first.append(Utterance("user", _ends(utterance.text, room)))
            break
        newest_first.append(utterance)
        room -= size
    return tuple(reversed(newest_first))


def _utterances(conversation: Conversation) -> Iterator[Utterance]:
    """From the user's latest words back."""
    found = False
    left = MOST_READ
    for message in islice(conversation.newest_first(), MOST_PASSED):
        if not found and not message.may_be_users():
            continue
        if left == 0:
            return
        left -= 1
        utterance = _utterance(message.read())
        if utterance is not None and (found or utterance.speaker == "user"):
            found = True
            yield utterance


def is_user_turn(turn: Turn) -> bool:
    """Whether somebody spoke: the user, with words of their own or something they attached."""
    return turn.role == "user" and (turn.has_attachment or words_of(*turn.texts) != "")


def _utterance(turn: Turn) -> Utterance | None:
    speaker = _SPEAKERS.get(turn.role)
    if speaker is None:
        return None
    text = words_of(*turn.texts) if speaker == "user" else turn.text.strip()
    return Utterance(speaker, text) if text else None


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _ends(text: str, room: int) -> str:
    """Beginning and end of a text, at most `room` bytes of UTF-8 with the mark between them."""
    written = text.encode("utf-8", "replace")
    kept = room - len(MARK.encode())
    head = written[: int(kept * HEAD_SHARE)].decode("utf-8", "ignore")
    tail = written[len(written) - (kept - _bytes_of(head)) :].decode("utf-8", "ignore")
    return f"{head}{MARK}{tail}"
