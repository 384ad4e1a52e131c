"""The network between any two, and all that it can do to a connection: a TCP relay on loopback.

    async with ScriptedUpstream() as upstream, Relay(upstream.port, [Plan(down=Cut(40, Rst()))]) as relay:
        ...                       # speak to `relay.port` as to the upstream
        link = await relay.link(0)
        await link.closed("up")

`up` leads from who connects to the target, `down` comes back. The first connection gets the first plan; when
those have been used up, `otherwise` holds. Nothing is looked at but bytes: HTTP, TLS and RESP all pass.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, cast

from tests.wall.script import Fin, Rst
from tests.wall.upstream import PATIENCE_S, Ending, linger_no_more

Way = Literal["up", "down"]
Side = Literal["both", "client", "target"]
BACK: dict[Way, Way] = {"up": "down", "down": "up"}
SENDER: dict[Way, Side] = {"up": "client", "down": "target"}


@dataclass(frozen=True, slots=True)
class Pass:
    """Everything, each piece `delay_s` after it came."""

    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """The first `after` bytes, and with the last of them (0: instead of the first) an end."""

    after: int
    how: Fin | Rst = field(default_factory=Fin)
    side: Side = "both"
    """Who is told; for the other one the connection stays open, and nothing comes of it any more."""


@dataclass(frozen=True, slots=True)
class Swallow:
    """The first `after` bytes; the rest, and the end, is taken and comes out nowhere: a black hole."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """The first `after` bytes; the rest, and the end, waits for `release()`."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Spoil:
    """The first `after` bytes as they are, the rest with every bit turned over."""

    after: int = 0


Rule = Pass | Cut | Swallow | Hold | Spoil


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one connection."""

    up: Rule = field(default_factory=Pass)
    down: Rule = field(default_factory=Pass)
    connects: bool = True
    """False: it is accepted, and nobody asks the target; what comes is taken, and nothing is said."""
    lets_go: bool = False
    """Once who has connected closes, both sockets are, whatever was to be swallowed: for who counts them."""


BLACK_HOLE = Plan(connects=False)


@dataclass
class Passed:
    """Of one way."""

    taken: int = 0
    """Bytes that came in."""
    given: int = 0
    """Bytes that went out."""
    closed: Ending | None = None
    """How whoever sends this way has closed."""
    closed_at: float | None = None
    """When, by the loop's clock."""


class Relay:
    """Listens on a free port of loopback between `async with` and its end; leads to `target` there."""

    def __init__(
        self,
        target: int,
        plans: Sequence[Plan] = (),
        *,
        otherwise: Plan | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        """`host` is what `url` says: certificates are about names."""
        self.links: list[Link] = []
        self.port = 0
        self.host = host
        self.target = target
        self.otherwise = otherwise or Plan()
        self._plans = list(plans)
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self._linked(), "up"), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for link in self.links:
            link.abort()
        await self._server.wait_closed()

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://{self.host}:{self.port}"

    async def link(self, number: int, *, within_s: float = PATIENCE_S) -> Link:
        """The connection with this number, counted from 0, as soon as it is there."""
        async with asyncio.timeout(within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.links) > number)
        return self.links[number]

    def swallow(self) -> None:
        """From now on it is a black hole, for what is connected and for what will be."""
        self.otherwise = BLACK_HOLE
        for link in self.links:
            link.swallow()

    def recover(self) -> None:
        """For what will be connected; what has been swallowed does not come back."""
        self.otherwise = Plan()

    def _linked(self) -> Link:
        plan = self._plans.pop(0) if self._plans else self.otherwise
        link = Link(len(self.links), plan)
        self.links.append(link)
        task = asyncio.get_running_loop().create_task(self._connect(link, plan))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link

    async def _connect(self, link: Link, plan: Plan) -> None:
        async with self._arrived:
            self._arrived.notify_all()
        if not plan.connects:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _End(link, "down"), "127.0.0.1", self.target)
        except OSError:
            link.cut(Rst())


class Link:
    """One connection through the relay: what was noted of it, and commands to it."""

    def __init__(self, number: int, plan: Plan) -> None:
        self.number = number
        self._lets_go = plan.lets_go
        self.passed: dict[Way, Passed] = {"up": Passed(), "down": Passed()}
        """`up` closes when who has connected does, `down` when the target does."""
        swallow = Swallow()
        self._lanes: dict[Way, _Lane] = {
            "up": _Lane(self, "up", plan.up if plan.connects else swallow),
            "down": _Lane(self, "down", plan.down if plan.connects else swallow),
        }
        self._ends: dict[Way, _End] = {}
        """Whose data goes which way."""
        self._early: list[bytes | Fin | Rst] = []
        """What came up before the target was there."""
        self._cut_early: Fin | Rst | None = None
        """How its connection ends as soon as there is one."""
        self._changed = asyncio.Event()

    # -- commands

    def release(self) -> None:
        """Let out what is held, and hold no more."""
        for lane in self._lanes.values():
            lane.release()

    def follow(self, way: Way, rule: Rule) -> None:
        """From now on this rule; its bytes are counted from here."""
        self._lanes[way].follow(rule)

    def swallow(self, *ways: Way) -> None:
        """From now on nothing comes out; both ways unless told which."""
        for way in ways or BACK:
            self._lanes[way].follow(Swallow())

    def hold(self, *ways: Way) -> None:
        """From now on everything waits for `release()`."""
        for way in ways or BACK:
            self._lanes[way].follow(Hold())

    def cut(self, how: Fin | Rst, side: Side = "both") -> None:
        """End it now."""
        for way, end in self._ends.items():
            if side in ("both", SENDER[way]):
                end.leave(how)
        if "down" not in self._ends and side != "client":
            self._cut_early = how
        self.swallow()

    def abort(self) -> None:
        """At once, whatever is still on its way."""
        for end in self._ends.values():
            end.abort()

    # -- waiting

    async def took(self, way: Way, count: int, *, within_s: float = PATIENCE_S) -> None:
        """Wait until so many bytes have come in."""
        await self._until(lambda: self.passed[way].taken >= count, within_s)

    async def closed(self, way: Way, *, within_s: float = PATIENCE_S) -> Ending:
        """Wait until the sender of this way has closed, and say how."""
        await self._until(lambda: self.passed[way].closed is not None, within_s)
        return self.passed[way].closed or "fin"

    async def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    # -- told by the ends

    def joined(self, way: Way, end: _End) -> None:
        self._ends[way] = end
        early, self._early = self._early, []
        for piece in early:
            self.give(BACK[way], piece)
        if way == "down" and self._cut_early is not None:
            end.leave(self._cut_early)

    def came(self, way: Way, data: bytes) -> None:
        self.passed[way].taken += len(data)
        self._lanes[way].take(data)
        self._changed.set()

    def ended(self, way: Way, how: Ending) -> None:
        passed = self.passed[way]
        if passed.closed is None:
            passed.closed, passed.closed_at = how, asyncio.get_running_loop().time()
            self._lanes[way].take(Fin() if how == "fin" else Rst())
            self._changed.set()
        self.left(way)

    def left(self, way: Way) -> None:
        """Nobody is there any more, or nobody who speaks."""
        if self._lets_go and way == "up":
            self.abort()

    # -- told by the lanes, and about congestion

    def give(self, way: Way, piece: bytes | Fin | Rst) -> None:
        """What comes out at the end of a way."""
        end = self._ends.get(BACK[way])
        if end is None:
            self._early.append(piece)
        elif isinstance(piece, bytes):
            self.passed[way].given += len(piece)
            end.write(piece)
        elif isinstance(piece, Fin) and self.passed[BACK[way]].closed is None:
            end.write_eof()
        else:
            for each in self._ends.values():
                each.leave(piece)

    def congested(self, way: Way, is_full: bool) -> None:
        """Who sends this way is read only while there is room."""
        end = self._ends.get(way)
        if end is not None:
            end.pause_reading() if is_full else end.resume_reading()


class _Lane:
    """One way of a link."""

    def __init__(self, link: Link, way: Way, rule: Rule) -> None:
        self._link = link
        self._way = way
        self.rule = rule
        self._seen = 0
        """Bytes that came under this rule."""
        self._waiting: deque[bytes | Fin | Rst] = deque()

    def follow(self, rule: Rule) -> None:
        self.rule, self._seen = rule, 0

    def release(self) -> None:
        if isinstance(self.rule, Hold):
            self.follow(Pass())
            while self._waiting:
                self._link.give(self._way, self._waiting.popleft())

    def take(self, piece: bytes | Fin | Rst) -> None:
        if isinstance(piece, bytes):
            self._take_bytes(piece)
        else:
            self._take_end(piece)

    def _take_bytes(self, data: bytes) -> None:
        rule = self.rule
        if isinstance(rule, Pass):
            self._give(data, rule.delay_s)
            return
        room = max(0, rule.after - self._seen)
        self._seen += len(data)
        before, behind = data[:room], data[room:]
        if before:
            self._link.give(self._way, before)
        match rule:
            case Cut() if len(data) >= room:
                self._link.cut(rule.how, rule.side)
            case Hold() if behind:
                self._waiting.append(behind)
            case Spoil() if behind:
                self._link.give(self._way, bytes(byte ^ 0xFF for byte in behind))
            case _:
                pass

    def _take_end(self, end: Fin | Rst) -> None:
        match self.rule:
            case Swallow():
                pass
            case Hold():
                self._waiting.append(end)
            case Pass(delay_s):
                self._give(end, delay_s)
            case _:
                self._link.give(self._way, end)

    def _give(self, piece: bytes | Fin | Rst, delay_s: float) -> None:
        if not delay_s:
            self._link.give(self._way, piece)
            return
        # Each timer lets out the oldest: those of one moment may ring in any order.
        self._waiting.append(piece)
        asyncio.get_running_loop().call_later(delay_s, self._let_out)

    def _let_out(self) -> None:
        if self._waiting:
            self._link.give(self._way, self._waiting.popleft())


class _End(asyncio.Protocol):
    """One of the two sockets of a link; what it receives goes `way`."""

    def __init__(self, link: Link, way: Way) -> None:
        self._link = link
        self._way = way
        self._is_full = False
        self._then: Fin | Rst | None = None
        """How to leave once everything has been handed to the kernel."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0, low=0)
        self._link.joined(self._way, self)

    def data_received(self, data: bytes) -> None:
        self._link.came(self._way, data)

    def eof_received(self) -> bool:
        self._link.ended(self._way, "fin")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._then is None:
            self._link.ended(self._way, "rst" if isinstance(exc, ConnectionError) else "fin")
        else:
            self._link.left(self._way)

    def pause_writing(self) -> None:
        self._is_full = True
        self._link.congested(BACK[self._way], is_full=True)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._then is not None:
            self._go(self._then)
        self._link.congested(BACK[self._way], is_full=False)

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()

    def leave(self, how: Fin | Rst) -> None:
        if self._then is not None:
            return
        self._then = how
        if not self._is_full:
            self._go(how)

    def abort(self) -> None:
        self._then = self._then or Rst()
        self._go(Rst())

    def _go(self, how: Fin | Rst) -> None:
        if isinstance(how, Rst):
            if not self._transport.is_closing():
                linger_no_more(self._transport.get_extra_info("socket"))
            self._transport.abort()
        else:
            self._transport.close()
