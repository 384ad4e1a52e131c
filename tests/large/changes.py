"""Reloads and rolling restarts under load: nobody is refused, cut off, or asked for twice.

    python -m tests.large.changes [--reloads 100 --restarts 20 --connections 32]

Every third reload finds an invalid file. Each request has a number, which the upstream counts and
answers with; half of them are streams. Every configuration sends another header upstream, which is
answered too: it must be one that was valid, and not one that had been replaced everywhere before the
request began. Exits with 1 when a request is lost, doubled, or answered from a configuration that never was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from plano.chat.dialect import Dialect
from tests.integration.process.asking import CHAT
from tests.integration.process.launch import write
from tests.integration.process.reloading import (
    INVALID,
    REFUSED,
    RELOADED,
    aliased,
    edited,
    replace,
    said_again,
    times_said,
)
from tests.integration.process.test_changes_under_load import ROLLED
from tests.wall.answers import EVENTS, PLAIN
from tests.wall.canary import WITNESS
from tests.wall.framing import RawRequest
from tests.wall.gateway import OPENAI_MODEL, UPSTREAM_KEY
from tests.wall.process import GatewayProcess
from tests.wall.raw_client import RawClient, RawReply
from tests.wall.script import Script, chunked, sized
from tests.wall.upstream import ScriptedUpstream

MARK = "x-configuration"
FIRST = "first"
ANSWERED_WITHIN_S = 20.0
PATIENCE_S = 120.0
"""A rolling restart starts two processes and drains two, on a machine that is busy with all this."""
MOST_TOLD = 10
"""Troubles that are printed."""


def marked(upstream: ScriptedUpstream, mark: str) -> dict[str, Any]:
    """A configuration whose every request upstream carries `mark`."""
    config = aliased(upstream, f"alias-{mark}")
    for provider in config["model_providers"]:
        provider["headers"] = {MARK: mark}
    return config


@dataclass(slots=True)
class Tally:
    """What the upstream was asked, and what the clients got."""

    asked: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    told_to_close: int = 0
    log_lines: int = 0
    troubles: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=lambda: [FIRST])
    """The valid configurations, in order."""
    taken: int = 0
    """The one that all workers have."""

    def answer(self, request: RawRequest) -> Script:
        """The upstream's: good, with the request's number and its configuration in its words."""
        document = json.loads(request.body)
        number = document["messages"][0]["content"]
        self.asked[number] += 1
        words = f"{number}/{request.header(MARK)} ".encode()
        if document["stream"]:
            return chunked([event.replace(b"hello ", words) for event in EVENTS[Dialect.OPENAI_CHAT]])
        return sized(PLAIN[Dialect.OPENAI_CHAT].replace(b"hello ", words))

    def check(self, number: str, reply: RawReply, before: int, *, stream: bool) -> None:
        """An answer, asked for when configuration `before` was taken already."""
        self.answered += 1
        ends = b"data: [DONE]" in reply.body if stream else reply.body.endswith(b"}\n")
        if reply.status != 200 or not reply.whole or not ends:
            self.troubles.append(f"{number}: {reply}")
        elif not any(
            b'"%b/%b ' % (number.encode(), mark.encode()) in reply.body for mark in self.marks[before:]
        ):
            self.troubles.append(
                f"{number}: neither its own answer, nor of a configuration since {before}: {reply}"
            )

    @property
    def doubled(self) -> int:
        return sum(times - 1 for times in self.asked.values())


@dataclass(slots=True)
class Clients:
    """They ask without a break, every other one for streams, each over one connection while it may."""

    port: int
    tally: Tally
    done: bool = False
    _numbers: count[int] = field(default_factory=count)

    async def run(self, *, stream: bool) -> None:
        while not self.done:
            try:
                async with RawClient(self.port) as client:
                    while await self._ask(client, stream=stream):
                        pass
            except (OSError, AssertionError, TimeoutError) as trouble:
                self.tally.troubles.append(repr(trouble))

    async def _ask(self, client: RawClient, *, stream: bool) -> bool:
        """Whether another may follow on this connection."""
        number, before = f"n{next(self._numbers)}", self.tally.taken
        words = [{"role": "user", "content": number}]
        await client.post(
            CHAT, json.dumps({"model": OPENAI_MODEL, "stream": stream, "messages": words}).encode()
        )
        reply = await client.reply(within_s=ANSWERED_WITHIN_S)
        self.tally.check(number, reply, before, stream=stream)
        if reply.header("connection") != "close":
            return not self.done
        self.tally.told_to_close += 1
        return False


async def reload(
    times: int, upstream: ScriptedUpstream, running: GatewayProcess, folder: Path, tally: Tally
) -> None:
    """Every third is invalid."""
    refused = 0
    for number in range(times):
        if number % 3 == 2:
            replace(folder / "config.yaml", INVALID)
            refused += 1
        else:
            tally.marks.append(f"c{number}")
            write(folder, marked(upstream, tally.marks[-1]))
        running.signal(signal.SIGHUP)
        await said_again(running, RELOADED, len(tally.marks) - 1, within_s=PATIENCE_S)
        await said_again(running, REFUSED, refused, within_s=PATIENCE_S)
        tally.taken = len(tally.marks) - 1


async def restart(times: int, running: GatewayProcess) -> None:
    for number in range(1, times + 1):
        running.signal(signal.SIGUSR2)
        await said_again(running, ROLLED, number, within_s=PATIENCE_S)


async def sweep(upstream: ScriptedUpstream, running: GatewayProcess, tally: Tally) -> None:
    """What a test may keep to its end would fill the memory here; what was said is scanned for keys."""
    while True:
        await asyncio.sleep(1.0)
        take_away(upstream, running, tally)


def take_away(upstream: ScriptedUpstream, running: GatewayProcess, tally: Tally) -> None:
    upstream.attempts.clear()
    upstream.connections.clear()
    WITNESS.hear("the access log", bytes(running.stdout))
    tally.log_lines += running.stdout.count(b"\n")
    running.stdout.clear()
    tally.troubles += WITNESS.leaks()


async def run(reloads: int, restarts: int, connections: int) -> int:
    """The exit code."""
    tally = Tally()
    WITNESS.guard(UPSTREAM_KEY)
    with tempfile.TemporaryDirectory(prefix="plano-large-") as name:
        folder = Path(name)
        async with (
            ScriptedUpstream(otherwise=tally.answer) as upstream,
            edited(upstream, folder, "2", first=marked(upstream, FIRST)) as running,
        ):
            clients = Clients(running.port, tally)
            await _under_load(clients, connections, reloads, restarts, upstream, running, folder)
            running.signal(signal.SIGTERM)
            code = await running.ended(within_s=60)
            take_away(upstream, running, tally)
            WITNESS.hear("standard error", running.output)
            tally.troubles += WITNESS.leaks()
            return _tell(tally, running, code)


async def _under_load(
    clients: Clients,
    connections: int,
    reloads: int,
    restarts: int,
    upstream: ScriptedUpstream,
    running: GatewayProcess,
    folder: Path,
) -> None:
    async with asyncio.TaskGroup() as group:
        sweeping = group.create_task(sweep(upstream, running, clients.tally))
        for number in range(connections):
            group.create_task(clients.run(stream=number % 2 == 0))
        try:
            async with asyncio.TaskGroup() as changes:
                changes.create_task(reload(reloads, upstream, running, folder, clients.tally))
                changes.create_task(restart(restarts, running))
        finally:
            clients.done = True
            sweeping.cancel()


def _tell(tally: Tally, running: GatewayProcess, code: int) -> int:
    asked = sum(tally.asked.values())
    if code != 0:
        tally.troubles.append(f"the gateway ended with {code}")
    if b"Traceback" in running.stderr:
        tally.troubles.append(running.stderr.decode(errors="replace"))
    if tally.log_lines != tally.answered:
        tally.troubles.append(f"{tally.log_lines} lines in the access log for {tally.answered} answers")
    print(
        f"{tally.answered} requests answered, {len(tally.troubles)} failed, {tally.doubled} doubled "
        f"({asked} seen upstream); {tally.log_lines} log lines\n"
        f"{times_said(running, RELOADED)} reloads taken, {times_said(running, REFUSED)} refused, "
        f"{times_said(running, ROLLED)} rolling restarts; {tally.told_to_close} connections told to close"
    )
    for trouble in tally.troubles[:MOST_TOLD]:
        print(f"  ! {trouble[:1000]}")
    missed = bool(tally.troubles) or tally.doubled > 0
    print("missed" if missed else "reached")
    return int(missed)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.large.changes", description=__doc__.splitlines()[0])
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args(arguments)
    return asyncio.run(run(options.reloads, options.restarts, options.connections))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
