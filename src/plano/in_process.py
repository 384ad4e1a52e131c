"""The router in a program: the same ladder on the same configuration, without a gateway.

It lives on an event loop of its own, in a thread of its own, so that it can be asked from plain
code, from coroutines of any loop, and from many threads, and keeps its connections and its memory
of earlier questions whoever asks.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import msgspec

from plano.catalog.build import load_catalog
from plano.catalog.catalog import Catalog
from plano.chat.dialect import Dialect
from plano.config.load import Configuration, find
from plano.deciding import Deciding
from plano.errors import InvalidAffinityId, InvalidRequest, PlanoError
from plano.exchange.sessions import Claim
from plano.http1.alarms import Alarms
from plano.outward import Outward
from plano.routing.affinity import is_session_id
from plano.routing.asked import Asked
from plano.routing.decision_object import DecisionObject, ReasonObject, decision_object
from plano.routing.preference import Preferred
from plano.wire.dialects import DIALECTS

__all__ = ["DecisionObject", "PlanoError", "ReasonObject", "Router"]

DialectName = Literal["openai_chat", "anthropic_messages", "openai_responses"]
Message = Mapping[str, object]
Result = TypeVar("Result")

LONGEST_END_S = 5.0
"""How long letting go of a router may hold up whoever does it; its thread then ends without them."""

_LIST_OF_TURNS: Mapping[Dialect, str] = {
    Dialect.OPENAI_CHAT: "messages",
    Dialect.ANTHROPIC_MESSAGES: "messages",
    Dialect.OPENAI_RESPONSES: "input",
}


class Router:
    """Decides which model should answer a conversation, as the gateway would with the same configuration.

    Use it as a context manager, or call `close`; one that is forgotten is closed with its last reference, or
    with the program. Every method may be called from any thread, and none after a fork.
    """

    def __init__(
        self, configuration: Configuration, catalog: Catalog, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment`: where proxy variables are read; None: the process's own."""
        self.warnings = configuration.warnings
        """What the gateway would say about this configuration when it starts."""
        self._loop = loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_turn, args=(loop,), name="plano-router", daemon=True)
        thread.start()
        self._process = os.getpid()
        beginning = _Life.begun(configuration, catalog, _given(environment))
        try:
            self._life = asyncio.run_coroutine_threadsafe(beginning, loop).result()
        except BaseException:
            loop.call_soon_threadsafe(loop.stop)
            raise
        self._end = weakref.finalize(self, _end, self._life, loop, thread, self._process)

    @classmethod
    def from_file(
        cls, file: str | os.PathLike[str] | None = None, *, environment: Mapping[str, str] | None = None
    ) -> Self:
        """The router of a configuration file; None takes config.yaml, then plano_config.yaml, in the
        current folder, then every provider whose key is in the environment.

        Raises ConfigurationInvalid with every problem of the file, and FileNotFoundError.
        """
        path = find(Path.cwd()) if file is None else Path(file)
        return cls(*load_catalog(path, _given(environment)), environment=environment)

    def route(
        self,
        messages: str | Sequence[Message],
        *,
        model: str | None = None,
        routing_preferences: Sequence[Mapping[str, object]] | None = None,
        dialect: DialectName = "openai_chat",
        session: str | None = None,
    ) -> DecisionObject:
        """The decision for a conversation: a text, or messages as the dialect writes them.

        `model` is what the request would name; `session` what it would say in `X-Model-Affinity`. `models` of
        the answer is `("none",)` when nobody decided. Raises PlanoError for what the gateway would answer
        with a 4xx: messages that cannot be read, routes that are malformed, a model that is not declared.
        """
        request = _request(messages, model, routing_preferences, dialect)
        return self._run(self._decide(request, dialect, session)).result()

    async def aroute(
        self,
        messages: str | Sequence[Message],
        *,
        model: str | None = None,
        routing_preferences: Sequence[Mapping[str, object]] | None = None,
        dialect: DialectName = "openai_chat",
        session: str | None = None,
    ) -> DecisionObject:
        """As `route`, without holding up the caller's event loop."""
        request = _request(messages, model, routing_preferences, dialect)
        return await asyncio.wrap_future(self._run(self._decide(request, dialect, session)))

    def decide(
        self, request: bytes, *, dialect: DialectName = "openai_chat", session: str | None = None
    ) -> DecisionObject:
        """The decision for a whole request body, as it would be sent to the gateway."""
        return self._run(self._decide(request, dialect, session)).result()

    def refresh(self, *, within_s: float = 5.0) -> None:
        """Wait until the sources of prices and latencies have been asked once. They are asked in the
        background from the start; until they have answered, `cheapest` and `fastest` change no order."""
        self._run(self._life.deciding.refresh(within_s=within_s)).result()

    def prefer(self, asked: Asked) -> Preferred:
        """The preference step alone, for who measures it: no model that is named, and no default."""
        return self._run(self._life.deciding.preference.choose(asked)).result()

    def close(self) -> None:
        """Let go of the model, the connections and the thread. Idempotent. Questions that nobody has answered
        yet are cancelled."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _decide(self, request: bytes, dialect: DialectName, session: str | None) -> DecisionObject:
        began = time.perf_counter()
        codec = DIALECTS[Dialect(dialect)]
        deciding = self._life.deciding
        claim = _claim(session, are_implicit=deciding.session_rules.are_implicit)
        decision = await deciding.decide(codec.read_request(request), codec, claim)
        return decision_object(
            decision,
            trace_id=f"{random.getrandbits(128):032x}",
            elapsed_ms=(time.perf_counter() - began) * 1000.0,
        )

    def _run(self, work: Coroutine[object, object, Result]) -> Future[Result]:
        problem = "this router is closed; make a new one"
        if os.getpid() != self._process:
            problem = "this router was made in another process, before a fork; make one in each process"
        elif self._end.alive:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise RuntimeError(problem)


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, and cancel what is still waited for."""
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_others())
    finally:
        loop.close()


async def _cancel_others() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others)


def _end(life: _Life, loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    """End a router's life, its loop and its thread. The garbage collector may call it in any thread, that one
    too; in a fork there is nothing to end."""
    if os.getpid() != process:
        loop.set_exception_handler(lambda _loop, _context: None)  # its tasks went with its thread: no mistake
        return
    ending = asyncio.run_coroutine_threadsafe(life.end(), loop)
    ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    if threading.current_thread() is not thread:
        ending.result(LONGEST_END_S)
        thread.join(LONGEST_END_S)


class _Life:
    """What a router holds between its first question and `close`; made and ended on the router's loop."""

    def __init__(
        self, configuration: Configuration, catalog: Catalog, environment: Mapping[str, str]
    ) -> None:
        self._alarms = Alarms(asyncio.get_running_loop())
        self._outward = Outward(configuration, catalog, alarms=self._alarms, environment=environment)
        self.deciding = Deciding(
            configuration,
            catalog,
            upstreams=self._outward.upstreams,
            alarms=self._alarms,
            environment=environment,
        )

    @classmethod
    async def begun(
        cls, configuration: Configuration, catalog: Catalog, environment: Mapping[str, str]
    ) -> _Life:
        life = cls(configuration, catalog, environment)
        life.deciding.start()
        return life

    async def end(self) -> None:
        await self.deciding.close()
        await self._outward.close()
        self._alarms.close()


def _given(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environment is None else environment


def _claim(session: str | None, *, are_implicit: bool) -> Claim | None:
    if session is None:
        return Claim(None, None) if are_implicit else None
    if not is_session_id(session):
        raise InvalidAffinityId(
            f"The session is {session[:40]!r}; expected 1 to 256 visible ASCII characters."
        )
    return Claim(session, None)


def _request(
    messages: str | Sequence[Message],
    model: str | None,
    routing_preferences: Sequence[Mapping[str, object]] | None,
    dialect: DialectName,
) -> bytes:
    """The body that a client of the gateway would send."""
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    request: dict[str, object] = {_LIST_OF_TURNS[Dialect(dialect)]: turns}
    if model is not None:
        request["model"] = model
    if routing_preferences is not None:
        request["routing_preferences"] = routing_preferences
    try:
        return msgspec.json.encode(request)
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidRequest(f"The messages cannot be written as JSON: {error}.") from error
