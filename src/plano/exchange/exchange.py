"""One request from first byte to last: decode, decide, send, relay, record.

A request needs no task while it waits for nothing but the provider's answer: its `Errand` hears
of that. Everything else (a new connection, a replay, a problem to tell) is a coroutine's. To
cancel either means that the client has left, or that the drain limit was reached; both close the
upstream at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from plano.chat.dialect import Dialect
from plano.errors import (
    ClientLeft,
    DialectNotSpoken,
    Internal,
    PlanoError,
    ShuttingDown,
    UpstreamError,
    UpstreamRefused,
)
from plano.exchange.asking import Asking
from plano.exchange.attempts import Command, Failed, GiveUp, Send, attempts, report_of
from plano.exchange.heads import (
    attempts_line,
    debug_line,
    decision_lines,
    problem_lines,
    with_retry_after,
)
from plano.exchange.ports import Call, ClientReply, Recorder, Underway, Upstream
from plano.exchange.record import Ending, ExchangeRecord
from plano.exchange.relaying import Relay
from plano.exchange.retry_after import retry_after_s
from plano.exchange.sessions import Claim
from plano.http1.reply import JSON
from plano.routing.decision import Candidate, Decision
from plano.routing.decision_object import decision_object
from plano.routing.health import Health
from plano.routing.route_set import RouteSet
from plano.routing.router import Ladder, nobody_decided
from plano.routing.session import Session
from plano.wire.dialects import DIALECTS, Codec
from plano.wire.splice import Head

MOST_SHOWN_OF_A_NAME = 256
"""How much of a model name from outside goes into the record."""
MOST_WAYS = 4096
"""Ways remembered for each dialect; wildcard members can be any number."""


class Telling(msgspec.Struct, frozen=True):
    """That the decision is wanted whole, and whose it is."""

    trace_id: str
    is_all: bool
    """The decision is the answer; nothing is sent to a model. Else it goes along in a field."""


class Ask(msgspec.Struct):
    """One request to answer, as the edge has read it."""

    dialect: Dialect
    body: bytes
    query: str
    forwarded: Sequence[tuple[bytes, bytes]]
    """Client headers that may travel on."""
    credential: Callable[[], Sequence[tuple[bytes, bytes]]]
    """Reads the client's own credential; asked only for models with `passthrough_auth`."""
    lines: bytes
    """Field lines that every answer to this request carries."""
    record: ExchangeRecord
    claim: Claim | None = None
    """What the head says about the session; None: the request stands alone."""
    telling: Telling | None = None
    """None: the decision is carried out, and told in a few fields."""


class Way(msgspec.Struct, frozen=True):
    """What a decision means for one dialect; worked out once for a decision that is remembered."""

    decision: Decision
    candidates: tuple[Candidate, ...]
    """Those that speak it, in order."""
    candidate: Candidate
    """The first, to whom the request is sent."""
    upstream: Upstream
    lines: bytes
    """The field lines that tell of the decision."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The deadlines of an exchange, in seconds; see `plano.http1.limits.ClientLimits`."""

    first_byte_s: float
    exchange_s: float
    reply_bytes: int
    first_byte_with_another_s: float
    """Where somebody else could be asked."""


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


class Exchange:
    """Runs requests; holds nothing of any of them."""

    def __init__(
        self,
        *,
        ladder: Ladder,
        asking: Asking,
        health: Health,
        upstreams: Mapping[str, Upstream],
        recorder: Recorder,
        timing: Timing,
        now: Callable[[], float],
        today: Callable[[], float],
    ) -> None:
        """`upstreams`: by the scheme of the endpoint (`http`, `https`, `simulated`)."""
        self._ladder = ladder
        self._asking = asking
        self._health = health
        self._today = today
        self._upstreams = upstreams
        self._recorder = recorder
        self._timing = timing
        self._now = now
        self._ways: dict[Dialect, dict[int, Way]] = {dialect: {} for dialect in DIALECTS}

    def answer(self, ask: Ask, reply: ClientReply) -> Errand | Coroutine[Any, Any, None]:
        """Answer one request and record it, whatever happens. An errand is under way already and says
        `reply.done` at its end; a coroutine is for a task of the caller's."""
        errand = Errand(self, ask, reply, DIALECTS[ask.dialect])
        try:
            head = self._read(errand)
            routes = self._asking.routes(head)
            decision = self._ladder.at_once(
                head.model, brings_routes=routes is not None, in_session=ask.claim is not None
            )
            if decision is None or ask.telling is not None:
                return self._decide(errand, head, routes)
            way = self._known_way(ask.dialect, decision)
            if self._health.is_troubled:
                way = self._healthy(ask.dialect, way)
            self._prepare(errand, head, way)
            if errand.begin():
                return errand
        except Exception as error:  # noqa: BLE001 - answered or raised where the others are
            return self.give_up(errand, error)
        return self.send(errand)

    async def _decide(self, errand: Errand, head: Head, routes: RouteSet | None) -> None:
        """What an errand does when somebody has to be asked, or the decision is to be told."""
        error: BaseException | None = None
        try:
            began = self._now()
            asked = await self._asking.asked(head, errand.codec, routes, errand.ask.claim)
            decision = await self._ladder.decide(asked)
            errand.ask.record.reasons = decision.reasons
            if asked.session is not None:
                _note_session(errand.ask.record, asked.session, decision)
            telling = errand.ask.telling
            if telling is not None and self._tell(errand, telling, decision, began):
                return
            self._prepare(
                errand, head, self._healthy(errand.ask.dialect, self._way(errand.ask.dialect, decision))
            )
            await self._attempt(errand)
        except BaseException as raised:
            error = raised
            if not isinstance(raised, PlanoError):
                raise
        finally:
            self.conclude(errand, error)

    def _tell(self, errand: Errand, telling: Telling, decision: Decision, began: float) -> bool:
        """Whether the decision was all that was asked for; it is answered then."""
        ask = errand.ask
        elapsed_ms = (self._now() - began) * 1000.0
        told = decision_object(decision, trace_id=telling.trace_id, elapsed_ms=elapsed_ms)
        if not telling.is_all:
            ask.lines += debug_line(told)
            return False
        self._note_decision(ask.record, decision, decision.candidates[0] if decision.candidates else None)
        errand.reply.send(200, JSON + ask.lines, told.as_json())
        ask.record.status = 200
        ask.record.phase = "done"
        return True

    async def send(self, errand: Errand, *, fresh: bool = False) -> None:
        """What an errand does, with somebody who waits for it."""
        error: BaseException | None = None
        try:
            await self._attempt(errand, fresh=fresh)
        except BaseException as raised:
            error = raised
            if not isinstance(raised, PlanoError):
                raise
        finally:
            self.conclude(errand, error)

    async def see_through(self, errand: Errand, problem: PlanoError) -> None:
        """What an errand does after its first attempt has failed."""
        error: BaseException | None = None
        try:
            await self._try_others(errand, problem)
        except BaseException as raised:
            error = raised
            if not isinstance(raised, PlanoError):
                raise
        finally:
            self.conclude(errand, error)

    async def _attempt(self, errand: Errand, *, fresh: bool = False) -> None:
        problem = await _sent(errand, fresh=fresh)
        if problem is not None:
            await self._try_others(errand, problem)

    async def _try_others(self, errand: Errand, problem: PlanoError) -> None:
        """Until somebody answers. Raises the problem that the client is told when nobody does."""
        dialogue: Generator[Command, Failed, None] | None = None
        while True:
            failed = self._note_failure(errand, problem)
            relay, way, call = errand.relay, errand.way, errand.call
            assert way is not None
            assert call is not None
            if relay is None or relay.committed:
                raise problem
            if dialogue is None:
                may_repeat = not self._health.is_resting(way.candidate)
                dialogue = attempts(way.candidates, deadline=call.deadline, may_repeat=may_repeat)
                next(dialogue)
            command = dialogue.send(failed)
            if isinstance(command, GiveUp):
                if isinstance(problem, UpstreamRefused) and command.retry_after_s is not None:
                    problem.lines = with_retry_after(problem.lines, command.retry_after_s)
                raise problem
            problem.forget_frames()
            self._prepare_again(errand, command)
            problem = await _sent(errand, fresh=False)
            if problem is None:
                return

    def _note_failure(self, errand: Errand, problem: PlanoError) -> Failed:
        """Tell of it to who decides next, and to this request's own dialogue."""
        relay, way = errand.relay, errand.way
        assert way is not None
        wait_s = retry_after_s(relay.said, self._today()) if relay is not None and relay.said else None
        report = report_of(problem)
        if report is not None:
            self._health.report(way.candidate, report, wait_s)
        return Failed(problem, self._now(), wait_s)

    def _prepare_again(self, errand: Errand, command: Send) -> None:
        """Everything between a failed attempt and the next one."""
        ask, way, head = errand.ask, errand.way, errand.read
        assert way is not None
        assert head is not None
        record = ask.record
        candidate = command.candidate
        endpoint = candidate.model.endpoints[ask.dialect]
        lines = decision_lines(way.decision, candidate)
        errand.way = Way(way.decision, way.candidates, candidate, self._upstreams[endpoint.scheme], lines)
        record.attempts += 1
        record.chosen = candidate.id
        record.provider = candidate.model.provider
        ask.lines = errand.lines + lines + attempts_line(record.attempts)
        errand.relay = self._relay(ask, head, errand.way, errand.codec, errand.reply)
        errand.call = self._call(ask, head, candidate, is_last=command.is_last)
        record.phase = "connect"
        self._health.tried(candidate)

    async def give_up(self, errand: Errand, error: BaseException) -> None:
        """No answer of a provider's will come, because of this."""
        self.conclude(errand, error)
        if not isinstance(error, PlanoError):
            raise error

    def conclude(self, errand: Errand, error: BaseException | None) -> None:
        """The one end of every request: answered if it was not yet, and recorded."""
        record, reply = errand.ask.record, errand.reply
        try:
            if error is None and errand.relay is not None:
                error = errand.relay.problem
            if error is not None:
                self._conclude_badly(errand, error)
            elif self._health.is_troubled and errand.way is not None:
                self._health.report(errand.way.candidate, "succeeded")
        finally:
            record.ended = self._now()
            record.bytes_out = reply.bytes_out
            self._recorder.record(record)

    def _read(self, errand: Errand) -> Head:
        ask = errand.ask
        record = ask.record
        head = errand.codec.read_request(ask.body)
        record.stream = head.stream
        requested = head.model
        if requested is not None:
            long = len(requested) > MOST_SHOWN_OF_A_NAME
            record.requested = requested[:MOST_SHOWN_OF_A_NAME] if long else requested
        record.phase = "decide"
        return head

    def _prepare(self, errand: Errand, head: Head, way: Way) -> None:
        """Everything between the decision and the moment of sending."""
        ask = errand.ask
        record = ask.record
        self._note_decision(record, way.decision, way.candidate)
        errand.lines = ask.lines
        errand.read = head
        ask.lines += way.lines
        errand.way = way
        errand.relay = self._relay(ask, head, way, errand.codec, errand.reply)
        errand.call = self._call(ask, head, way.candidate, is_last=len(way.candidates) == 1)
        record.phase = "connect"
        record.attempts = 1

    def _note_decision(self, record: ExchangeRecord, decision: Decision, chosen: Candidate | None) -> None:
        record.decision = decision.step
        record.route = decision.route
        record.decided = self._now()
        if chosen is not None:
            record.chosen = chosen.id
            record.provider = chosen.model.provider

    def _known_way(self, dialect: Dialect, decision: Decision) -> Way:
        """The way of a decision that the ladder remembers."""
        ways = self._ways[dialect]
        way = ways.get(id(decision))
        if way is None or way.decision is not decision:
            way = self._way(dialect, decision)
            if len(ways) >= MOST_WAYS:
                ways.clear()
            ways[id(decision)] = way
        return way

    def _way(self, dialect: Dialect, decision: Decision) -> Way:
        """To the first candidate that speaks the client's dialect. Raises NoModel, DialectNotSpoken."""
        if not decision.candidates:
            raise nobody_decided(decision)
        able = tuple(each for each in decision.candidates if dialect in each.model.endpoints)
        if not able:
            raise DialectNotSpoken(_not_spoken(dialect, decision.candidates[0]), param="model")
        return self._way_to(dialect, decision, able)

    def _way_to(self, dialect: Dialect, decision: Decision, able: tuple[Candidate, ...]) -> Way:
        first = able[0]
        upstream = self._upstreams[first.model.endpoints[dialect].scheme]
        return Way(decision, able, first, upstream, decision_lines(decision, first))

    def _healthy(self, dialect: Dialect, way: Way) -> Way:
        """The way, with those that rest at its end."""
        ordered = self._health.order(way.candidates)
        if ordered is not way.candidates:
            way = self._way_to(dialect, way.decision, ordered)
        self._health.tried(way.candidate)
        return way

    def _call(self, ask: Ask, head: Head, candidate: Candidate, *, is_last: bool) -> Call:
        pieces, length = head.routed_to(candidate.upstream_model)
        forwarded = ask.forwarded
        if candidate.model.passthrough_auth:
            forwarded = [*forwarded, *ask.credential()]
        timing = self._timing
        return Call(
            candidate,
            ask.dialect,
            ask.query,
            pieces,
            length,
            forwarded,
            timing.first_byte_s if is_last else timing.first_byte_with_another_s,
            ask.record.started + timing.exchange_s,
        )

    def _relay(self, ask: Ask, head: Head, way: Way, codec: Codec, reply: ClientReply) -> Relay:
        return Relay(
            reply=reply,
            record=ask.record,
            codec=codec,
            choices=head.choices,
            stream=head.stream,
            lines=ask.lines,
            own_credential=way.candidate.model.passthrough_auth,
            reply_limit=self._timing.reply_bytes,
            now=self._now,
        )

    # -- when it does not go well

    def _conclude_badly(self, errand: Errand, error: BaseException) -> None:
        record, reply = errand.ask.record, errand.reply
        match error:
            case PlanoError():
                self._answer_problem(errand, error)
                error.forget_frames()
            case asyncio.CancelledError() if reply.gone:
                self._note(record, ClientLeft("left"), reply)
            case asyncio.CancelledError():
                problem = ShuttingDown(
                    "The gateway is shutting down and the time for draining is over; try again."
                )
                if errand.relay is not None:
                    errand.relay.fail(problem)
                self._answer_problem(errand, problem)
            case Exception():
                self._note(record, Internal("defect"), reply)

    def _answer_problem(self, errand: Errand, problem: PlanoError) -> None:
        """Nothing was sent: the problem is the answer. Something was: the relay has said so already."""
        ask, reply = errand.ask, errand.reply
        self._note(ask.record, problem, reply)
        if reply.started:
            return
        body = problem.body if isinstance(problem, UpstreamRefused) else None
        if body is None:
            body = errand.codec.render_error(problem, ask.record.request_id)
        else:
            ask.record.phase = "done"
        reply.send(problem.status, problem_lines(problem) + ask.lines, body)

    @staticmethod
    def _note(record: ExchangeRecord, problem: PlanoError, reply: ClientReply) -> None:
        """How it ended. The status stays what the client was sent, unless it has left."""
        record.code = problem.code
        record.detail = problem.detail
        has_left = isinstance(problem, ClientLeft)
        if has_left or not reply.started:
            record.status = problem.status
        record.ending = "client_left" if has_left else _ENDINGS[problem.fault]


async def _sent(errand: Errand, *, fresh: bool) -> PlanoError | None:
    """What is wrong with the answer; None: nothing."""
    try:
        await errand.send(fresh=fresh)
    except UpstreamError as problem:
        return problem
    relay = errand.relay
    return None if relay is None else relay.problem


def _note_session(record: ExchangeRecord, session: Session, decision: Decision) -> None:
    record.session = session.key
    record.is_user_turn = session.is_user_turn
    record.has_switched = decision.has_switched
    record.candidates = tuple(each.id for each in decision.ranked or decision.candidates)
    record.account = decision.account


_ENDINGS: dict[str, Ending] = {
    "caller": "refused",
    "gateway": "gateway_failed",
    "upstream": "upstream_failed",
}


def _not_spoken(dialect: Dialect, candidate: Candidate) -> str:
    spoken = ", ".join(sorted(DIALECTS[each].path for each in candidate.model.endpoints))
    return (
        f"{candidate.id!r} is not spoken to through {DIALECTS[dialect].path}; "
        f"its provider understands {spoken}. Use that path, or name another model."
    )
