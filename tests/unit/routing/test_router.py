"""The ladder decides from names alone; every decision says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plano.catalog.catalog import Catalog, Endpoint, Found, Model
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.errors import ModelNotFound, NoModel
from plano.routing.decision import Decision, Reason
from plano.routing.router import MOST_REMEMBERED, Ladder, nobody_decided

ENDPOINT = Endpoint("http", "127.0.0.1", 80, "/v1/chat/completions")


def model(full: str, name: str | None = None, *, default: bool = False) -> Model:
    provider, _, upstream_model = full.partition("/")
    return Model(
        id=ModelId(full),
        name=name or full,
        provider=ProviderId(provider),
        upstream_model=upstream_model,
        endpoints={Dialect.OPENAI_CHAT: ENDPOINT},
        auth="bearer",
        is_default=default,
    )


def at_once(ladder: Ladder, name: str | None) -> Decision:
    decision = ladder.at_once(name)
    assert decision is not None
    return decision


LARGE = model("openai/large", "big")
SMALL = model("openai/small", default=True)
WILD = model("groq/*")


def catalog(*models: Model, **aliases: Model) -> Catalog:
    return Catalog(models, {alias: Found(m, m.upstream_model, m.id, "alias") for alias, m in aliases.items()})


@pytest.mark.parametrize("name", ["big", "openai/large", "large"])
def test_a_named_model_is_honoured(name: str) -> None:
    """Name, full model and unambiguous bare id lead to the same row."""
    ladder = Ladder(catalog(LARGE, SMALL))

    decision = at_once(ladder, name)

    assert (decision.step, [each.id for each in decision.candidates]) == ("explicit", ["openai/large"])


def test_an_alias_is_the_second_step() -> None:
    """The first step says why it did not answer, the second why it did."""
    ladder = Ladder(catalog(LARGE, fast=LARGE))

    decision = at_once(ladder, "fast")

    assert decision.reasons == (
        Reason("explicit", "abstained", "'fast' is not a declared model"),
        Reason("alias", "chose", "'fast' is an alias"),
    )


def test_a_wildcard_member_keeps_the_name_that_was_asked_for() -> None:
    """What goes upstream is the member, not the star."""
    ladder = Ladder(catalog(WILD))

    candidate = at_once(ladder, "groq/llama-4").candidates[0]

    assert (candidate.id, candidate.upstream_model, candidate.model.id) == (
        "groq/llama-4",
        "llama-4",
        "groq/*",
    )


@pytest.mark.parametrize("unnamed", [None, "", "none", "auto", "plano/auto"])
def test_undecided_requests_fall_to_the_default(unnamed: str | None) -> None:
    """Every way of naming no model is the same request."""
    ladder = Ladder(catalog(LARGE, SMALL))

    decision = at_once(ladder, unnamed)

    assert (decision.step, decision.candidates[0].id) == ("default", "openai/small")


def test_without_a_default_the_caller_is_told_what_to_do() -> None:
    """A 400 that names both ways out."""
    ladder = Ladder(catalog(LARGE))

    decision = at_once(ladder, None)

    assert (decision.candidates, decision.step) == ((), None)
    with pytest.raises(NoModel, match=r"name one in 'model'.*default: true"):
        raise nobody_decided(decision)


def test_an_unknown_name_shows_near_ones() -> None:
    """Most unknown names are typing errors."""
    ladder = Ladder(catalog(LARGE, SMALL))

    with pytest.raises(ModelNotFound, match="did you mean 'openai/large'"):
        at_once(ladder, "openai/lrge")


def test_an_ambiguous_bare_id_lists_the_choices() -> None:
    """Guessing between two providers would be answering with the wrong model half the time."""
    ladder = Ladder(catalog(LARGE, model("azure_openai/large")))

    with pytest.raises(
        ModelNotFound, match="several providers; name one of 'openai/large', 'azure_openai/large'"
    ):
        at_once(ladder, "large")


def test_a_long_name_is_cut_in_the_message() -> None:
    """An error may not be made larger than the request it answers."""
    ladder = Ladder(catalog(LARGE))

    with pytest.raises(ModelNotFound) as caught:
        at_once(ladder, "x" * 100_000)

    assert len(caught.value.message) < 300


def test_a_decision_for_a_name_is_made_once() -> None:
    """What a name leads to does not change while a catalog lives; the hot path only looks it up."""
    ladder = Ladder(catalog(LARGE))

    assert at_once(ladder, "big") is at_once(ladder, "big")


def test_invented_wildcard_members_do_not_grow_memory() -> None:
    """A client may send a new member with every request."""
    ladder = Ladder(catalog(WILD))

    for number in range(MOST_REMEMBERED + 10):
        at_once(ladder, f"groq/m{number}")

    assert len(ladder._remembered) <= MOST_REMEMBERED


def test_a_name_as_long_as_a_body_is_answered_and_let_go() -> None:
    """Four thousand of them would be all the memory there is."""
    names = {"*": Found(LARGE, "large", LARGE.id, "catch_all")}
    ladder = Ladder(Catalog([replace(LARGE)], names))

    decision = at_once(ladder, "x" * 1_000_000)

    assert (decision.step, len(ladder._remembered)) == ("alias", 0)
    assert max(len(reason.because) for reason in decision.reasons) < 200


def test_a_catch_all_alias_answers_for_unknown_names() -> None:
    """Coding agents send whatever model names they like."""
    names = {"*": Found(LARGE, "large", LARGE.id, "catch_all")}
    ladder = Ladder(Catalog([replace(LARGE)], names))

    decision = at_once(ladder, "claude-opus-9")

    assert (decision.step, decision.candidates[0].id) == ("alias", "openai/large")
