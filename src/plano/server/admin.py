"""The admin listener: metrics and health, for the machine's own eyes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from plano.errors import MethodNotAllowed, NotFound, Overloaded, PlanoError
from plano.http1.reply import JSON, Reply, field_line
from plano.http1.request import Refusal, Request
from plano.server import problems

Render = Callable[[str], Awaitable[tuple[str, bytes]]]
"""From the scraper's `Accept` to content type and body."""
PATHS = ("/metrics", "/healthz", "/readyz")


class Admin:
    """Handler of the admin listener; nothing here is recorded."""

    def __init__(self, *, render: Render, is_ready: Callable[[], bool], new_id: Callable[[], str]) -> None:
        self._render = render
        self._is_ready = is_ready
        self._new_id = new_id

    def handle(self, request: Request, reply: Reply) -> Coroutine[Any, Any, None]:
        return self._answer(request, reply)

    def refuse(self, refusal: Refusal) -> tuple[int, bytes, bytes]:
        return problems.rendered(problems.problem_of(refusal), refusal.path, self._new_id())

    def defect(self, request: Request, reply: Reply, error: Exception) -> None:
        request_id = self._new_id()
        problems.log.error("admin request %s failed", request_id, exc_info=error)
        if not reply.started:
            reply.send(*problems.rendered(problems.defect(request_id), request.path, request_id))

    async def _answer(self, request: Request, reply: Reply) -> None:
        try:
            if request.path not in PATHS:
                raise NotFound(f"There is nothing at {request.path!r}; served here are {', '.join(PATHS)}.")
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(
                    f"{request.path} takes GET, not {request.method}.", allowed="GET, HEAD"
                )
            if request.path == "/metrics":
                await self._metrics(request, reply)
            elif request.path == "/healthz":
                reply.send(200, JSON, b'{"status":"ok"}')
            elif self._is_ready():
                reply.send(200, JSON, b'{"status":"ready"}')
            else:
                reply.send(503, JSON, b'{"status":"not ready"}')
        except PlanoError as problem:
            reply.send(*problems.rendered(problem, request.path, self._new_id()))

    async def _metrics(self, request: Request, reply: Reply) -> None:
        accept = request.fields.get(b"accept", b"").decode("latin-1")
        try:
            content_type, body = await self._render(accept)
        except (TimeoutError, OSError) as error:
            raise Overloaded("The workers did not report in time; scrape again.") from error
        reply.send(200, field_line(b"content-type", content_type.encode("ascii")), body)
