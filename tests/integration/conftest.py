"""What most of these tests stand on: one scripted provider, one gateway before it, and its clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.wall.gateway import RunningGateway, config_at, gateway
from tests.wall.official import anthropic_client, openai_client
from tests.wall.raw_client import RawClient
from tests.wall.upstream import ScriptedUpstream

ON_BOTH_LOOPS = ("test_official_clients", "test_raw_lane", "test_load")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """What moves bytes is tested on both event loops, the rest on the one that people run."""
    if item.path.name.startswith(ON_BOTH_LOOPS):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A provider that answers well, in the dialect it is asked in."""
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def running(upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    """An OpenAI and an Anthropic model, both played by `upstream`."""
    async with gateway(config_at(upstream)) as running:
        yield running


@pytest.fixture
async def openai(running: RunningGateway) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(running.url) as client:
        yield client


@pytest.fixture
async def anthropic(running: RunningGateway) -> AsyncIterator[AsyncAnthropic]:
    async with anthropic_client(running.url) as client:
        yield client


@pytest.fixture
async def client(running: RunningGateway) -> AsyncIterator[RawClient]:
    """One connection to the gateway, for those who look at bytes."""
    async with RawClient(running.port) as client:
        yield client
