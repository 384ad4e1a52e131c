"""The same turns, changed in ways that change nothing: what a router loses by them it has no hold on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.corpus.held import CORPUS, RouteSet

Line = dict[str, Any]
"""As `plano eval` reads it."""
Change = Callable[[Line, random.Random], Line | None]
"""The changed line; None where this one cannot be changed so."""

SEED = 5
TYPO_EVERY_CHARACTERS = 14
SHORTEST_MISTYPED = 4
"""Characters of a word; shorter ones are rarely mistyped, and then often another word."""
KEYS_BESIDE = {
    **dict(
        zip("qwertyuiop", ("wa", "qes", "wrd", "etf", "ryg", "tuh", "yij", "uok", "ipl", "ol"), strict=True)
    ),
    **dict(zip("asdfghjkl", ("qsz", "adw", "sfe", "dgr", "fht", "gjy", "hku", "jli", "ko"), strict=True)),
    **dict(zip("zxcvbnm", ("xa", "zcs", "xvd", "cbf", "vng", "bmh", "nj"), strict=True)),
}
"""On the keyboard most English is typed on."""


def mistyped(line: Line, chance: random.Random) -> Line:
    """The latest turn with letters swapped, doubled, left out, or hit beside."""
    message = line["messages"][-1]
    words = message["content"].split(" ")
    for _ in range(max(1, len(message["content"]) // TYPO_EVERY_CHARACTERS)):
        long = [place for place, word in enumerate(words) if _is_typed(word)]
        if long:
            place = chance.choice(long)
            words[place] = _mistyped(words[place], chance)
    return _with_content(line, " ".join(words))


def _is_typed(word: str) -> bool:
    """By hand: the marks of an envelope are not."""
    return len(word) >= SHORTEST_MISTYPED and "<" not in word and ">" not in word


def _mistyped(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    match chance.randrange(4):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at] + word[at:]
        case 2:
            return word[:at] + word[at + 1 :]
        case _:
            beside = KEYS_BESIDE.get(word[at].lower())
            return word[:at] + (chance.choice(beside) if beside else word[at]) + word[at + 1 :]


def reordered(line: Line, chance: random.Random) -> Line:
    """The routes in another order."""
    routes = list(line["routing_preferences"])
    chance.shuffle(routes)
    return line | {"routing_preferences": routes}


@dataclass(frozen=True, slots=True)
class OneMore:
    """A route of another field is added to the set."""

    sets: Sequence[RouteSet]
    """Where it is taken from; only their narrow kinds, which nobody of another field asks for."""

    def __call__(self, line: Line, chance: random.Random) -> Line:
        others = [each for each in self.sets if each.name != line["set"] and each.header.kind in self.NARROW]
        route = chance.choice(chance.choice(others).routes)
        added = {"name": f"{route.name} (other)", "description": route.description}
        routes = [*line["routing_preferences"]]
        routes.insert(chance.randrange(len(routes) + 1), added)
        return line | {"routing_preferences": routes}

    NARROW = ("products", "domain-action")


@dataclass(frozen=True, slots=True)
class Renamed:
    """Routes under other names and in other words of the same meaning."""

    names: Mapping[str, Mapping[str, Mapping[str, str]]]
    """By set and name: the other `name` and `description`."""

    def __call__(self, line: Line, chance: random.Random) -> Line | None:
        other = self.names.get(line["set"])
        if other is None:
            return None
        golds = line["route"] if isinstance(line["route"], list) else [line["route"]]
        renamed = [gold if gold is None else other[gold]["name"] for gold in golds]
        return line | {
            "routing_preferences": [dict(other[each["name"]]) for each in line["routing_preferences"]],
            "route": renamed if isinstance(line["route"], list) else renamed[0],
        }


@dataclass(frozen=True, slots=True)
class Paraphrased:
    """The latest turn in other words, written by hand."""

    texts: Mapping[str, str]
    """By the turn's id."""

    def __call__(self, line: Line, chance: random.Random) -> Line | None:
        text = self.texts.get(line["turn"])
        return None if text is None else _with_content(line, text)


def changed(lines: Iterable[Line], change: Change) -> Iterator[tuple[Line, Line]]:
    """Each line that can be changed, before and after; the same in every run."""
    for line in lines:
        after = change(line, random.Random(f"{SEED} {line['turn']}"))
        if after is not None:
            yield line, after


def changes(sets: Sequence[RouteSet], corpus: Path = CORPUS) -> dict[str, Change]:
    """By name; those that were written by hand, where they were."""
    found: dict[str, Change] = {"typos": mistyped}
    paraphrases = {each["turn"]: each["text"] for each in _told(corpus / "paraphrases.jsonl")}
    if paraphrases:
        found["paraphrase"] = Paraphrased(paraphrases)
    renamed = {each["set"]: each["routes"] for each in _told(corpus / "renamed.jsonl")}
    if renamed:
        found["renamed routes"] = Renamed(renamed)
    return found | {"reordered routes": reordered, "one route more": OneMore(sets)}


def _told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def _with_content(line: Line, text: str) -> Line:
    *before, last = line["messages"]
    return line | {"messages": [*before, last | {"content": text}]}
