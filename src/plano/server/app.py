"""Method and path to handler; everything that is not an exchange is answered here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from plano.catalog.catalog import Catalog
from plano.catalog.gateway_keys import GatewayKey
from plano.errors import (
    ClientLeft,
    KeyExhausted,
    MethodNotAllowed,
    NotFound,
    PlanoError,
    Unauthenticated,
)
from plano.exchange.errand import Errand
from plano.exchange.exchange import Exchange
from plano.exchange.ports import Recorder
from plano.exchange.record import ExchangeRecord
from plano.http1.reply import JSON, Reply
from plano.http1.request import Refusal, Request
from plano.keys.gate import Gate
from plano.routing.affinity import StoreState
from plano.server import problems
from plano.server.inference import Inference, Sessions
from plano.server.models import Listings
from plano.wire.dialects import DECISIONS, DIALECTS

Handler = Callable[[Request, Reply], Coroutine[Any, Any, None] | Errand]

REQUEST_ID = b"x-request-id"
LONGEST_REQUEST_ID = 128
REQUEST_ID_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
SHOWN_PATH = 256
"""How much of a path from outside goes into the record."""


class App:
    """The HTTP face of the gateway: `handle` for requests, `refuse` and `defect` for what goes wrong."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        exchange: Exchange,
        sessions: Sessions,
        recorder: Recorder,
        is_ready: Callable[[], bool],
        affinity: Callable[[], StoreState],
        new_id: Callable[[], str],
        now: Callable[[], float],
        today: Callable[[], float],
        gate: Gate | None = None,
    ) -> None:
        """`gate`: who asks for keys; None: anybody may ask. What it has begun, the recorder of `exchange`
        ends."""
        self._gate = gate
        self._recorder = recorder
        self._is_ready = is_ready
        self._affinity = affinity
        self._new_id = new_id
        self._now = now
        self._today = today
        self._posts: dict[str, Inference] = {
            path: Inference(
                dialect,
                exchange,
                self.record_of,
                new_id,
                sessions,
                gate=gate,
                only_decides=only_decides,
            )
            for dialect, codec in DIALECTS.items()
            for path, only_decides in ((codec.path, False), (DECISIONS + codec.path, True))
        }
        self._gets: dict[str, Handler] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/v1/models": self._models,
        }
        self._listings = Listings(catalog)

    def handle(self, request: Request, reply: Reply) -> Coroutine[Any, Any, None] | Errand:
        """Answers `request`; never raises."""
        try:
            if request.method == "POST":
                inference = self._posts.get(request.path)
                if inference is not None:
                    return inference(request, reply)
            elif request.method in ("GET", "HEAD"):
                get = self._gets.get(request.path)
                if get is not None:
                    return get(request, reply)
            raise self._no_handler(request)
        except PlanoError as problem:
            problem.forget_frames()
            return self._answer_problem(request, reply, problem)

    def refuse(self, refusal: Refusal) -> tuple[int, bytes, bytes]:
        """What the HTTP edge could not read, answered and recorded."""
        problem = problems.problem_of(refusal)
        record = ExchangeRecord(
            request_id=given_id(refusal.fields) or self._new_id(),
            method=refusal.method,
            path=refusal.path[:SHOWN_PATH],
            at=self._today() - (self._now() - refusal.started),
            started=refusal.started,
        )
        record.client_host = refusal.client
        record.shed = refusal.lacks
        answer = problems.rendered(problem, refusal.path, record.request_id, refusal.fields)
        if not isinstance(problem, ClientLeft):
            record.bytes_out = len(answer[2])
        self._note(record, problem)
        return answer

    def screen(self, request: Request) -> str | None:
        """Why a request whose body is still to come would be refused for its head; None: it would not."""
        if self._gate is not None and request.path in self._posts:
            try:
                self._gate.key_of(request.fields)
            except Unauthenticated as problem:
                problem.forget_frames()
                return problem.message
        return None

    def defect(self, request: Request, reply: Reply, error: Exception) -> None:
        """A handler raised: log it whole, tell the caller only where to look."""
        request_id = self._request_id(request)
        problems.log.error("request %s failed in the gateway", request_id, exc_info=error)
        if reply.started:
            reply.end_loudly()
            return
        problem = problems.defect(request_id)
        reply.send(*problems.rendered(problem, request.path, request_id, request.fields))

    def record_of(self, request: Request) -> ExchangeRecord:
        """A fresh record for a request."""
        record = ExchangeRecord(
            request_id=self._request_id(request),
            method=request.method,
            path=request.path,
            at=self._today() - (self._now() - request.started),
            started=request.started,
        )
        record.client_host = request.client
        return record

    def _request_id(self, request: Request) -> str:
        """The caller's own id when it is well formed, else a new one."""
        if not request.id:
            request.id = given_id(request.fields) or self._new_id()
        return request.id

    def _no_handler(self, request: Request) -> PlanoError:
        path = request.path[:SHOWN_PATH]
        if request.path in self._posts:
            return MethodNotAllowed(f"{path} takes POST, not {request.method}.", allowed="POST")
        if request.path in self._gets:
            return MethodNotAllowed(f"{path} takes GET, not {request.method}.", allowed="GET, HEAD")
        served = ", ".join((*self._posts, *self._gets))
        return NotFound(f"There is nothing at {path!r}; served here are {served}.")

    async def _answer_problem(self, request: Request, reply: Reply, problem: PlanoError) -> None:
        record = self.record_of(request)
        record.bytes_in = len(request.body)
        reply.send(*problems.rendered(problem, request.path, record.request_id, request.fields))
        record.bytes_out = reply.bytes_out
        self._note(record, problem)

    def _note(self, record: ExchangeRecord, problem: PlanoError) -> None:
        record.status = problem.status
        record.code = problem.code
        if isinstance(problem, KeyExhausted):
            record.key, record.key_limit = problem.key, problem.limit
        if isinstance(problem, ClientLeft):
            record.ending = "client_left"
        else:
            record.ending = "refused" if problem.fault == "caller" else "gateway_failed"
        record.ended = self._now()
        self._recorder.record(record)

    async def _health(self, request: Request, reply: Reply) -> None:
        reply.send(200, JSON, b'{"status":"ok"}')

    async def _readiness(self, request: Request, reply: Reply) -> None:
        if self._is_ready():
            reply.send(
                200, JSON, b'{"status":"ready","affinity":"%b"}' % self._affinity().status.encode("ascii")
            )
        else:
            reply.send(503, JSON, b'{"status":"draining"}')

    def _models(self, request: Request, reply: Reply) -> Coroutine[Any, Any, None]:
        """Raises Unauthenticated."""
        key = None if self._gate is None else self._gate.key_of(request.fields)
        return self._list_models(request, reply, key)

    async def _list_models(self, request: Request, reply: Reply, key: GatewayKey | None) -> None:
        as_anthropic = b"anthropic-version" in request.fields
        record = self.record_of(request)
        request_id = b"x-request-id: %b\r\n" % record.request_id.encode("ascii")
        if key is None:
            lists = await self._listings.whole.lists()
        else:
            record.key = key.name
            lists = await self._listings.within(key.allowance).lists()
        reply.send(200, JSON + request_id, lists.anthropic if as_anthropic else lists.openai)
        record.status = 200
        record.phase = "done"
        record.ended = self._now()
        record.bytes_out = reply.bytes_out
        self._recorder.record(record)


def given_id(fields: Mapping[bytes, bytes]) -> str | None:
    """The caller's `x-request-id`, when it is well formed."""
    given = fields.get(REQUEST_ID)
    if given is None or not 0 < len(given) <= LONGEST_REQUEST_ID or not REQUEST_ID_BYTES.issuperset(given):
        return None
    return given.decode("ascii")
