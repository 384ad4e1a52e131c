"""The wall's two ways to run the gateway: what other tests take for granted."""

from __future__ import annotations

import signal

from plano.chat.dialect import Dialect
from tests.wall.answers import PLAIN
from tests.wall.gateway import OPENAI_MODEL, UPSTREAM_KEY, config_at, gateway
from tests.wall.process import process
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

ASK = b'{"model": "openai/gpt-wall", "messages": [{"role": "user", "content": "hi"}]}'
CHAT_PATH = "/v1/chat/completions"


async def test_a_gateway_in_this_process_relays_logs_and_ends() -> None:
    """The upstream's bytes come back, the key went up, and the log says who answered."""
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        async with RawClient(running.port) as client:
            await client.post(CHAT_PATH, ASK)
            reply = await client.reply()
        (line,) = await running.logged(1)

        assert (reply.status, reply.body) == (200, PLAIN[Dialect.OPENAI_CHAT])
        assert reply.header("x-plano-model") == OPENAI_MODEL
        assert upstream.attempts[0].request.header("authorization") == f"Bearer {UPSTREAM_KEY}"
        assert OPENAI_MODEL in line.values()


async def test_its_admin_listener_answers() -> None:
    """Metrics are on a port of their own."""
    async with ScriptedUpstream() as upstream, gateway(config_at(upstream)) as running:
        async with RawClient(running.admin_port) as client:
            await client.get("/metrics")
            reply = await client.reply(to="GET")

        assert (reply.status, b"# TYPE" in reply.body) == (200, True)


async def test_a_gateway_in_a_process_is_found_by_its_ready_line_and_ends_on_a_signal() -> None:
    """`plano up` as people run it: it says where it is, and SIGINT is an orderly end."""
    async with ScriptedUpstream() as upstream, process(config_at(upstream)) as running:
        async with RawClient(running.port) as client:
            await client.post(CHAT_PATH, ASK)
            reply = await client.reply()
        running.signal(signal.SIGINT)
        code = await running.ended()

        assert (reply.status, code) == (200, 0)
        assert OPENAI_MODEL in running.stdout.decode()
        assert UPSTREAM_KEY not in running.output


async def test_a_process_that_does_not_start_has_said_why() -> None:
    """Tests of faulty configurations read the problems and the exit code."""
    async with process("version: v0.4.0\nmodels: []\n", wait=False) as running:
        code = await running.ended()

        assert (code, "models" in running.stderr.decode()) == (1, True)


async def test_leaving_kills_what_still_runs() -> None:
    """No test may leave a gateway behind, whatever it failed on."""
    async with ScriptedUpstream() as upstream:
        async with process(config_at(upstream), "--workers", "2") as running:
            port = running.port

        try:
            async with RawClient(port):
                refused = False
        except ConnectionRefusedError:
            refused = True

        assert (refused, await running.ended()) == (True, -signal.SIGKILL)
