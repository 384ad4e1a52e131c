"""One request from first byte to last: decode, decide, send, relay, record.

A request needs no task while it waits for nothing but the provider's answer: its `Errand` hears
of that. Everything else (a new connection, a replay, a problem to tell) is a coroutine's. To
cancel either means that the client has left, or that the drain limit was reached; both close the
upstream at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from plano.errors import (
    ClientLeft,
    Internal,
    Overloaded,
    PlanoError,
    ShuttingDown,
    UpstreamRefused,
)
from plano.exchange.ask import Ask, Telling
from plano.exchange.asking import Asking
from plano.exchange.attempts import Command, Failed, GiveUp, Send, attempts, may_try_another, report_of
from plano.exchange.errand import Errand
from plano.exchange.heads import (
    attempts_line,
    debug_line,
    hopeful,
    problem_lines,
    retry_after_line,
)
from plano.exchange.ports import Call, ClientReply, Recorder, Upstream
from plano.exchange.record import Ending, ExchangeRecord, FailedAttempt
from plano.exchange.relaying import Relay
from plano.exchange.retry_after import retry_after_s
from plano.exchange.ways import Way, Ways
from plano.http1.reply import JSON
from plano.routing.decision import Candidate, Decision
from plano.routing.decision_object import decision_object
from plano.routing.health import Health, Report
from plano.routing.route_set import RouteSet
from plano.routing.router import Ladder
from plano.routing.session import Session
from plano.wire.dialects import DIALECTS, Codec
from plano.wire.splice import Head

MOST_SHOWN_OF_A_NAME = 256
"""How much of a model name from outside goes into the record."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The deadlines of an exchange, in seconds; see `plano.http1.limits.ClientLimits`."""

    first_byte_s: float
    exchange_s: float
    reply_bytes: int
    first_byte_with_another_s: float
    """Where somebody else could be asked."""


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
        self._ways = Ways(upstreams, health)
        self._recorder = recorder
        self._timing = timing
        self._now = now

    def answer(
        self, ask: Ask, reply: ClientReply, *, has_task: bool = False
    ) -> Errand | Coroutine[Any, Any, None]:
        """Answer one request and record it, whatever happens. An errand is under way already and says
        `reply.done` at its end; a coroutine is for a task of the caller's, who `has_task`: always then."""
        admission = ask.admission
        if admission is not None and not has_task:
            return self._admit(ask, reply, admission)
        errand = Errand(self, ask, reply, DIALECTS[ask.dialect])
        try:
            head = self._read(errand)
            routes = self._asking.routes(head, ask.allowance)
            decision = self._ladder.at_once(
                head.model,
                brings_routes=routes is not None,
                in_session=ask.claim is not None,
                allowance=ask.allowance,
            )
            if decision is None or ask.telling is not None:
                return self._decide(errand, head, routes)
            way = self._ways.known(ask.dialect, decision)
            if self._health.is_troubled:
                way = self._healthy(errand, way)
            self._prepare(errand, head, way)
            if not has_task and errand.begin():
                return errand
        except Exception as error:  # noqa: BLE001 - answered or raised where the others are
            return self.give_up(errand, error)
        return self.send(errand)

    async def _admit(self, ask: Ask, reply: ClientReply, admission: Callable[[], Awaitable[None]]) -> None:
        """What comes first where somebody has to be asked whether the request may begin."""
        ask.record.phase = "decide"
        try:
            await admission()
        except BaseException as error:
            self.conclude(Errand(self, ask, reply, DIALECTS[ask.dialect]), error)
            if not isinstance(error, PlanoError):
                raise
            return
        work = self.answer(ask, reply, has_task=True)
        assert not isinstance(work, Errand)
        await work

    async def _decide(self, errand: Errand, head: Head, routes: RouteSet | None) -> None:
        """What an errand does when somebody has to be asked, or the decision is to be told."""
        error: BaseException | None = None
        try:
            began = self._now()
            ask = errand.ask
            asked = await self._asking.asked(head, errand.codec, routes, ask.claim, ask.allowance)
            decision = await self._ladder.decide(asked)
            ask.record.reasons = decision.reasons
            if asked.session is not None and decision.session_id is not None:
                _note_session(ask.record, asked.session, decision)
            telling = ask.telling
            if telling is not None and self._tell(errand, telling, decision, began):
                return
            self._prepare(errand, head, self._healthy(errand, self._ways.of(ask.dialect, decision)))
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
        problem = await errand.outcome(fresh=fresh)
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
                dialogue = attempts(way.candidates, deadline=call.deadline)
                next(dialogue)
            command = dialogue.send(failed)
            if isinstance(command, GiveUp):
                self._give_hope(errand, command)
                raise problem
            problem.forget_frames()
            self._prepare_again(errand, command)
            found = await errand.outcome()
            if found is None:
                return
            problem = found

    def _note_failure(self, errand: Errand, problem: PlanoError) -> Failed:
        """Tell of it to who decides next, and to this request's own dialogue."""
        way, now = errand.way, self._now()
        assert way is not None
        lines = problem.lines if isinstance(problem, UpstreamRefused) else b""
        wait_s = retry_after_s(lines, self._today()) if lines else None
        _note_failed(errand, way.candidate, problem, now)
        self._report(errand, way.candidate, report_of(problem), wait_s)
        return Failed(problem, now, wait_s, self._health.is_resting(way.candidate))

    def _healthy(self, errand: Errand, way: Way) -> Way:
        """The way, with those that rest at its end."""
        record, health = errand.ask.record, self._health
        errand.way = healthy = self._ways.healthy(errand.ask.dialect, way)
        if healthy is not way:
            record.set_back = sum(map(health.is_resting, healthy.candidates))
        if healthy.candidate is not way.candidate:
            record.preferred = way.candidate.id
        errand.probe = health.tried(healthy.candidate)
        return healthy

    def _report(
        self, errand: Errand, candidate: Candidate, how: Report | None, wait_s: float | None = None
    ) -> None:
        """How the attempt went, as far as it says anything of the candidate."""
        if how == "busy" and candidate.model.passthrough_auth:
            how = None  # a limit of this client's own key, which others do not have
        if how is not None:
            self._health.report(candidate, how, sent=errand.ask.record.sent, retry_after_s=wait_s)
            errand.probe = None
        elif errand.probe is not None:
            self._give_back(errand)

    def _give_back(self, errand: Errand) -> None:
        """It ended before anything could be said of the candidate: the next request tries it."""
        probe, way = errand.probe, errand.way
        if probe is not None and way is not None:
            errand.probe = None
            self._health.abandoned(way.candidate, probe)

    @staticmethod
    def _give_hope(errand: Errand, command: GiveUp) -> None:
        """The last failure is what the client is told, but for whether, and when, trying again may help."""
        problem = command.problem
        if command.is_lasting:
            return
        problem.is_lasting = False
        if isinstance(problem, UpstreamRefused):
            problem.lines = hopeful(problem.lines, command.retry_after_s)
        elif command.retry_after_s is not None:
            errand.ask.lines += retry_after_line(command.retry_after_s)

    def _note_answer(self, errand: Errand, relay: Relay) -> None:
        """Tell of an answer to who decides next: a provider may have taken it back in the middle."""
        way, complaint = errand.way, relay.complaint
        assert way is not None
        if complaint is None:
            self._report(errand, way.candidate, "succeeded")
            return
        _note_failed(errand, way.candidate, complaint, self._now())
        self._report(errand, way.candidate, report_of(complaint))

    def _prepare_again(self, errand: Errand, command: Send) -> None:
        """Everything between a failed attempt and the next one."""
        ask, way, head = errand.ask, errand.way, errand.read
        assert way is not None
        assert head is not None
        candidate = command.candidate
        errand.way = way = self._ways.to(ask.dialect, way.decision, way.candidates, candidate)
        ask.record.begin_again(candidate.id, candidate.model.provider)
        ask.lines = errand.lines + way.lines + attempts_line(ask.record.attempts)
        errand.relay = self._relay(ask, head, way, errand.codec, errand.reply)
        is_last = command.is_last or self._is_only_one_well(way)
        errand.call = self._call(ask, head, candidate, is_last=is_last)
        errand.probe = self._health.tried(candidate)

    async def give_up(self, errand: Errand, error: BaseException) -> None:
        """No answer of a provider's will come, because of this."""
        self.conclude(errand, error)
        if not isinstance(error, PlanoError):
            raise error

    def conclude(self, errand: Errand, error: BaseException | None) -> None:
        """The one end of every request: answered if it was not yet, and recorded."""
        record, reply, relay = errand.ask.record, errand.reply, errand.relay
        try:
            if error is None and relay is not None:
                error = relay.problem
            if error is not None:
                self._give_back(errand)
                self._conclude_badly(errand, error)
            elif relay is not None and (self._health.is_troubled or relay.complaint is not None):
                self._note_answer(errand, relay)
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
        is_last = len(way.candidates) == 1 or self._is_only_one_well(way)
        errand.call = self._call(ask, head, way.candidate, is_last=is_last)
        record.phase = "connect"
        record.attempts = 1

    def _note_decision(self, record: ExchangeRecord, decision: Decision, chosen: Candidate | None) -> None:
        record.decision = decision.step
        record.route = decision.route
        record.decided = self._now()
        if chosen is not None:
            record.chosen = chosen.id
            record.provider = chosen.model.provider

    def _is_only_one_well(self, way: Way) -> bool:
        """Whether all that could be asked after it rest: to leave it for one of them because it takes long
        would be to leave the only one who may answer."""
        if not self._health.is_troubled or self._health.is_resting(way.candidate):
            return False
        after = way.candidates[way.candidates.index(way.candidate) + 1 :]
        return all(map(self._health.is_resting, after))

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
            model=way.candidate.model,
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
        if isinstance(problem, Overloaded):
            record.shed = "upstream_connections"
        has_left = isinstance(problem, ClientLeft)
        if has_left or not reply.started:
            record.status = problem.status
        record.ending = "client_left" if has_left else _ENDINGS[problem.fault]


def _note_failed(errand: Errand, candidate: Candidate, problem: PlanoError, now: float) -> None:
    """For the record: who has failed, and how. A refusal of the request is an answer."""
    if not may_try_another(problem):
        return
    record, relay = errand.ask.record, errand.relay
    status = None if relay is None else relay.refusal_status
    if status is None and isinstance(problem, UpstreamRefused):
        status = problem.status
    record.failed = (*record.failed, FailedAttempt(candidate.id, problem.code, now, status))


def _note_session(record: ExchangeRecord, session: Session, decision: Decision) -> None:
    record.session = session.key
    record.is_user_turn = session.is_user_turn
    record.has_switched = decision.has_switched
    record.is_kept = decision.is_kept
    if decision.ranked is not None or not decision.is_pinned:
        record.candidates = tuple(each.id for each in decision.ranked or decision.candidates)
    record.account = decision.account
    if session.records_counterfactual and decision.ranked:
        record.counterfactual = decision.ranked[0].id


_ENDINGS: dict[str, Ending] = {
    "caller": "refused",
    "gateway": "gateway_failed",
    "upstream": "upstream_failed",
}
