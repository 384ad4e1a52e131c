"""The proxied paths, the decision endpoints, `plano route` and `plano.Router` run one ladder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import plano
from plano.chat.dialect import Dialect
from plano.cli.main import main
from plano.errors import InvalidRequest, ModelNotFound, PlanoError
from plano.wire.dialects import DIALECTS
from tests.wall.gateway import RunningGateway, gateway
from tests.wall.raw_client import RawClient, RawReply

CONFIG = """
version: v0.4.0
model_providers:
  - {model: simulated/large}
  - {model: simulated/small}
  - {model: simulated/any, default: true}
model_aliases:
  quick: {target: simulated/small}
routing_preferences:
  - name: code generation
    description: writing new code, functions, scripts and programs
    models: [simulated/large, simulated/small]
  - name: translation
    description: translating a text from one human language into another
    models: [simulated/small]
  - name: contract law
    description: reading, drafting and negotiating contracts, clauses and agreements
    models: [simulated/large]
"""
OWN_ROUTES = [
    {"name": "cooking", "description": "recipes, cooking and baking", "models": ["simulated/small"]},
    {"name": "gardening", "description": "plants, flowers and vegetables", "models": ["simulated/large"]},
]
VARYING = ("trace_id", "elapsed_ms")
Body = dict[str, Any]


def asks(*texts: str) -> list[dict[str, str]]:
    """A conversation that ends with the user."""
    speakers = ["user", "assistant"]
    return [{"role": speakers[(len(texts) - 1 - at) % 2], "content": text} for at, text in enumerate(texts)]


CASES: dict[str, Body] = {
    "code": {"messages": asks("Write a Python function that parses a CSV file.")},
    "translation": {"messages": asks("Translate this letter into Spanish, please.")},
    "law": {"messages": asks("Is the indemnification clause in this contract enforceable?")},
    "small talk": {"messages": asks("hey, how is it going?")},
    "history": {"messages": asks("Write a sort in C.", "int main() {}", "and in Rust?")},
    "system": {"messages": [{"role": "system", "content": "You translate."}, *asks("Draft an NDA clause.")]},
    "auto": {"model": "auto", "messages": asks("Write a shell script that rotates logs.")},
    "explicit": {"model": "simulated/large", "messages": asks("hello")},
    "alias": {"model": "quick", "messages": asks("hello")},
    "own routes": {"messages": asks("How do I bake bread?"), "routing_preferences": OWN_ROUTES},
    "no words": {"messages": [{"role": "assistant", "content": "hello"}]},
    "unknown model": {"model": "simulatd/large", "messages": asks("hello")},
    "unreadable": {"messages": [{"content": "who am I?"}]},
    "malformed routes": {"messages": asks("hello"), "routing_preferences": [{"name": "a"}]},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "config.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


@pytest.fixture(scope="module")
def router(file: Path) -> Iterator[plano.Router]:
    with plano.Router.from_file(file, environment={}) as router:
        yield router


@pytest.fixture
async def running() -> AsyncIterator[RunningGateway]:
    async with gateway(CONFIG) as running:
        yield running


def same(decision: Body) -> Body:
    """What two runs of one decision have in common: everything but times and ids."""
    reasons = [{key: each[key] for key in each if key != "elapsed_ms"} for each in decision["reasons"]]
    return {key: decision[key] for key in decision if key not in VARYING} | {"reasons": reasons}


def by_router(router: plano.Router, body: Body) -> Body:
    try:
        return same(json.loads(router.decide(json.dumps(body).encode()).as_json()))
    except PlanoError as problem:
        return {"code": problem.code, "message": problem.message}


def in_dialect(body: Body, dialect: Dialect) -> Body:
    """The same request as another client writes it."""
    if dialect is Dialect.OPENAI_RESPONSES:
        return {("input" if key == "messages" else key): value for key, value in body.items()}
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        turns = [turn for turn in body["messages"] if turn.get("role") != "system"]
        system = [turn["content"] for turn in body["messages"] if turn.get("role") == "system"]
        more = {"system": system[0]} if system else {}
        return body | {"messages": turns, "max_tokens": 8} | more
    return body


async def sent(running: RunningGateway, path: str, body: Body, *headers: str) -> RawReply:
    async with RawClient(running.port) as client:
        await client.post(path, json.dumps(body).encode(), *headers)
        return await client.reply()


def refusal(body: bytes) -> Body:
    error = json.loads(body)["error"]
    return {"code": error.get("code"), "message": error["message"]}


@pytest.mark.parametrize("case", CASES)
async def test_every_face_of_the_gateway_decides_as_the_router_does(
    running: RunningGateway, router: plano.Router, case: str
) -> None:
    """The dry run is the real run, stopped early, in every dialect; problems are the same, too."""
    expected = by_router(router, CASES[case])

    decided = await sent(running, "/routing/v1/chat/completions", CASES[case])
    relayed = await sent(running, "/v1/chat/completions", CASES[case], "x-plano-debug: true")

    if "code" in expected:
        assert [refusal(answer.body) for answer in (decided, relayed)] == [expected, expected]
        assert decided.status == relayed.status
    else:
        debug = json.loads(relayed.header("x-plano-debug") or "{}")
        assert [same(json.loads(decided.body)), same(debug)] == [expected, expected]
        assert (relayed.header("x-plano-model"), relayed.header("x-plano-decision")) == (
            expected["models"][0],
            expected["decision"],
        )


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("case", ["code", "history", "system", "alias", "own routes"])
async def test_a_conversation_is_decided_alike_in_every_dialect(
    running: RunningGateway, router: plano.Router, case: str, dialect: Dialect
) -> None:
    """A team whose tools speak different dialects has one set of routes."""
    decided = await sent(running, f"/routing{DIALECTS[dialect].path}", in_dialect(CASES[case], dialect))

    assert same(json.loads(decided.body)) == by_router(router, CASES[case])


@pytest.mark.parametrize("case", ["code", "small talk", "explicit", "own routes", "history"])
def test_the_command_line_decides_as_the_router_does(
    file: Path, router: plano.Router, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person sees while writing routes is what the gateway will do."""
    conversation = tmp_path / "conversation.json"
    conversation.write_text(json.dumps(CASES[case]), "utf-8")

    code = main(["route", "--config", str(file), "--file", str(conversation), "--json"])

    assert (code, same(json.loads(capsys.readouterr().out))) == (0, by_router(router, CASES[case]))


async def test_the_router_can_be_asked_from_coroutines(router: plano.Router) -> None:
    """Many at once, without holding up the loop that asks, and with the same answers."""
    questions = [CASES[case]["messages"] for case in ("code", "translation", "law", "code")]

    async with asyncio.TaskGroup() as group:
        together = [group.create_task(router.aroute(question)) for question in questions]

    assert [asked.result().route for asked in together] == [router.route(each).route for each in questions]


def test_a_text_is_a_conversation_of_one_turn(router: plano.Router) -> None:
    """The shortest way to try a route."""
    assert router.route("Translate 'good morning' into French.").models == ("simulated/small",)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"messages": "hello", "model": "nobody"}, ModelNotFound, id="unknown model"),
        pytest.param(
            {"messages": [{"role": "user", "content": 1}]}, InvalidRequest, id="content that is no text"
        ),
        pytest.param({"messages": [{"role": "user", "content": object()}]}, InvalidRequest, id="no JSON"),
        pytest.param(
            {"messages": "hello", "routing_preferences": [{"name": "a"}]}, InvalidRequest, id="routes"
        ),
    ],
)
def test_what_the_gateway_would_refuse_raises(
    router: plano.Router, arguments: dict[str, Any], problem: type[PlanoError]
) -> None:
    """With the gateway's message."""
    with pytest.raises(problem):
        router.route(**arguments)


def test_a_closed_router_says_so(file: Path) -> None:
    """Closing twice is no mistake, asking afterwards is."""
    router = plano.Router.from_file(file, environment={})
    router.close()
    router.close()

    with pytest.raises(RuntimeError, match="closed"):
        router.route("hello")
