"""What opens sockets is tested on both event loops; the others on asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.unit.http1.clients import Edge

ON_BOTH_LOOPS = ("test_pool", "test_dial", "test_server_sockets")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    if item.path.name.startswith(ON_BOTH_LOOPS):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def edge() -> Edge:
    """A server without a socket."""
    return Edge()


@pytest.fixture
def held(edge: Edge) -> Edge:
    """One whose handler waits to be told."""
    edge.hold()
    return edge
