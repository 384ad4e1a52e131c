"""A set whose routes are all actions in one domain, with no route for the domain itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.evaluation.lint.competition import GAIN, WEAK_LEAD, RouteReading
from plano.evaluation.lint.finding import Finding
from plano.evaluation.lint.measure import leads
from plano.evaluation.lint.rewording import vague_words
from plano.evaluation.lint.wordings import content, spoken

SHARE: Final = 0.6
"""Of the routes, how many must speak of the same thing for it to be the domain of all."""
FEWEST: Final = 3
"""Routes that make a family; two are a choice."""
ABOUT: Final = (
    "{}",
    "a question about {}",
    "can you help me with something about {}",
    "what should I know about {}?",
)


def domain(reading: RouteReading) -> Iterator[Finding]:
    """Asks about the domain in general end on one of the actions by chance, where a route for it would
    take them and cost the others nothing."""
    word = _domain(reading.routes)
    if word is None:
        return
    texts = [about.format(word) for about in ABOUT]
    before = reading.measure.scores(texts, reading.routes)
    top = before.argmax(axis=1)
    lead = float(
        sum(leads(row[None], int(best))[0] for row, best in zip(before, top, strict=True)) / len(texts)
    )
    if lead >= WEAK_LEAD:
        return
    last = len(reading.routes)
    after, wider = max(
        ((reading.measure.lead(texts, last, tried), tried) for tried in _wider(reading.routes, word)),
        key=lambda each: each[0],
    )
    taken = [
        reading.measure.lead(reading.wordings(at), at, wider) < WEAK_LEAD <= reading.lead(at)
        for at in range(last)
    ]
    if after < lead + GAIN or any(taken):
        return
    nearest = ", ".join(dict.fromkeys(repr(reading.routes[int(best)].name) for best in top))
    yield Finding(
        "no-domain",
        0,
        "routes",
        f"every route is an action on {word!r} and none is for {word!r} itself: asks about it in general"
        f" go to {nearest} with a lead of {lead:.2f}, as good as by chance",
        f"add a route such as '{wider[last].name}: {wider[last].description}':"
        f" they go there with a lead of {after:.2f}",
        {"lead": lead, "lead_as_suggested": after, "asks": float(len(texts))},
    )


def _wider(routes: tuple[Route, ...], word: str) -> Iterator[tuple[Route, ...]]:
    """The routes with one for the domain, in several wordings to be tried."""
    for name, description in (
        (f"{word} questions", f"questions about {word}, what to know about {word}"),
        (f"{word} questions", f"a question about {word}"),
        (f"{word} help", f"help with something about {word}, questions about {word}"),
    ):
        yield (*routes, Route(RouteName(name), description, ()))


def _domain(routes: tuple[Route, ...]) -> str | None:
    """The word that most routes share, as it is written first; None where there is none, or a route that
    is for it, or for the rest, already."""
    if len(routes) < FEWEST or any(vague_words(spoken(route.name)) for route in routes):
        return None
    named, said = Counter[str](), Counter[str]()
    for route in routes:
        named.update(set(content(spoken(route.name))))
        said.update(set(content(f"{spoken(route.name)} {route.description}")))
    needed = max(FEWEST, SHARE * len(routes))
    shared = [word for word, count in said.items() if count >= needed and named[word]]
    if not shared:
        return None
    best = max(shared, key=lambda word: (named[word], said[word]))
    if any(set(content(spoken(route.name))) == {best} for route in routes):
        return None
    return _written(best, routes)


def _written(stem: str, routes: tuple[Route, ...]) -> str:
    for route in routes:
        for word in spoken(f"{route.name} {route.description}").split():
            if content(word) == [stem]:
                return word.strip(".,;:()").lower()
    return stem
