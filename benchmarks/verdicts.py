"""The figures that the gateway must reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import FLOOR, GATEWAY, UPSTREAM, Round, Spread, added, over, plain, ratio

KIB = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target of the project."""

    what: str
    wanted: str
    found: str
    met: bool | None
    """None when it was not measured."""


def verdicts(
    rounds: Sequence[Round],
    memory: Mapping[str, Mapping[str, float]],
    start: Mapping[str, float],
    peers: Sequence[str],
) -> list[Verdict]:
    own = memory.get(GATEWAY, {})
    held = max((value for name, value in own.items() if name.startswith("held ")), default=None)
    idle = own.get("idle stream bytes")
    return [
        at_most("CPU a 1 KB request, by the floor's", cpu_by_floor(rounds), 2.0),
        below_peers(rounds, peers),
        at_most("p50 added at one connection, by the floor's", added_by_floor(rounds, "p50 1 KB us"), 1.6),
        at_most("first byte of a stream added, by the floor's", added_by_floor(rounds, "first p50 us"), 1.6),
        at_most("CPU a 1 MB request, by a 1 KB one's", by_size(rounds), 25.0),
        at_most("memory by the bodies in flight", alone(held), 3.0),
        at_most("an idle stream", alone(None if idle is None else idle / KIB), 24.0, " KiB"),
        at_most("import plano", alone(start.get("import ms")), 150.0, " ms"),
        at_most("plano up to /readyz", alone(start.get("ready ms")), 700.0, " ms"),
    ]


def cpu_by_floor(rounds: Sequence[Round]) -> Spread | None:
    return over(rounds, ratio(plain(GATEWAY, "cpu 1 KB us"), plain(FLOOR, "cpu 1 KB us")))


def added_by_floor(rounds: Sequence[Round], metric: str) -> Spread | None:
    return over(rounds, ratio(added(GATEWAY, metric, UPSTREAM), added(FLOOR, metric, UPSTREAM)))


def by_size(rounds: Sequence[Round]) -> Spread | None:
    return over(rounds, ratio(plain(GATEWAY, "cpu 1 MB us"), plain(GATEWAY, "cpu 1 KB us")))


def alone(value: float | None) -> Spread | None:
    return None if value is None else Spread(value, value, value)


def at_most(what: str, found: Spread | None, limit: float, unit: str = "x") -> Verdict:
    wanted = f"<= {limit:g}{unit}"
    if found is None:
        return Verdict(what, wanted, "not measured", None)
    apart = "" if found.low == found.high else f" ({found.low:.2f} to {found.high:.2f})"
    return Verdict(what, wanted, f"{found.typical:.2f}{unit}{apart}", found.typical <= limit)


def below_peers(rounds: Sequence[Round], peers: Sequence[str]) -> Verdict:
    what, wanted = "CPU a 1 KB request, by each peer's", "< 1x"
    found = {
        peer: spread.typical
        for peer in peers
        if (spread := over(rounds, ratio(plain(GATEWAY, "cpu 1 KB us"), plain(peer, "cpu 1 KB us"))))
    }
    if not found:
        return Verdict(what, wanted, "not measured", None)
    told = ", ".join(f"{peer} {value:.2f}x" for peer, value in found.items())
    return Verdict(what, wanted, told, all(value < 1 for value in found.values()))
