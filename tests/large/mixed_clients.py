"""Clients of every kind, and what each of their answers must be: right, or loudly wrong, and their own."""

from __future__ import annotations

import asyncio
import json
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from plano.chat.dialect import Dialect
from tests.fault.asks import PATHS, request
from tests.large.mixed_upstream import LONG, MARK, PLACE, mark
from tests.wall.answers import EVENTS, PLAIN
from tests.wall.gateway import ANTHROPIC_MODEL, OPENAI_MODEL
from tests.wall.raw_client import RawClient, RawReply

CLIENT_KEY = "sk-client-canary-of-the-soak"
PROMPT_CANARY = "prompt-canary-that-no-log-may-hold"
ANSWERED_WITHIN_S = 30.0
SESSIONS = 200
TEXTS = 50
"""The router remembers what it has read, up to a size; it should have read everything soon."""
TASKS = ("write a function that parses dates", "translate this letter into Spanish")


@dataclass(slots=True)
class Mixed:
    """All clients together."""

    port: int
    chance: random.Random
    pause_s: float
    """Between two requests of a client, on average."""
    stall_s: float
    header_s: float
    """The gateway's limits."""
    endings: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    done: bool = False
    _numbers: count[int] = field(default_factory=count)

    def everybody(self) -> list[Awaitable[None]]:
        kinds: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._ask_on, 16),
            (self._leave, 4),
            (self._read_slowly, 2),
            (self._stop_reading, 1),
            (self._send_slowly, 1),
        ]
        return [self._again(kind) for kind, many in kinds for _ in range(many)]

    async def _again(self, kind: Callable[[], Awaitable[None]]) -> None:
        while not self.done:
            try:
                await kind()
            except (OSError, AssertionError, TimeoutError) as trouble:
                where = traceback.extract_tb(trouble.__traceback__)[-1]
                self.troubles.append(
                    f"{kind.__name__}: {trouble!r:.500} in line {where.lineno} of {where.filename}"
                )

    async def _rest(self) -> None:
        await asyncio.sleep(self.chance.expovariate(1 / self.pause_s))

    # -- kinds

    async def _ask_on(self) -> None:
        """Over one connection for as long as it may."""
        async with RawClient(self.port) as client:
            while not self.done:
                await self._rest()
                dialect, stream = self.chance.choice(list(Dialect)), self.chance.random() < 0.5
                own, wire = self._request(dialect, stream=stream)
                await client.send(wire)
                reply = await client.reply(within_s=ANSWERED_WITHIN_S)
                self._judge(dialect, own, reply, stream=stream)
                if reply.header("connection") == "close" or not reply.whole:
                    return

    async def _leave(self) -> None:
        """At any moment, by FIN or by RST."""
        async with RawClient(self.port) as client:
            _, wire = self._request(self.chance.choice(list(Dialect)), stream=self.chance.random() < 0.7)
            await client.send(wire[: self.chance.choice((len(wire), len(wire), len(wire) // 2))])
            await asyncio.sleep(self.chance.expovariate(1 / 0.02))
            if self.chance.random() < 0.5:
                client.reset()
            self.endings["left"] += 1
        await self._rest()

    async def _read_slowly(self) -> None:
        """A long answer, to its end."""
        async with RawClient(self.port, receive_buffer=16 * 1024) as client:
            own, wire = self._long()
            await client.send(wire)
            received, data = b"", b"."
            while data:
                data = await client.read(within_s=ANSWERED_WITHIN_S)
                received += data
                await asyncio.sleep(0.002)
        self._own(own, received)
        is_whole = received.endswith(b"0\r\n\r\n") and b'"finish_reason":"stop"' in received
        if is_whole:
            self.endings["right, slowly"] += 1
        elif b"HTTP/1.1 200 " not in received[:20] or b'"error"' in received:
            self.endings["loudly wrong, slowly"] += 1
        else:
            self.troubles.append(f"a slow reader's answer ends with {received[-200:]!r}")
        await self._rest()

    async def _stop_reading(self) -> None:
        """And wait to be dropped."""
        async with RawClient(self.port, receive_buffer=4096) as client:
            _, wire = self._long()
            await client.send(wire)
            await asyncio.sleep(self.stall_s + 3.0)
            received, _ = await client.read_to_end()
        is_whole = received.endswith(b"0\r\n\r\n")
        self.endings["dropped" if not is_whole else "not dropped: it had been sent"] += 1

    async def _send_slowly(self) -> None:
        async with RawClient(self.port) as client:
            await client.send(b"POST /v1/messages HTTP/1.1\r\nhost: wall\r\nx-slow: ")
            reply = await client.reply(within_s=self.header_s + 10.0)
        assert reply.status == 408, reply
        self.endings["refused: too slow"] += 1

    # -- requests

    def _request(self, dialect: Dialect, *, stream: bool, text: str = "") -> tuple[bytes, bytes]:
        """Its mark, and its bytes. Some name a model, some leave it to the router, some are of a session."""
        own = mark(next(self._numbers))
        task = f"{self.chance.choice(TASKS)}, in {self.chance.randrange(TEXTS)} words"
        words = f"{text or task} {PROMPT_CANARY}"
        body: dict[str, Any] = {"stream": stream, "max_tokens": 64, "user": own.decode()}
        body |= {"input": words} if dialect is Dialect.OPENAI_RESPONSES else {
            "messages": [{"role": "user", "content": words}]
        }  # fmt: skip
        fields = [f"authorization: Bearer {CLIENT_KEY}"]
        if text or self.chance.random() < 0.6 or dialect is not Dialect.OPENAI_CHAT:
            body["model"] = ANTHROPIC_MODEL if dialect is Dialect.ANTHROPIC_MESSAGES else OPENAI_MODEL
        if self.chance.random() < 0.5:
            fields.append(f"x-model-affinity: session-{self.chance.randrange(SESSIONS)}")
        return own, request(dialect, *fields, body=json.dumps(body).encode())

    def _long(self) -> tuple[bytes, bytes]:
        own, wire = self._request(Dialect.OPENAI_CHAT, stream=True, text=LONG.decode())
        return own, wire.replace(b"host: wall\r\n", b"host: wall\r\nconnection: close\r\n", 1)

    # -- answers

    def _judge(self, dialect: Dialect, own: bytes, reply: RawReply, *, stream: bool) -> None:
        self._own(own, reply.body)
        if reply.status != 200:
            is_told = reply.whole and reply.status >= 400 and _says_why(reply.body)
            kind = f"loudly wrong: {reply.status}" if is_told else ""
        elif not reply.whole:
            kind = "loudly wrong: cut off" if b"error" in reply.body else ""
        else:
            kind = "right" if reply.body in _right(dialect, own, stream=stream) else ""
        if kind:
            self.endings[kind] += 1
        else:
            self.troubles.append(
                f"neither right nor loudly wrong: {PATHS[dialect]} {stream=} {reply!r:.1500}"
            )

    def _own(self, own: bytes, body: bytes) -> None:
        """Somebody else's answer is the worst there is."""
        others = set(MARK.findall(body)) - {own}
        if others:
            self.troubles.append(f"the answer to {own!r} holds {others}")


def _right(dialect: Dialect, own: bytes, *, stream: bool) -> tuple[bytes, ...]:
    """Byte by byte; the last event of a chat may be missing, for nothing hangs on it."""
    if not stream:
        return (PLAIN[dialect].replace(PLACE, own),)
    events = [event.replace(PLACE, own) for event in EVENTS[dialect]]
    whole = b"".join(events)
    return (whole, b"".join(events[:-1])) if dialect is Dialect.OPENAI_CHAT else (whole,)


def _says_why(body: bytes) -> bool:
    """Whether it is an error of ours or of a provider."""
    try:
        return isinstance(json.loads(body)["error"], dict)
    except (ValueError, KeyError, TypeError):
        return False
