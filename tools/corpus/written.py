"""Route sets as people write them: plain text with a mark at the start of a line where something begins.

    %set night-vet            %kind domains       %domain veterinary medicine
    %about …                  %style …            %split train
    %route advice :: what to do with an animal that is ill

    @@ short, followup
    >> advice
    the cat ate a lily
    <<
    How long ago?
    >> advice
    an hour
    >> -

`@@` begins a conversation and has its tags; `>>` a turn of the user's and its route (`-` for none, `a | b`
where both are as right), `<<` the assistant's, `!!` a tool's result, `$$` a system prompt. A backslash
before a mark makes it text. (Each `%` has a line of its own.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

import msgspec

from tools.corpus.held import Conversation, Header, Kind, Message, Role, Route, RouteSet, Split

TAGS: Final = frozenset(
    {"short", "long", "paste", "code", "trace", "log", "table", "json"}  # what it looks like
    | {"typos", "slang", "nopunct", "caps", "polite", "rude", "voice"}  # how it is said
    | {"followup", "shift", "return", "tools", "envelope"}  # how it goes on
    | {"oos", "smalltalk", "decoy"}  # where it belongs
)
"""And `lang:xx`."""
_MARKS: Final[dict[str, Role]] = {">>": "user", "<<": "assistant", "!!": "tool", "$$": "system"}
_MARKED = re.compile(r"(>>|<<|!!|\$\$)(.*)")
_ESCAPED = re.compile(r"\\(?=%set|@@|>>|<<|!!|\$\$)")
_LANGUAGE = re.compile(r"lang:[a-z]{2}")
_FACTS = ("set", "split", "kind", "domain", "about", "style")


class WrittenBadly(Exception):
    """`line: what is wrong` a line."""


@dataclass(slots=True)
class _Draft:
    role: Role
    mark: str
    line: int
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    facts: dict[str, str] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    conversations: list[tuple[list[str], list[_Draft]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, line: int, what: str) -> None:
        self.faults.append(f"{line}: {what}")


def parse(text: str) -> RouteSet:
    """Raises WrittenBadly with everything that is wrong."""
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), 1):
        _read_line(reading, number, line)
    for name in _FACTS:
        if not reading.facts.get(name):
            reading.fault(1, f"expected a line '%{name} …'; found none")
    names = {route.name for route in reading.routes}
    held = [list(_messages(reading, drafts, names)) for _, drafts in reading.conversations]
    if reading.facts.get("kind") not in get_args(Kind):
        reading.fault(1, f"expected one of {', '.join(get_args(Kind))} as %kind")
    if reading.facts.get("split") not in get_args(Split):
        reading.fault(1, f"expected one of {', '.join(get_args(Split))} as %split")
    if reading.faults:
        raise WrittenBadly("\n".join(reading.faults))
    facts = reading.facts
    header = msgspec.convert(
        {name: facts[name] for name in ("set", "kind", "domain", "about", "style")}
        | {"routing_preferences": reading.routes},
        Header,
    )
    conversations = tuple(
        Conversation(f"{facts['set']}/{number:02d}", tags, messages)
        for number, ((tags, _), messages) in enumerate(zip(reading.conversations, held, strict=True), 1)
    )
    return RouteSet(header, msgspec.convert(facts["split"], Split), conversations)


def parse_file(path: Path) -> RouteSet:
    """Raises SystemExit with everything that is wrong."""
    try:
        return parse(path.read_text("utf-8"))
    except WrittenBadly as bad:
        raise SystemExit("\n".join(f"{path}:{line}" for line in str(bad).splitlines())) from bad


def _read_line(reading: _Reading, number: int, line: str) -> None:
    drafts = reading.conversations[-1][1] if reading.conversations else None
    if drafts is None and line.startswith("%"):
        _read_fact(reading, number, line)
    elif line.startswith("@@"):
        tags = [tag.strip() for tag in line[2:].split(",") if tag.strip()]
        for tag in tags:
            if tag not in TAGS and not _LANGUAGE.fullmatch(tag):
                reading.fault(number, f"expected a known tag; found {tag!r}")
        reading.conversations.append((tags, []))
    elif marked := _MARKED.match(line):
        role = _MARKS[marked[1]]
        draft = _Draft(role, marked[2].strip(), number)
        if role != "user" and draft.mark:
            draft.text.append(draft.mark)
        if drafts is None:
            reading.fault(number, "expected '@@' before a turn")
        else:
            drafts.append(draft)
    elif drafts:
        drafts[-1].text.append(_ESCAPED.sub("", line, count=1) if line.startswith("\\") else line)
    elif line.strip():
        reading.fault(number, f"expected a mark; found {line[:40]!r}")


def _read_fact(reading: _Reading, number: int, line: str) -> None:
    name, _, value = line[1:].partition(" ")
    if name == "route":
        route, apart, description = value.partition(" :: ")
        if not apart:
            reading.fault(number, "expected '%route name :: description'")
        reading.routes.append(Route(route.strip(), description.strip()))
    elif name in _FACTS:
        reading.facts[name] = value.strip()
    else:
        reading.fault(number, f"expected one of {', '.join(_FACTS)}, route; found %{name}")


def _messages(reading: _Reading, drafts: list[_Draft], names: set[str]) -> Iterator[Message]:
    for draft in drafts:
        text = "\n".join(draft.text).strip()
        if not text:
            reading.fault(draft.line, "expected some text; found none")
        if draft.role != "user":
            yield Message(draft.role, text)
            continue
        golds = [None if each.strip() == "-" else each.strip() for each in draft.mark.split("|")]
        for gold in golds:
            if gold is not None and gold not in names:
                reading.fault(draft.line, f"expected a route of the set, or '-'; found {gold!r}")
        yield Message("user", text, golds[0] if len(golds) == 1 else golds)
