"""The routers that can be measured, each as a function from a conversation and routes to a verdict."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.routing.measuring import Judge, sure
from plano.catalog.names import RouteName
from plano.classifiers.embedded.encoder import MODEL_FOLDER, Encoder
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.classifiers.embedded.vectors import Vectors
from plano.in_process import Router
from plano.routing.asked import Asked, already_read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Unable, Verdict

MIB = 1024 * 1024
NEAR_ENOUGH = 0.18
"""The cosine under which the untrained encoder says none: where it is right most often on the corpus' dev
split."""
_WORD = re.compile(r"\w+")
K1, B = 1.5, 0.75
"""The usual constants of BM25 (S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework", 2009)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A router under measurement."""

    name: str
    judge: Judge
    size: str
    """What has to be shipped or served."""
    has_threshold: bool = False


def embedded(stack: ExitStack) -> Measured:
    """The one that ships, with its defaults."""
    router = EmbeddedRouter()
    stack.callback(router.close)
    shipped = sum(path.stat().st_size for path in MODEL_FOLDER.iterdir()) / MIB
    return Measured("the embedded router", sure(router), f"{shipped:.0f} MiB", has_threshold=True)


def untrained(folder: Path) -> Measured:
    """The encoder as it was published: the route whose words are nearest to the latest turn."""
    encoder = Encoder.load(folder)
    read: dict[bytes, Vectors] = {}

    def judge(conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        if routes.key not in read:
            read[routes.key] = encoder.encode([f"{each.name}: {each.description}" for each in routes])
        near = read[routes.key] @ encoder.encode([conversation[-1].text])[0]
        return _nearest(routes, [float(each) for each in near], NEAR_ENOUGH)

    size = (folder / "encoder.onnx").stat().st_size / MIB
    return Measured("all-MiniLM-L6-v2, nearest description", judge, f"{size:.0f} MiB")


def bm25(_: ExitStack) -> Measured:
    """Words in common between the latest turn and the routes, weighted by how rare they are among them."""
    return Measured("BM25", _bm25, "0 MiB")


def served(stack: ExitStack, base_url: str, model: str, folder: Path) -> Measured:
    """A model behind an OpenAI-compatible API, asked as the gateway asks it; the key, if it needs one, in
    ROUTER_API_KEY. `folder`: where a configuration for it is written."""
    name = f"plano/{model}"
    provider = {"model": name, "base_url": base_url}
    if os.environ.get("ROUTER_API_KEY"):
        provider["access_key"] = "$ROUTER_API_KEY"
    document = {
        "version": "v0.4.0",
        "model_providers": [provider],
        "overrides": {"llm_routing_model": name},
        "routing": {"decision_timeout_ms": 30_000, "fallback_router": "none"},
        "routing_preferences": [{"name": "any", "description": "anything", "models": [name]}],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    router = stack.enter_context(Router.from_file(path))

    def judge(conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
        reason = router.prefer(Asked(None, already_read(tuple(conversation)), routes)).reason
        if reason.outcome == "chose" and reason.route is not None:
            return Matched(reason.route, reason.score, reason.margin)
        because = reason.because or "none fits"
        return NoneFits(because) if reason.router is not None else Unable(because)

    return Measured(model, judge, "served")


def _bm25(conversation: Sequence[Utterance], routes: RouteSet) -> Verdict:
    documents = [Counter(_words(f"{each.name} {each.description}")) for each in routes]
    holders = Counter(word for document in documents for word in document)
    mean = sum(map(Counter.total, documents)) / len(documents)
    asked = set(_words(conversation[-1].text))

    def score(document: Counter[str]) -> float:
        length = K1 * (1 - B + B * document.total() / mean)
        return sum(
            math.log(1 + (len(documents) - holders[word] + 0.5) / (holders[word] + 0.5))
            * document[word]
            * (K1 + 1)
            / (document[word] + length)
            for word in asked & document.keys()
        )

    return _nearest(routes, [score(document) for document in documents], 1e-9)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("_", " "))


def _nearest(routes: RouteSet, scores: Sequence[float], least: float) -> Verdict:
    best = max(range(len(scores)), key=scores.__getitem__)
    name: RouteName = list(routes)[best].name
    if scores[best] < least:
        return NoneFits(f"the best score, {scores[best]:.2f}, is under {least:.2f}", name, scores[best])
    return Matched(name, scores[best])


Make = Callable[[ExitStack], Measured]
