"""Supervisor and worker, without a gateway: the workers are shell scripts, or this test itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plano.bootstrap import bind
from plano.observe.metrics import Cell, Labels, Snapshot, encode
from plano.observe.upkeep import Upkeep
from plano.workers import (
    COUNTS,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    READY,
    REORDER,
    SHORT_LIFE_S,
    Backoff,
    Ending,
    Post,
    Supervisor,
    framed,
)

PATIENCE_S = 10.0
ORDERS = b"orders"


def counted(requests: int, in_flight: int = 0) -> Snapshot:
    return Snapshot((Cell(Labels("d", "m", "s", "200", ""), requests=requests),), in_flight=in_flight)


def requests_of(snapshot: Snapshot) -> int:
    return sum(cell.requests for cell in snapshot.cells)


# --- how long a place stays empty ---


def test_each_short_life_doubles_the_pause_up_to_a_limit() -> None:
    """What dies at once would die again at once: a loop of starts takes the machine with it."""
    backoff = Backoff()

    pauses = [backoff.pause_s(0.0) for _ in range(40)]

    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert set(pauses[6:]) == {LONGEST_PAUSE_S}


def test_a_long_life_makes_the_pause_short_again() -> None:
    """A crash a day is no reason to wait."""
    backoff = Backoff()
    for _ in range(10):
        backoff.pause_s(0.0)

    assert backoff.pause_s(SHORT_LIFE_S) == FIRST_PAUSE_S


# --- the supervisor, with scripts for workers ---


class Said:
    """What the supervisor said, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def __call__(self, text: str) -> None:
        self.lines.append(text)
        self._more.set()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.lines) < count:
                self._more.clear()
                await self._more.wait()
        return self.lines


@contextlib.asynccontextmanager
async def supervised(
    *command: str, count: int = 1, kill_after_s: float = 5.0
) -> AsyncIterator[tuple[Supervisor, Said, asyncio.Task[None]]]:
    """A running supervisor, stopped at the end."""
    said = Said()
    with bind("127.0.0.1", 0) as listening:
        supervisor = Supervisor(count=count, command=command, orders=ORDERS, listening=listening, say=said)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            running = group.create_task(supervisor.run(kill_after_s=kill_after_s))
            yield supervisor, said, running
            supervisor.stop(signal.SIGTERM)


def script(text: str) -> tuple[str, ...]:
    """A worker in a few lines of Python: `control` is its socket, `tell` sends a frame. The flags make it
    start in a moment."""
    prelude = (
        "import socket, struct, sys, signal, os\n"
        "control = socket.socket(fileno=int(sys.argv[2]))\n"
        "def tell(payload): control.sendall(struct.pack('>I', len(payload)) + payload)\n"
        "def hear():\n"
        "    size, = struct.unpack('>I', control.recv(4, socket.MSG_WAITALL))\n"
        "    return control.recv(size, socket.MSG_WAITALL)\n"
    )
    return (sys.executable, "-I", "-S", "-c", prelude + text)


async def test_workers_that_never_start_are_not_started_in_a_loop() -> None:
    """Each attempt is told, with what came of it and when the next one follows."""
    async with supervised("/bin/sh", "-c", "exit 7") as (supervisor, said, _):
        lines = [line.partition(" ended ")[2] for line in await said.until(3)]

        assert lines == [
            f"with status 7 before it could serve; another starts in {pause} s"
            for pause in ("0.1", "0.2", "0.4")
        ]
        assert not supervisor.is_ready()
        assert (await supervisor.snapshot()).upkeep == Upkeep(restarts={"died": 3})


async def test_a_command_that_cannot_be_run_is_told_and_tried_again() -> None:
    """The program may be in the middle of an upgrade; the supervisor must survive that."""
    async with supervised("/nowhere/python") as (_, said, running):
        lines = await said.until(2)

        assert lines[0] == "a worker cannot be started: No such file or directory; another starts in 0.1 s"
        assert not running.done()


async def test_stopping_does_not_wait_for_a_pause_to_end() -> None:
    """Nobody is there to be drained."""
    async with supervised("/bin/sh", "-c", "exit 7") as (supervisor, said, running):
        await said.until(4)
        supervisor.stop(signal.SIGTERM)

        async with asyncio.timeout(0.7):
            await running


async def test_a_worker_that_serves_makes_the_supervisor_ready() -> None:
    """Readiness is what the worker says, not that there is a process."""
    async with supervised(*script("tell(b'r'); control.recv(1)")) as (supervisor, _, _):
        before = supervisor.is_ready()
        await supervisor.ready.wait()

        assert (before, supervisor.is_ready()) == (False, True)


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        pytest.param(signal.SIGTERM, Ending.DRAIN, id="SIGTERM"),
        pytest.param(signal.SIGINT, Ending.LEAVE, id="SIGINT"),
    ],
)
async def test_a_worker_is_told_its_orders_and_then_how_to_end(
    number: signal.Signals, ending: Ending, tmp_path: Path
) -> None:
    """Over one socket, in order: a second signal is another word, however fast it follows."""
    heard = tmp_path / "heard"
    listening = "orders = hear(); tell(b'r'); endings = control.recv(2, socket.MSG_WAITALL)\n"
    noting = f"open({str(heard)!r}, 'wb').write(orders + endings)"
    async with supervised(*script(listening + noting)) as (supervisor, _, running):
        await supervisor.ready.wait()
        supervisor.stop(number)
        supervisor.stop(number)
        await running

    assert _content(heard) == ORDERS + ending.value + Ending.HURRY.value


def _content(file: Path) -> bytes:
    return file.read_bytes()


async def test_a_worker_that_talks_nonsense_is_left_to_end() -> None:
    """A frame that is none of ours: its socket is closed, and it is replaced when it has gone."""
    nonsense = "hear(); tell(b'cnonsense')\nwhile control.recv(1): pass"
    async with supervised(*script(nonsense)) as (_, said, _):
        (line,) = (await said.until(1))[:1]

        assert "ended with status 0 before it could serve" in line


async def test_a_worker_that_does_not_end_is_killed_in_the_end() -> None:
    """A drain has a limit, whatever keeps a worker busy."""
    stubborn = "tell(b'r')\nwhile True: signal.pause()"
    async with supervised(*script(stubborn), kill_after_s=0.05) as (supervisor, _, running):
        await supervisor.ready.wait()
        supervisor.stop(signal.SIGTERM)

        await running


# --- other orders, and other workers ---


async def test_other_orders_go_to_who_works_and_to_who_comes(tmp_path: Path) -> None:
    """A worker that replaces another must not fall back to what was read at the start."""
    heard = tmp_path / "heard"
    noting = (
        f"note = open({str(heard)!r}, 'ab', 0); note.write(hear() + b'|'); tell(b'r')\n"
        "while (said := control.recv(1)) not in b'dtlh':\n"
        "    if said == b'o': note.write(hear() + b'|'); tell(b'kbecause')"
    )
    async with supervised(*script(noting)) as (supervisor, _, _):
        await supervisor.ready.wait()
        troubles = await supervisor.reorder(b"new")
        await supervisor.roll()

        assert [trouble.partition(": ")[2] for trouble in troubles] == ["because"]
        assert _content(heard) == b"orders|new|new|"


async def test_a_worker_that_cannot_start_replaces_nobody(tmp_path: Path) -> None:
    """What does not serve yet must not cost what does."""
    only_once = (
        f"try: os.mkdir({str(tmp_path / 'first')!r})\n"
        "except FileExistsError: sys.exit(7)\n"
        "hear(); tell(b'r'); control.recv(1)"
    )
    async with supervised(*script(only_once)) as (supervisor, said, _):
        await supervisor.ready.wait()
        came_of_it = await supervisor.roll()

        assert "ends at worker 1 of 1: worker" in came_of_it
        assert "with status 7 before it could serve; the one before it stays" in came_of_it
        assert (supervisor.is_ready(), said.lines) == (True, [])


async def test_a_successor_serves_before_its_predecessor_is_told(tmp_path: Path) -> None:
    """And only who was replaced ends: nothing is said, as nothing went wrong."""
    told = tmp_path / "told"
    noting = (
        f"note = open({str(told)!r}, 'ab', 0); hear(); note.write(b'serves '); tell(b'r')\n"
        "note.write(control.recv(1) + b' ')"
    )
    async with supervised(*script(noting)) as (supervisor, said, running):
        await supervisor.ready.wait()
        came_of_it = await supervisor.roll()
        assert (came_of_it, supervisor.is_ready(), said.lines) == ("restarted: 1 of 1 workers", True, [])
        supervisor.stop(signal.SIGINT)
        await running

    assert _content(told) == b"serves serves t l "


async def test_a_predecessor_that_does_not_end_is_killed() -> None:
    """One that hangs must not hold up the restart of the others."""
    stubborn = "hear(); tell(b'r')\nwhile True: signal.pause()"
    async with supervised(*script(stubborn), kill_after_s=0.05) as (supervisor, said, _):
        await supervisor.ready.wait()

        assert await supervisor.roll() == "restarted: 1 of 1 workers"
        assert said.lines == []


# --- counts ---

ANSWERING = "hear(); tell(b'r')\nwhile control.recv(1): tell(bytes.fromhex(%r))"


def frame_of(snapshot: Snapshot) -> str:
    return (COUNTS + encode(snapshot)).hex()


async def test_a_scrape_is_the_sum_of_all_workers() -> None:
    """One gateway, one number, however many processes it is."""
    answering = ANSWERING % frame_of(counted(3, in_flight=1))
    async with supervised(*script(answering), count=2, kill_after_s=0.05) as (supervisor, _, _):
        total = await scraped(supervisor, at_least=4)

        assert (requests_of(total), total.in_flight) == (6, 2)


async def test_what_a_worker_said_last_is_not_forgotten_when_it_ends() -> None:
    """A counter that falls back reads as a restart; but what was in flight is not any more."""
    last = f"hear(); tell(b'r'); control.recv(1); tell(bytes.fromhex({frame_of(counted(3, in_flight=1))!r}))"
    async with supervised(*script(last)) as (supervisor, said, _):
        await supervisor.ready.wait()
        await supervisor.snapshot()
        await said.until(1)

        total = await supervisor.snapshot()
        assert (requests_of(total), total.in_flight) == (3, 0)


async def test_a_worker_that_dies_during_a_scrape_is_counted_once(tmp_path: Path) -> None:
    """Counted twice now, the next scrape would fall back."""
    first_ends_and_the_second_is_silent = (
        "hear(); tell(b'r')\n"
        f"try: os.mkdir({str(tmp_path / 'first')!r})\n"
        "except FileExistsError: signal.pause()\n"
        f"control.recv(1); tell(bytes.fromhex({frame_of(counted(3))!r}))"
    )
    async with supervised(*script(first_ends_and_the_second_is_silent), count=2, kill_after_s=0.05) as (
        supervisor,
        said,
        _,
    ):
        during = await scraped(supervisor, at_least=1)
        after = await supervisor.snapshot()

        assert (requests_of(during), requests_of(after), len(said.lines)) == (3, 3, 1)


async def scraped(supervisor: Supervisor, *, at_least: int) -> Snapshot:
    """The first scrape with so many requests: workers take their time to start."""
    async with asyncio.timeout(PATIENCE_S):
        while requests_of(total := await supervisor.snapshot()) < at_least:
            await supervisor.ready.wait()
    return total


# --- the worker's end ---


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The supervisor's end of a control socket, and the worker's."""
    theirs, ours = socket.socketpair()
    theirs.settimeout(PATIENCE_S)
    with theirs, ours:
        yield theirs, ours


Ends = tuple[socket.socket, socket.socket]


def test_orders_are_read_whole_however_they_arrive(ends: Ends) -> None:
    """They may be larger than what a socket takes at once."""
    theirs, ours = ends
    orders = bytes(range(256)) * 8192

    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(theirs.sendall, framed(orders))
        received = Post(ours).orders()
        sent.result()

    assert received == orders


def test_without_a_supervisor_there_are_no_orders(ends: Ends) -> None:
    """It died while this worker started."""
    theirs, ours = ends
    theirs.sendall(framed(ORDERS)[:5])
    theirs.close()

    with pytest.raises(EOFError):
        Post(ours).orders()


async def test_a_worker_answers_and_hears_until_its_partner_is_gone(ends: Ends) -> None:
    """Everything a supervisor has to say comes this way, its own end included."""
    theirs, ours = ends
    told: list[Ending] = []
    heard: list[bytes] = []
    theirs.sendall(b"?" + REORDER + framed(b"others") + b"dh")
    theirs.shutdown(socket.SHUT_WR)
    post = Post(ours)

    await post.serve(lambda: counted(3), told.append, heard.append)
    await post.last_words(counted(4))

    assert (told, heard) == ([Ending.DRAIN, Ending.HURRY], [b"others"])
    assert theirs.makefile("rb").read() == b"".join(
        framed(payload) for payload in (READY, COUNTS + encode(counted(3)), COUNTS + encode(counted(4)))
    )


async def test_last_words_to_nobody_are_no_trouble(ends: Ends) -> None:
    """The supervisor was killed; the worker still ends in order."""
    theirs, ours = ends
    theirs.close()
    post = Post(ours)

    await post.serve(lambda: counted(3), lambda _: None, lambda _: None)

    await post.last_words(counted(4))
