"""The affinity step: what a pin is worth, and what becomes of a session when its store is in trouble."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from plano.catalog.capabilities import Capabilities
from plano.catalog.catalog import Catalog
from plano.catalog.names import RouteName
from plano.chat.dialect import Dialect
from plano.chat.needs import Needs
from plano.routing.affinity import NoPin, Pin, StoreState, Unavailable
from plano.routing.asked import Asked, already_read
from plano.routing.capability import Preflight, Worth
from plano.routing.decision import Decision
from plano.routing.preference import Preference
from plano.routing.router import Ladder
from plano.routing.session import Session
from plano.routing.sessions import Sessions
from plano.routing.verdict import Matched
from tests.unit.routing.test_preference import (
    CODE,
    DEFAULT,
    LARGE,
    ROUTES,
    SMALL,
    WORDS,
    Classifier,
    Prices,
)

KEY = "plano:affinity:s"
NAMED = Session("s", KEY, stays=True, ttl_s=600.0)
USER_TURN = replace(NAMED, stays=False, by_user_turn=True, is_user_turn=True)
TOOL_TURN = replace(USER_TURN, is_user_turn=False)
DECIDED = Pin(LARGE.id, CODE.name)
CATALOG = Catalog((LARGE, SMALL, DEFAULT), {}, ROUTES)


@dataclass
class Store:
    """Answers what it was told to, and keeps what it was asked."""

    held: Pin | NoPin | Unavailable = field(default_factory=NoPin)
    first: Pin | Unavailable | None = None
    """What holds after `pin_first`; None: what was pinned."""
    name: str = "fake"
    state: StoreState = field(default_factory=StoreState)
    done: list[tuple[object, ...]] = field(default_factory=list)

    async def read(self, key: str) -> Pin | NoPin | Unavailable:
        self.done.append(("read", key))
        return self.held

    async def pin_first(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        self.done.append(("pin_first", key, pin, ttl_s))
        return self.first or pin

    async def pin(self, key: str, pin: Pin, ttl_s: float) -> Pin | Unavailable:
        self.done.append(("pin", key, pin, ttl_s))
        return pin

    async def move(self, key: str, pin: Pin) -> Pin | NoPin | Unavailable:
        self.done.append(("move", key, pin))
        return pin


async def decided(
    store: Store,
    session: Session = NAMED,
    *,
    classifier: Classifier | None = None,
    requested: str | None = None,
    resting: Collection[str] = (),
    blind: Collection[str] = (),
) -> Decision:
    """What the ladder makes of a request of the session, which has an image; the router would find `code`."""
    ticks = count()

    def now() -> float:
        return next(ticks) / 1000

    preference = Preference(
        routes=ROUTES,
        classifiers=[classifier or Classifier(Matched(CODE.name))],
        quotes=Prices(),
        timeout_s=1.0,
        now=now,
    )
    sessions = Sessions(
        store,
        CATALOG,
        ROUTES,
        rates=Prices(),
        is_resting=lambda each: each.id in resting,
        now=now,
        today=lambda: 0.0,
    )
    preflight = Preflight(lambda model, _: Capabilities(images=model.id not in blind))
    ladder = Ladder(CATALOG, preference, sessions=sessions, preflight=preflight, now=now)
    return await ladder.decide(Asked(requested, already_read(WORDS), session=session, needs=_with_image))


async def _with_image(_: Worth) -> Needs:
    return Needs(Dialect.OPENAI_CHAT, images=True)


def told(decision: Decision) -> tuple[object, ...]:
    return decision.step, [each.id for each in decision.candidates], decision.route, decision.is_pinned


async def test_the_first_decision_is_pinned_for_its_time() -> None:
    """Unless another request of the session was first: whoever pins first wins."""
    store = Store()

    decision = await decided(store)

    assert told(decision) == ("preference", ["openai/large", "openai/small"], "code", False)
    assert store.done == [("read", KEY), ("pin_first", KEY, DECIDED, 600.0)]
    assert (decision.session_id, decision.reasons[2].because) == ("s", "nothing is pinned for this session")


async def test_a_pin_is_followed_without_asking_a_router_or_writing() -> None:
    """Its model, then the others of its route; a hit does not prolong it."""
    store, classifier = Store(Pin(SMALL.id, CODE.name)), Classifier(Matched(CODE.name))

    decision = await decided(store, classifier=classifier)

    assert told(decision) == ("affinity", ["openai/small", "openai/large"], "code", True)
    assert (classifier.asked, store.done) == ([], [("read", KEY)])


async def test_a_session_begins_on_a_model_that_can_take_its_first_request() -> None:
    """The one that answers is the one that it stays on."""
    store = Store()

    decision = await decided(store, blind=[LARGE.id])

    assert told(decision) == ("preference", ["openai/small"], "code", False)
    assert store.done == [("read", KEY), ("pin_first", KEY, Pin(SMALL.id, CODE.name), 600.0)]


async def test_a_session_leaves_its_model_for_a_request_that_it_cannot_take() -> None:
    """For that one alone: what comes after it may be what the session's own model has been good at."""
    store = Store(Pin(SMALL.id, CODE.name))

    decision = await decided(store, blind=[SMALL.id])

    assert told(decision) == ("affinity", ["openai/large"], "code", True)
    assert decision.reasons[-1].because == "openai/small: it takes no images, and the request has some"
    assert store.done == [("read", KEY)]


@pytest.mark.parametrize(
    "pin",
    [Pin("openai/gone"), Pin("small"), Pin("openai/large/"), Pin("")],
    ids=["gone", "bare", "odd", "empty"],
)
async def test_a_pin_to_what_is_not_declared_gives_way(pin: Pin) -> None:
    """Under its full name: what another gateway has written there is not guessed at."""
    store = Store(pin)

    decision = await decided(store)

    assert told(decision)[:2] == ("preference", ["openai/large", "openai/small"])
    assert store.done[1:] == [("pin", KEY, DECIDED, 600.0)]


async def test_a_pin_to_a_route_that_is_gone_keeps_its_model() -> None:
    """There is nothing to fall back on, and nothing else is lost."""
    decision = await decided(Store(Pin(SMALL.id, "gone")))

    assert told(decision) == ("affinity", ["openai/small"], "gone", True)


async def test_a_pin_to_a_model_that_rests_gives_way() -> None:
    """It has failed too often lately: the session moves on, and stays where it went."""
    store = Store(Pin(SMALL.id, CODE.name))

    decision = await decided(store, resting=["openai/small"])

    assert told(decision)[0] == "preference"
    assert decision.reasons[2].because == "the session's model has failed too often and rests"
    assert store.done[1:] == [("pin", KEY, DECIDED, 600.0)]


async def test_a_store_in_trouble_costs_the_affinity_and_nothing_else() -> None:
    """The reasons say what is wrong with it; it is not asked a second time."""
    store = Store(Unavailable("no answer within 50 ms"))

    decision = await decided(store)

    assert told(decision) == ("preference", ["openai/large", "openai/small"], "code", False)
    assert (decision.reasons[2].because, store.done) == ("fake: no answer within 50 ms", [("read", KEY)])


async def test_who_comes_second_follows_who_came_first() -> None:
    """Two first turns that race end on one model."""
    store = Store(first=Pin(SMALL.id, None))

    decision = await decided(store)

    assert told(decision) == ("affinity", ["openai/small"], None, True)
    assert decision.reasons[-1].because == "another request of this session was decided first"


@pytest.mark.parametrize("first", [Unavailable("gone"), Pin("openai/gone"), DECIDED])
async def test_a_decision_holds_when_its_pin_cannot_be_known(first: Pin | Unavailable) -> None:
    """Or when it is the same as the one that was first."""
    assert told(await decided(Store(first=first)))[0] == "preference"


async def test_a_new_turn_of_the_user_is_decided_anew() -> None:
    """And the next step of the agent follows it: the pin is written afresh, for its whole time."""
    store = Store(Pin(SMALL.id, None))

    decision = await decided(store, USER_TURN)

    assert told(decision) == ("preference", ["openai/large", "openai/small"], "code", False)
    assert store.done[1:] == [("pin", KEY, DECIDED, 600.0)]
    assert decision.reasons[2].because == "a new turn of the user's is decided anew"


async def test_what_an_agent_does_about_it_follows() -> None:
    """Tool output is not what the user asked for."""
    assert told(await decided(Store(Pin(SMALL.id, None)), TOOL_TURN))[:2] == ("affinity", ["openai/small"])


async def test_nothing_is_pinned_when_nobody_decided() -> None:
    """The next request may know better."""
    store = Store()
    catalog = Catalog((LARGE, SMALL), {}, ROUTES)
    sessions = Sessions(
        store,
        catalog,
        ROUTES,
        rates=Prices(),
        is_resting=lambda _: False,
        now=lambda: 0.0,
        today=lambda: 0.0,
    )
    ladder = Ladder(catalog, None, sessions=sessions)

    decision = await ladder.decide(Asked(None, already_read(WORDS), session=NAMED))

    assert (told(decision), store.done) == ((None, [], None, False), [("read", KEY)])


async def test_a_named_model_asks_no_store() -> None:
    """The client has decided; what the session stays on is not touched."""
    store = Store(DECIDED)

    decision = await decided(store, requested="openai/small")

    assert (told(decision)[:2], store.done) == (("explicit", ["openai/small"]), [])


async def test_a_route_may_have_any_name() -> None:
    """It is the user's own, and comes back as it was written."""
    decision = await decided(Store(Pin(SMALL.id, "Verträge & Recht")))

    assert decision.route == RouteName("Verträge & Recht")


@pytest.mark.parametrize(
    ("store", "is_kept"),
    [
        pytest.param(Store(), True, id="the first"),
        pytest.param(Store(first=Unavailable("full")), False, id="not taken"),
        pytest.param(Store(Unavailable("away")), None, id="not asked"),
        pytest.param(Store(DECIDED), None, id="followed"),
    ],
)
async def test_it_is_told_whether_the_store_took_the_pin(store: Store, is_kept: bool | None) -> None:
    """A store that reads and cannot write would otherwise show nowhere."""
    assert (await decided(store)).is_kept is is_kept
