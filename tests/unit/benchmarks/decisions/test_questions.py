"""The turns that are decided about."""

from __future__ import annotations

import json
import re
from itertools import islice

import pytest

from benchmarks.decisions.questions import LONG, PLACE, SHORT, STEPS, agent_loop, fresh, request, turn
from benchmarks.load import SOURCES
from plano.classifiers.embedded.encoder import Encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


@pytest.mark.parametrize("tokens", [SHORT, LONG])
def test_every_turn_has_exactly_its_tokens(encoder: Encoder, tokens: int) -> None:
    """A figure for 15 tokens is one for 15 tokens, whichever words stand in the marked place."""
    lengths = {len(encoder.tokens(turn(tokens, words))) - 2 for words in islice(fresh(0), 0, 4000, 37)}

    assert lengths == {tokens}


def test_the_load_writes_into_the_same_place_from_the_same_words() -> None:
    """The C program finds the place by its letters; were they others, every text would be known."""
    source = (SOURCES / "load.c").read_text()
    (mark,) = re.findall(r'#define MARK "(@+)"', source)
    table = re.findall(r'"([a-z]{6})"', source.partition("words[32]")[2].partition("};")[0])
    ours = {word for words in islice(fresh(0), 32) for word in words.split()}

    assert (mark, set(table), len(table)) == (PLACE, ours, 32)


def test_no_words_come_twice() -> None:
    """A turn that was seen before would be decided from memory."""
    words = list(islice(fresh(7), 5000))

    assert (len(set(words)), {len(each) for each in words}) == (5000, {len(PLACE)})


@pytest.mark.parametrize("model", [None, "fast"])
@pytest.mark.parametrize("tokens", [SHORT, LONG])
def test_every_request_has_the_same_size(tokens: int, model: str | None) -> None:
    """So that what differs between two rows is the decision."""
    body = request(turn(tokens), model)

    assert (len(body), json.loads(body).get("model"), body.count(PLACE.encode())) == (1024, model, 1)


def test_an_agent_asks_about_the_same_turn_with_ever_more_behind_it() -> None:
    """Only the tools' part of the conversation grows: that is what must be free."""
    bodies = list(agent_loop("fix the test"))
    said = {
        tuple(m["content"] for m in json.loads(body)["messages"] if m["role"] == "user") for body in bodies
    }

    assert (len(bodies), said, sorted(bodies, key=len)) == (STEPS, {("fix the test",)}, bodies)
