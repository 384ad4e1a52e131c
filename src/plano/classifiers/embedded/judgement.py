"""From turns and routes to a verdict that explains itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plano.classifiers.embedded.history import Turn, continues, likeness
from plano.classifiers.embedded.profile import Profile
from plano.classifiers.embedded.vectors import Vectors
from plano.routing.verdict import Matched, NoneFits, Verdict

THRESHOLD = 0.25
"""A best score under this means that no route fits, unless the configuration says otherwise."""
CAUTION = 0.1
"""By how much the scores of somebody's tasks are lowered until one is under way: there direct words are
all there is to go by, and what is out of scope often shares some."""
SURELY_SMALL_TALK = 0.7
"""A turn more likely than this to be small talk belongs to no route that is not for it."""
SURELY_IN_PASSING = 0.85
"""The same of a turn that follows others: "now in Go" and "again" go on with something, thanks and laughter
are plainer than that."""
DIRECT = 0.35
"""Unless its words are this near to a route's own: a shop's assistant may have a route for thanks."""


def judged(turns: Sequence[Turn], profile: Profile, threshold: float) -> Verdict:
    """The route that fits the latest of `turns`, if one does. For small talk there is no nearest one."""
    goes_on = continues(turns, profile)
    surely = SURELY_IN_PASSING if len(turns) > 1 else SURELY_SMALL_TALK
    if not goes_on and _is_small_talk(turns[-1].vector, profile, surely):
        return NoneFits("the latest turn is small talk, and no route is for that")
    near = likeness(turns, profile) - (0.0 if goes_on else CAUTION * (1.0 - profile.known))
    order = np.argsort(-near, kind="stable")
    score = float(near[order[0]])
    margin = score - float(near[order[1]]) if len(order) > 1 else None
    route = profile.names[int(order[0])]
    if score >= threshold:
        return Matched(route, score, margin)
    because = f"the best score, {score:.2f}, is under the threshold, {threshold:.2f}"
    return NoneFits(because, route, score, margin)


def _is_small_talk(vector: Vectors, profile: Profile, surely: float) -> bool:
    return (
        not profile.takes_small_talk
        and profile.small_talk(vector) > surely
        and profile.directness(vector) < DIRECT
    )
