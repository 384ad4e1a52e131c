"""Windows that others keep: who is asked, what is told along, and what a worker knows when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from plano.catalog.gateway_keys import GatewayKey
from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.chat.usage import Usage
from plano.errors import KeyExhausted
from plano.exchange.record import ExchangeRecord
from plano.keys.opening import gate_for
from plano.keys.shared import Entry, Standing, Verdict
from plano.keys.sharing import Sharing
from plano.routing.affinity import StoreState, Unavailable
from tests.fault.baseline import turns

AWAY = Unavailable("Redis cannot be reached")


class Windows:
    """Says what it is told to say, and remembers what it was asked."""

    state = StoreState()

    def __init__(self) -> None:
        self.answers: list[Verdict | Unavailable | BaseException] = []
        self.asked: list[tuple[tuple[Entry, ...], str]] = []
        self.held: list[asyncio.Event] = []
        """What the next questions wait for, each with its answer."""
        self.is_closed = False

    async def start(self) -> None:
        return

    async def close(self) -> None:
        self.is_closed = True

    async def ask(self, entries: Sequence[Entry], told_as: str) -> Verdict | Unavailable:
        self.asked.append((tuple(entries), told_as))
        answer = self.answers.pop(0) if self.answers else room(len(entries))
        await (self.held.pop(0).wait() if self.held else asyncio.sleep(0))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def told(self) -> list[tuple[str, int]]:
        """The marks of what was told, and how much that was."""
        return [(mark, sum(entry.tells for entry in entries)) for entries, mark in self.asked]


def room(count: int, had: int = 1) -> Verdict:
    return Verdict(None, (Standing(had, 60.0),) * count)


class World:
    """A gate over windows that somebody else keeps."""

    def __init__(self, **limits: Any) -> None:
        self.now = 50.0
        self.lost = 0
        self.windows = Windows()
        marks = iter(f"mark-{number}" for number in range(1, 100))
        self.sharing = Sharing(self.windows, now=lambda: self.now, mark=lambda: next(marks), lose=self.lose)
        self.key = GatewayKey("research", bytes(32), "team", **limits)
        self.gate = gate_for(
            [self.key],
            counts=None,
            prices=lambda _: Price(1.0, 1.0),
            now=lambda: self.now,
            today=lambda: 86_400.0 * 20_000,
            sharing=self.sharing,
        )

    def lose(self, answers: int) -> None:
        self.lost += answers

    async def begin(self) -> ExchangeRecord:
        record = ExchangeRecord(request_id="r", method="POST", path="/", at=0.0, started=0.0)
        admission = self.gate.admit(self.key, record)
        if admission is not None:
            await admission()
        return record

    async def ask(self, tokens: int = 0) -> str:
        try:
            record = await self.begin()
        except KeyExhausted as exhausted:
            return exhausted.limit
        record.chosen, record.usage = ModelId("openai/gpt-4o"), Usage(0, tokens)
        self.gate.settle(record)
        return "alone" if record.is_counted_alone else "together"


async def test_a_key_without_windows_asks_nobody() -> None:
    """Requests under way are this worker's own."""
    world = World(max_concurrent=1)

    assert (await world.ask(), world.windows.asked) == ("together", [])


async def test_what_answers_had_goes_along_with_the_next_request() -> None:
    """One round trip a request."""
    world = World(tokens_per_minute=100)

    for _ in range(3):
        await world.ask(7)

    assert world.windows.told() == [("", 0), ("mark-1", 7), ("mark-2", 7)]


async def test_without_an_answer_a_worker_goes_on_from_what_it_knew() -> None:
    """Nine of ten were had by all together: one is left, not ten."""
    world = World(requests_per_minute=10)
    world.windows.answers = [room(1, had=9), AWAY, AWAY]

    assert [await world.ask() for _ in range(3)] == ["together", "alone", "requests"]


async def test_what_was_told_without_an_answer_is_told_again_as_the_same() -> None:
    """So that it counts once, whether it was heard or not."""
    world = World(tokens_per_minute=100)
    world.windows.answers = [room(1), AWAY, AWAY]

    for _ in range(4):
        await world.ask(7)

    assert world.windows.told() == [("", 0), ("mark-1", 7), ("mark-1", 7), ("mark-1", 7)]


async def test_tokens_that_were_not_told_count_for_this_worker() -> None:
    """What is learned of the others comes to what is known here."""
    world = World(tokens_per_minute=20)
    await world.ask(8)
    world.windows.answers = [AWAY, AWAY]

    assert [await world.ask(8), await world.ask(8), await world.ask(8)] == ["alone", "alone", "together"]


async def test_what_is_on_its_way_is_not_forgotten_when_redis_dies() -> None:
    """One question takes along what fills the key; another, with nothing to tell, is answered before Redis
    goes."""
    world = World(tokens_per_minute=10)
    first, second = asyncio.Event(), asyncio.Event()
    await world.ask(100)
    world.windows.answers = [AWAY, room(1, had=0)]
    world.windows.held = [first, second]
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(world.ask()) for _ in range(2)]
        await turns()
        second.set()
        await asked[1]
        first.set()

    assert [each.result() for each in asked] == ["tokens", "together"]


async def test_an_answer_that_counts_in_two_windows_is_lost_once() -> None:
    """The metric counts answers."""
    world = World(tokens_per_minute=100, max_usd_per_day=5.0)
    await world.ask(7)
    world.windows.answers = [AWAY]
    world.sharing.start()

    await world.sharing.close()

    assert world.lost == 1


async def test_who_is_cancelled_while_telling_the_rest_leaves_nothing_open() -> None:
    """A supervisor in a hurry; what was not told is said all the same."""
    world = World(tokens_per_minute=100)
    world.sharing.start()
    await world.ask(7)
    world.windows.held = [asyncio.Event()]
    closing = asyncio.create_task(world.sharing.close())
    await turns()
    closing.cancel()
    await asyncio.wait([closing])

    assert (closing.cancelled(), world.windows.is_closed, world.lost) == (True, True, 1)


async def test_a_client_that_leaves_gives_back_its_place_and_what_it_told() -> None:
    """Whoever leaves at the right moment would else ask for nothing."""
    world = World(tokens_per_minute=100, max_concurrent=1)
    await world.ask(7)
    world.windows.answers = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await world.begin()

    assert await world.ask() == "together"
    assert world.windows.told() == [("", 0), ("mark-1", 7), ("mark-1", 7)]


async def test_others_come_while_one_asks() -> None:
    """A place is taken before anybody waits."""
    world = World(requests_per_minute=100, max_concurrent=1)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(world.ask()) for _ in range(3)]

    assert [each.result() for each in asked] == ["together", "concurrent", "concurrent"]


async def test_the_rest_is_told_at_the_end() -> None:
    """A worker that is replaced takes nothing with it."""
    world = World(tokens_per_minute=100)
    world.sharing.start()
    await world.ask(7)

    await world.sharing.close()

    assert (world.windows.told(), world.windows.is_closed, world.lost) == ([("", 0), ("mark-1", 7)], True, 0)


async def test_what_cannot_be_told_at_the_end_is_said_to_be_lost(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing goes without a word."""
    world = World(tokens_per_minute=100)
    world.sharing.start()
    await world.ask(7)
    world.windows.answers = [AWAY]

    await world.sharing.close()

    assert (world.lost, caplog.messages) == (1, ["gateway keys: Redis was not told what 1 answer has had"])
