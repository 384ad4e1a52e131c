"""The lists of models, when the table of what wildcards hold is not to be had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import pytest

from plano.catalog.build import build
from plano.catalog.catalog import Model
from plano.config.configuration import Configuration, ProviderRow
from plano.server.models import Listing, Lists

CATALOG = build(
    Configuration(
        "test",
        providers=tuple(
            ProviderRow(model, model, ("model_providers", 0)) for model in ("openai/gpt-4o", "openai/*")
        ),
        aliases={"fast": "gpt-4o"},
    )
)
DECLARED = ["openai/gpt-4o", "openai/*", "fast"]


class Table:
    """Fails to load as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0

    def members(self, model: Model) -> Iterable[str]:
        self.asked += 1
        if self.asked <= self.failures:
            raise ImportError("no table")
        return (model.id.replace("*", "o3"),)


def named(lists: Lists) -> list[str]:
    names: list[str] = [row["id"] for row in json.loads(lists.openai)["data"]]
    assert names == [row["id"] for row in json.loads(lists.anthropic)["data"]]
    return names


async def test_without_the_table_what_is_declared_is_listed(caplog: pytest.LogCaptureFixture) -> None:
    """Coding agents ask for the list first; one bad moment must not end them all until a restart."""
    listing = Listing(CATALOG, Table(failures=1).members)

    first, then = named(await listing.lists()), named(await listing.lists())

    assert (first, then) == (DECLARED, [*DECLARED, "openai/o3"])
    assert caplog.messages == ["GET /v1/models lists no members of wildcards: ImportError('no table')"]


async def test_whoever_waits_for_a_table_that_fails_gets_a_list_too(caplog: pytest.LogCaptureFixture) -> None:
    """They share one attempt, and one line in the log."""
    table = Table(failures=1)
    listing = Listing(CATALOG, table.members)

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(listing.lists()) for _ in range(3)]

    assert ([named(task.result()) for task in asking], table.asked, len(caplog.messages)) == (
        [DECLARED] * 3,
        1,
        1,
    )


async def test_what_is_known_is_asked_for_once() -> None:
    """The list never changes while a catalog lives."""
    table = Table(failures=0)
    listing = Listing(CATALOG, table.members)

    first, then = await listing.lists(), await listing.lists()

    assert (first is then, table.asked) == (True, 1)
