"""How long and how often everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """One for a figure to keep, one for a look."""

    rounds: int
    busy_s: float
    """At 64 connections, each kind of request."""
    alone_s: float
    """At one connection, each kind of request."""
    decisions: int
    """One after the other, of each kind, whose latency is taken."""
    loops: int
    """Of an agent."""
    probed_s: float
    """Of pings, under each pressure."""
    restarts: int
    """For the time to the first decision, and for loading."""


FULL = Pace(rounds=5, busy_s=1.4, alone_s=1.0, decisions=150, loops=10, probed_s=3.0, restarts=5)
QUICK = Pace(rounds=3, busy_s=0.4, alone_s=0.4, decisions=50, loops=3, probed_s=1.5, restarts=3)
