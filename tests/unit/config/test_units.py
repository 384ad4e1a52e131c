"""Durations, sizes and limits as people write them."""

from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from plano.config.limits import NAMES, client_limits, read_limits, server_limits
from plano.config.units import read_count, read_duration, read_size
from plano.http1.limits import ClientLimits, ServerLimits


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("300s", 300.0),
        ("500ms", 0.5),
        ("0.005s", 0.005),
        ("5m", 300.0),
        ("1h", 3600.0),
        (30, 30.0),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_read_in_seconds(written: object, seconds: float) -> None:
    """The original's files write them with a unit; a bare number means seconds."""
    assert read_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "5", "5 s", "-5s", "5d", "0s", "8000000s", 0, -1, True, None, [], 10**400]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    """A limit of nothing, or of a year, is a slip of the finger."""
    with pytest.raises(PydanticCustomError):
        read_duration(written)


@pytest.mark.parametrize(
    ("written", "size"), [(1024, 1024), ("64KiB", 65536), ("32 MiB", 33554432), ("7", 7)]
)
def test_a_size_is_read_in_bytes(written: object, size: int) -> None:
    """Memory is counted in powers of two, and says so."""
    assert read_size(written) == size


@pytest.mark.parametrize("written", ["64KB", "1.5MiB", 0, -1, True, None, "9" * 30, 1 << 60])
def test_what_is_no_size_is_refused(written: object) -> None:
    """`KB` means two things; neither is guessed."""
    with pytest.raises(PydanticCustomError):
        read_size(written)


def test_a_count_may_come_from_a_variable() -> None:
    """Variables are text."""
    assert (read_count(5), read_count("5")) == (5, 5)


def test_limits_have_the_names_of_the_edges() -> None:
    """The reasons stand there; a name that both edges have is the clients'."""
    written = {"body_bytes": "1MiB", "headers_bytes": "1KiB", "upstream_headers_bytes": 99, "dns_s": "1s"}
    read = {name: value for name, value, _ in read_limits(written) if value is not None}

    assert (server_limits(read), client_limits(read, timeout_s=9.0, connect_s=2.0)) == (
        ServerLimits(body_bytes=1024**2, headers_bytes=1024),
        ClientLimits(headers_bytes=99, dns_s=1.0, exchange_s=9.0, connect_s=2.0),
    )


def test_every_limit_of_the_edges_can_be_set() -> None:
    """A limit that cannot be configured is a wall for somebody."""
    written = dict.fromkeys(NAMES, 7)

    assert [problem for _, _, problem in read_limits(written) if problem] == []
