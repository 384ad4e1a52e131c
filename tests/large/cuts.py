"""Answers cut at every byte, read by the official clients: each cut is an error, and nothing else is.

    python -m tests.large.cuts [--dialect openai_chat] [--every 1] [--another-every 5] [--tls] [--seed 1]

Every byte of streams and of plain answers, by FIN, RST, a clean end, a stall, FIN inside a chunk, and the end
of an answer that is delimited by closing; in both ways in which each library reads a stream, through a whole
gateway in this process. At every fifth byte once more with a second candidate: before any content it answers,
afterwards the client is told. Behind each group an ordinary request succeeds, and descriptors, tasks and
connections are what they were.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from plano.chat.dialect import Dialect
from tests.fault.baseline import unharmed
from tests.fault.cuts import STREAMS
from tests.fault.official import PLAIN_CALLS, RAISED, STREAMING, Clients, Drive, official
from tests.large.cutting import WAYS, Cut, CutUpstream, Kind, config_of
from tests.large.program import print_table, run
from tests.wall.answers import PLAIN
from tests.wall.authority import Authority
from tests.wall.canary import WITNESS
from tests.wall.gateway import gateway
from tests.wall.upstream import ScriptedUpstream

NUMBERS = count(1)
PATIENCE_S = 60.0
"""For connecting, which no cut is about: on a busy machine this process may get no turn for the usual 5 s."""
HEAD = (
    "client",
    "answer",
    "ending",
    "candidates",
    "cuts",
    "loud",
    "whole",
    "rescued",
    "silent",
    "false alarms",
    "odd",
    "asked twice",
)


@dataclass(frozen=True, slots=True)
class Group:
    """Cuts of one kind, read by one client: they share a gateway."""

    client: str
    dialect: Dialect
    drive: Drive
    kind: Kind
    way: str
    with_another: bool

    def __str__(self) -> str:
        return f"{self.client}, {self.kind}, {self.way}"

    def cuts(self, every: int, rng: random.Random) -> list[Cut]:
        """Every so many bytes, from a random one on, in random order; the whole length counts as well."""
        size = len((STREAMS if self.kind == "stream" else PLAIN)[self.dialect])
        lengths = list(range(rng.randrange(every), size + 1, every))
        rng.shuffle(lengths)
        return [
            Cut(next(NUMBERS), self.dialect, self.kind, self.way, length, self.with_another)
            for length in lengths
        ]


@dataclass(slots=True)
class Tally:
    """What came of a group."""

    cuts: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    asked_twice: int = 0
    complaints: list[str] = field(default_factory=list)

    def take(self, cut: Cut, expected: str, got: str) -> None:
        self.cuts += 1
        self.seen[_name(cut, expected, got)] += 1
        if (got == "raised") != (cut.outcome == "loud") or got not in ("raised", expected):
            self.complaints.append(f"{cut}: {cut.outcome!r} had to come of it, and the client got {got!r}")

    def count_requests(self, cut: Cut, number: int, detail: str) -> None:
        """Each cut is one request, of one provider: another would be paid for as well."""
        self.asked_twice += number > 1
        if number != 1:
            self.complaints.append(f"{cut}: asked {number} times, expected 1; the client said {detail}")


def _name(cut: Cut, whole: str, got: str) -> str:
    if got == "raised":
        return "loud" if cut.outcome == "loud" else "false alarm"
    if got == whole:
        return "silent" if cut.outcome == "loud" else cut.outcome
    return "odd" if got.startswith("odd: ") else "silent"


@dataclass(frozen=True, slots=True)
class Setting:
    """How all groups are run."""

    at_once: int
    silence_s: float
    authority: Authority | None = None
    """Whose certificates the upstreams have; None: they speak without TLS."""
    certificate: Path | None = None
    """The authority's own, as a file."""

    def upstream_tls(self) -> ssl.SSLContext | None:
        return None if self.authority is None else self.authority.serving()

    def config(self, group: Group, first: str, second: str) -> dict[str, Any]:
        # Only where it is what ends an answer: on a busy machine a short one might end a good one.
        silence = {"silence_s": f"{self.silence_s * 1000:.0f}ms"} if group.way == "stall" else {}
        limits = {"first_byte_with_another_s": "120s", **silence}
        others = [second] if group.with_another else []
        config = config_of(first, *others, **limits)
        config["overrides"] = {"upstream_connect_timeout": f"{PATIENCE_S:.0f}s"}
        if self.certificate is not None:
            config["overrides"]["upstream_tls_ca_path"] = str(self.certificate)
        return config


async def tally_of(group: Group, cuts: list[Cut], setting: Setting) -> Tally:
    """All cuts of a group at a gateway of their own, which must hold nothing afterwards."""
    tally = Tally()
    try:
        await _fill(tally, group, cuts, setting)
    except (AssertionError, TimeoutError) as error:
        tally.complaints.append(f"afterwards: {error!r}")
    tally.complaints += WITNESS.leaks()
    return tally


async def _fill(tally: Tally, group: Group, cuts: list[Cut], setting: Setting) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(CutUpstream(tls=setting.upstream_tls()))
        second = await stack.enter_async_context(ScriptedUpstream(tls=setting.upstream_tls()))
        config = setting.config(group, first.url, second.url)
        running = await stack.enter_async_context(gateway(config))
        await stack.enter_async_context(unharmed(running))
        async with official(running.url) as impatient, asyncio.TaskGroup() as readers:
            clients = replace(
                impatient,
                of_openai=impatient.of_openai.with_options(timeout=PATIENCE_S),
                of_anthropic=impatient.of_anthropic.with_options(timeout=PATIENCE_S),
            )
            whole = await group.drive(clients)
            left = iter(cuts)
            for _ in range(setting.at_once):
                readers.create_task(_read_all(group, clients, left, first, tally, whole))
        rescued = sum(cut.outcome == "rescued" for cut in cuts)
        if len(second.attempts) != rescued:
            tally.complaints.append(f"the second was asked {len(second.attempts)} times, expected {rescued}")
        second.close_idle()
        first.close_idle()


async def _read_all(
    group: Group, clients: Clients, left: Iterator[Cut], upstream: CutUpstream, tally: Tally, whole: str
) -> None:
    for cut in left:
        upstream.announce(cut)
        got, detail = await outcome_of(group.drive, replace(clients, models={cut.dialect: cut.model}))
        tally.take(cut, whole, got)
        tally.count_requests(cut, upstream.asked[cut.number], detail)


async def outcome_of(drive: Drive, clients: Clients) -> tuple[str, str]:
    """What the client made of its answer, and in which words it said so."""
    try:
        answer = await drive(clients)
    except RAISED as error:
        return "raised", repr(error)
    except Exception as error:  # noqa: BLE001 - what a program does not expect of its library is counted
        return f"odd: {error!r}", ""
    return answer, answer


def groups(options: argparse.Namespace) -> Iterator[Group]:
    """All that were asked for."""
    calls: list[tuple[Kind, str, Dialect, Drive]] = [
        *(("stream", name, dialect, drive) for name, (dialect, drive) in STREAMING.items()),
        *(("plain", name, dialect, drive) for name, (dialect, drive) in PLAIN_CALLS.items()),
    ]
    dialects, ways = options.dialect or [each.value for each in Dialect], options.way or list(WAYS)
    for kind, name, dialect, drive in calls:
        if dialect.value in dialects and (
            not options.client or (kind == "stream" and name in options.client)
        ):
            for way in ways:
                yield from (
                    Group(name, dialect, drive, kind, way, with_another) for with_another in (False, True)
                )


def _row(group: Group, tally: Tally) -> list[object]:
    seen = tally.seen
    return [
        group.client,
        group.kind,
        group.way,
        2 if group.with_another else 1,
        tally.cuts,
        *(seen[name] for name in ("loud", "whole", "rescued", "silent", "false alarm", "odd")),
        tally.asked_twice,
    ]


async def main(options: argparse.Namespace) -> list[str]:
    rng = random.Random(options.seed)
    began, rows, complaints = time.monotonic(), list[list[object]](), list[str]()
    with tempfile.TemporaryDirectory(prefix="plano-cuts-") as folder:
        setting = Setting(options.at_once, options.silence_s)
        if options.tls:
            authority = Authority()
            certificate = authority.write_pem(Path(folder) / "authority.pem")
            setting = replace(setting, authority=authority, certificate=certificate)
        for group in groups(options):
            cuts = group.cuts(options.another_every if group.with_another else options.every, rng)
            tally = await tally_of(group, cuts, setting)
            rows.append(_row(group, tally))
            complaints += [f"{group}: {each}" for each in tally.complaints]
    totals = [sum(int(str(row[at])) for row in rows) for at in range(4, len(HEAD))]
    print_table(HEAD, [*rows, ["all", "", "", "", *totals]], words=3)
    print(f"seed {options.seed}, {time.monotonic() - began:.0f} s")
    return complaints


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dialect", action="append", choices=[each.value for each in Dialect])
    parser.add_argument("--way", action="append", choices=list(WAYS), help="how answers are cut")
    parser.add_argument("--client", action="append", choices=list(STREAMING), help="its streams alone")
    parser.add_argument("--every", type=int, default=1, help="cut at every so many bytes")
    parser.add_argument("--another-every", type=int, default=5, help="the same with a second candidate")
    parser.add_argument("--tls", action="store_true", help="the upstreams speak TLS")
    parser.add_argument("--at-once", type=int, default=48, help="requests under way")
    parser.add_argument("--silence-s", type=float, default=0.2, help="the limit that ends a stall")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    return parser.parse_args()


if __name__ == "__main__":
    run(partial(main, options()))
