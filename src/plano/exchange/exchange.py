"""One request from first byte to last: decode, decide, send, relay, record.

One coroutine a request, with a single point of waiting when a pooled connection is at hand.
Cancelling it means that the client has left, or that the drain limit was reached; both close
the upstream at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from plano.chat.dialect import Dialect
from plano.errors import ClientLeft, DialectNotSpoken, Internal, PlanoError, ShuttingDown
from plano.exchange.heads import decision_lines, problem_lines
from plano.exchange.ports import Call, ClientReply, Recorder, Upstream
from plano.exchange.record import Ending, ExchangeRecord
from plano.exchange.relaying import Relay
from plano.routing.decision import Candidate, Decision
from plano.routing.router import Ladder, nobody_decided
from plano.wire.dialects import DIALECTS, Codec
from plano.wire.splice import Head

MOST_SHOWN_OF_A_NAME = 256
"""How much of a model name from outside goes into the record."""
MOST_WAYS = 4096
"""Ways remembered for each dialect; wildcard members can be any number."""


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


class Way(msgspec.Struct, frozen=True):
    """What a decision means for one dialect; worked out once for a decision that is remembered."""

    decision: Decision
    candidate: Candidate
    upstream: Upstream
    lines: bytes
    """The field lines that tell of the decision."""


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
        self._ways: dict[Dialect, dict[int, Way]] = {dialect: {} for dialect in DIALECTS}

    async def run(self, ask: Ask, reply: ClientReply) -> None:
        """Answer one request and record it, whatever happens."""
        record = ask.record
        codec = DIALECTS[ask.dialect]
        relay: Relay | None = None
        try:
            head = codec.read_request(ask.body)
            way = self._decide(ask, head)
            relay = self._relay(ask, head, way, codec, reply)
            call = self._call(ask, head, way.candidate)
            record.phase = "connect"
            record.attempts = 1
            await way.upstream.send(call, relay)
            if relay.problem is not None:
                raise relay.problem
        except PlanoError as problem:
            self._answer_problem(ask, codec, problem, reply)
            problem.forget_frames()
        except asyncio.CancelledError:
            self._cancelled(ask, codec, relay, reply)
            raise
        except Exception:
            self._note(record, Internal("defect"), reply)
            raise
        finally:
            record.ended = self._now()
            record.bytes_out = reply.bytes_out
            self._recorder.record(record)

    def _decide(self, ask: Ask, head: Head) -> Way:
        record = ask.record
        record.stream = head.stream
        requested = head.model
        if requested is not None:
            long = len(requested) > MOST_SHOWN_OF_A_NAME
            record.requested = requested[:MOST_SHOWN_OF_A_NAME] if long else requested
        record.phase = "decide"
        decision = self._ladder.at_once(requested)
        if decision is None or not decision.candidates:
            raise nobody_decided(decision)
        candidate = decision.candidates[0]
        record.decision = decision.step
        record.route = decision.route
        record.chosen = candidate.id
        record.provider = candidate.model.provider
        record.decided = self._now()
        way = self._ways[ask.dialect].get(id(decision))
        if way is None or way.decision is not decision:
            way = self._found_way(ask.dialect, decision)
        ask.lines += way.lines
        return way

    def _found_way(self, dialect: Dialect, decision: Decision) -> Way:
        candidate = decision.candidates[0]
        endpoint = candidate.model.endpoints.get(dialect)
        if endpoint is None:
            raise DialectNotSpoken(_not_spoken(dialect, candidate), param="model")
        way = Way(decision, candidate, self._upstreams[endpoint.scheme], decision_lines(decision, candidate))
        ways = self._ways[dialect]
        if len(ways) >= MOST_WAYS:
            ways.clear()
        ways[id(decision)] = way
        return way

    def _call(self, ask: Ask, head: Head, candidate: Candidate) -> Call:
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
            timing.first_byte_s,
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

    def _answer_problem(self, ask: Ask, codec: Codec, problem: PlanoError, reply: ClientReply) -> None:
        """Nothing was sent: the problem is the answer. Something was: the relay has said so already."""
        record = ask.record
        self._note(record, problem, reply)
        if not reply.started:
            body = codec.render_error(problem, record.request_id)
            reply.send(problem.status, problem_lines(problem) + ask.lines, body)

    def _cancelled(self, ask: Ask, codec: Codec, relay: Relay | None, reply: ClientReply) -> None:
        record = ask.record
        if reply.gone:
            self._note(record, ClientLeft("left"), reply)
            return
        problem = ShuttingDown("The gateway is shutting down and the time for draining is over; try again.")
        if relay is not None:
            relay.fail(problem)
        self._answer_problem(ask, codec, problem, reply)

    @staticmethod
    def _note(record: ExchangeRecord, problem: PlanoError, reply: ClientReply) -> None:
        """How it ended. The status stays what the client was sent, unless it has left."""
        record.code = problem.code
        record.detail = problem.detail
        has_left = isinstance(problem, ClientLeft)
        if has_left or not reply.started:
            record.status = problem.status
        record.ending = "client_left" if has_left else _ENDINGS[problem.fault]


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
