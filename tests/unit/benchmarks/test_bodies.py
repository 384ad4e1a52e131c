"""The requests that the benchmark sends."""

from __future__ import annotations

import json

import pytest

from benchmarks.bodies import SIZES, conversation, stream


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("script", ["", "bench(wait_us=600000)"])
def test_a_conversation_has_exactly_its_size(size: int, script: str) -> None:
    """A figure for 1 KB is one for 1,024 bytes, with or without a script for the upstream."""
    assert len(conversation("fast", size, script)) == size


def test_a_conversation_is_a_chat_request() -> None:
    """Peers validate what they relay: a body that only looks like one would measure their errors."""
    request = json.loads(conversation("fast", SIZES["20 KB"], "bench(idle=1)"))

    shape = (
        request["model"],
        [turn["role"] for turn in request["messages"]],
        "bench(idle=1)" in str(request),
    )
    assert shape == ("fast", ["system", "user", "assistant", "user"], True)


def test_a_stream_is_asked_for_in_the_spelling_that_the_upstream_looks_for() -> None:
    """It reads no JSON: it searches the bytes."""
    assert b'"stream":true' in stream("fast", "bench(chunks=2)")
