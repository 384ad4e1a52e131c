"""A Redis on loopback that does as it is told: each command is answered by a script.

    async with RespStub({"SET": error("OOM command not allowed")}) as redis:
        ...                                       # speak to `redis.url`
        redis.answers = {}                        # well from here on

Commands that no script is given for are answered from a small store of texts, which knows what the gateway's
affinity asks for and forgets nothing by itself. For what only a real server does see `redis_server`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from tests.wall.canary import WITNESS
from tests.wall.script import Fin, Pause, Raw, Rst, Script, Stall, Step
from tests.wall.upstream import PATIENCE_S, linger_no_more

CommandWords = tuple[bytes, ...]
Answer = Script | Callable[[CommandWords], Script]

MIB = 1024 * 1024


def simple(text: str) -> bytes:
    return b"+%b\r\n" % text.encode()


def bulk(data: bytes | None) -> bytes:
    """A text; None: that there is none."""
    return b"$-1\r\n" if data is None else b"$%d\r\n%b\r\n" % (len(data), data)


def value(data: bytes | None) -> Script:
    return [Raw(bulk(data))]


def error(words: str) -> Script:
    return [Raw(b"-%b\r\n" % words.encode())]


WELL: Script = [Raw(simple("OK"))]
SILENCE: Script = [Stall()]
LATE: Script = [Pause(), Raw(simple("OK"))]
"""When `release()` says so."""

TROUBLES: Mapping[str, Script] = {
    "WRONGTYPE": error("WRONGTYPE Operation against a key holding the wrong kind of value"),
    "LOADING": error("LOADING Redis is loading the dataset in memory"),
    "READONLY": error("READONLY You can't write against a read only replica."),
    "OOM": error("OOM command not allowed when used memory > 'maxmemory'."),
    "NOAUTH": error("NOAUTH Authentication required."),
    "WRONGPASS": error("WRONGPASS invalid username-password pair or user is disabled."),
    "NOPERM": error("NOPERM this user has no permissions to run the 'set' command"),
    "MOVED": error("MOVED 3999 127.0.0.1:1"),
    "ASK": error("ASK 3999 127.0.0.1:1"),
    "CLUSTERDOWN": error("CLUSTERDOWN The cluster is down"),
    "MASTERDOWN": error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    "BUSY": error("BUSY Redis is busy running a script."),
    "MAXCLIENTS": [Raw(b"-ERR max number of clients reached\r\n"), Fin()],
    "an error in its own words": error("ERR unknown command, with args beginning with: 'a', 'b'"),
    "HTTP": [Raw(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), Fin()],
    "garbage": [Raw(b"\x00\xff\x00\xff\r\n" * 1000)],
    "another type of reply": [Raw(b"*1\r\n:1\r\n")],
    "lists without end": [Raw(b"*1\r\n" * 4096)],
    "10 MiB": value(b"x" * (10 * MIB)),
    "half of 10 MiB": [Raw(b"$%d\r\n" % (10 * MIB) + b"x" * (5 * MIB)), Stall()],
    "half a reply and FIN": [Raw(b"$23\r\n{"), Fin()],
    "half a reply and RST": [Raw(b"$23\r\n{"), Rst()],
    "half a reply and silence": [Raw(b"$23\r\n{"), Stall()],
    "FIN": [Fin()],
    "RST": [Rst()],
    "silence": SILENCE,
}
"""All that Redis, or whoever answers in its place, may say to a command."""


@dataclass(frozen=True, slots=True)
class Said:
    """One command, as it came."""

    words: CommandWords
    connection: int

    @property
    def name(self) -> str:
        return self.words[0].decode().upper()


class RespStub:
    """Listens on a free port of loopback between `async with` and its end."""

    def __init__(
        self, answers: Mapping[str, Answer] | None = None, *, always: Answer | None = None, password: str = ""
    ) -> None:
        """`answers` by a command's name; `always` to all the others. `password` is in the url, and nobody may
        be heard saying it."""
        self.answers: Mapping[str, Answer] = answers or {}
        self.always = always
        self.said: list[Said] = []
        self.texts: dict[bytes, bytes] = {}
        self.port = 0
        self.connections = 0
        """So far."""
        self._password = WITNESS.guard(password)
        self._released = asyncio.Semaphore(0)
        self._heard = asyncio.Condition()
        self._failures: list[Exception] = []
        self._ends: set[_Talk] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go()
        if self._failures and error is None:
            raise self._failures[0]

    async def listen(self) -> None:
        """Begin, or begin again on the same port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Talk(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go(self) -> None:
        """Die: reset every connection, and refuse the next."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for talk in list(self._ends):
            await talk.stop()

    def play(self, script: Script | None) -> None:
        """From now on to every command the same; None: what there is."""
        self.answers, self.always = {}, script

    def release(self) -> None:
        """Let one `Pause` go on, now or when it comes."""
        self._released.release()

    async def heard(self, name: str, count: int = 1, *, within_s: float = PATIENCE_S) -> Said:
        """The last of so many commands of this name, as soon as it is there."""
        async with asyncio.timeout(within_s), self._heard:
            await self._heard.wait_for(lambda: len(self.named(name)) >= count)
        return self.named(name)[count - 1]

    def named(self, name: str) -> list[Said]:
        return [each for each in self.said if each.name == name]

    # -- told by the connections

    def joined(self, talk: _Talk) -> int:
        self._ends.add(talk)
        self.connections += 1
        return self.connections - 1

    def left(self, talk: _Talk) -> None:
        self._ends.discard(talk)

    async def asked(self, words: CommandWords, connection: int) -> Script:
        said = Said(words, connection)
        self.said.append(said)
        async with self._heard:
            self._heard.notify_all()
        answer = self.answers.get(said.name, self.always)
        if answer is None:
            return [Raw(self._from_texts(said.name, words))]
        return answer(words) if callable(answer) else answer

    def failed(self, error: Exception) -> None:
        """What a connection could not make sense of fails the test when the stub is left."""
        self._failures.append(error)

    async def released(self) -> None:
        await self._released.acquire()

    def _from_texts(self, name: str, words: CommandWords) -> bytes:
        match name, words[1:]:
            case "GETRANGE", (key, start, end):
                return bulk(self.texts.get(key, b"")[int(start) : int(end) + 1])
            case "SET", (key, data, *options):
                named = {option.upper() for option in options}
                if (b"NX" in named and key in self.texts) or (b"XX" in named and key not in self.texts):
                    return bulk(None)
                self.texts[key] = data
                return simple("OK")
            case (("AUTH" | "SELECT" | "CLIENT"), _):
                return simple("OK")
            case "PING", _:
                return simple("PONG")
            case _:
                return b"-ERR unknown command\r\n"


class _Talk(asyncio.Protocol):
    """One connection: reads commands, and plays their scripts one after the other."""

    def __init__(self, stub: RespStub) -> None:
        self._stub = stub
        self._received = bytearray()
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0, low=0)
        self._number = self._stub.joined(self)
        self._task = asyncio.get_running_loop().create_task(self._play_all())

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub.left(self)
        self._task.cancel()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def stop(self) -> None:
        self._reset()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _play_all(self) -> None:
        try:
            await self._converse()
        except Exception as error:  # noqa: BLE001 - whatever it was, the test is told
            self._stub.failed(error)
            self._reset()

    async def _converse(self) -> None:
        while True:
            while (words := take_command(self._received)) is None:
                self._more.clear()
                await self._more.wait()
            for step in await self._stub.asked(words, self._number):
                await self._step(step)

    async def _step(self, step: Step) -> None:
        match step:
            case Pause():
                await self._stub.released()
            case Stall():
                await asyncio.Event().wait()
            case Fin():
                self._transport.close()
            case Rst():
                self._reset()
            case _:
                self._transport.write(step.wire())
                await self._room.wait()

    def _reset(self) -> None:
        if not self._transport.is_closing():
            linger_no_more(self._transport.get_extra_info("socket"))
        self._transport.abort()


def take_command(data: bytearray) -> CommandWords | None:
    """Removes one whole command from the front of `data`; None while it is not all there.

    ValueError when what is there is no array of texts, which is all that clients send.
    """
    words: list[bytes] = []
    found = _number(data, 0, b"*")
    if found is None:
        return None
    count, at = found
    for _ in range(count):
        if (found := _number(data, at, b"$")) is None or len(data) < found[1] + found[0] + 2:
            return None
        length, start = found
        words.append(bytes(data[start : start + length]))
        at = start + length + 2
    del data[:at]
    return tuple(words)


def _number(data: bytearray, at: int, kind: bytes) -> tuple[int, int] | None:
    """A number behind the byte that says of what, and where its line ends."""
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return None
    if data[at : at + 1] != kind:
        raise ValueError(f"expected {kind!r} and a number; got {bytes(data[at:line_end])!r}")
    return int(data[at + 1 : line_end]), line_end + 2
