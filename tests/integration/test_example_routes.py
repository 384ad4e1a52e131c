"""The example's routes on what people say in passing, by the router that ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import plano

EXAMPLE = Path(__file__).parents[2] / "examples" / "routing" / "config.yaml"
BEGUN = [
    {"role": "user", "content": "Write a Python function that merges two sorted lists without using sort()."},
    {"role": "assistant", "content": "def merge(a, b): ..."},
]


@pytest.fixture(scope="module")
def router() -> Iterator[plano.Router]:
    with plano.Router.from_file(EXAMPLE, environment={}) as router:
        yield router


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("now in Go", "code generation"),
        ("and in Rust?", "code generation"),
        ("make it shorter", "code generation"),
        ("thanks!", None),
        ("haha nice", None),
    ],
)
def test_a_turn_that_follows_goes_on_with_the_work_unless_it_is_thanks(
    router: plano.Router, text: str, route: str | None
) -> None:
    """What only makes sense after the turn before belongs to its route."""
    assert router.route([*BEGUN, {"role": "user", "content": text}]).route == route
