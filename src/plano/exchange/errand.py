"""One request while it is answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from plano.errors import PlanoError, UpstreamError
from plano.exchange.ask import Ask
from plano.exchange.ports import Call, ClientReply, Underway
from plano.exchange.relaying import Relay
from plano.exchange.ways import Way
from plano.wire.dialects import Codec
from plano.wire.splice import Head

if TYPE_CHECKING:
    from plano.exchange.exchange import Exchange


class Errand(msgspec.Struct, eq=False):
    """One request while it is answered. Where nothing but the provider's answer has to be waited for, it
    takes no task: it hears itself how its call went (it is the call's `Outcome`)."""

    exchange: Exchange
    ask: Ask
    reply: ClientReply
    codec: Codec
    lines: bytes = b""
    """What every answer carries, whoever answers."""
    read: Head | None = None
    way: Way | None = None
    relay: Relay | None = None
    call: Call | None = None
    underway: Underway | None = None
    probe: float | None = None
    """What `Health.tried` has given: the candidate waits for how this request goes."""

    def begin(self) -> bool:
        """Whether the call is under way."""
        way, call, relay = self.way, self.call, self.relay
        assert way is not None
        assert call is not None
        assert relay is not None
        self.underway = way.upstream.begin(call, relay, self)
        return self.underway is not None

    async def send(self, *, fresh: bool) -> None:
        way, call, relay = self.way, self.call, self.relay
        assert way is not None
        assert call is not None
        assert relay is not None
        await way.upstream.send(call, relay, fresh=fresh)

    async def outcome(self, *, fresh: bool = False) -> PlanoError | None:
        """Send the call; what is wrong with its answer, None: nothing. Nothing is sent for a client that has
        left before it could be cancelled."""
        if self.reply.gone:
            raise asyncio.CancelledError
        try:
            await self.send(fresh=fresh)
        except UpstreamError as problem:
            return problem
        relay = self.relay
        return None if relay is None else relay.problem

    def cancel(self) -> None:
        """The client has left, or the time for draining is over."""
        underway, self.underway = self.underway, None
        if underway is not None:
            underway.abandon(self)
            self.exchange.conclude(self, asyncio.CancelledError())

    # -- how the call went

    def done(self) -> bool:
        return self.underway is None

    def set_result(self, delivered: bool, /) -> None:
        self.underway = None
        relay = self.relay
        assert relay is not None
        if not delivered:
            self.reply.carry_on(self.exchange.send(self, fresh=True))
        elif relay.problem is not None:
            self.reply.carry_on(self.exchange.see_through(self, relay.problem))
        else:
            self.exchange.conclude(self, None)
            self.reply.done()

    def set_exception(self, error: BaseException, /) -> None:
        self.underway = None
        if isinstance(error, PlanoError):
            self.reply.carry_on(self.exchange.see_through(self, error))
        else:
            self.reply.carry_on(self.exchange.give_up(self, error))
