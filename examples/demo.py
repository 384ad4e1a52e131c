"""The gateway in a minute: start it, ask it a few things through the official client, leave it running.

Run by `make run`, or as `python -m examples.demo` from the project's folder; with `--once` it stops after
the requests.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import openai

from examples import agent_loop, routed
from examples.conversations import CONVERSATIONS

CONFIG = Path(__file__).parent / "routing" / "config.yaml"
SHOWN = "examples/routing/config.yaml"
HOST = "127.0.0.1"
PORT = 12000
ADMIN_PORT = 9092
START_S = 15.0
"""Far longer than a start takes; then something is wrong and the demo says what it knows."""
STOP_S = 40.0
"""Longer than the gateway gives answers that are still on their way."""
LOG_S = 2.0
"""Longer than the gateway keeps lines back."""
SHOWN_CHARACTERS = 88
SHOWN_LINES = 8
"""Of the log: a line for each kind of decision."""
READY = re.compile(r"ready on (http://\S+), admin on (http://\S+)")
"""The line with which `plano up` says that it serves, and where."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request of the demo."""

    about: str
    model: str
    text: str
    stream: bool = False


QUESTIONS = (
    Question("by its full name", "simulated/quick", "What is a router?"),
    Question("by an alias", "fast", "And what is an alias?"),
    Question("by an alias, streaming", "careful", "Think it over, please.", stream=True),
    Question("a name with a slip", "carefull", "Is anybody there?"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when."""

    text: str
    model: str
    decision: str
    first_s: float
    total_s: float


def ask(client: openai.OpenAI, question: Question) -> Answer:
    """Send one chat request; the time to the first token is the total when it is not streamed."""
    started = time.perf_counter()
    messages = [{"role": "user", "content": question.text}]
    raw = client.chat.completions.with_raw_response.create(
        model=question.model,
        messages=messages,  # type: ignore[arg-type]  # the client's own type is a union of a dozen
        stream=question.stream,
    )
    answered = raw.parse()
    if isinstance(answered, openai.Stream):
        pieces, first_s = [], 0.0
        for chunk in answered:
            if chunk.choices and chunk.choices[0].delta.content:
                first_s = first_s or time.perf_counter() - started
                pieces.append(chunk.choices[0].delta.content)
        text, total_s = "".join(pieces), time.perf_counter() - started
    else:
        text = answered.choices[0].message.content or ""
        first_s = total_s = time.perf_counter() - started
    headers = raw.headers
    return Answer(text, headers["x-plano-model"], headers["x-plano-decision"], first_s, total_s)


def show(client: openai.OpenAI, question: Question) -> None:
    print(f'\n{question.about}: model="{question.model}", “{question.text}”')
    try:
        answer = ask(client, question)
    except openai.APIStatusError as error:
        said = error.response.json()["error"]
        print(f"  refused with status {error.status_code}, {said['code']}: {said['message']}")
        return
    first = f"first token after {answer.first_s * 1000:.0f} ms, " if question.stream else ""
    took = f"{first}all in {answer.total_s * 1000:.0f} ms"
    print(f"  {answer.model} answered (decided by: {answer.decision}); {took}")
    print(f"  {shortened(answer.text)}")


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


class Log:
    """What the gateway writes: kept while the demo talks, shown from `follow` on. The gateway
    writes its log a little after its answers, so that they never wait for it."""

    def __init__(self, output: Iterable[str]) -> None:
        self._output = output
        self._changed = threading.Condition()
        self._kept: list[str] = []
        self._live = False
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._output:
            with self._changed:
                if self._live:
                    print(f"  {line}", end="", flush=True)
                else:
                    self._kept.append(line)
                    self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def ready(self) -> tuple[str, str] | None:
        """Where the gateway says it listens, and where its admin listener does; None when it has ended, or
        has not said so within reason."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(map(READY.search, self._kept)), START_S)
            found = next(filter(None, map(READY.search, self._kept)), None)
        return (found[1], found[2]) if found is not None else None

    def follow(self, *, requests: int = 0, most: int | None = None) -> None:
        """Show what was said so far (the first `most` lines of it), and from now on each line as it comes.
        So many requests should have been logged: those that are late are waited for, within reason."""
        with self._changed:
            self._changed.wait_for(lambda: sum("/v1/" in line for line in self._kept) >= requests, LOG_S)
            for line in self._kept[:most]:
                print(f"  {line}", end="")
            if most is not None and len(self._kept) > most:
                print(f"  … and {len(self._kept) - most} more")
            self._kept.clear()
            self._live = True
            sys.stdout.flush()

    def finish(self) -> None:
        """To be called after the gateway has ended: wait for its last words."""
        self._reader.join(timeout=1.0)


@contextlib.contextmanager
def gateway(port: int, admin_port: int) -> Iterator[tuple[subprocess.Popen[str], Log]]:
    """The gateway as a child, stopped in the orderly way on every exit. A group of its own keeps
    the terminal's Ctrl-C from it: it is this program that tells it to stop, once, and as a person
    at a terminal would."""
    command = [sys.executable, "-m", "plano", "up", str(CONFIG), "--log-format", "text"]
    command += ["--host", HOST, "--port", str(port), "--admin-port", str(admin_port)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    log = Log(child.stdout or ())
    try:
        yield child, log
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            child.kill()
            child.wait()
        log.finish()


def free(wanted: int) -> int:
    """`wanted` if nobody listens there, else 0, with which the gateway takes any port that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            print(f"Port {wanted} is taken; using another.")
            return 0
    return wanted


def run(*, once: bool) -> int:
    port, admin_port = free(PORT), free(ADMIN_PORT)
    print(f"Starting: plano up {SHOWN} --port {port} --admin-port {admin_port}")
    started = time.perf_counter()
    with gateway(port, admin_port) as (child, log):
        ready = log.ready()
        if ready is None:
            print("The gateway did not start. It said:")
            log.follow()
            return 1
        url, admin_url = ready
        print(f"Ready on {url} after {time.perf_counter() - started:.1f} s.")
        print("Its models are simulated, so no key is needed and nothing leaves this machine.")
        http = openai.DefaultHttpxClient(trust_env=False)
        with openai.OpenAI(
            base_url=f"{url}/v1", api_key="not-needed", max_retries=0, http_client=http
        ) as client:
            for question in QUESTIONS:
                show(client, question)
            print("\nWithout a model, by what the conversation is about (its last words are shown):")
            routed.show([routed.route(client, each) for each in CONVERSATIONS])
            print("An agent's loop, each call routed by itself, and kept on the model of its first call:")
            loop = agent_loop.run(client)
            agent_loop.show(loop)
        print("The gateway's own log of this:")
        log.follow(requests=len(QUESTIONS) + len(CONVERSATIONS) + 2 * len(loop), most=SHOWN_LINES)
        if once:
            return 0
        print(what_next(url, admin_url), flush=True)
        return child.wait()


def what_next(url: str, admin_url: str) -> str:
    return f"""
It keeps running; Ctrl-C ends it. Try next:

  curl {url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{"model": "careful", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

  export OPENAI_BASE_URL={url}/v1
  export ANTHROPIC_BASE_URL={url}

  .venv/bin/plano route --config {SHOWN} "why does this loop never end?"

  {url}/v1/models lists the models; {admin_url}/metrics counts what they do.
"""


def interrupted(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--once", action="store_true", help="stop after the requests")
    arguments = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, interrupted)
    try:
        return run(once=arguments.once)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
