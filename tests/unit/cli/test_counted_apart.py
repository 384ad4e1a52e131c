"""A limit that is not what is written is said at the start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plano.cli.counted_apart import counted_apart
from plano.config.configuration import Configuration, KeyRow, Listener
from plano.config.schema import Routing, SessionCache

FREE = KeyRow("free", bytes(32), ("keys", 0))
LIMITED = KeyRow("research", bytes(32), ("keys", 1), max_concurrent=2)
OTHER = KeyRow("other", bytes(32), ("keys", 2), max_usd_per_day=2.0)


def test_what_several_processes_make_of_a_limit() -> None:
    """Each counts by itself."""
    configuration = Configuration("test", listener=Listener(keys=(FREE, LIMITED, OTHER)))

    assert counted_apart(configuration, 4) == (
        "each of the 4 processes counts by itself what keys have had: 'research' and 1 more may have up to 4 "
        "times what is written; count in Redis (routing.session_cache), divide the limits, or run one process"
    )


def test_what_redis_counts_is_as_written_but_what_is_under_way_is_not() -> None:
    """A worker that dies takes with it what it had under way; nobody else could end it."""
    routing = Routing(session_cache=SessionCache(type="redis"))
    shared = Configuration("test", listener=Listener(keys=(LIMITED, OTHER)), routing=routing)

    assert counted_apart(shared, 4) == (
        "each of the 4 processes counts by itself what keys have under way: 'research' may have up to 4 "
        "times its max_concurrent; divide it, or run one process"
    )
    assert counted_apart(replace(shared, listener=Listener(keys=(OTHER,))), 4) is None


@pytest.mark.parametrize(
    ("keys", "workers"),
    [(None, 4), ((FREE,), 4), ((LIMITED,), 1)],
    ids=["no keys", "no limits", "one process"],
)
def test_what_is_as_written_is_not_warned_of(keys: tuple[KeyRow, ...] | None, workers: int) -> None:
    """A warning that is always there is read by nobody."""
    assert counted_apart(Configuration("test", listener=Listener(keys=keys)), workers) is None
