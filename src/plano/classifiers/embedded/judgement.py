"""From how near each route is to a verdict that explains itself."""

from __future__ import annotations

import numpy as np

from plano.classifiers.embedded.profile import Profile, Vectors
from plano.routing.verdict import Matched, NoneFits, Verdict

THRESHOLD = 0.2
"""A best score under this means that no route fits, unless the configuration says otherwise."""


def verdict_of(likeness: Vectors, profile: Profile, threshold: float = THRESHOLD) -> Verdict:
    """The nearest route, if it is near enough."""
    order = np.argsort(-likeness, kind="stable")
    best = int(order[0])
    score = float(likeness[best])
    margin = score - float(likeness[order[1]]) if len(order) > 1 else None
    route = profile.names[best]
    if score >= threshold:
        return Matched(route, score, margin)
    because = f"the best score, {score:.2f}, is under the threshold, {threshold:.2f}"
    return NoneFits(because, route, score, margin)
