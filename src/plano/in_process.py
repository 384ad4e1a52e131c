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

_LIST_OF_TURNS: Mapping[Dialect, str] = {
    Dialect.OPENAI_CHAT: "messages",
    Dialect.ANTHROPIC_MESSAGES: "messages",
    Dialect.OPENAI_RESPONSES: "input",
}


class Router:
    """Decides which model should answer a conversation, as the gateway would with the same configuration.

    Use it as a context manager, or call `close`. Every method may be called from any thread.
    """

    def __init__(
        self, configuration: Configuration, catalog: Catalog, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment`: where proxy variables are read; None: the process's own."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plano-router", daemon=True)
        self._thread.start()
        self._is_closed = False
        self.warnings = configuration.warnings
        """What the gateway would say about this configuration when it starts."""
        self._life = self._run(_Life.begun(configuration, catalog, _given(environment))).result()

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
        """Let go of the model, the connections and the thread. Idempotent."""
        if self._is_closed:
            return
        self._run(self._life.end()).result()
        self._is_closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

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
        if self._is_closed:
            work.close()
            raise RuntimeError("this router is closed; make a new one")
        return asyncio.run_coroutine_threadsafe(work, self._loop)


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
