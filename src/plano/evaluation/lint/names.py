"""Names that disagree with their descriptions: nearer to what another route describes, at a cost that the
embedded router shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from plano.catalog.catalog import Route
from plano.evaluation.lint.competition import GAIN, OVERLAP_LEAD, RouteReading
from plano.evaluation.lint.finding import Finding, Sample
from plano.evaluation.lint.measure import leads, reworded
from plano.evaluation.lint.rewording import without_vague
from plano.evaluation.lint.wordings import asked, fragments, spoken

NAME_GAP: Final = 0.05
"""How much nearer a name must be to another route's description than to its own. Alone it is no fault: a
tenth of the 214 names that assistant intents were given in earnest are nearer by this to some other's."""
ASTRAY: Final = -0.1
"""A route that asks by its name trail by more has a name that sends them elsewhere."""
NAME_NEAR: Final = 0.3
"""A name this near to its description shares a word or a matter with it, and contradicts it only when it
sends asks astray."""
NAME_WORTH: Final = 0.05
"""What a name must add to the lead of what its description lists, over a name that says nothing. Names that
fit add 0.1 to 0.3. With all of this, six of those 214 names are told of; where the names of two routes are
exchanged, one or both are told of in 58 of 60 sets (benchmarks/wordings.py)."""
SAYS_NOTHING: Final = "route 1"
MOST_WORDS_OF_A_NAME: Final = 6

_ASKING: Final = frozenset(("how", "what", "when", "where", "which", "who", "whether", "why", "if"))
"""What begins so is a question, and no name."""


@dataclass(frozen=True, slots=True)
class _Nearness:
    """How near a route's name is to its own description, and to that of the nearest other route."""

    at: int
    other: int
    own: float
    others: float

    @property
    def suits_other(self) -> bool:
        return self.others - self.own > NAME_GAP


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a name does to its route."""

    astray: float
    """The lead of asks by the name."""
    lead: float
    """That of what the description lists."""
    lead_unnamed: float
    """The same under a name that says nothing."""

    @property
    def sends_astray(self) -> bool:
        return self.astray < ASTRAY

    @property
    def is_worth_nothing(self) -> bool:
        return self.lead - self.lead_unnamed <= NAME_WORTH


def names(reading: RouteReading) -> Iterator[Finding]:
    """Names that are nearer to another route's description than to their own, to the routes' cost.

    Where the two routes list much the same, that is the fault, and `overlaps` tells it.
    """
    exchanged: set[int] = set()
    nearest = _nearest(reading)
    for at, near in nearest.items():
        if at in exchanged or not near.suits_other or _list_the_same(reading, at, near.other):
            continue
        cost = _cost(reading, at)
        back = nearest.get(near.other)
        if back is not None and back.other == at and back.suits_other:
            finding = _exchanged(reading, near, cost)
            if finding is not None:
                exchanged.add(near.other)
                yield finding
                continue
        if cost.sends_astray or (
            cost.is_worth_nothing and near.own < NAME_NEAR and not _overlap(reading, at, near.other)
        ):
            yield _misnamed(reading, near, cost)


def _nearest(reading: RouteReading) -> dict[int, _Nearness]:
    """By route, in their order. A route for everything else has no description that a name could suit."""
    routes = reading.routes
    described = [at for at, route in enumerate(routes) if fragments(route.description)]
    if len(described) < 2:
        return {}
    meant = reading.measure.encode([routes[at].description for at in described])
    called = reading.measure.encode([spoken(routes[at].name) for at in described])
    near = called @ meant.T
    rivals = np.where(np.eye(len(described), dtype=bool), -np.inf, near).argmax(axis=1)
    return {
        at: _Nearness(at, described[rival], float(near[row, row]), float(near[row, rival]))
        for row, (at, rival) in enumerate(zip(described, rivals.tolist(), strict=True))
        if fragments(without_vague(routes[at].description))
    }


def _list_the_same(reading: RouteReading, at: int, other: int) -> bool:
    """Whether what the two list, whatever they are called, is hardly nearer to the one than to the other."""
    for own, rival in ((at, other), (other, at)):
        scores = reading.measure.scores(_listed(reading.routes[own]), reading.routes)
        if float((scores[:, own] - scores[:, rival]).mean()) < OVERLAP_LEAD:
            return True
    return False


def _overlap(reading: RouteReading, at: int, other: int) -> bool:
    """Whether they do so when asks by their names count, too."""
    ahead = (float(reading.pair_leads(at)[other]), float(reading.pair_leads(other)[at]))
    return min(ahead) < OVERLAP_LEAD


def _listed(route: Route) -> list[str]:
    return asked(fragments(route.description))


def _by_name(route: Route) -> list[str]:
    return asked([spoken(route.name)])


def _cost(reading: RouteReading, at: int) -> _Cost:
    route, measure = reading.routes[at], reading.measure
    return _Cost(
        measure.lead(_by_name(route), at, reading.routes),
        measure.lead(_listed(route), at, reading.routes),
        measure.lead(_listed(route), at, reworded(reading.routes, at, name=SAYS_NOTHING)),
    )


def _exchanged(reading: RouteReading, near: _Nearness, cost: _Cost) -> Finding | None:
    """Each name suits the other's description, and what either lists would fare better; told of the first."""
    at, other = near.at, near.other
    cost_to_other = _cost(reading, other)
    if not any(each.sends_astray or each.is_worth_nothing for each in (cost, cost_to_other)):
        return None
    mine, theirs = reading.routes[at], reading.routes[other]
    changed = reworded(reworded(reading.routes, at, name=theirs.name), other, name=mine.name)
    after = reading.measure.lead(_listed(mine), at, changed)
    after_there = reading.measure.lead(_listed(theirs), other, changed)
    if after < cost.lead + GAIN or after_there < cost_to_other.lead + GAIN:
        return None
    suggestion = (
        f"exchange the names of the two: what it lists leads by {cost.lead:.2f}, and would by {after:.2f}"
    )
    measures = {"own": near.own, "other": near.others, "lead": cost.lead, "lead_as_suggested": after}
    return Finding("name", at, "name", _message(reading, near), suggestion, measures, other)


def _misnamed(reading: RouteReading, near: _Nearness, cost: _Cost) -> Finding:
    measures = {
        "own": near.own,
        "other": near.others,
        "lead": cost.astray,
        "listed": cost.lead,
        "listed_unnamed": cost.lead_unnamed,
    }
    suggestion = "name it after what its description lists"
    name = _most_central(reading, near.at)
    if name is not None:
        changed = reworded(reading.routes, near.at, name=name)
        after = reading.measure.lead(_by_name(changed[near.at]), near.at, changed)
        measures["lead_as_suggested"] = after
        suggestion = (
            f"name it after its description, as {name!r}: asks by that name would lead by {after:.2f}"
        )
    felt = _felt(reading, near, cost)
    message = f"{_message(reading, near)}; {felt}"
    samples = tuple(_astray(reading, near.at)) if cost.sends_astray else ()
    return Finding("name", near.at, "name", message, suggestion, measures, near.other, samples)


def _message(reading: RouteReading, near: _Nearness) -> str:
    return (
        f"the name {reading.routes[near.at].name!r} is nearer to the description of"
        f" {reading.routes[near.other].name!r} ({near.others:.2f}) than to its own ({near.own:.2f})"
    )


def _felt(reading: RouteReading, near: _Nearness, cost: _Cost) -> str:
    if cost.sends_astray:
        scores = reading.measure.scores(_by_name(reading.routes[near.at]), reading.routes)
        means = scores.mean(axis=0)
        means[near.at] = -np.inf
        winner = reading.routes[int(means.argmax())]
        return f"asks by that name go to {winner.name!r}, by {-cost.astray:.2f}"
    return (
        f"what it lists leads by {cost.lead:.2f},"
        f" and by {cost.lead_unnamed:.2f} under a name that says nothing"
    )


def _astray(reading: RouteReading, at: int) -> Iterator[Sample]:
    texts = _by_name(reading.routes[at])
    ahead = leads(reading.measure.scores(texts, reading.routes), at)
    for each in ahead.argsort():
        yield Sample(texts[each], float(ahead[each]))


def _most_central(reading: RouteReading, at: int) -> str | None:
    """Of what a description lists, what is nearest to all of it and could be a name."""
    description = reading.routes[at].description
    short = [
        each
        for each in fragments(description)
        if len(each.split()) <= MOST_WORDS_OF_A_NAME and each.split()[0].lower() not in _ASKING
    ]
    if not short:
        return None
    whole = reading.measure.encode([description])[0]
    return short[int((reading.measure.encode(short) @ whole).argmax())]
