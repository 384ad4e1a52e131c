"""A gateway whose control group is nearly full: large requests come again later, the others go on."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.http1.limits import SMALL_BODY_BYTES
from plano.observe.memory import MemoryLimit
from tests.wall.gateway import OPENAI_MODEL, config_at, written
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.upstream import ScriptedUpstream

CHAT = "/v1/chat/completions"


def full_group(folder: Path) -> MemoryLimit:
    """A control group that has used 950 of 1000 bytes."""
    for name, content in (("max", "1000"), ("current", "950"), ("stat", "anon 950")):
        (folder / f"memory.{name}").write_text(content)
    (folder / "groups").write_text("0::/\n")
    limit = MemoryLimit.found(folder / "groups", folder)
    assert limit is not None
    return limit


async def ask(port: int, content_bytes: int) -> RawReply:
    messages = [{"role": "user", "content": "x" * content_bytes}]
    async with RawClient(port) as client:
        await client.post(CHAT, json.dumps({"model": OPENAI_MODEL, "messages": messages}).encode())
        return await client.reply()


async def test_large_requests_are_shed_and_small_ones_answered(tmp_path: Path) -> None:
    """Before the kernel ends the process, and with it what all the others wait for."""
    output = os.open(os.devnull, os.O_WRONLY)
    options = bootstrap.Options(log_descriptor=output, environment={}, memory=full_group(tmp_path))
    async with ScriptedUpstream() as upstream:
        with written(config_at(upstream)) as file:
            worker = bootstrap.Gateway(*load_catalog(file, {}), options)
        with bootstrap.bind("127.0.0.1", 0) as listening:
            port = listening.getsockname()[1]
            await worker.listen(listening)
            async with asyncio.timeout(10):
                while (large := await ask(port, SMALL_BODY_BYTES)).status == 200:
                    pass  # it has not looked yet
            small = await ask(port, SMALL_BODY_BYTES // 2)
            await worker.stop(grace_s=0)
    os.close(output)

    assert (large.status, json.loads(large.body)["error"]["code"], small.status) == (503, "overloaded", 200)
    assert large.header("retry-after") is not None
