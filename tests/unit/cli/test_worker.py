"""What a worker leaves behind when it does not end as it was asked to."""

from __future__ import annotations

import asyncio

import pytest

from plano import bootstrap
from plano.catalog.build import load_catalog
from plano.cli.signals import Stop
from plano.cli.worker import run_worker
from tests.wall.gateway import OPENAI_MODEL, written

CONFIG = {
    "version": "v0.4.0",
    "model_providers": [{"model": OPENAI_MODEL, "base_url": "http://127.0.0.1:1", "default": True}],
}


def named(tasks: set[asyncio.Task[object]]) -> set[str]:
    return {getattr(task.get_coro(), "__qualname__", "") for task in tasks if not task.done()}


async def test_whoever_looks_after_memory_ends_with_the_worker() -> None:
    """However it ends: who takes the readiness may be gone."""

    def nobody_listens() -> None:
        raise BrokenPipeError

    with written(CONFIG) as file:
        gateway = bootstrap.Gateway(*load_catalog(file, {}), bootstrap.Options(environment={}))
    before = asyncio.all_tasks()
    with bootstrap.bind("127.0.0.1", 0) as listening:
        with pytest.raises(BrokenPipeError):
            await run_worker(gateway, listening, Stop(), on_ready=nobody_listens, say=print)
        left = named(asyncio.all_tasks() - before)
        await gateway.stop(grace_s=0)

    assert "give_back" not in left
