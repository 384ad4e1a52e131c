"""What the gateway tells of itself: health, metrics, one line a request."""

from __future__ import annotations

import json

import pytest

from plano.chat.dialect import Dialect
from tests.wall.answers import refusal
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL, RunningGateway, config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient
from tests.wall.scraping import labels, samples, scraped
from tests.wall.script import Script
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("path", "told"),
    [("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready", "affinity": "ok"})],
)
async def test_health_is_told_on_the_public_listener(
    client: RawClient, path: str, told: dict[str, str]
) -> None:
    """What load balancers and Kubernetes ask."""
    await client.get(path)
    reply = await client.reply(to="GET")

    assert (reply.status, json.loads(reply.body)) == (200, told)


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
async def test_health_is_told_on_the_admin_listener(running: RunningGateway, path: str, status: str) -> None:
    """Where the public listener is not reachable from the machine itself."""
    async with RawClient(running.admin_port) as client:
        await client.get(path)
        reply = await client.reply(to="GET")

    assert (reply.status, json.loads(reply.body)) == (200, {"status": status})


async def test_health_asks_no_provider(upstream: ScriptedUpstream, client: RawClient) -> None:
    """A provider that is down must not take the gateway out of its load balancer."""
    await upstream.stop_listening()

    await client.get("/readyz")

    assert (await client.reply(to="GET")).status == 200


async def test_health_leaves_no_line_in_the_log(client: RawClient, running: RunningGateway) -> None:
    """It is asked every few seconds for ever."""
    await client.get("/healthz")
    await client.reply(to="GET")
    await client.post(CHAT, b'{"model":"gpt-wall"}')
    await client.reply()

    assert [line["path"] for line in await running.logged(1)] == [CHAT]


async def test_metrics_count_what_happened(running: RunningGateway) -> None:
    """Requests by how they ended, decisions by step, tokens as the providers counted them."""
    async with RawClient(running.port) as client:
        for body in (b'{"model":"gpt-wall"}', b'{"model":"auto","stream":true}', b'{"model":"nobody"}', b"{"):
            await client.post(CHAT, body)
            await client.reply()
    page = await scraped(running)

    model = (
        'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="openai/gpt-wall"'
    )
    assert samples(page, "plano_requests_total") == {
        '{decision="default",dialect="openai_chat",status_class="2xx"}': 1,
        '{decision="explicit",dialect="openai_chat",status_class="2xx"}': 1,
        '{decision="none",dialect="openai_chat",status_class="4xx"}': 2,
    }
    assert samples(page, "plano_decisions_total") == {'{step="default"}': 1, '{step="explicit"}': 1}
    assert samples(page, "plano_errors_total") == {
        '{code="invalid_json"}': 1,
        '{code="model_not_found"}': 1,
    }
    assert samples(page, "gen_ai_client_token_usage_sum") == {
        f'{{{model},gen_ai_token_type="input"}}': 22,
        f'{{{model},gen_ai_token_type="output"}}': 10,
    }
    assert "plano_requests_in_flight 0.0\n" in page


async def test_no_label_can_be_invented_by_a_client_or_a_provider() -> None:
    """A label of their choice is memory of ours, for ever."""

    async def invent(client: RawClient, number: int) -> None:
        route = {
            "name": f"invented-{number}",
            "description": "any work at all",
            "models": ["openai/gpt-wall"],
        }
        turns = [{"role": "user", "content": "any work at all"}]
        routed = json.dumps({"messages": turns, "routing_preferences": [route]})
        await client.post(CHAT, routed.encode(), f"x-model-affinity: s-{number}")
        await client.reply()
        for name in (f"openai/invented-{number}", f"xai/invented-{number}", f"nobody-{number}"):
            body = json.dumps({"model": name, "stream": bool(number % 2), "user": f"user-{number}"})
            await client.post(
                CHAT, body.encode(), f"x-request-id: id-{number}", f"x-model-affinity: s-{number}"
            )
            await client.reply()
        await client.post(f"/invented/{number}", b"")
        await client.reply()

    async with ScriptedUpstream() as upstream:
        config = config_at(upstream)
        config["model_providers"].append({"model": "openai/*", "base_url": upstream.url})
        config["model_providers"].append({"model": "xai/*", "base_url": upstream.url})
        async with gateway(config) as running, RawClient(running.port) as client:
            await invent(client, 0)
            await invent(client, 1)
            before = labels(await scraped(running))
            for number in range(2, 30):
                await invent(client, number)
            page = await scraped(running)

    assert labels(page) == before
    assert before["gen_ai_request_model"] == {"openai/*", "xai/*", OPENAI_MODEL, ANTHROPIC_MODEL}
    assert "invented" not in page
    assert sum(samples(page, "plano_requests_total").values()) == 150
    assert samples(page, "plano_routes_total") == {'{route="_OTHER"}': 30}


async def test_each_request_has_one_line_with_its_three_names(running: RunningGateway) -> None:
    """What was asked for, what was chosen, what answered: from each dialect, and from a refusal."""
    async with openai_client(running.url) as openai, anthropic_client(running.url) as anthropic:
        await openai.chat.completions.create(model="gpt-wall", messages=[{"role": "user", "content": "hi"}])
        await openai.responses.create(model="openai/gpt-wall", input="hi")
        await anthropic.messages.create(
            model="claude-wall", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        )
    async with RawClient(running.port) as client:
        await client.post(CHAT, b'{"model":"nobody"}')
        await client.reply()

    lines = await running.logged(4)
    assert [
        tuple(line.get(name) for name in ("path", "requested_model", "chosen_model", "served_model"))
        for line in lines
    ] == [
        (CHAT, "gpt-wall", "openai/gpt-wall", "wall-chat-2026-01-01"),
        ("/v1/responses", "openai/gpt-wall", "openai/gpt-wall", "wall-responses-1"),
        ("/v1/messages", "claude-wall", "anthropic/claude-wall", "wall-messages-1"),
        (CHAT, "nobody", None, None),
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_lines_figures_are_those_of_the_wire(
    client: RawClient, running: RunningGateway, *, stream: bool
) -> None:
    """Bytes as they were counted outside, and timers that only go forward."""
    body = b'{"model":"gpt-wall","stream":%s}' % (b"true" if stream else b"false")
    await client.post(CHAT, body)
    reply = await client.reply()

    (line,) = await running.logged(1)
    timers = [line[f"{name}_ms"] for name in ("decided", "sent", "first_byte", "first_content", "total")]
    assert (line["bytes_in"], line["bytes_out"]) == (len(body), len(reply.body))
    assert timers == sorted(timers)
    assert timers[0] > 0
    assert (line["attempts"], line["client"], line["method"]) == (1, "127.0.0.1", "POST")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ("refused", 400, "upstream_error")),
        (429, ("upstream_failed", 429, "upstream_error")),
        (401, ("upstream_failed", 502, "upstream_auth")),
        (500, ("upstream_failed", 500, "upstream_error")),
    ],
)
async def test_an_error_of_the_providers_is_told_as_its_own(
    status: int, expected: tuple[str, int, str]
) -> None:
    """Who looks for the cause must see whose it was."""
    script: Script = refusal(status, Dialect.OPENAI_CHAT)
    async with (
        ScriptedUpstream(otherwise=lambda _: script) as upstream,
        gateway(config_at(upstream)) as running,
        RawClient(running.port) as client,
    ):
        await client.post(CHAT, b'{"model":"gpt-wall"}')
        await client.reply()

        (line,) = await running.logged(1)
        assert (line["ending"], line["status"], line["code"]) == expected
        assert line["chosen_model"] == "openai/gpt-wall"


async def test_prompts_and_answers_are_not_logged(client: RawClient, running: RunningGateway) -> None:
    """They are the users' own."""
    body = {"model": "gpt-wall", "messages": [{"role": "user", "content": "my-private-words"}]}
    await client.post(CHAT, json.dumps(body).encode())
    reply = await client.reply()

    await running.logged(1)
    page = await scraped(running)
    assert "hello" in reply.body.decode()
    for told in (running.log_text, page):
        assert "my-private-words" not in told
        assert "hello" not in told
