"""What the official clients make of our error events: they must raise, whatever came before."""

from __future__ import annotations

from collections.abc import Callable

import anthropic
import httpx2
import openai
import pytest

from plano.chat.dialect import Dialect
from plano.errors import PlanoError, UpstreamBroke, UpstreamTimeout
from plano.wire.dialects import DIALECTS
from tests.unit.wire.streams import CHAT, MESSAGES, RESPONSES

PROBLEM = UpstreamBroke("The provider's stream ended before its last event.")


def answering(status: int, content_type: str, body: bytes) -> httpx2.Client:
    """An HTTP client whose every request gets this answer."""
    answer = httpx2.Response(status, headers={"content-type": content_type}, content=body)
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))


def of_openai(http: httpx2.Client) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0)


def of_anthropic(http: httpx2.Client) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url="http://test", http_client=http, max_retries=0)


def chat(http: httpx2.Client) -> int:
    stream = of_openai(http).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    return sum(1 for _ in stream)


def chat_helper(http: httpx2.Client) -> int:
    with of_openai(http).chat.completions.stream(
        model="m", messages=[{"role": "user", "content": "x"}]
    ) as stream:
        return sum(1 for _ in stream)


def responses(http: httpx2.Client) -> int:
    return sum(1 for _ in of_openai(http).responses.create(model="m", input="x", stream=True))


def messages(http: httpx2.Client) -> int:
    stream = of_anthropic(http).messages.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}], stream=True
    )
    return sum(1 for _ in stream)


def messages_helper(http: httpx2.Client) -> int:
    with of_anthropic(http).messages.stream(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]
    ) as stream:
        return sum(1 for _ in stream)


USES = [
    pytest.param(Dialect.OPENAI_CHAT, CHAT, chat, openai.APIError, id="chat"),
    pytest.param(Dialect.OPENAI_CHAT, CHAT, chat_helper, openai.APIError, id="chat helper"),
    pytest.param(Dialect.OPENAI_RESPONSES, RESPONSES, responses, openai.APIError, id="responses"),
    pytest.param(Dialect.ANTHROPIC_MESSAGES, MESSAGES, messages, anthropic.APIError, id="messages"),
    pytest.param(
        Dialect.ANTHROPIC_MESSAGES, MESSAGES, messages_helper, anthropic.APIError, id="messages helper"
    ),
]


@pytest.mark.parametrize(("dialect", "stream", "use", "error"), USES)
def test_a_broken_stream_raises_in_the_client(
    dialect: Dialect, stream: list[bytes], use: Callable[[httpx2.Client], int], error: type[Exception]
) -> None:
    """Without the event every one of them takes a cut stream for a whole one."""
    event = DIALECTS[dialect].error_event(PROBLEM, "req-1")

    with pytest.raises(error, match="ended before its last event"):
        use(answering(200, "text/event-stream", b"".join(stream[:4]) + event))


@pytest.mark.parametrize(("dialect", "stream", "use", "error"), USES)
def test_a_whole_stream_does_not(
    dialect: Dialect, stream: list[bytes], use: Callable[[httpx2.Client], int], error: type[Exception]
) -> None:
    """Or the test above would prove nothing."""
    assert use(answering(200, "text/event-stream", b"".join(stream))) > 2


@pytest.mark.parametrize(("dialect", "stream", "use", "error"), USES)
def test_an_error_body_is_read_by_the_client(
    dialect: Dialect, stream: list[bytes], use: Callable[[httpx2.Client], int], error: type[Exception]
) -> None:
    """Message and code reach the person who called."""
    problem: PlanoError = UpstreamTimeout("No content within 30 s.")
    body = DIALECTS[dialect].render_error(problem, "req-1")

    with pytest.raises(error, match=r"No content within 30 s\.") as caught:
        use(answering(problem.status, "application/json", body))

    if isinstance(caught.value, openai.APIError):
        assert (caught.value.code, caught.value.type) == ("upstream_timeout", "server_error")
