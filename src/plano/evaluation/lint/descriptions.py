"""Faults of one description: bare, vague, catching nothing, or telling in commands what nouns tell better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from plano.catalog.catalog import Route
from plano.evaluation.lint.competition import GAIN, RouteReading
from plano.evaluation.lint.finding import Finding
from plano.evaluation.lint.measure import reworded
from plano.evaluation.lint.rewording import as_nouns, says_no_more, vague_words, without_vague
from plano.evaluation.lint.wordings import asked, content, fragments, spoken

VAGUE_GAIN: Final = 0.05
"""Vague words cost the wordings of a route about 0.1 of their lead, where they cost anything."""
BARE_LEAD: Final = 0.45
"""A route that is described by its name alone is told of unless its wordings lead by this much. Twelve
assistant intents lose 5 of 100 turns when their descriptions are taken away, twelve home ones 10
(benchmarks/wordings.py)."""
VERB_GAIN: Final = 0.05
"""Nouns for commands move leads by -0.04 to 0.02 in nine of ten descriptions of assistant intents: with this
encoder there is seldom a reason to rewrite."""
MOST_TRIED: Final = 12
"""Routes that stand for all when something is tried on each."""
CAUGHT: Final = 0.75
"""Of everyday asks, the share that a route for everything else must catch to be called one."""

PLAINEST: Final = ("other", "anything else")
"""A route for the rest in the words that say so most plainly."""

EVERYDAY: Final = (
    "hello, how are you today?",
    "what's the capital of Australia?",
    "can you recommend a good film for tonight?",
    "how do I get a wine stain out of a shirt?",
    "who won the world cup in 2014?",
    "thanks, that's all for now",
    "what should I cook for dinner?",
    "why is the sky blue?",
    "tell me about the Roman empire",
    "how long does it take to learn the guitar?",
    "which present would suit my sister's birthday?",
    "what time is it in Tokyo?",
)
"""What people ask any assistant, of as many kinds as there are lines."""


def descriptions(reading: RouteReading) -> Iterator[Finding]:
    """At most one fault a description: its first, of bare, catching nothing, vague, and in commands."""
    for at in range(len(reading.routes)):
        finding = _bare(reading, at) or _catch_all(reading, at) or _vague(reading, at) or _verbs(reading, at)
        if finding is not None:
            yield finding


def _is_for_the_rest(reading: RouteReading, at: int) -> bool:
    """Whether it is meant to take what no other route takes."""
    route = reading.routes[at]
    whole = f"{spoken(route.name)}, {route.description}"
    return bool(vague_words(whole)) and set(content(without_vague(whole))) <= _FOR_THE_REST


_FOR_THE_REST: Final = frozenset(content("default fallback catch all rest"))


def _bare(reading: RouteReading, at: int) -> Finding | None:
    route = reading.routes[at]
    if _is_for_the_rest(reading, at) or route.examples or not says_no_more(route.name, route.description):
        return None
    lead = reading.lead(at)
    said = without_vague(route.description).strip(" .").lower()
    if said != spoken(route.name).lower() and len(content(said)) > 1 and lead >= BARE_LEAD:
        return None
    found = "says no more than the name" if route.description.strip() else "is empty"
    worth = _worth_of_descriptions(reading)
    beside = ""
    if worth is not None:
        with_it, without = worth
        beside = (
            f"; what other descriptions list leads by {with_it:.2f}, and would by {without:.2f} without them"
        )
    return Finding(
        "bare",
        at,
        "description",
        f"the description {found}: the route is known by {spoken(route.name)!r} alone{beside}",
        "list what belongs to it in a few noun phrases, as users would say it, or give examples",
        {"lead": lead, **({} if worth is None else {"described": worth[0], "undescribed": worth[1]})},
    )


def _worth_of_descriptions(reading: RouteReading) -> tuple[float, float] | None:
    """The mean lead of what descriptions list, with and without the description: what a bare route lacks."""
    leads: list[tuple[float, float]] = []
    for at, route in enumerate(reading.routes):
        if says_no_more(route.name, route.description) or len(leads) == MOST_TRIED:
            continue
        texts = asked(fragments(route.description))
        bare = reworded(reading.routes, at, description="")
        leads.append((reading.measure.lead(texts, at, reading.routes), reading.measure.lead(texts, at, bare)))
    if not leads:
        return None
    return sum(each[0] for each in leads) / len(leads), sum(each[1] for each in leads) / len(leads)


def _catch_all(reading: RouteReading, at: int) -> Finding | None:
    if not _is_for_the_rest(reading, at):
        return None
    caught = _caught(reading, at, reading.routes)
    if caught >= CAUGHT * len(EVERYDAY):
        return None
    name, description = PLAINEST
    better = _caught(reading, at, reworded(reading.routes, at, name=name, description=description))
    plainer = f"write '{name}: {description}', which catches {better}; or " if better >= caught + 2 else ""
    return Finding(
        "catch-all",
        at,
        "route",
        f"the route is meant for everything else, but of {len(EVERYDAY)} everyday asks it catches {caught}",
        f"{plainer}leave it out and mark a model as 'default: true', which answers what no route fits;"
        " or list what should come here",
        {"caught": float(caught), "asks": float(len(EVERYDAY))},
    )


def _caught(reading: RouteReading, at: int, routes: Sequence[Route]) -> int:
    """How many everyday asks would go to the route."""
    scores = reading.measure.scores(EVERYDAY, routes)
    return sum(int(row.argmax()) == at and float(row[at]) >= reading.threshold for row in scores)


def _vague(reading: RouteReading, at: int) -> Finding | None:
    route = reading.routes[at]
    vague = vague_words(route.description)
    better = without_vague(route.description)
    if not vague or not fragments(better):
        return None
    texts = asked([spoken(route.name), *fragments(better)])
    change = _tried(reading, at, better, texts, VAGUE_GAIN)
    if change is None:
        return None
    said = " and ".join(map(repr, vague))
    return Finding(
        "vague",
        at,
        "description",
        f"{said} would be true of any route: with it the rest leads by {change[0]:.2f},"
        f" without it by {change[1]:.2f}",
        f"write: {better}",
        {"lead": change[0], "lead_as_suggested": change[1]},
    )


def _verbs(reading: RouteReading, at: int) -> Finding | None:
    route = reading.routes[at]
    better = as_nouns(route.description)
    if better == route.description:
        return None
    texts = asked([spoken(route.name), *fragments(route.description), *fragments(better)])
    change = _tried(reading, at, better, texts, VERB_GAIN)
    if change is None:
        return None
    return Finding(
        "verbs",
        at,
        "description",
        f"tells in commands what nouns tell better: its wordings lead by {change[0]:.2f},"
        f" and by {change[1]:.2f} with nouns",
        f"write: {better}",
        {"lead": change[0], "lead_as_suggested": change[1]},
    )


def _tried(
    reading: RouteReading, at: int, description: str, texts: list[str], gain: float
) -> tuple[float, float] | None:
    """The lead of the same texts before and after; None when that wins less than `gain`, or when another
    route's own wordings would pay for it."""
    changed = reworded(reading.routes, at, description=description)
    before = reading.measure.lead(texts, at, reading.routes)
    after = reading.measure.lead(texts, at, changed)
    if after - before < gain:
        return None
    for other in range(len(reading.routes)):
        if other != at:
            now = reading.measure.lead(reading.wordings(other), other, changed)
            if now < reading.lead(other) - GAIN:
                return None
    return before, after
