"""What must hold of the corpus: sound files, enough of everything, and nothing of one split in another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tools.corpus.held import RouteSet, Split, Turn

FEWEST_SETS = 150
FEWEST_CONVERSATIONS = 6_000
FEWEST_TURNS = 12_000
FEWEST_LANGUAGES = 12
ROUTES_IN_A_SET = range(2, 26)
FEWEST_ASKS = 2
"""Of each route: what is never asked for measures nothing."""

SHINGLE_WORDS = 3
FEWEST_SHINGLES = 4
"""What is shorter is said by everybody: "thanks, that worked"."""
NEAR = 0.5
"""The share of shingles that two texts have in common from which they are taken for one."""

_WORD = re.compile(r"\w+")


def faults(sets: Sequence[RouteSet]) -> Iterator[str]:
    """Everything that is wrong, in words."""
    for each in sets:
        yield from _faults_of(each)
    names = Counter(each.name for each in sets)
    yield from (
        f"{name}: expected each set once; found {count}" for name, count in names.items() if count > 1
    )
    yield from _too_few(sets)
    yield from _shared(sets)
    for one, other, share in near_duplicates([turn for each in sets for turn in each.turns()]):
        pair = f"{one.id} ({one.of.split}) and {other.id} ({other.of.split})"
        yield f"{pair}: {share:.0%} of their shingles are the same"


def _faults_of(held: RouteSet) -> Iterator[str]:
    names = [route.name for route in held.routes]
    if len(set(names)) != len(names):
        yield f"{held.name}: expected each route's name once"
    if len(names) not in ROUTES_IN_A_SET:
        fewest, most = ROUTES_IN_A_SET.start, ROUTES_IN_A_SET.stop - 1
        yield f"{held.name}: expected {fewest} to {most} routes; found {len(names)}"
    asked = Counter(gold for turn in held.turns() for gold in turn.gold)
    yield from (
        f"{held.name}: expected {FEWEST_ASKS} asks of {name!r} at least; found {asked[name]}"
        for name in names
        if asked[name] < FEWEST_ASKS
    )
    if unknown := {gold for gold in asked if gold is not None} - set(names):
        yield f"{held.name}: expected its own routes; found {sorted(unknown)}"
    for conversation in held.conversations:
        if not conversation.messages or conversation.messages[-1].role != "user":
            yield f"{conversation.conversation}: expected a turn of the user's at the end"


def _too_few(sets: Sequence[RouteSet]) -> Iterator[str]:
    conversations = sum(len(each.conversations) for each in sets)
    turns = sum(1 for each in sets for _ in each.turns())
    tags = {tag for each in sets for conversation in each.conversations for tag in conversation.tags}
    languages = sum(tag.startswith("lang:") for tag in tags)
    for what, found, fewest in (
        ("route sets", len(sets), FEWEST_SETS),
        ("conversations", conversations, FEWEST_CONVERSATIONS),
        ("turns", turns, FEWEST_TURNS),
        ("languages beside English", languages, FEWEST_LANGUAGES),
    ):
        if found < fewest:
            yield f"expected {fewest} {what} at least; found {found}"


def _shared(sets: Sequence[RouteSet]) -> Iterator[str]:
    """Fields and voices that stand in two splits."""
    for what in ("domain", "style"):
        splits: dict[str, set[Split]] = defaultdict(set)
        for each in sets:
            value = each.header.domain if what == "domain" else each.header.style
            if not value.lower().startswith("general"):
                splits[value.lower()].add(each.split)
        yield from (
            f"{what} {value!r}: expected it in one split; found it in {', '.join(sorted(found))}"
            for value, found in splits.items()
            if len(found) > 1
        )


def near_duplicates(turns: Sequence[Turn]) -> Iterator[tuple[Turn, Turn, float]]:
    """Pairs of different splits that have at least `NEAR` of their shingles in common."""
    shingled = [(turn, shingles(turn.text)) for turn in turns]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, (_, own) in enumerate(shingled):
        if len(own) >= FEWEST_SHINGLES:
            for shingle in own:
                holders[shingle].append(place)
    common: Counter[tuple[int, int]] = Counter()
    for places in holders.values():
        if len(places) <= 50:  # one that many share is a turn of phrase
            common.update(_pairs(places, shingled))
    for (one, other), count in common.items():
        share = count / len(shingled[one][1] | shingled[other][1])
        if share >= NEAR:
            yield shingled[one][0], shingled[other][0], share


def _pairs(
    places: Sequence[int], shingled: Sequence[tuple[Turn, frozenset[tuple[str, ...]]]]
) -> Iterable[tuple[int, int]]:
    for number, one in enumerate(places):
        split = shingled[one][0].of.split
        for other in places[number + 1 :]:
            if shingled[other][0].of.split != split:
                yield one, other


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Its runs of words; in scripts without spaces, of whatever stands between them."""
    found = words(text)
    return frozenset(zip(*(found[start:] for start in range(SHINGLE_WORDS)), strict=False))
