"""The corpus as it lies in `corpus/`: a folder a split, a file a route set, a line a conversation.

The first line of a file is the route set; each other line is one conversation, in which every turn of
the user's has its `route`: a name, null for none of them, or a list where several are as right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec

CORPUS = Path(__file__).parents[2] / "corpus"

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Kind = Literal["domains", "task-types", "domain-action", "mixture", "products"]
Role = Literal["system", "user", "assistant", "tool"]
Gold = tuple[str | None, ...]
"""The right routes, None among them for none; several where careful people disagree."""


class Route(msgspec.Struct, frozen=True):
    name: str
    description: str


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn."""

    role: Role
    content: str
    route: str | list[str | None] | msgspec.UnsetType | None = msgspec.UNSET
    """Of the user's turns."""

    @property
    def gold(self) -> Gold:
        told = self.route
        assert told is not msgspec.UNSET
        return tuple(told) if isinstance(told, list) else (told,)


class Conversation(msgspec.Struct, frozen=True):
    conversation: str
    """`<set>/<number>`."""
    tags: list[str]
    messages: list[Message]


class Header(msgspec.Struct, frozen=True):
    """Whose routes they are, and who asks."""

    set: str
    kind: Kind
    domain: str
    about: str
    style: str
    routing_preferences: list[Route]


@dataclass(frozen=True, slots=True)
class RouteSet:
    header: Header
    split: Split
    conversations: tuple[Conversation, ...]

    @property
    def name(self) -> str:
        return self.header.set

    @property
    def routes(self) -> list[Route]:
        return self.header.routing_preferences

    def turns(self) -> Iterator[Turn]:
        """The user's, in order."""
        for conversation in self.conversations:
            number = 0
            for place, message in enumerate(conversation.messages):
                if message.role == "user":
                    number += 1
                    yield Turn(self, conversation, number, conversation.messages[: place + 1])


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the user's, with all that was said until then."""

    of: RouteSet
    conversation: Conversation
    number: int
    """From 1, among the user's turns of its conversation."""
    messages: Sequence[Message]

    @property
    def id(self) -> str:
        return f"{self.conversation.conversation}#{self.number}"

    @property
    def text(self) -> str:
        return self.messages[-1].content

    @property
    def gold(self) -> Gold:
        return self.messages[-1].gold

    def line(self) -> dict[str, object]:
        """As `plano eval` reads it."""
        gold = self.gold
        return {
            "set": self.of.name,
            "conversation": self.conversation.conversation,
            "style": " ".join(self.conversation.tags),
            "messages": [{"role": each.role, "content": each.content} for each in self.messages],
            "route": gold[0] if len(gold) == 1 else list(gold),
            "routing_preferences": [
                {"name": each.name, "description": each.description} for each in self.of.routes
            ],
        }


_header = msgspec.json.Decoder(Header).decode
_conversation = msgspec.json.Decoder(Conversation).decode


def read(path: Path) -> RouteSet:
    """One file. Raises SystemExit with the line that is not what it should be."""
    split = path.parent.name
    if split not in SPLITS:
        raise SystemExit(f"{path}: expected a file in {', '.join(SPLITS)}; found it in {split!r}")
    lines = path.read_bytes().splitlines()
    number = 1
    try:
        header = _header(lines[0])
        conversations = []
        for number, line in enumerate(lines[1:], 2):  # noqa: B007 - told of in the message below
            conversations.append(_conversation(line))
    except msgspec.MsgspecError as error:
        raise SystemExit(f"{path}:{number}: {error}") from error
    return RouteSet(header, split, tuple(conversations))


def read_split(split: Split, corpus: Path = CORPUS) -> list[RouteSet]:
    """By name."""
    return [read(path) for path in sorted((corpus / split).glob("*.jsonl"))]


def read_all(corpus: Path = CORPUS) -> list[RouteSet]:
    return [each for split in SPLITS for each in read_split(split, corpus)]


def write(held: RouteSet, corpus: Path = CORPUS) -> Path:
    path = corpus / held.split / f"{held.name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [msgspec.to_builtins(each) for each in (held.header, *held.conversations)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return path
