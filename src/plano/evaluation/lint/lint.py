"""Reads routes for faults: every check, in the order of the routes."""

from __future__ import annotations

from collections.abc import Sequence

from plano.catalog.catalog import Route
from plano.classifiers.embedded.profile import Encode
from plano.evaluation.lint.competition import RouteReading, overlaps, unreachable
from plano.evaluation.lint.descriptions import descriptions
from plano.evaluation.lint.domain import domain
from plano.evaluation.lint.finding import Finding
from plano.evaluation.lint.measure import Measure
from plano.evaluation.lint.names import names


def lint(routes: Sequence[Route], encode: Encode, threshold: float) -> tuple[Finding, ...]:
    """What is wrong with at least one route, as the embedded router with this threshold reads them."""
    reading = RouteReading(routes, Measure(encode), threshold)
    alone = list(descriptions(reading))
    if len(routes) == 1:
        return tuple(alone)
    called = list(names(reading))
    spoken_for = {
        finding.at for finding in (*alone, *called) if finding.code in ("catch-all", "bare", "name")
    }
    misled = _pairs(called)
    lost = [
        finding
        for finding in unreachable(reading)
        if finding.at not in spoken_for and misled.isdisjoint(_pairs([finding]))
    ]
    told = misled | _pairs(lost)
    found = [*alone, *called, *lost, *overlaps(reading, told), *domain(reading)]
    return tuple(sorted(found, key=lambda finding: finding.at))


def _pairs(findings: Sequence[Finding]) -> set[frozenset[int]]:
    return {frozenset((each.at, each.other)) for each in findings if each.other is not None}
