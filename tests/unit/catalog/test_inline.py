"""Routes that a request brings: read and linked like configured ones, and told about like them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plano.catalog.build import build
from plano.catalog.catalog import Catalog, Route
from plano.catalog.inline import LARGEST_BYTES, MOST_ROUTES, inline_routes
from plano.catalog.linking import declared
from plano.config.configuration import Configuration, ProviderRow
from plano.errors import InvalidRequest


def catalog() -> Catalog:
    rows = [
        ProviderRow("openai/gpt-5", "best", ("model_providers", 0)),
        ProviderRow("openai/gpt-5-mini", "openai/gpt-5-mini", ("model_providers", 1)),
        ProviderRow("groq/gpt-oss-120b", "groq/gpt-oss-120b", ("model_providers", 2)),
        ProviderRow("together_ai/gpt-oss-120b", "together_ai/gpt-oss-120b", ("model_providers", 3)),
        ProviderRow("anthropic/*", "anthropic/*", ("model_providers", 4)),
    ]
    aliases = {"fast": "openai/gpt-5-mini", "*": "openai/gpt-5"}
    return declared(build(Configuration("x", providers=tuple(rows), aliases=aliases)))


NAMES = catalog()


def routes(preferences: object) -> tuple[Route, ...]:
    return inline_routes(json.dumps(preferences).encode(), NAMES)


def refusal(preferences: object) -> tuple[str, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        routes(preferences)
    return caught.value.message, caught.value.param


def route(**members: object) -> dict[str, object]:
    return {"name": "code", "description": "writing code", "models": ["best"]} | members


def test_a_candidate_is_named_in_every_way_that_a_configuration_may() -> None:
    """A request moved into the file, or out of it, means the same."""
    names = ["best", "openai/gpt-5-mini", "gpt-5", "fast", "anthropic/claude-sonnet-4-5"]

    (found,) = routes([route(models=names)])

    assert [candidate.id for candidate in found.candidates] == [
        "openai/gpt-5",
        "openai/gpt-5-mini",
        "anthropic/claude-sonnet-4-5",
    ]


def test_a_route_is_read_whole() -> None:
    """Examples and policy count as they do in the file."""
    (found,) = routes(
        [route(selection_policy={"prefer": "cheapest"}, examples=["sort a list", "why this error?"])]
    )

    assert (found.name, found.description, found.prefer, found.examples) == (
        "code",
        "writing code",
        "cheapest",
        ("sort a list", "why this error?"),
    )


@pytest.mark.parametrize(
    "policy", [None, {}, {"prefer": None}, {"prefer": ""}, {"prefer": "none"}], ids=json.dumps
)
def test_no_preference_may_be_said_in_every_way_the_original_reads(policy: object) -> None:
    """Clients of the original send each of these."""
    (found,) = routes([route(selection_policy=policy)])

    assert found.prefer == "none"


def test_no_routes_are_routes_too() -> None:
    """An empty list replaces the configured routes by none."""
    assert routes([]) == ()


@pytest.mark.parametrize(
    ("preferences", "place", "told"),
    [
        ({}, "routing_preferences", "expected a list; got '{}'"),
        ([1], "routing_preferences[0]", "expected an object; got '1'"),
        ([{}], "routing_preferences[0].name", "expected a text; got nothing"),
        ([route(name="")], "routing_preferences[0].name", "1 to 256 characters; got an empty one"),
        ([route(name="a\nb")], "routing_preferences[0].name", "expected no control characters"),
        ([route(name="x" * 300)], "routing_preferences[0].name", "1 to 256 characters; got 300"),
        ([route(description=7)], "routing_preferences[0].description", "expected a text; got '7'"),
        ([route(description="x" * 5000)], "routing_preferences[0].description", "got 5000"),
        ([route(models=[])], "routing_preferences[0].models", "expected 1 to 32 entries; got 0"),
        ([route(models=["best"] * 33)], "routing_preferences[0].models", "expected 1 to 32 entries; got 33"),
        ([route(models="best")], "routing_preferences[0].models", "expected a list"),
        ([route(models=[None])], "routing_preferences[0].models[0]", "expected a model's name; got 'null'"),
        (
            [route(models=["best", "openai/gpt-5-min"])],
            "routing_preferences[0].models[1]",
            "'openai/gpt-5-min' is not a declared model (did you mean 'openai/gpt-5-mini'?)",
        ),
        (
            [route(models=["gpt-oss-120b"])],
            "routing_preferences[0].models[0]",
            "name one of groq/gpt-oss-120b, together_ai/gpt-oss-120b",
        ),
        ([route(models=["anthropic/*"])], "routing_preferences[0].models[0]", "name one of its models"),
        ([route(), route()], "routing_preferences[1].name", "'code' is the name of routing_preferences[0]"),
        ([route(modles=[])], "routing_preferences[0]", "unknown key 'modles' (did you mean 'models'?)"),
        (
            [route(selection_policy={"prefer": "best"})],
            "routing_preferences[0].selection_policy.prefer",
            "expected 'cheapest', 'fastest' or 'none'; got 'best'",
        ),
        ([route(selection_policy=["cheapest"])], "routing_preferences[0].selection_policy", "an object"),
        (
            [route(selection_policy={"perfer": "cheapest"})],
            "routing_preferences[0].selection_policy",
            "unknown key 'perfer': expected prefer",
        ),
        ([route(examples=[""])], "routing_preferences[0].examples[0]", "got an empty one"),
        ([route(examples=["a"] * 65)], "routing_preferences[0].examples", "0 to 64 entries; got 65"),
        (
            [route(name=f"r{at}") for at in range(MOST_ROUTES + 1)],
            "routing_preferences",
            "0 to 64 entries; got 65",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(preferences: object, place: str, told: str) -> None:
    """Who generates routes in a program has no editor that underlines them."""
    message, param = refusal(preferences)

    assert (param, message.startswith(f"{place}: "), told in message) == (place, True, True), message


def test_everything_wrong_is_told_at_once() -> None:
    """One mistake hides no other."""
    message, _ = refusal([route(models=["gpt-6", "gpt-7"]), {"nmae": "x"}])

    assert [problem.partition(": ")[0] for problem in message.split("; ") if "[" in problem] == [
        "routing_preferences[0].models[0]",
        "routing_preferences[0].models[1]",
        "routing_preferences[1]",
        "routing_preferences[1].name",
        "routing_preferences[1].description",
        "routing_preferences[1].models",
    ]


def test_a_doubled_key_is_refused() -> None:
    """Which of the two is meant nobody can know."""
    with pytest.raises(InvalidRequest, match="got it 2 times"):
        inline_routes(b'[{"name":"a","n\\u0061me":"b","description":"","models":["best"]}]', NAMES)


def test_many_mistakes_are_not_all_looked_into() -> None:
    """Near names cost time, and a client may send thousands that are nobody's."""
    message, _ = refusal([route(name=f"r{at}", models=[f"gpt-{at}"]) for at in range(64)])

    assert (message.count("is not a declared model"), message.endswith("; there may be more")) == (10, True)


def test_more_bytes_than_routes_may_take_are_not_looked_at() -> None:
    """What a request brings is answered within milliseconds."""
    message, param = refusal([route(description=" " * LARGEST_BYTES)])

    assert (param, message.startswith("routing_preferences: expected at most 65536 bytes")) == (
        "routing_preferences",
        True,
    )


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("best"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "description", "models", "selection_policy", "examples", "prefer", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def outcome(written: bytes) -> tuple[Route, ...] | str | None:
    """The routes, or the place of the first problem; any other exception is the test's failure."""
    try:
        return inline_routes(written, NAMES)
    except InvalidRequest as refused:
        return refused.param


@given(_ANYTHING)
def test_any_document_is_read_or_refused(document: object) -> None:
    """What a client sends never becomes a defect of the gateway."""
    found = outcome(msgspec.json.encode(document))

    assert found.startswith("routing_preferences") if isinstance(found, str) else found is not None


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(written: bytes) -> None:
    """The reader does not rely on its caller having looked."""
    assert outcome(written) is not None
