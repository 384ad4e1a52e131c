"""Several processes on one port: start them, replace those that die, drain them, add up their counts.

The supervisor binds the port; workers inherit the listening socket. A connection that waits to be
accepted therefore belongs to no worker, and is not lost when one of them dies. Between the two runs
a socket pair: the worker is sent its orders, then single bytes, and answers in frames. How to end is
said there too: a signal would hit a process that starts unprepared, two equal ones may melt into
one, and where everybody is sent one at once nobody could tell the first from the second. When
either end closes, the other knows that its partner is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from enum import Enum

import msgspec

from plano.observe import metrics
from plano.observe.metrics import Snapshot
from plano.observe.upkeep import Upkeep
from plano.observe.vocabulary import DIED, ROLLED

READY = b"r"
COUNTS = b"c"
ASK = b"?"
REORDER = b"o"
"""A frame follows: other orders."""
REORDERED = b"k"
"""They are carried out; or, with a reason behind it, they are not, and nothing has changed."""
FRAME = struct.Struct(">I")
MOST_IN_A_FRAME = 64 * 1024 * 1024
"""A snapshot of a thousand models is under a megabyte; more is not one of ours."""
ASK_TIMEOUT_S = 1.0
"""A worker that does not answer a scrape in time is counted with what it last said."""
ASK_EVERY_S = 5.0
"""How old the counts of a worker that dies can be."""
REORDER_TIMEOUT_S = 60.0
"""A worker that is so busy that it has not changed over by then may do so later, unheard."""
LAST_WORDS_S = 1.0
"""What a supervisor that is stuck may cost a worker's end."""
SHORT_LIFE_S = 10.0
"""A worker that dies sooner is suspected to die again."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


class Ending(Enum):
    """How a worker is told to end."""

    DRAIN = b"d"
    """In order: idle clients are told first."""
    RETIRE = b"t"
    """The same, while another accepts in its place: nobody new is let in."""
    LEAVE = b"l"
    """In order, but idle clients are left at once."""
    HURRY = b"h"
    """What is under way is cut short."""


class Backoff:
    """How long a place among the workers stays empty: twice as long after each short life."""

    def __init__(self) -> None:
        self._short_lives = 0

    def pause_s(self, lived_s: float) -> float:
        """The pause after a worker that lived so long."""
        if lived_s >= SHORT_LIFE_S:
            self._short_lives = 0
        pause_s = min(FIRST_PAUSE_S * 2.0**self._short_lives, LONGEST_PAUSE_S)
        self._short_lives = min(self._short_lives + 1, 16)
        return pause_s


class Worker:
    """One process, as the supervisor knows it."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self.is_ready = False
        self.has_served = False
        self.counts: Snapshot | None = None
        self.settled = asyncio.Event()
        """Set once it serves, or is gone."""
        self._control = control
        self._answered = asyncio.Event()
        self._reordered: asyncio.Future[str] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._untold = b""
        """What it was told before there was a way."""

    async def listen(self, orders: bytes, on_ready: Callable[[], None]) -> None:
        """Give the worker its orders, then read what it says until it is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._control)
        self._writer.write(framed(orders) + self._untold)
        try:
            while True:
                said = await _frame(reader)
                if said[:1] == READY:
                    self.is_ready = self.has_served = True
                    self.settled.set()
                    on_ready()
                elif said[:1] == REORDERED:
                    self._note_reordered(said[1:].decode("utf-8", "replace"))
                elif said[:1] == COUNTS:
                    self.counts = metrics.decode(said[1:])
                    self._answered.set()
        except (EOFError, OSError, msgspec.DecodeError):
            return
        finally:
            self.is_ready = False
            self._answered.set()
            self._note_reordered("")
            self._writer.close()

    async def ask(self) -> None:
        """Have `counts` brought up to date, within `ASK_TIMEOUT_S`."""
        if self._writer is None or self._writer.is_closing():
            return
        self._answered.clear()
        self._writer.write(ASK)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await self._answered.wait()

    async def reorder(self, orders: bytes) -> str:
        """Give it other orders; why it does not carry them out, empty when it does or is gone."""
        if self._writer is not None and self._writer.is_closing():
            return ""
        self._reordered = asyncio.get_running_loop().create_future()
        self._send(REORDER + framed(orders))
        try:
            async with asyncio.timeout(REORDER_TIMEOUT_S):
                return await self._reordered
        except TimeoutError:
            return f"no answer within {REORDER_TIMEOUT_S:g} s"

    def _note_reordered(self, trouble: str) -> None:
        if self._reordered is not None and not self._reordered.done():
            self._reordered.set_result(trouble)

    def tell(self, ending: Ending) -> None:
        self._send(ending.value)

    def _send(self, said: bytes) -> None:
        if self._writer is None:
            self._untold += said
        elif not self._writer.is_closing():
            self._writer.write(said)

    def end(self, number: signal.Signals) -> None:
        """Send the process a real signal."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


Held = tuple[Worker, asyncio.Task[str]]
"""A worker, and who stays with it to its end and tells how that was."""


class Place:
    """One of the places among the workers, and who has it."""

    def __init__(self) -> None:
        self.holder: Held | None = None
        self.successor: Held | None = None
        """Who takes the place when its worker has ended."""
        self.decided = asyncio.Event()
        """Cleared while it is open whether there is a successor."""
        self.decided.set()


class Supervisor:
    """Keeps `count` workers running on `listening`.

    `command` starts one; the descriptors of the listening socket and of the control socket are
    appended to it as two numbers. `orders` are what each worker is told, however long after the
    start it takes its place; `reorder` changes them for all.
    """

    def __init__(
        self,
        *,
        count: int,
        command: Sequence[str],
        orders: bytes,
        listening: socket.socket,
        say: Callable[[str], None],
    ) -> None:
        self._command = tuple(command)
        self._orders = orders
        self._listening = listening
        self._say = say
        self._places = [Place() for _ in range(count)]
        self._workers: set[Worker] = set()
        self._retired: list[Snapshot] = []
        self._restarts: dict[str, int] = {}
        self._stopping = asyncio.Event()
        self.ready = asyncio.Event()
        """Set when the first worker serves."""
        self.kill_after_s = 0.0
        """What a worker has to drain; may be changed while it runs."""

    def is_ready(self) -> bool:
        return not self._stopping.is_set() and any(worker.is_ready for worker in self._workers)

    async def run(self, *, kill_after_s: float) -> None:
        """Keep the workers until `stop`; then let them drain, and kill those that take longer."""
        self.kill_after_s = kill_after_s
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(place)) for place in self._places]
            polling = group.create_task(self._poll())
            await self._stopping.wait()
            polling.cancel()
            # The workers have their own; once the last of them has closed it, nobody is left waiting.
            self._listening.close()
            _, late = await asyncio.wait(keepers, timeout=self.kill_after_s)
            if late:
                for worker in tuple(self._workers):
                    worker.end(signal.SIGKILL)

    def stop(self, number: signal.Signals) -> None:
        """SIGTERM ends the workers in order, SIGINT too but without a grace for idle clients; a second one
        of either ends them in a hurry."""
        ending = Ending.LEAVE if number == signal.SIGINT else Ending.DRAIN
        if self._stopping.is_set():
            ending = Ending.HURRY
        is_expected = self.ready.is_set() and ending is not Ending.HURRY
        self._stopping.set()
        for worker in tuple(self._workers):
            if worker.has_served or is_expected:
                worker.tell(ending)
            else:
                worker.tell(Ending.HURRY)
                worker.end(signal.SIGTERM)

    async def snapshot(self) -> Snapshot:
        """The counts of all workers, the dead ones included."""
        async with asyncio.TaskGroup() as group:
            for worker in tuple(self._workers):
                group.create_task(worker.ask())
        # Looked at in one moment: who died meanwhile is among the retired, and not counted twice.
        living = [worker.counts for worker in self._workers if worker.counts is not None]
        ours = Snapshot(upkeep=Upkeep(restarts=self._restarts))
        return metrics.merge([*self._retired, *living, ours])

    async def reorder(self, orders: bytes) -> list[str]:
        """Other orders for every worker, and for those to come; what those say that do not carry them out."""
        self._orders = orders
        workers = tuple(self._workers)
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(worker.reorder(orders)) for worker in workers]
        return [
            f"worker {worker.process.pid}: {answer.result()}"
            for worker, answer in zip(workers, answers, strict=True)
            if answer.result()
        ]

    async def roll(self) -> str:
        """Replace the workers one after the other, each by one that serves before it is told to drain; what
        came of it, in words."""
        for number, place in enumerate(self._places, 1):
            place.decided.clear()
            try:
                trouble = await self._replace(place)
            finally:
                place.decided.set()
            if trouble:
                return f"the rolling restart ends at worker {number} of {len(self._places)}: {trouble}"
        return f"restarted: {len(self._places)} of {len(self._places)} workers"

    async def _replace(self, place: Place) -> str:
        """Empty, or why the place keeps the worker it has."""
        if place.holder is None or self._stopping.is_set():
            return "there is none to be replaced"
        old, until_it_ends = place.holder
        try:
            fresh, accompanying = await self._begin()
        except OSError as problem:
            return f"a worker cannot be started: {problem.strerror or problem}"
        await fresh.settled.wait()
        if not fresh.is_ready:
            return f"{await accompanying}; the one before it stays"
        place.successor = fresh, accompanying
        place.decided.set()
        self._count_restart(ROLLED)
        old.tell(Ending.RETIRE)
        _, late = await asyncio.wait([until_it_ends], timeout=self.kill_after_s)
        if late:
            old.end(signal.SIGKILL)
        return ""

    def _count_restart(self, reason: str) -> None:
        self._restarts[reason] = self._restarts.get(reason, 0) + 1

    async def _keep(self, place: Place) -> None:
        """One place among the workers, filled again whenever it falls empty."""
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set() or place.successor is not None:
            born = loop.time()
            try:
                ended = await self._fill(place)
            except OSError as problem:
                ended = f"a worker cannot be started: {problem.strerror or problem}"
            await place.decided.wait()
            if place.successor is not None:
                continue
            if self._stopping.is_set():
                return
            self._count_restart(DIED)
            pause_s = backoff.pause_s(loop.time() - born)
            self._say(f"{ended}; another starts in {pause_s:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _fill(self, place: Place) -> str:
        """Put a worker there, and stay with it to its end; how it ended. Raises OSError."""
        place.holder, place.successor = place.successor or await self._begin(), None
        try:
            return await place.holder[1]
        finally:
            place.holder = None

    async def _begin(self) -> Held:
        worker = await self._start()
        return worker, asyncio.get_running_loop().create_task(self._accompany(worker))

    async def _start(self) -> Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        descriptors = (self._listening.fileno(), theirs.fileno())
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=descriptors,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Worker(process, ours)
        self._workers.add(worker)
        if self._stopping.is_set():
            worker.end(signal.SIGTERM)
        return worker

    async def _accompany(self, worker: Worker) -> str:
        """Stay with a worker to its end, and tell how it ended."""
        try:
            await worker.listen(self._orders, self.ready.set)
        finally:
            status = await worker.process.wait()
            self._bury(worker)
            worker.settled.set()
        when = "" if worker.has_served else " before it could serve"
        return f"worker {worker.process.pid} ended {_how(status)}{when}"

    def _bury(self, worker: Worker) -> None:
        self._workers.discard(worker)
        if worker.counts is not None:
            self._retired = [metrics.merge([*self._retired, metrics.retired(worker.counts)])]

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            await self.snapshot()


class Post:
    """The worker's end of the control socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._writer: asyncio.StreamWriter | None = None

    def orders(self) -> bytes:
        """What the supervisor wants; waits for it. Raises EOFError when there is no supervisor any more."""
        with self._control.makefile("rb", buffering=0) as file:
            (size,) = FRAME.unpack(_exactly(file.read, FRAME.size))
            return _exactly(file.read, size)

    async def serve(
        self,
        counts: Callable[[], Snapshot],
        told: Callable[[Ending], None],
        reorder: Callable[[bytes], None],
    ) -> None:
        """Say that this worker serves, answer every question, hand on other orders and how to end, and return
        when the supervisor is gone. Who has carried out orders says so (`reordered`)."""
        self._control.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=self._control)
        self._writer.write(framed(READY))
        with contextlib.suppress(OSError, EOFError):
            while said := await reader.read(1):
                if said == ASK:
                    self._writer.write(framed(COUNTS + metrics.encode(counts())))
                elif said == REORDER:
                    reorder(await _frame(reader))
                else:
                    told(Ending(said))

    def reordered(self, trouble: str) -> None:
        """The last orders are carried out, or why they are not."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(framed(REORDERED + trouble.encode("utf-8", "replace")))

    async def last_words(self, counts: Snapshot) -> None:
        """The final counts, so that nothing that was counted is forgotten."""
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        writer.write(framed(COUNTS + metrics.encode(counts)))
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await writer.wait_closed()


def framed(payload: bytes) -> bytes:
    """A payload as it travels: its length, then itself."""
    return FRAME.pack(len(payload)) + payload


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """The next payload. Raises EOFError at the end, and for what cannot be one of ours."""
    (size,) = FRAME.unpack(await reader.readexactly(FRAME.size))
    if size > MOST_IN_A_FRAME:
        raise EOFError
    return await reader.readexactly(size)


def _exactly(read: Callable[[int], bytes | None], size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = read(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _how(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"by signal {-status}"
