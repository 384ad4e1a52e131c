"""What a decision means for a dialect: who is asked, in which order, who sends it, what is told of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from plano.chat.dialect import Dialect
from plano.errors import DialectNotSpoken
from plano.exchange.heads import decision_lines
from plano.exchange.ports import Upstream
from plano.routing.decision import Candidate, Decision
from plano.routing.health import Health
from plano.routing.router import nobody_decided
from plano.wire.dialects import DIALECTS

MOST_WAYS = 4096
"""Ways remembered for each dialect; wildcard members can be any number."""


class Way(msgspec.Struct, frozen=True):
    """What a decision means for one dialect; worked out once for a decision that is remembered."""

    decision: Decision
    candidates: tuple[Candidate, ...]
    """Those that speak it, in order."""
    candidate: Candidate
    """The first, to whom the request is sent."""
    upstream: Upstream
    lines: bytes
    """The field lines that tell of the decision."""


class Ways:
    """Finds ways; remembers those of decisions that the ladder remembers."""

    def __init__(self, upstreams: Mapping[str, Upstream], health: Health) -> None:
        """`upstreams`: by the scheme of the endpoint (`http`, `https`, `simulated`)."""
        self._upstreams = upstreams
        self._health = health
        self._ways: dict[Dialect, dict[int, Way]] = {dialect: {} for dialect in DIALECTS}

    def known(self, dialect: Dialect, decision: Decision) -> Way:
        """The way of a decision that the ladder remembers."""
        ways = self._ways[dialect]
        way = ways.get(id(decision))
        if way is None or way.decision is not decision:
            way = self.of(dialect, decision)
            if len(ways) >= MOST_WAYS:
                ways.clear()
            ways[id(decision)] = way
        return way

    def of(self, dialect: Dialect, decision: Decision) -> Way:
        """To the first candidate that speaks the client's dialect. Raises NoModel, DialectNotSpoken."""
        if not decision.candidates:
            raise nobody_decided(decision)
        able = tuple(each for each in decision.candidates if dialect in each.model.endpoints)
        if not able:
            raise DialectNotSpoken(_not_spoken(dialect, decision.candidates[0]), param="model")
        return self.to(dialect, decision, able, able[0])

    def to(
        self, dialect: Dialect, decision: Decision, able: tuple[Candidate, ...], candidate: Candidate
    ) -> Way:
        """To this one of those that speak the dialect."""
        upstream = self._upstreams[candidate.model.endpoints[dialect].scheme]
        return Way(decision, able, candidate, upstream, decision_lines(decision, candidate))

    def healthy(self, dialect: Dialect, way: Way) -> Way:
        """The way, with those that rest at its end."""
        ordered = self._health.order(way.candidates)
        return way if ordered is way.candidates else self.to(dialect, way.decision, ordered, ordered[0])


def _not_spoken(dialect: Dialect, candidate: Candidate) -> str:
    spoken = ", ".join(sorted(DIALECTS[each].path for each in candidate.model.endpoints))
    return (
        f"{candidate.id!r} is not spoken to through {DIALECTS[dialect].path}; "
        f"its provider understands {spoken}. Use that path, or name another model."
    )
