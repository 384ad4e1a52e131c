"""Several processes on one port: start them, replace those that die, drain them, add up their counts.

The supervisor binds the port and keeps it; workers inherit the listening socket. A connection that
waits to be accepted therefore belongs to no worker, and is not lost when one of them dies. Between
the two runs a socket pair: the supervisor asks for counts with one byte, the worker answers in
frames; when either end closes, the other knows that its partner is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import Callable, Sequence

from plano.observe import metrics
from plano.observe.metrics import Snapshot

READY = b"r"
COUNTS = b"c"
ASK = b"?"
FRAME = struct.Struct(">I")
MOST_IN_A_FRAME = 64 * 1024 * 1024
"""A snapshot of a thousand models is under a megabyte; more is not one of ours."""
ASK_TIMEOUT_S = 1.0
"""A worker that does not answer a scrape in time is counted with what it last said."""
ASK_EVERY_S = 5.0
"""How old the counts of a worker that dies can be."""
SHORT_LIFE_S = 10.0
"""A worker that dies sooner is not replaced at once: it would only die again."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
KILL_AFTER_S = 10.0
"""Beyond its own drain limit, before a worker that does not end is killed."""


class Worker:
    """One process, as the supervisor knows it."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self.is_ready = False
        self.counts: Snapshot | None = None
        self._control = control
        self._answered = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def listen(self, on_ready: Callable[[], None]) -> None:
        """Read what the worker says until it is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._control)
        try:
            while True:
                (size,) = FRAME.unpack(await reader.readexactly(FRAME.size))
                if size > MOST_IN_A_FRAME:
                    return
                frame = await reader.readexactly(size)
                if frame[:1] == READY:
                    self.is_ready = True
                    on_ready()
                elif frame[:1] == COUNTS:
                    self.counts = metrics.decode(frame[1:])
                    self._answered.set()
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self.is_ready = False
            self._answered.set()
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

    def tell(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Supervisor:
    """Keeps `count` workers running on `listening`.

    `command` starts one; the descriptors of the listening socket and of the control socket are
    appended to it as two numbers.
    """

    def __init__(
        self, *, count: int, command: Sequence[str], listening: socket.socket, say: Callable[[str], None]
    ) -> None:
        self._count = count
        self._command = tuple(command)
        self._listening = listening
        self._say = say
        self._workers: set[Worker] = set()
        self._retired: list[Snapshot] = []
        self._stopping = False
        self.ready = asyncio.Event()
        """Set when the first worker serves."""

    def is_ready(self) -> bool:
        return not self._stopping and any(worker.is_ready for worker in self._workers)

    @property
    def process_ids(self) -> list[int]:
        return sorted(worker.process.pid for worker in self._workers)

    async def run(self, stop: asyncio.Event, *, drain_s: float) -> None:
        """Keep the workers until `stop` is set; then drain them, `drain_s` plus a little at most."""
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(place)) for place in range(self._count)]
            polling = group.create_task(self._poll())
            await stop.wait()
            self._stopping = True
            polling.cancel()
            self.tell(signal.SIGTERM)
            _, late = await asyncio.wait(keepers, timeout=drain_s + KILL_AFTER_S)
            if late:
                self.tell(signal.SIGKILL)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to every worker."""
        for worker in tuple(self._workers):
            worker.tell(number)

    async def snapshot(self) -> Snapshot:
        """The counts of all workers, the dead ones included."""
        workers = tuple(self._workers)
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.ask())
        return metrics.merge(
            [*self._retired, *(worker.counts for worker in workers if worker.counts is not None)]
        )

    async def _keep(self, place: int) -> None:
        """One place among the workers, filled again whenever it falls empty."""
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while not self._stopping:
            born = loop.time()
            worker = await self._start()
            try:
                await worker.listen(self.ready.set)
            finally:
                status = await worker.process.wait()
                self._bury(worker)
            if self._stopping:
                return
            short = loop.time() - born < SHORT_LIFE_S
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S) if short else FIRST_PAUSE_S
            self._say(f"worker {worker.process.pid} ended {_how(status)}; another starts in {pause_s:g} s")
            await asyncio.sleep(pause_s)

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
        if self._stopping:
            worker.tell(signal.SIGTERM)
        return worker

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
        control.setblocking(False)
        self._control = control
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, counts: Callable[[], Snapshot]) -> None:
        """Say that this worker serves, answer every question, return when the supervisor is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._control)
        self._send(READY)
        while question := await reader.read(1):
            if question == ASK:
                self._send(COUNTS + metrics.encode(counts()))

    def last_words(self, counts: Snapshot) -> None:
        """The final counts, so that nothing that was counted is forgotten."""
        if self._writer is not None and not self._writer.is_closing():
            self._send(COUNTS + metrics.encode(counts))
            self._writer.close()

    def _send(self, payload: bytes) -> None:
        assert self._writer is not None
        self._writer.write(FRAME.pack(len(payload)) + payload)


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with status {status}"
