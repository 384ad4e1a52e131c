"""Faults are tried on the event loop that the gateway runs on; departures on asyncio's as well,
because each loop has its own way to lose a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from plano.bootstrap import event_loop

ON_BOTH_LOOPS = ("test_departure", "test_slow_reader")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    if item.path.name.startswith(ON_BOTH_LOOPS):
        return {"uvloop": event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": event_loop}
