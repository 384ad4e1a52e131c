"""The official clients, pointed at a gateway on loopback: no retries, and everything heard is scanned
for secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.wall.canary import WITNESS

CLIENT_KEY = WITNESS.guard("sk-client-own-secret-canary-0123456789")
"""The key that clients send to the gateway: nobody else is to see it."""


def openai_client(url: str) -> AsyncOpenAI:
    """For the gateway at `url`, without a path."""
    return AsyncOpenAI(
        base_url=f"{url}/v1", api_key=CLIENT_KEY, max_retries=0, http_client=_heard_http_client()
    )


def anthropic_client(url: str) -> AsyncAnthropic:
    """For the gateway at `url`, without a path."""
    return AsyncAnthropic(base_url=url, api_key=CLIENT_KEY, max_retries=0, http_client=_heard_http_client())


def _heard_http_client() -> httpx2.AsyncClient:
    # As many connections as requests: a test that wants fewer says so.
    limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)
    return httpx2.AsyncClient(transport=_HeardTransport(verify=False, limits=limits), timeout=30.0)


class _HeardTransport(httpx2.AsyncHTTPTransport):
    """Lets the witness hear the head and every byte of the body."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        WITNESS.guard_prompts(await request.aread())
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        WITNESS.hear("the head of an answer", repr(response.headers.raw))
        response.stream = _HeardStream(response.stream)
        return response


class _HeardStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self._data = bytearray()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._data += data
            yield data

    async def aclose(self) -> None:
        WITNESS.hear_body("the body of an answer", bytes(self._data))
        await self._stream.aclose()
