"""The preference step on the ladder: who is asked, what is made of the verdict, and what is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest

from plano.catalog.catalog import Catalog, Endpoint, Found, Model, Route
from plano.catalog.names import ModelId, ProviderId, RouteName
from plano.catalog.prices import Price
from plano.chat.dialect import Dialect
from plano.errors import InvalidRequest, ModelNotFound, NoModel
from plano.routing.asked import Asked, already_read
from plano.routing.decision import Decision
from plano.routing.ports import RouteClassifier
from plano.routing.preference import Preference
from plano.routing.route_set import RouteSet
from plano.routing.router import Ladder, nobody_decided
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Unable, Verdict

ENDPOINT = Endpoint("http", "127.0.0.1", 80, "/v1/chat/completions")
TIMEOUT_S = 1.0
WORDS = (Utterance("user", "why does this loop never end"),)


def model(full: str, *, default: bool = False) -> Model:
    provider, _, upstream_model = full.partition("/")
    return Model(
        id=ModelId(full),
        name=full,
        provider=ProviderId(provider),
        upstream_model=upstream_model,
        endpoints={Dialect.OPENAI_CHAT: ENDPOINT},
        auth="bearer",
        is_default=default,
    )


LARGE, SMALL, DEFAULT = model("openai/large"), model("openai/small"), model("openai/any", default=True)


def found(*models: Model) -> tuple[Found, ...]:
    return tuple(Found(each, each.upstream_model, each.id, "full") for each in models)


CODE = Route(RouteName("code"), "writing code", found(LARGE, SMALL))
CHEAP = Route(RouteName("chat"), "small talk", found(LARGE, SMALL), prefer="cheapest")
ROUTES = RouteSet([CODE, CHEAP])


@dataclass
class Classifier:
    """Says what it was told to say, and keeps what it was asked."""

    verdict: Verdict
    name: str = "embedded"
    deadlines: list[float] = field(default_factory=list)
    asked: list[tuple[Sequence[Utterance], RouteSet]] = field(default_factory=list)

    async def classify(
        self, conversation: Sequence[Utterance], routes: RouteSet, *, deadline: float
    ) -> Verdict:
        self.deadlines.append(deadline)
        self.asked.append((conversation, routes))
        return self.verdict


class Prices:
    """Quotes: the small model is cheaper."""

    def usd_per_mtok(self, model: ModelId) -> float | None:
        return {"openai/large": 12.5, "openai/small": 0.75}.get(model)

    def rates(self, model: ModelId) -> Price | None:
        return None

    def latency_s(self, model: ModelId) -> float | None:
        return None


def ladder(
    *classifiers: RouteClassifier,
    routes: RouteSet = ROUTES,
    models: Sequence[Model] = (LARGE, SMALL, DEFAULT),
    explicit: bool = False,
) -> Ladder:
    ticks = count()
    now: Callable[[], float] = lambda: next(ticks) / 1000  # noqa: E731 - a clock that moves a millisecond a look
    preference = Preference(
        routes=routes, classifiers=classifiers, quotes=Prices(), timeout_s=TIMEOUT_S, now=now
    )
    return Ladder(Catalog(models, {}, routes), preference, route_explicit_models=explicit, now=now)


def asked(requested: str | None = None, routes: RouteSet | None = None) -> Asked:
    return Asked(requested, already_read(WORDS), routes)


def told(decision: Decision) -> tuple[object, ...]:
    return decision.step, decision.route, [each.id for each in decision.candidates]


def steps(decision: Decision) -> list[tuple[str, str]]:
    return [(reason.step, reason.outcome) for reason in decision.reasons]


async def test_the_route_that_fits_names_the_candidates_in_order() -> None:
    """The first is preferred, the rest are fallbacks."""
    decision = await ladder(Classifier(Matched(CODE.name, 0.81, 0.22))).decide(asked())

    assert told(decision) == ("preference", "code", ["openai/large", "openai/small"])
    assert steps(decision) == [("explicit", "abstained"), ("alias", "abstained"), ("preference", "chose")]
    reason = decision.reasons[-1]
    assert (reason.route, reason.score, reason.margin, reason.router) == ("code", 0.81, 0.22, "embedded")
    assert reason.elapsed_ms > 0


async def test_a_policy_orders_the_candidates_and_says_by_what() -> None:
    """Cheapest first, with the prices in the reason."""
    decision = await ladder(Classifier(Matched(CHEAP.name))).decide(asked())

    assert told(decision) == ("preference", "chat", ["openai/small", "openai/large"])
    assert "openai/small ($0.75/Mtok), openai/large ($12.5/Mtok)" in decision.reasons[-1].because


async def test_no_route_that_fits_goes_to_the_default() -> None:
    """A router that looked and found nothing has answered: the next one is not asked."""
    second = Classifier(Matched(CODE.name), name="second")

    decision = await ladder(Classifier(NoneFits("all scores are low", CODE.name, 0.1)), second).decide(
        asked()
    )

    assert told(decision) == ("default", None, ["openai/any"])
    assert (steps(decision)[-2:], second.asked) == (
        [("preference", "abstained"), ("default", "chose")],
        [],
    )
    assert decision.reasons[2].because == "all scores are low"


async def test_a_router_that_is_unable_is_stood_in_for() -> None:
    """A dead router model costs quality, not requests; the reason says whom and why."""
    dead = Classifier(Unable("no answer in time"), name="plano/orchestrator")

    decision = await ladder(dead, Classifier(Matched(CODE.name, 0.5, 0.1))).decide(asked())

    assert told(decision) == ("preference", "code", ["openai/large", "openai/small"])
    assert decision.reasons[-1].because == (
        "the route that fits best (instead of plano/orchestrator: no answer in time)"
    )
    assert (decision.reasons[-1].router, decision.reasons[-1].passed) == ("embedded", ("plano/orchestrator",))


async def test_the_first_router_leaves_time_for_the_second() -> None:
    """Otherwise a router model that hangs would take the time of the one that stands in for it."""
    first, second = Classifier(Unable("slow"), name="first"), Classifier(Matched(CODE.name))

    await ladder(first, second).decide(asked())

    assert second.deadlines[0] - first.deadlines[0] == pytest.approx(0.1)


async def test_when_nobody_is_able_the_request_goes_on_without_a_decision() -> None:
    """Every router's excuse is told."""
    unable = [Classifier(Unable("busy"), name="a"), Classifier(Unable("too late"), name="b")]

    decision = await ladder(*unable).decide(asked())

    assert decision.step == "default"
    assert decision.reasons[2].because == "a: busy; b: too late"
    assert (decision.reasons[2].router, decision.reasons[2].passed) == (None, ("a", "b"))


async def test_nobody_decided_without_a_default() -> None:
    """The decision says so; the caller is told that no route fits, not that none are configured."""
    decision = await ladder(Classifier(NoneFits("low")), models=(LARGE, SMALL)).decide(asked())

    assert told(decision) == (None, None, [])
    with pytest.raises(NoModel, match="no route fits the conversation"):
        raise nobody_decided(decision)


async def test_a_named_model_is_honoured_without_asking() -> None:
    """No router's time is spent on a question that the client has answered."""
    classifier = Classifier(Matched(CODE.name))

    decision = ladder(classifier).at_once("openai/small")

    assert decision is not None
    assert (told(decision), classifier.asked) == (("explicit", None, ["openai/small"]), [])


async def test_with_route_explicit_models_the_routes_come_first() -> None:
    """The original's run-time behaviour, when it is asked for."""
    routed = ladder(Classifier(Matched(CODE.name)), explicit=True)

    assert routed.at_once("openai/any") is None
    assert told(await routed.decide(asked("openai/any"))) == (
        "preference",
        "code",
        ["openai/large", "openai/small"],
    )


async def test_with_route_explicit_models_an_undecided_request_falls_to_the_named_model() -> None:
    """Not to the default: the client has said what it would like."""
    decision = await ladder(Classifier(NoneFits("low")), explicit=True).decide(asked("openai/small"))

    assert told(decision) == ("explicit", None, ["openai/small"])
    assert steps(decision) == [("explicit", "abstained"), ("preference", "abstained"), ("explicit", "chose")]


async def test_with_route_explicit_models_an_unknown_name_is_refused_when_nothing_fits() -> None:
    """An undecided request has only its name left, and the name is nobody's."""
    with pytest.raises(ModelNotFound):
        await ladder(Classifier(NoneFits("low")), explicit=True).decide(asked("openai/smal"))


async def test_routes_of_the_request_replace_the_configured_ones() -> None:
    """Also where the names are the same: the candidates are those of the request."""
    own = RouteSet([Route(RouteName("code"), "my code", found(SMALL))])
    classifier = Classifier(Matched(CODE.name))

    decision = await ladder(classifier).decide(asked(routes=own))

    assert (told(decision), classifier.asked) == (
        ("preference", "code", ["openai/small"]),
        [(WORDS, own)],
    )


async def test_routes_of_the_request_work_where_none_are_configured() -> None:
    """A gateway may leave its routes to its callers."""
    own = RouteSet([CODE])
    unrouted = ladder(Classifier(Matched(CODE.name)), routes=RouteSet([]))

    assert unrouted.at_once(None) is not None
    assert unrouted.at_once(None, brings_routes=True) is None
    assert told(await unrouted.decide(asked(routes=own)))[0] == "preference"


async def test_a_route_that_was_not_asked_about_is_no_decision() -> None:
    """Candidates are fixed before a router reads a word; its answer can only pick among them."""
    decision = await ladder(Classifier(Matched(RouteName("evil")), name="liar")).decide(asked())

    assert (decision.step, decision.reasons[2].because, decision.reasons[2].passed) == (
        "default",
        "liar named a route that was not asked about",
        ("liar",),
    )


@pytest.mark.parametrize(
    ("conversation", "routes", "because"),
    [
        pytest.param((), None, "the conversation has no words of the user to route by", id="no words"),
        pytest.param(WORDS, RouteSet([]), "the request brings an empty list of routes", id="no routes"),
    ],
)
async def test_nobody_is_asked_about_nothing(
    conversation: Sequence[Utterance], routes: RouteSet | None, because: str
) -> None:
    """A router would only guess."""
    classifier = Classifier(Matched(CODE.name))

    decision = await ladder(classifier).decide(Asked(None, already_read(conversation), routes))

    assert (decision.step, decision.reasons[2].because, classifier.asked) == ("default", because, [])


async def test_a_conversation_that_cannot_be_read_is_the_callers_to_mend() -> None:
    """The ladder does not guess at it."""

    async def unreadable() -> Sequence[Utterance]:
        raise InvalidRequest("`messages[0].role` is missing.")

    with pytest.raises(InvalidRequest, match="role"):
        await ladder(Classifier(Matched(CODE.name))).decide(Asked(None, unreadable))


def test_without_routes_nobody_is_asked() -> None:
    """And the reasons say that there was nobody to ask."""
    decision = Ladder(Catalog([DEFAULT], {})).at_once(None)

    assert decision is not None
    assert [reason.because for reason in decision.reasons] == [
        "no model named",
        "no model named",
        "no routes are configured",
        "'openai/any' is declared as default",
    ]


def test_a_route_sets_key_tells_words_apart_and_nothing_else() -> None:
    """What routers remember is remembered for words: other models for the same words change nothing."""
    same_words = RouteSet([Route(CODE.name, CODE.description, found(DEFAULT)), CHEAP])
    other_words = RouteSet([Route(CODE.name, CODE.description, found(LARGE), examples=("x",)), CHEAP])
    run_together = RouteSet([Route(RouteName("codew"), "riting code", found(LARGE, SMALL)), CHEAP])

    assert (ROUTES.key == same_words.key, ROUTES.key == other_words.key, ROUTES.key == run_together.key) == (
        True,
        False,
        False,
    )


async def test_a_router_that_was_stood_in_for_is_told_when_nothing_fits() -> None:
    """A router model that is down is to be counted, whatever the other one then said."""
    dead = Classifier(Unable("no answer in time"), name="plano/orchestrator")

    decision = await ladder(dead, Classifier(NoneFits("low"))).decide(asked())

    assert (decision.reasons[2].because, decision.reasons[2].passed) == (
        "low (instead of plano/orchestrator: no answer in time)",
        ("plano/orchestrator",),
    )
