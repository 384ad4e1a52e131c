"""What a key may have of several workers together, one of which dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from plano.keys.digests import hash_of
from tests.contract.redis_server import MISSING, REDIS_SERVER, running
from tests.integration.process.asking import CHAT, body
from tests.integration.process.launch import children, comes_true, kill
from tests.wall.canary import WITNESS
from tests.wall.gateway import config_at
from tests.wall.process import process
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

KEY = WITNESS.guard("pk-wall-canary-of-a-key-of-several-workers")


async def asked(port: int) -> int:
    """The status of a request on a connection of its own: any worker may take it."""
    async with RawClient(port) as client:
        await client.post(CHAT, body(), f"x-api-key: {KEY}")
        return (await client.reply()).status


@pytest.mark.skipif(REDIS_SERVER is None, reason=MISSING)
async def test_workers_share_a_limit_and_a_successor_goes_on(tmp_path: Path) -> None:
    """Twelve requests a minute are twelve, of two workers and a third in the place of one of them."""
    keys = [{"name": "research", "hash": hash_of(KEY), "requests_per_minute": 12}]
    async with ScriptedUpstream() as upstream:
        with running(tmp_path / "redis") as redis:
            config = config_at(
                upstream,
                listeners=[{"name": "models", "type": "model", "keys": keys}],
                routing={"session_cache": {"type": "redis", "url": redis.url}},
            )
            async with process(config, "--workers", "2") as gateway:
                before = [await asked(gateway.port) for _ in range(6)]
                victim = min(children(gateway.pid))
                await kill(victim)
                await comes_true(gateway, lambda: len(children(gateway.pid) - {victim}) == 2)
                async with asyncio.TaskGroup() as group:
                    asking = [group.create_task(asked(gateway.port)) for _ in range(12)]
                after = [each.result() for each in asking]

    assert (before, after.count(200), after.count(429)) == ([200] * 6, 6, 6)
