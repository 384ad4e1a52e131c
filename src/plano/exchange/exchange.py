"""One request from first byte to last: decode, decide, send, relay, record.

One coroutine a request, with a single point of waiting when a pooled connection is at hand.
Cancelling it means that the client has left, or that the drain limit was reached; both close
the upstream at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from plano.chat.dialect import Dialect
from plano.errors import ClientLeft, DialectNotSpoken, Internal, PlanoError, ShuttingDown
from plano.exchange.heads import decision_lines, problem_lines
from plano.exchange.ports import Call, ClientReply, Recorder, Upstream
from plano.exchange.record import Ending, ExchangeRecord
from plano.exchange.relaying import Relay
from plano.routing.decision import Candidate, Decision
from plano.routing.router import Ladder
from plano.wire.dialects import DIALECTS, Codec
from plano.wire.splice import Head

MOST_SHOWN_OF_A_NAME = 256
"""How much of a model name from outside goes into the record."""


@dataclass(slots=True)
class Ask:
    """One request to answer, as the edge has read it."""

    dialect: Dialect
    body: bytes
    query: str
    forwarded: Sequence[tuple[bytes, bytes]]
    """Client headers that may travel on."""
    credential: Sequence[tuple[bytes, bytes]]
    """The client's own credential; sent only to models with `passthrough_auth`."""
    lines: bytes
    """Field lines that every answer to this request carries."""
    record: ExchangeRecord


@dataclass(frozen=True, slots=True)
class Timing:
    """The deadlines of an exchange, in seconds; see `plano.http1.limits.ClientLimits`."""

    first_byte_s: float
    exchange_s: float
    reply_bytes: int


class Exchange:
    """Runs requests; holds nothing of any of them."""

    def __init__(
        self,
        *,
        ladder: Ladder,
        upstreams: Mapping[str, Upstream],
        recorder: Recorder,
        timing: Timing,
        now: Callable[[], float],
    ) -> None:
        """`upstreams`: by the scheme of the endpoint (`http`, `https`, `simulated`)."""
        self._ladder = ladder
        self._upstreams = upstreams
        self._recorder = recorder
        self._timing = timing
        self._now = now
        self._decision_lines: dict[int, tuple[Decision, bytes]] = {}

    async def run(self, ask: Ask, reply: ClientReply) -> None:
        """Answer one request and record it, whatever happens."""
        record = ask.record
        codec = DIALECTS[ask.dialect]
        relay: Relay | None = None
        try:
            head = codec.read_request(ask.body)
            decision = self._decide(head, record)
            candidate = decision.candidates[0]
            call = self._call(ask, head, candidate)
            relay = self._relay(ask, head, decision, candidate, codec, reply)
            record.phase = "connect"
            record.attempts = 1
            scheme = candidate.model.endpoints[ask.dialect].scheme
            await self._upstreams[scheme].send(call, relay)
            if relay.problem is not None:
                raise relay.problem
        except PlanoError as problem:
            self._answer_problem(ask, codec, problem, reply)
        except asyncio.CancelledError:
            self._cancelled(ask, codec, relay, reply)
            raise
        except Exception:
            self._note(record, Internal("defect"), Internal.status)
            raise
        finally:
            record.ended = self._now()
            record.bytes_out = reply.bytes_out
            self._recorder.record(record)

    def _decide(self, head: Head, record: ExchangeRecord) -> Decision:
        record.stream = head.stream
        requested = head.model
        if requested is not None:
            record.requested = (
                requested if len(requested) <= MOST_SHOWN_OF_A_NAME else requested[:MOST_SHOWN_OF_A_NAME]
            )
        record.phase = "decide"
        decision = self._ladder.decide(requested)
        candidate = decision.candidates[0]
        record.decision = decision.step
        record.route = decision.route
        record.chosen = candidate.id
        record.provider = candidate.model.provider
        record.decided = self._now()
        return decision

    def _call(self, ask: Ask, head: Head, candidate: Candidate) -> Call:
        model = candidate.model
        if ask.dialect not in model.endpoints:
            raise DialectNotSpoken(_not_spoken(ask.dialect, candidate), param="model")
        pieces, length = head.routed_to(candidate.upstream_model)
        forwarded = ask.forwarded
        if model.passthrough_auth and ask.credential:
            forwarded = [*forwarded, *ask.credential]
        return Call(
            candidate=candidate,
            dialect=ask.dialect,
            query=ask.query,
            body=pieces,
            body_length=length,
            forwarded=forwarded,
            first_byte_s=self._timing.first_byte_s,
            deadline=ask.record.started + self._timing.exchange_s,
        )

    def _relay(
        self, ask: Ask, head: Head, decision: Decision, candidate: Candidate, codec: Codec, reply: ClientReply
    ) -> Relay:
        return Relay(
            reply=reply,
            record=ask.record,
            codec=codec,
            choices=head.choices,
            stream=head.stream,
            lines=ask.lines + self._lines_of(decision, candidate),
            own_credential=candidate.model.passthrough_auth,
            reply_limit=self._timing.reply_bytes,
            now=self._now,
        )

    def _lines_of(self, decision: Decision, candidate: Candidate) -> bytes:
        """The decision's field lines, rendered once for a decision that is remembered."""
        known = self._decision_lines.get(id(decision))
        if known is not None and known[0] is decision:
            return known[1]
        if len(self._decision_lines) >= 4096:
            self._decision_lines.clear()
        lines = decision_lines(decision, candidate)
        self._decision_lines[id(decision)] = (decision, lines)
        return lines

    # -- when it does not go well

    def _answer_problem(self, ask: Ask, codec: Codec, problem: PlanoError, reply: ClientReply) -> None:
        """Nothing was sent: the problem is the answer. Something was: the relay has said so already."""
        record = ask.record
        if not reply.started:
            body = codec.render_error(problem, record.request_id)
            reply.send(problem.status, problem_lines(problem) + ask.lines, body)
        self._note(record, problem, problem.status)

    def _cancelled(self, ask: Ask, codec: Codec, relay: Relay | None, reply: ClientReply) -> None:
        record = ask.record
        if reply.gone:
            self._note(record, ClientLeft("left"), ClientLeft.status)
            return
        problem = ShuttingDown("The gateway is shutting down and the time for draining is over; try again.")
        if relay is not None:
            relay.fail(problem)
        self._answer_problem(ask, codec, problem, reply)

    @staticmethod
    def _note(record: ExchangeRecord, problem: PlanoError, status: int) -> None:
        record.code = problem.code
        record.status = status
        record.ending = "client_left" if isinstance(problem, ClientLeft) else _ENDINGS[problem.fault]


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
