"""A limit that is not what is written is said at the start."""

from __future__ import annotations

import pytest

from plano.cli.counted_apart import counted_apart
from plano.config.configuration import Configuration, KeyRow, Listener

FREE = KeyRow("free", bytes(32), ("keys", 0))
LIMITED = KeyRow("research", bytes(32), ("keys", 1), max_concurrent=2)
OTHER = KeyRow("other", bytes(32), ("keys", 2), max_usd_per_day=2.0)


def test_what_several_processes_make_of_a_limit() -> None:
    """Each counts by itself."""
    configuration = Configuration("test", listener=Listener(keys=(FREE, LIMITED, OTHER)))

    assert counted_apart(configuration, 4) == (
        "each of the 4 processes counts by itself what keys have had: 'research' and 1 more may have up to 4 "
        "times what is written; divide the limits, or run one process"
    )


@pytest.mark.parametrize(
    ("keys", "workers"),
    [(None, 4), ((FREE,), 4), ((LIMITED,), 1)],
    ids=["no keys", "no limits", "one process"],
)
def test_what_is_as_written_is_not_warned_of(keys: tuple[KeyRow, ...] | None, workers: int) -> None:
    """A warning that is always there is read by nobody."""
    assert counted_apart(Configuration("test", listener=Listener(keys=keys)), workers) is None
