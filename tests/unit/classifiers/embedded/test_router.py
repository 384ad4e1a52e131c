"""The router's promises to the ladder: never late, never raising, never in the way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Event

import pytest

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.classifiers.embedded.vectors import Vectors
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, Unable, Verdict
from tests.unit.classifiers.embedded.words import Words

ROUTES = RouteSet(
    [
        Route(RouteName("transfer money"), "send money to a person", ()),
        Route(RouteName("card lost"), "report a stolen card", ()),
    ]
)
LATE = Unable("the embedded router had no answer in time")
CLOSED = Unable("the embedded router is closed")


class Held(Words):
    """An encoder that waits for `release` when it meets the text `hold`."""

    def __init__(self) -> None:
        super().__init__()
        self.holding, self.release = Event(), Event()

    def encode(self, texts: Sequence[str], /) -> Vectors:
        if "hold" in texts:
            self.holding.set()
            assert self.release.wait(10)
        return super().encode(texts)


def said(text: str) -> list[Utterance]:
    return [Utterance("user", text)]


async def ask(router: EmbeddedRouter, text: str, within_s: float = 10.0) -> Verdict:
    return await router.classify(said(text), ROUTES, deadline=asyncio.get_running_loop().time() + within_s)


@asynccontextmanager
async def holding(encoder: Held, router: EmbeddedRouter) -> AsyncIterator[asyncio.Task[Verdict]]:
    """The thread is busy with a question of its own until the block ends."""
    held = asyncio.create_task(ask(router, "hold"))
    try:
        await asyncio.to_thread(encoder.holding.wait)
        yield held
    finally:
        encoder.release.set()
        await held


@pytest.fixture
def encoder() -> Held:
    return Held()


@pytest.fixture
def router(encoder: Held) -> Iterator[EmbeddedRouter]:
    router = EmbeddedRouter(lambda: encoder)
    yield router
    router.close()


async def test_a_question_is_answered_with_a_route(router: EmbeddedRouter) -> None:
    """The plain case."""
    verdict = await ask(router, "send money to my brother")

    assert isinstance(verdict, Matched)
    assert verdict.route == "transfer money"


async def test_what_was_answered_before_is_answered_without_the_thread(
    router: EmbeddedRouter, encoder: Held
) -> None:
    """The repeated history of an agent's loop is free, even while the thread is busy and late or not."""
    first = await ask(router, "send money")

    async with holding(encoder, router):
        again = await ask(router, " send  money", within_s=-1.0)

    assert again is first


async def test_one_question_is_answered_once_however_many_ask_it(
    router: EmbeddedRouter, encoder: Held
) -> None:
    """A burst of equal requests costs one decision."""
    async with holding(encoder, router), asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(router, "send money")) for _ in range(20)]
        group.create_task(asyncio.to_thread(encoder.release.set))

    assert (encoder.seen.count("send money"), {task.result() for task in tasks}) == (1, {tasks[0].result()})


async def test_more_questions_than_may_wait_are_refused_at_once(encoder: Held) -> None:
    """A queue without an end would make every decision late."""
    router = EmbeddedRouter(lambda: encoder, most_waiting=1)

    async with holding(encoder, router):
        verdict = await ask(router, "send money")

    assert verdict == Unable("the embedded router is busy: 1 questions are waiting")


async def test_past_its_deadline_a_question_has_no_answer(router: EmbeddedRouter, encoder: Held) -> None:
    """The request goes on without a decision."""
    async with holding(encoder, router):
        verdict = await ask(router, "send money", within_s=-1.0)

    assert verdict == LATE


async def test_a_question_that_nobody_waits_for_is_not_begun(router: EmbeddedRouter, encoder: Held) -> None:
    """Otherwise a burst would be worked off long after everybody has gone on."""
    async with holding(encoder, router):
        await ask(router, "send money", within_s=-1.0)
    await ask(router, "report a stolen card")

    assert "send money" not in encoder.seen


async def test_a_question_that_nobody_waits_for_makes_room(encoder: Held) -> None:
    """Those who left are not counted among those who wait."""
    router = EmbeddedRouter(lambda: encoder, most_waiting=2)

    async with holding(encoder, router):
        await ask(router, "send money", within_s=-1.0)
        verdict = await ask(router, "report a stolen card", within_s=-1.0)

    assert verdict == LATE


async def test_a_question_given_up_while_it_is_computed_ends_at_the_next_text(
    router: EmbeddedRouter, encoder: Held
) -> None:
    """A route set with many words must not hold the thread for nobody."""
    routes = RouteSet([Route(RouteName("a"), "hold, one", ()), Route(RouteName("b"), "two", ())])
    loop = asyncio.get_running_loop()
    given_up = asyncio.create_task(router.classify(said("lost"), routes, deadline=loop.time() + 10))
    await asyncio.to_thread(encoder.holding.wait)

    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    encoder.release.set()
    await ask(router, "send money")

    assert ("two" in encoder.seen, "lost" in encoder.seen) == (False, False)


async def test_one_who_leaves_takes_the_answer_from_nobody_else(
    router: EmbeddedRouter, encoder: Held
) -> None:
    """A client that hangs up must not cost another's decision."""
    async with holding(encoder, router), asyncio.TaskGroup() as group:
        leaves = group.create_task(ask(router, "send money"))
        stays = group.create_task(ask(router, "send money"))
        begun = group.create_task(ask(router, "send money", within_s=-1.0))
        await begun
        leaves.cancel()
        group.create_task(asyncio.to_thread(encoder.release.set))

    assert leaves.cancelled()
    assert isinstance(stays.result(), Matched)


async def test_cancellation_is_not_swallowed(router: EmbeddedRouter, encoder: Held) -> None:
    """The one thing that may be raised."""
    async with holding(encoder, router):
        task = asyncio.create_task(ask(router, "send money"))
        await ask(router, "report a stolen card", within_s=-1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_encoder_that_does_not_load_costs_decisions_only() -> None:
    """A broken installation is told, once and for all, and requests go on."""
    loads: list[int] = []

    def load() -> Words:
        loads.append(1)
        raise OSError("model/encoder.onnx is missing")

    router = EmbeddedRouter(load)
    verdicts = [await ask(router, "send money"), await ask(router, "report a card")]

    told = Unable("the embedded router cannot be loaded: OSError: model/encoder.onnx is missing")
    assert (verdicts, len(loads)) == ([told, told], 1)


async def test_an_encoder_that_breaks_costs_a_decision_only() -> None:
    """Whatever it raises; and nothing that a stranger wrote is told."""

    class Broken:
        def encode(self, texts: Sequence[str], /) -> Vectors:
            raise RuntimeError(f"cannot encode {texts}")

    assert await ask(EmbeddedRouter(Broken), "secret") == Unable("the embedded router broke: RuntimeError")


async def test_a_thread_that_cannot_be_had_costs_decisions_only(router: EmbeddedRouter) -> None:
    """Containers limit threads, and a request goes on without a decision."""
    router._thread.shutdown()

    verdict = await ask(router, "send money")

    assert verdict == Unable("the embedded router has no thread: cannot schedule new futures after shutdown")
    assert router._open == {}


async def test_who_waits_when_it_closes_is_told(router: EmbeddedRouter, encoder: Held) -> None:
    """Nobody waits for a thread that will not answer."""
    async with holding(encoder, router), asyncio.TaskGroup() as group:
        waits = group.create_task(ask(router, "send money"))
        await ask(router, "report a stolen card", within_s=-1.0)
        router.close()
        encoder.release.set()

    assert (waits.result(), await ask(router, "another")) == (CLOSED, CLOSED)


async def test_closing_twice_and_warming_after_it_do_nothing(router: EmbeddedRouter) -> None:
    """Ends overlap when a start fails half-way."""
    router.close()
    router.close()
    router.warm(ROUTES)

    assert await ask(router, "send money") == CLOSED


async def test_warming_reads_the_routes_before_anybody_asks(router: EmbeddedRouter, encoder: Held) -> None:
    """The first request does not pay for the start."""
    router.warm(ROUTES)
    await asyncio.wrap_future(router._thread.submit(lambda: None))  # done when all before it is
    read = list(encoder.seen)

    await ask(router, "send money")

    assert ("transfer money: send money to a person" in read, encoder.seen[len(read) :]) == (
        True,
        ["send money"],
    )


def test_loading_is_done_when_it_returns(router: EmbeddedRouter, encoder: Held) -> None:
    """The libraries behind it would hold up an event loop, so they come before it serves anybody."""
    router.load()

    assert encoder.seen == ["hello"]


async def test_loading_what_is_broken_raises_nothing() -> None:
    """It costs decisions, not the gateway's start."""

    class Broken:
        def encode(self, texts: Sequence[str], /) -> Vectors:
            raise RuntimeError("not a model")

    router = EmbeddedRouter(Broken)

    router.load()

    assert await ask(router, "send money") == Unable("the embedded router broke: RuntimeError")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities belong to processes")
def test_its_thread_gives_way_to_the_event_loops(router: EmbeddedRouter) -> None:
    """On one core the two would take turns of 3 to 4 ms, and every request would wait for one."""
    own = os.getpriority(os.PRIO_PROCESS, 0)

    of_the_thread = router._thread.submit(os.getpriority, os.PRIO_PROCESS, 0).result()

    assert (of_the_thread, os.getpriority(os.PRIO_PROCESS, 0)) == (min(19, own + 10), own)


def test_the_same_verdict_is_had_on_the_calling_thread(router: EmbeddedRouter) -> None:
    """Tools and programs without a loop decide as the gateway does."""
    waited = asyncio.run(ask(router, "send money"))

    assert EmbeddedRouter(Words).judge(said("send money"), ROUTES) == waited


def test_any_number_of_threads_may_judge() -> None:
    """The in-process router is used from thread pools."""
    router = EmbeddedRouter(Words)
    asked = ["send money", "report a stolen card", "send money to a person", "card"] * 25

    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda text: router.judge(said(text), ROUTES), asked))

    assert verdicts == [EmbeddedRouter(Words).judge(said(text), ROUTES) for text in asked]


@pytest.mark.parametrize(
    ("threshold", "matched"), [pytest.param(None, True, id="built in"), pytest.param(9.0, False, id="given")]
)
def test_the_threshold_can_be_given(threshold: float | None, matched: bool) -> None:
    """`routing.embedded_threshold`, as `plano calibrate` prints it."""
    verdict = EmbeddedRouter(Words, threshold=threshold).judge(said("send money"), ROUTES)

    assert isinstance(verdict, Matched) is matched


def test_routes_of_requests_do_not_pile_up() -> None:
    """Anybody may bring other routes with every request."""
    encoder = Words()
    router = EmbeddedRouter(lambda: encoder)
    for number in range(300):
        routes = RouteSet([Route(RouteName(f"route {number}"), "words", ())])
        router.judge(said("hello"), routes)

    assert len(router._judging()._profiles) <= 128


def test_importing_it_imports_none_of_its_libraries() -> None:
    """A gateway without routes pays neither their memory nor their time."""
    code = (
        "import sys, plano.classifiers.embedded.router as module\n"
        "module.EmbeddedRouter()\n"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )

    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert told.stdout.strip() == "[]"
