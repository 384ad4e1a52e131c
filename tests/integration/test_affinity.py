"""A session stays on its model: through the proxied paths and the decision endpoints, in every dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import plano
from plano.chat.dialect import Dialect
from plano.errors import InvalidAffinityId
from plano.routing.affinity import Pin, session_key
from plano.wire.dialects import DIALECTS
from tests.wall.gateway import RunningGateway, gateway, written
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.upstream import ScriptedUpstream

CONFIG = """
version: v0.4.0
model_providers:
  - {model: simulated/large}
  - {model: simulated/small}
  - {model: simulated/any, default: true}
routing_preferences:
  - name: code generation
    description: writing new code, functions, scripts and programs
    models: [simulated/large, simulated/small]
  - name: translation
    description: translating a text from one human language into another
    models: [simulated/small]
"""
BY_USER_TURN = CONFIG + "routing: {route_on_user_only: true}\n"
CODE = "Write a Python function that parses a CSV file."
TRANSLATION = "Translate this letter into Spanish, please."
CHAT = "/v1/chat/completions"
CALL = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
CHAT_LOOP = [
    {"role": "user", "content": CODE},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": TRANSLATION},
]
MESSAGES_LOOP = [
    {"role": "user", "content": CODE},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "read", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": TRANSLATION}]},
]
RESPONSES_LOOP = [
    {"role": "user", "content": CODE},
    {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": TRANSLATION},
]
REMINDED = [
    {"role": "user", "content": CODE},
    {"role": "assistant", "content": "done"},
    {"role": "user", "content": f"<system-reminder>{TRANSLATION}</system-reminder>"},
]


async def sent(running: RunningGateway, path: str, body: dict[str, Any], *headers: str) -> RawReply:
    async with RawClient(running.port) as client:
        await client.post(path, json.dumps(body).encode(), "x-plano-debug: true", *headers)
        return await client.reply()


async def said(running: RunningGateway, text: str, *headers: str, path: str = CHAT) -> dict[str, Any]:
    """The decision on one turn of the user's."""
    turns = "input" if path.endswith("responses") else "messages"
    body = {turns: [{"role": "user", "content": text}], "max_tokens": 16}
    return decision(await sent(running, path, body, *headers))


def decision(reply: RawReply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    found: dict[str, Any] = json.loads(reply.header("x-plano-debug") or reply.body)
    return found


def told(decision: dict[str, Any]) -> tuple[object, ...]:
    return decision["models"][0], decision["decision"], decision["pinned"], decision["session_id"]


@pytest.fixture
async def running() -> AsyncIterator[RunningGateway]:
    async with gateway(CONFIG) as running:
        yield running


async def test_the_first_decision_holds_for_the_session(running: RunningGateway) -> None:
    """The model, and the route it came by; another session and none are decided for themselves."""
    first = await said(running, CODE, "x-model-affinity: s-1")
    second = await said(running, TRANSLATION, "x-model-affinity: s-1")
    other = await said(running, TRANSLATION, "x-model-affinity: s-2")
    alone = await said(running, TRANSLATION)

    assert [told(each) for each in (first, second, other, alone)] == [
        ("simulated/large", "preference", False, "s-1"),
        ("simulated/large", "affinity", True, "s-1"),
        ("simulated/small", "preference", False, "s-2"),
        ("simulated/small", "preference", False, None),
    ]
    assert (second["route"], second["models"]) == ("code generation", ["simulated/large", "simulated/small"])


async def test_a_pin_is_shared_by_all_paths_and_dialects(running: RunningGateway) -> None:
    """A session may begin at the decision endpoint and go on in another dialect."""
    paths = [f"{prefix}{DIALECTS[each].path}" for each in Dialect for prefix in ("", "/routing")]
    await said(running, CODE, "x-model-affinity: s-1", path="/routing/v1/messages")

    found = [await said(running, TRANSLATION, "x-model-affinity: s-1", path=path) for path in paths]

    assert {told(each) for each in found} == {("simulated/large", "affinity", True, "s-1")}


async def test_a_session_that_fell_to_the_default_stays_there(running: RunningGateway) -> None:
    """The first request is decided normally, whatever decides it."""
    first = await said(running, "hello there", "x-model-affinity: s-1")
    second = await said(running, CODE, "x-model-affinity: s-1")

    assert (told(first)[:2], told(second)[:2]) == (
        ("simulated/any", "default"),
        ("simulated/any", "affinity"),
    )


async def test_a_named_model_is_honoured_in_a_session(running: RunningGateway) -> None:
    """And does not change what the session stays on."""
    await said(running, CODE, "x-model-affinity: s-1")
    body = {"model": "simulated/small", "messages": [{"role": "user", "content": CODE}]}
    named = decision(await sent(running, CHAT, body, "x-model-affinity: s-1"))
    after = await said(running, TRANSLATION, "x-model-affinity: s-1")

    assert (told(named)[:2], told(after)[:2]) == (
        ("simulated/small", "explicit"),
        ("simulated/large", "affinity"),
    )


async def test_tenants_do_not_share_sessions() -> None:
    """The same id of another tenant is another session; a tenant that cannot be told is refused."""
    config = CONFIG + "routing: {session_cache: {type: memory, tenant_header: X-Tenant}}\n"
    async with gateway(config) as running:
        one = await said(running, CODE, "x-model-affinity: s", "x-tenant: a")
        other = await said(running, TRANSLATION, "x-model-affinity: s", "x-tenant: b")
        again = await said(running, TRANSLATION, "x-model-affinity: s", "x-tenant: a")
        doubled = await sent(
            running, CHAT, {"messages": []}, "x-model-affinity: s", "x-tenant: a", "x-tenant: b"
        )

    assert [told(each)[:3] for each in (one, other, again)] == [
        ("simulated/large", "preference", False),
        ("simulated/small", "preference", False),
        ("simulated/large", "affinity", True),
    ]
    assert (doubled.status, json.loads(doubled.body)["error"]["code"]) == (400, "invalid_affinity_id")


@pytest.mark.parametrize(
    ("path", "turns", "loop"),
    [
        pytest.param(CHAT, "messages", CHAT_LOOP, id="chat"),
        pytest.param("/v1/messages", "messages", MESSAGES_LOOP, id="messages"),
        pytest.param("/v1/responses", "input", RESPONSES_LOOP, id="responses"),
        pytest.param(CHAT, "messages", REMINDED, id="a reminder"),
    ],
)
async def test_what_comes_of_a_tool_follows_the_users_turn(path: str, turns: str, loop: list[Any]) -> None:
    """With `route_on_user_only`, and without any header; the next turn of the user's is decided anew."""
    next_turn = [*loop, {"role": "assistant", "content": "ok"}, {"role": "user", "content": TRANSLATION}]
    async with gateway(BY_USER_TURN) as running:
        found = [
            decision(await sent(running, path, {turns: each, "max_tokens": 16}))
            for each in (loop[:1], loop, next_turn, next_turn[:-1])
        ]

    assert [(each["models"][0], each["decision"], each["pinned"]) for each in found] == [
        ("simulated/large", "preference", False),
        ("simulated/large", "affinity", True),
        ("simulated/small", "preference", False),
        ("simulated/small", "affinity", True),
    ]
    assert len({each["session_id"] for each in found}) == 1
    assert found[0]["session_id"].startswith("implicit:")


async def test_the_cache_can_be_declined() -> None:
    """`x-plano-cache: off`: nobody is known by how they began; a session that has a name still is."""
    async with gateway(BY_USER_TURN) as running:
        off = await said(running, CODE, "x-plano-cache: off")
        named = await said(running, CODE, "x-plano-cache: off", "x-model-affinity: s-1")

    assert (off["session_id"], named["session_id"]) == (None, "s-1")


async def test_a_named_session_stays_also_by_user_turn() -> None:
    """The header is for a whole conversation; `route_on_user_only` is for those without it."""
    async with gateway(BY_USER_TURN) as running:
        await said(running, CODE, "x-model-affinity: s-1")
        second = await said(running, TRANSLATION, "x-model-affinity: s-1")

    assert told(second)[:2] == ("simulated/large", "affinity")


async def test_sessions_are_known_by_how_they_began() -> None:
    """`prompt_caching` keeps a conversation where its prompt is cached; another beginning is another one."""
    config = CONFIG + "prompt_caching: {enabled: true}\n"
    first = {"messages": [{"role": "user", "content": CODE}]}
    more = [
        *first["messages"],
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": TRANSLATION},
    ]
    system = {"role": "system", "content": "Be brief."}
    async with gateway(config) as running:
        found = [
            decision(await sent(running, CHAT, {"messages": each}))
            for each in (first["messages"], more, [system, *more])
        ]

    assert [(each["models"][0], each["pinned"]) for each in found] == [
        ("simulated/large", False),
        ("simulated/large", True),
        ("simulated/small", False),
    ]


PRICED = """
version: v0.4.0
model_providers:
  - {{model: openai/gpt-4o, base_url: "{url}", access_key: sk-a}}
  - {{model: openai/gpt-4o-mini, base_url: "{url}", access_key: sk-a, default: true}}
routing_preferences:
  - name: code generation
    description: writing new code, functions, scripts and programs
    models: [openai/gpt-4o-mini]
  - name: translation
    description: translating a text from one human language into another
    models: [openai/gpt-4o]
routing: {{routing_budget: {{max_switch_spend_pct: {pct}, record_counterfactual: true}}, session_log: {log}}}
"""


def grown(*texts: str) -> dict[str, Any]:
    """A conversation of these turns of the user's."""
    turns: list[dict[str, str]] = []
    for text in texts:
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}]
    return {"messages": turns[:-1]}


async def test_a_dearer_model_is_kept_from_a_session_that_may_not_pay_for_it(tmp_path: Path) -> None:
    """The router would have it, the budget has not; the decision says both, and what it would cost."""
    log = tmp_path / "sessions.jsonl"
    async with (
        ScriptedUpstream() as upstream,
        gateway(PRICED.format(url=upstream.url, pct=0, log=log)) as running,
    ):
        first = decision(await sent(running, CHAT, grown(CODE)))
        second = decision(await sent(running, CHAT, grown(CODE, TRANSLATION)))
        allowed = decision(
            await sent(running, CHAT, grown(CODE, TRANSLATION), "x-plano-max-switch-spend-pct: 100")
        )
        refused = await sent(running, CHAT, grown(CODE), "x-plano-max-switch-spend-pct: lots")
        logged = await running.logged(4)

    assert [(each["models"][0], each["decision"], each["switched"]) for each in (first, second, allowed)] == [
        ("openai/gpt-4o-mini", "preference", False),
        ("openai/gpt-4o-mini", "affinity", False),
        ("openai/gpt-4o-mini", "affinity", False),
    ]
    vetoed = second["reasons"][-1]
    assert (second["models"], second["pinned"]) == (["openai/gpt-4o-mini", "openai/gpt-4o"], True)
    assert (vetoed["step"], vetoed["because"].startswith("staying: changing would cost $0.0")) == (
        "affinity",
        True,
    )
    assert "of 100 % of" in allowed["reasons"][-1]["because"]
    assert refused.status == 400
    assert logged[1]["counterfactual_model"] == "openai/gpt-4o"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [(line["chosen"], line["candidates"], line["is_user_turn"]) for line in lines] == [
        ("openai/gpt-4o-mini", ["openai/gpt-4o-mini"], True),
        ("openai/gpt-4o-mini", ["openai/gpt-4o"], True),
        ("openai/gpt-4o-mini", ["openai/gpt-4o"], True),
    ]
    assert CODE not in log.read_text("utf-8")


async def test_a_cheaper_model_is_free_to_change_to(tmp_path: Path) -> None:
    """Reading all of the context anew at a tenth of the price costs less than the cache of the other."""
    async with (
        ScriptedUpstream() as upstream,
        gateway(PRICED.format(url=upstream.url, pct=0, log=tmp_path / "log")) as running,
    ):
        first = decision(await sent(running, CHAT, grown(TRANSLATION)))
        second = decision(await sent(running, CHAT, grown(TRANSLATION, CODE)))

    assert [(each["models"][0], each["switched"], each["pinned"]) for each in (first, second)] == [
        ("openai/gpt-4o", False, False),
        ("openai/gpt-4o-mini", True, False),
    ]


async def test_an_account_is_kept_at_the_pace_of_an_agent(tmp_path: Path) -> None:
    """Its next request comes at once, and must not be judged as if the last change had cost nothing."""
    texts = [TRANSLATION, CODE] * 6
    async with (
        ScriptedUpstream() as upstream,
        gateway(PRICED.format(url=upstream.url, pct=20, log=tmp_path / "log")) as running,
    ):
        talks = [grown(*texts[:said]) for said in range(1, len(texts) + 1)]
        found = [decision(await sent(running, CHAT, each)) for each in talks]
        pin = await running.worker.store.read(session_key(None, found[0]["session_id"]))

    assert isinstance(pin, Pin)
    assert pin.spending is not None
    assert pin.spending.switches == sum(each["switched"] for each in found)
    assert pin.spending.switches_usd <= pin.spending.never_switching_usd * 0.2


def test_a_program_has_sessions_too() -> None:
    """The in-process router keeps them for as long as it lives."""
    with written(CONFIG) as file, plano.Router.from_file(file, environment={}) as router:
        router.route(CODE, session="s-1")
        second = router.route(TRANSLATION, session="s-1")
        with pytest.raises(InvalidAffinityId):
            router.route(CODE, session="no spaces")

    assert (second.models[0], second.pinned, second.session_id) == ("simulated/large", True, "s-1")


@pytest.mark.parametrize("value", ["", "a b", "a\x01b", "a\x7f", "\xe9", "a" * 257])
@pytest.mark.parametrize("dialect", list(Dialect))
async def test_an_id_that_is_none_is_refused_as_one(
    running: RunningGateway, value: str, dialect: Dialect
) -> None:
    """Whoever finds it: the HTTP parser, which takes no control byte, or the gateway."""
    async with RawClient(running.port) as client:
        await client.post(DIALECTS[dialect].path, b'{"messages":[]}', f"x-model-affinity: {value}")
        reply = await client.reply()
    (line,) = await running.logged(1)

    assert (reply.status, line["code"]) == (400, "invalid_affinity_id")
