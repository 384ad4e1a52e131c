"""Calls to the simulated provider, and who hears its answers."""

from __future__ import annotations

import asyncio
import json

import msgspec

from plano.catalog.catalog import Endpoint, Model
from plano.catalog.names import ModelId, ProviderId
from plano.chat.dialect import Dialect
from plano.errors import PlanoError
from plano.exchange.ports import Call, Flow
from plano.routing.decision import Candidate
from plano.upstream.simulated import Simulated


def call(dialect: Dialect, body: object, *, pace: str = "") -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    endpoint = Endpoint("simulated", "simulated", 0, "/v1", pace)
    model = Model(
        id=ModelId("simulated/fast"),
        name="fast",
        provider=ProviderId("simulated"),
        upstream_model="fast",
        endpoints=dict.fromkeys(Dialect, endpoint),
        auth="none",
    )
    middle = len(data) // 2
    return Call(
        candidate=Candidate(model, "fast", model.id),
        dialect=dialect,
        query="",
        body=(data[:middle], memoryview(data)[middle:]),
        body_length=len(data),
        forwarded=(),
        first_byte_s=120.0,
        deadline=asyncio.get_running_loop().time() + 300.0,
    )


class Heard:
    """A sink that takes note; `pause_after` bodies it asks the sender to wait."""

    def __init__(self, *, pause_after: int | None = None) -> None:
        self.flow: Flow | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.steps: list[str] = []
        self.error: PlanoError | None = None
        self.paused = asyncio.Event()
        self._pause_after = pause_after

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers
        self.steps.append("head")

    def body(self, data: bytes) -> None:
        self.bodies.append(data)
        self.steps.append("body")
        if len(self.bodies) == self._pause_after:
            assert self.flow is not None
            self.flow.pause()
            self.paused.set()

    def end(self) -> None:
        self.steps.append("end")

    def broke(self, error: PlanoError) -> None:
        self.error = error
        self.steps.append("broke")

    def flush(self) -> None:
        self.steps.append("flush")

    @property
    def content(self) -> bytes:
        return b"".join(self.bodies)


async def heard(dialect: Dialect, body: object, *, pace: str = "") -> Heard:
    sink = Heard()
    await Simulated().send(call(dialect, body, pace=pace), sink)
    return sink


def late(call: Call) -> Call:
    """The same call when its exchange should already be over."""
    return msgspec.structs.replace(call, deadline=asyncio.get_running_loop().time())


class Waits:
    """A `sleep` that notes how long it should have been and lets nobody wait."""

    def __init__(self, steps: list[str] | None = None) -> None:
        self.asked_s: list[float] = []
        self._steps = steps

    async def __call__(self, duration_s: float) -> None:
        self.asked_s.append(round(duration_s, 6))
        if self._steps is not None:
            self._steps.append("wait")


async def for_ever(duration_s: float) -> None:
    await asyncio.Event().wait()
