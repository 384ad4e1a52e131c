"""Candidates that cannot take a request are passed over, as far as is known, and the decision says why."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from plano.catalog.capabilities import UNKNOWN, Capabilities
from plano.catalog.catalog import Catalog, Endpoint, Found, Model
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.chat.needs import Needs
from plano.routing.asked import Asked, already_read
from plano.routing.capability import Preflight, Worth
from plano.routing.decision import Candidate, Decision, Reason
from plano.routing.router import Ladder

CHAT, MESSAGES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES
ENDPOINT = Endpoint("http", "127.0.0.1", 80, "/v1")
REASON = Reason("preference", "chose", "the route that fits best")


def model(name: str, capabilities: Capabilities = UNKNOWN, dialect: Dialect = CHAT) -> Model:
    return Model(
        id=ModelId(f"any/{name}"),
        name=name,
        provider=ProviderId("any"),
        upstream_model=name,
        endpoints={dialect: ENDPOINT},
        auth="bearer",
        capabilities=capabilities,
    )


@dataclass
class Reading:
    """Says what the request needs, and keeps what it was asked for."""

    needs: Needs
    worth: list[Worth] = field(default_factory=list)

    async def __call__(self, worth: Worth) -> Needs:
        self.worth.append(worth)
        return self.needs


PREFLIGHT = Preflight(lambda model, _: model.capabilities)
SMALL = model("small", Capabilities(context_tokens=8192))
BLIND = model("blind", Capabilities(images=False))
PLAIN = model("plain", Capabilities(images=False, tools=False, structured_output=False))
ABLE = model("able", Capabilities(200_000, images=True, tools=True, structured_output=True))
ANY = model("any")


def decision(*models: Model) -> Decision:
    candidates = tuple(Candidate(each, each.upstream_model, each.id) for each in models)
    return Decision(candidates, "preference", (REASON,))


async def told(needs: Needs, *models: Model) -> tuple[list[str], list[str]]:
    """The candidates that are left, and why the others are not."""
    fitted = await PREFLIGHT.fitted(decision(*models), Reading(needs))
    assert {reason.outcome for reason in fitted.reasons[1:]} <= {"skipped"}
    return [each.model.name for each in fitted.candidates], [each.because for each in fitted.reasons[1:]]


UNABLE = [
    pytest.param(
        Needs(CHAT, tokens=8193),
        SMALL,
        "any/small: the prompt is longer than the 8192 tokens that it takes",
        id="context",
    ),
    pytest.param(
        Needs(CHAT, images=True),
        BLIND,
        "any/blind: it takes no images, and the request has some",
        id="images",
    ),
    pytest.param(
        Needs(CHAT, tools=True),
        PLAIN,
        "any/plain: it calls no tools, and the request brings some",
        id="tools",
    ),
    pytest.param(
        Needs(CHAT, structured_output=True),
        PLAIN,
        "any/plain: it answers after no JSON schema, and the request has one",
        id="structured output",
    ),
]


@pytest.mark.parametrize(("needs", "unable", "because"), UNABLE)
async def test_who_cannot_take_a_request_is_passed_over(needs: Needs, unable: Model, because: str) -> None:
    """A refusal is certain, and is not waited for; a model of which nothing is known is asked."""
    assert await told(needs, unable, ABLE, ANY) == (["able", "any"], [because])
    assert await told(needs, ABLE, unable, ANY) == (["able", "any"], [because])


async def test_each_inability_has_a_word_to_be_counted_under() -> None:
    """Who is asked although nobody is able was not skipped."""
    needs = [
        Needs(CHAT, tokens=8193),
        *(Needs(CHAT, **{what: True}) for what in ("images", "tools", "structured_output")),
    ]
    poor = model("poor", Capabilities(8192, images=False, tools=False, structured_output=False))
    one = [(await PREFLIGHT.fitted(decision(poor, ANY), Reading(each))).reasons[1].kind for each in needs]
    both = (await PREFLIGHT.fitted(decision(poor, poor), Reading(needs[0]))).reasons[1:]

    assert one == ["context_too_small", "no_images", "no_tools", "no_structured_output"]
    assert [reason.kind for reason in both] == [None, "context_too_small"]


async def test_what_is_just_possible_is_asked() -> None:
    """Nothing is skipped on a guess: a bound that is reached is not passed."""
    assert await told(Needs(CHAT, tools=True, tokens=8192), SMALL, BLIND) == (["small", "blind"], [])


async def test_when_nobody_is_able_the_first_one_says_so() -> None:
    """Its own refusal tells the client more than any of ours."""
    assert await told(Needs(CHAT, images=True), BLIND, PLAIN) == (
        ["blind"],
        [
            "any/blind: it takes no images, and the request has some; asked nevertheless: nobody is able",
            "any/plain: it takes no images, and the request has some",
        ],
    )


async def test_one_that_does_not_speak_the_dialect_is_no_alternative() -> None:
    """It would be left out later, and a request that somebody might have taken would have nowhere to go."""
    elsewhere = model("elsewhere", dialect=MESSAGES)

    assert await told(Needs(CHAT, images=True), BLIND, elsewhere) == (["blind", "elsewhere"], [])


async def test_only_what_somebody_cannot_is_looked_for() -> None:
    """Looking for images and counting words takes time; a lone candidate is asked whatever it can."""
    reading = Reading(Needs(CHAT))

    for models in ([SMALL, ANY], [BLIND, ABLE], [ANY, model("other")], [PLAIN]):
        await PREFLIGHT.fitted(decision(*models), reading)

    assert reading.worth == [Worth(images=False, tokens=8192), Worth(images=True, tokens=200_000)]


def ladder() -> Ladder:
    fallback = Found(ABLE, "able", ABLE.id, "name")
    catalog = Catalog([SMALL, ABLE, ANY], {}, fallbacks={"small": (fallback,), "any": (fallback,)})
    return Ladder(catalog, preflight=PREFLIGHT)


def test_a_named_model_that_takes_everything_is_decided_at_once() -> None:
    """Who has no fallbacks, or nothing to be held against, costs nothing more."""
    catalog = Catalog(
        [SMALL, ANY], {}, fallbacks={"any": (Found(model("x"), "x", ModelId("any/x"), "name"),)}
    )
    at_once = Ladder(catalog, preflight=PREFLIGHT).at_once

    assert at_once("small") is not None
    assert at_once("any") is not None
    assert ladder().at_once("small") is None


async def test_a_named_model_that_cannot_gives_way_to_its_fallback() -> None:
    """The reasons of the name come first, then what was found of the request."""
    asked = Asked("small", already_read(()), needs=Reading(Needs(CHAT, tokens=9000)))

    decided = await ladder().decide(asked)

    assert [each.id for each in decided.candidates] == ["any/able"]
    assert [(each.step, each.outcome) for each in decided.reasons] == [
        ("explicit", "chose"),
        ("explicit", "skipped"),
    ]
