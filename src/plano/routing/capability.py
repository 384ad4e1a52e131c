"""Which candidates cannot take a request at all: they are passed over, with the reason.

Only what is known counts. What nobody has said about a model is taken for possible, and a request that
none of its candidates can take goes to the first of them: its provider says best what is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from plano.catalog.capabilities import Capabilities
from plano.catalog.catalog import Model
from plano.chat.needs import Needs
from plano.routing.decision import Candidate, Decision, Inability, Reason

Known = Callable[[Model, str], Capabilities]
"""What is known of a model, or of a wildcard's member under the name it is sent by."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What is worth finding out about a request."""

    images: bool
    tokens: int
    """Up to how many; 0: none need be counted."""


Reading = Callable[[Worth], Awaitable[Needs]]
"""Reads what a request needs."""


class Preflight:
    """Passes over candidates that are known not to be able."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def concerns(self, candidates: Sequence[Candidate]) -> bool:
        """Whether any of several candidates has a known limit; one alone is asked whatever it can."""
        return len(candidates) > 1 and any(self._of(each).has_limits for each in candidates)

    async def fitted(self, decision: Decision, reading: Reading) -> Decision:
        """The decision without those that cannot take the request."""
        candidates = decision.candidates
        if decision.step is None or not self.concerns(candidates):
            return decision
        facts = [self._of(each) for each in candidates]
        windows = [each.context_tokens for each in facts if each.context_tokens is not None]
        needs = await reading(Worth(any(each.images is False for each in facts), max(windows, default=0)))
        judged = [
            (each, _unable(of, needs))
            for each, of in zip(candidates, facts, strict=True)
            if needs.dialect in each.model.endpoints
        ]
        able = tuple(each for each, why in judged if why is None)
        if len(judged) < 2 or len(able) == len(judged):
            return decision
        skipped = [
            Reason(decision.step, "skipped", f"{each.id}: {why[1]}", kind=why[0])
            for each, why in judged
            if why is not None
        ]
        if not able:
            able = (judged[0][0],)
            skipped[0] = replace(
                skipped[0],
                because=f"{skipped[0].because}; asked nevertheless: nobody is able",
                kind=None,
            )
        return replace(decision, candidates=able, reasons=(*decision.reasons, *skipped))

    def _of(self, candidate: Candidate) -> Capabilities:
        return self._known(candidate.model, candidate.upstream_model)


def _unable(facts: Capabilities, needs: Needs) -> tuple[Inability, str] | None:
    """Why a model with these cannot take a request with those needs; None: as far as is known, it can."""
    if facts.context_tokens is not None and needs.tokens > facts.context_tokens:
        return (
            "context_too_small",
            f"the prompt is longer than the {facts.context_tokens} tokens that it takes",
        )
    if needs.images and facts.images is False:
        return "no_images", "it takes no images, and the request has some"
    if needs.tools and facts.tools is False:
        return "no_tools", "it calls no tools, and the request brings some"
    if needs.structured_output and facts.structured_output is False:
        return "no_structured_output", "it answers after no JSON schema, and the request has one"
    return None
