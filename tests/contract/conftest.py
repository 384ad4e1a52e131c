"""Stores on the event loop that the gateway runs on; cancellation on asyncio's as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.contract.redis_server import MISSING, REDIS_SERVER, RedisServer, running

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    if item.path.name == "test_redis_cancellation.py":
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def redis_folder(tmp_path: Path) -> Path:
    """For a server of the test's own."""
    if REDIS_SERVER is None:
        pytest.skip(MISSING)
    return tmp_path


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One that is well for all tests that only need that."""
    if REDIS_SERVER is None:
        pytest.skip(MISSING)
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server
