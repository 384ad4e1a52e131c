"""What a caller may not use comes into no decision of theirs, by whichever way."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from plano.catalog.allowance import Allowance
from plano.catalog.catalog import Catalog, Found, Model
from plano.errors import ModelNotFound
from plano.routing.affinity import Pin
from plano.routing.asked import Asked, already_read
from plano.routing.decision import Decision
from plano.routing.preference import Preference
from plano.routing.router import Ladder
from plano.routing.session import Session
from plano.routing.sessions import Sessions
from plano.routing.verdict import Matched
from tests.unit.routing.test_preference import CODE, DEFAULT, LARGE, ROUTES, SMALL, WORDS, Classifier, Prices
from tests.unit.routing.test_sessions import NAMED, Store


def found(model: Model) -> Found:
    return Found(model, model.upstream_model, model.id, "name")


CATALOG = Catalog(
    (LARGE, SMALL, DEFAULT),
    {"quick": replace(found(SMALL), by="alias", fallbacks=(found(LARGE), found(DEFAULT)))},
    ROUTES,
    fallbacks={DEFAULT.name: (found(LARGE), found(SMALL))},
)


def ladder(store: Store | None = None) -> Ladder:
    ticks = count()

    def now() -> float:
        return next(ticks) / 1000

    preference = Preference(
        routes=ROUTES, classifiers=[Classifier(Matched(CODE.name))], quotes=Prices(), timeout_s=1.0, now=now
    )
    sessions = Sessions(
        store or Store(),
        CATALOG,
        ROUTES,
        rates=Prices(),
        is_resting=lambda _: False,
        now=now,
        today=lambda: 0.0,
    )
    return Ladder(CATALOG, preference, sessions=sessions, now=now)


async def decided(
    *models: Model, named: str | None = None, session: Session | None = None, store: Store | None = None
) -> Decision:
    """For a caller who may use `models`; the router would find `code`, which wants large, then small."""
    allowance = Allowance(frozenset(model.name for model in models))
    asked = Asked(named, already_read(WORDS), session=session, allowance=allowance)
    return await ladder(store).decide(asked)


def told(decision: Decision) -> tuple[object, ...]:
    return decision.step, [each.id for each in decision.candidates], decision.route


async def test_a_route_loses_what_is_not_allowed() -> None:
    """The rest of it is still what the conversation wants."""
    assert told(await decided(SMALL)) == ("preference", [SMALL.id], CODE.name)


async def test_a_route_that_loses_all_is_passed_over_and_says_so() -> None:
    """Without naming what it would have chosen."""
    decision = await decided(DEFAULT)

    said = [(reason.step, reason.outcome, reason.because) for reason in decision.reasons[-2:]]
    assert told(decision) == ("default", [DEFAULT.id], None)
    assert said[0][:2] == ("preference", "abstained")
    assert said[0][2].endswith("the caller's key may use none of its models")


async def test_a_default_that_is_not_allowed_decides_nothing() -> None:
    """Nor do its fallbacks: they stand in for what was never to be had."""
    decision = await decided()

    assert told(decision) == (None, [], None)
    assert decision.reasons[-1].because == "the caller's key may not use the default model"


async def test_fallbacks_are_what_is_allowed_of_them() -> None:
    """Fallback is an authorisation decision."""
    assert told(await decided(SMALL, DEFAULT, named="quick")) == ("alias", [SMALL.id, DEFAULT.id], None)


@pytest.mark.parametrize("name", ["quick", SMALL.id, SMALL.name])
async def test_a_name_that_is_not_allowed_is_not_there(name: str) -> None:
    """By an alias as by the model's own; the message names nothing else either."""
    with pytest.raises(ModelNotFound) as caught:
        await decided(LARGE, named=name)

    assert caught.value.message == (f"The model {name!r} is not declared here. GET /v1/models lists what is.")


@pytest.mark.parametrize(("models", "is_told"), [((SMALL,), True), ((LARGE,), False)])
async def test_near_misses_name_what_is_allowed(models: tuple[Model, ...], is_told: bool) -> None:
    """A message must not list what others have."""
    with pytest.raises(ModelNotFound) as caught:
        await decided(*models, named=SMALL.id + "x")

    assert (repr(SMALL.id) in caught.value.message) is is_told


async def test_what_one_caller_may_not_use_is_there_for_the_next() -> None:
    """Decisions for names are remembered, and are the same object for all who may use them."""
    shared = ladder()
    whole = shared.at_once(SMALL.id)
    with pytest.raises(ModelNotFound):
        shared.at_once(SMALL.id, allowance=Allowance(frozenset({LARGE.name})))

    assert shared.at_once(SMALL.id, allowance=Allowance(frozenset({SMALL.name}))) is whole


async def test_a_pin_that_is_not_allowed_is_none_and_is_left_alone() -> None:
    """It is the session's, for those who may use it."""
    store = Store(Pin(LARGE.id, CODE.name))

    decision = await decided(SMALL, session=NAMED, store=store)

    assert (told(decision), decision.is_pinned) == (("preference", [SMALL.id], CODE.name), False)
    assert [done[0] for done in store.done] == ["read"]


async def test_the_others_of_a_pin_are_what_is_allowed_of_them() -> None:
    """A pin brings its route's other models along."""
    decision = await decided(LARGE, session=NAMED, store=Store(Pin(LARGE.id, CODE.name)))

    assert (told(decision), decision.is_pinned) == (("affinity", [LARGE.id], CODE.name), True)


async def test_a_pin_that_came_first_binds_only_who_may_use_it() -> None:
    """Two requests of a session race, with keys of one owner and different lists."""
    decision = await decided(SMALL, session=NAMED, store=Store(first=Pin(LARGE.id, CODE.name)))

    assert (told(decision), decision.is_pinned) == (("preference", [SMALL.id], CODE.name), False)
