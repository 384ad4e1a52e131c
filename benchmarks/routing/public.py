"""The same router on public data sets, which are not part of the project: a folder with them is named
(docs/routing.md says which they are, and whose).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.routing.measuring import Asked, Judge, Row, dialogues, given, one_turn, read_lines
from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.judgement import THRESHOLD
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.evaluation.accuracy import Share, clustered
from plano.evaluation.calibration import Scored, fit
from plano.routing.route_set import RouteSet
from plano.routing.verdict import Matched, NoneFits, Verdict

DATA = Path(__file__).parents[3] / "shared" / "routing-data"
SEED = 7
ROUTES_DRAWN = 12
DRAWS, QUICK_DRAWS = 20, 4
EXAMPLES = 3
QUICK_LINES = 400
SAME_STYLE = {"other-lang": "other-language", "oos": "out-of-scope"}
"""Styles of the gateway conversations that have two names."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An utterance and its route; None: out of scope."""

    text: str
    gold: str | None


def measured(judge: Judge, files: Files, *, quick: bool, has_threshold: bool) -> Iterator[Row]:
    """Every row, each as soon as it is known; `has_threshold`: it is the embedded router, whose threshold
    can be fitted."""
    draws = QUICK_DRAWS if quick else DRAWS
    clinc, val = files.routes("clinc150"), files.labelled("clinc150_val")
    train = files.labelled("clinc150_train")
    yield Row("12 of CLINC150, zero-shot", drawn(judge, clinc, val, draws), 0.935)
    yield Row(f"12 of CLINC150, {EXAMPLES} examples", drawn(judge, clinc, val, draws, shown=train), 0.96)
    yield Row("150 of CLINC150, zero-shot", flat(judge, clinc, val, quick=quick), 0.80)
    if has_threshold:
        yield Row("in and out of scope, calibrated", calibrated(clinc, val, draws), 0.87)
    yield Row("in and out of scope, by default", in_and_out(judge, clinc, val, draws))
    sgd = dialogues(judge, files.conversations("sgd_dev", quick=quick)).accuracy
    yield Row("SGD turns", sgd.turns, 0.77)
    yield Row("SGD spans", sgd.spans, 0.70)
    yield Row("SGD conversations", sgd.conversations, 0.49)
    yield from gateway_rows(judge, files)
    hwu = files.labelled("hwu64_valid")
    yield Row("64 of HWU64, zero-shot", flat(judge, files.routes("hwu64"), hwu, quick=quick))
    banking = _sample(files.labelled("banking77_train"), 1500)
    names = sorted({line.gold for line in banking if line.gold})
    yield Row(
        "77 of banking77, names only", flat(judge, [_route(name, "") for name in names], banking, quick=quick)
    )


def measured_on_training(judge: Judge, files: Files, *, quick: bool) -> Iterator[Row]:
    """The training parts, which nothing was chosen by: a check on the rows above."""
    draws = QUICK_DRAWS if quick else DRAWS
    clinc, train = files.routes("clinc150"), files.labelled("clinc150_train")
    yield Row("12 of CLINC150, zero-shot", drawn(judge, clinc, train, draws))
    yield Row("150 of CLINC150, zero-shot", flat(judge, clinc, train, quick=quick))
    hwu = files.labelled("hwu64_train")
    yield Row("64 of HWU64, zero-shot", flat(judge, files.routes("hwu64"), hwu, quick=quick))
    sgd = dialogues(judge, files.conversations("sgd_train", quick=quick)).accuracy
    yield Row("SGD turns", sgd.turns)
    yield Row("SGD spans", sgd.spans)
    yield Row("SGD conversations", sgd.conversations)


def gateway_rows(judge: Judge, files: Files) -> Iterator[Row]:
    """The conversations as gateway users write them: all, and by what they are like."""
    told = dialogues(judge, files.conversations("gateway_dev", quick=False))
    whole = told.accuracy
    yield Row("gateway turns", whole.turns, 0.55)
    yield Row("gateway spans", whole.spans)
    yield Row("gateway conversations", whole.conversations, 0.40)
    for name, right in sorted(told.by("set").items()):
        yield Row(f"  route set {name}", clustered(right))
    for name, right in sorted(told.by("style").items(), key=lambda item: -sum(map(len, item[1]))):
        yield Row(f"  {name}", clustered(right))


# --- single utterances ---


def drawn(
    judge: Judge,
    routes: Sequence[Route],
    lines: Sequence[Labelled],
    draws: int,
    shown: Sequence[Labelled] = (),
) -> Share:
    """Random route sets; each draw is a cluster. `shown`: where each route's examples are taken from."""
    return clustered(
        [
            [
                given(judge(one_turn(line.text), chosen)) == line.gold
                for line in lines
                if chosen.named(line.gold or "")
            ]
            for chosen in route_sets(routes, draws, shown)
        ]
    )


def route_sets(routes: Sequence[Route], draws: int, shown: Sequence[Labelled] = ()) -> Iterator[RouteSet]:
    """The same for every row, with or without examples."""
    chance, examples_chance = random.Random(SEED), random.Random(SEED + 1)
    for _ in range(draws):
        chosen = chance.sample(list(routes), ROUTES_DRAWN)
        if shown:
            chosen = [_with_examples(route, shown, examples_chance) for route in chosen]
        yield RouteSet(chosen)


def flat(judge: Judge, routes: Sequence[Route], lines: Sequence[Labelled], *, quick: bool) -> Share:
    """All routes at once; every line is a cluster of its own. Out-of-scope lines are left out."""
    routable = [line for line in lines if line.gold is not None]
    every = RouteSet(routes)
    asked = _sample(routable, QUICK_LINES) if quick else routable
    return clustered([[given(judge(one_turn(line.text), every)) == line.gold] for line in asked])


def in_and_out(judge: Judge, routes: Sequence[Route], lines: Sequence[Labelled], draws: int) -> Share:
    """Twelve routes' lines and all that are out of scope together."""
    return clustered(
        [
            [given(judge(one_turn(line.text), chosen)) == line.gold for line in _in_or_out(lines, chosen)]
            for chosen in route_sets(routes, draws)
        ]
    )


def calibrated(routes: Sequence[Route], lines: Sequence[Labelled], draws: int) -> Share:
    """The same, the threshold of each draw fitted on one half of its lines and measured on the other."""
    router = EmbeddedRouter(threshold=0.0)
    chance = random.Random(SEED)
    clusters = []
    for chosen in route_sets(routes, draws):
        asked = list(_in_or_out(lines, chosen))
        chance.shuffle(asked)
        scored = [_scored(line, router.judge(one_turn(line.text), chosen)) for line in asked]
        half = len(scored) // 2
        threshold = fit(scored[:half], THRESHOLD)
        clusters.append([turn.is_right(threshold) for turn in scored[half:]])
    router.close()
    return clustered(clusters)


def _in_or_out(lines: Iterable[Labelled], chosen: RouteSet) -> Iterator[Labelled]:
    return (line for line in lines if line.gold is None or chosen.named(line.gold))


def _scored(line: Labelled, verdict: Verdict) -> Scored:
    match verdict:
        case Matched(route, score, _):
            return Scored(line.text, line.gold, route, score or 0.0)
        case NoneFits(_, nearest, score, _):
            return Scored(line.text, line.gold, nearest, score or 0.0)
        case unable:
            raise SystemExit(unable.because)


# --- conversations ---


class Files:
    """The labelled files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def routes(self, name: str) -> list[Route]:
        found = json.loads((self._folder / f"{name}_routes.json").read_text("utf-8"))
        return [_route(each["name"], each["description"]) for each in found]

    def labelled(self, name: str) -> list[Labelled]:
        """Single utterances."""
        lines = (self._folder / f"{name}.jsonl").read_text("utf-8").splitlines()
        read_lines = map(json.loads, lines)
        return [Labelled(line["messages"][-1]["content"], line["route"]) for line in read_lines]

    def conversations(self, name: str, *, quick: bool) -> Iterator[tuple[Asked, dict[str, str]]]:
        """Whole conversations, read as the gateway reads a request, and the other members of each line."""
        path = self._folder / f"{name}.jsonl"
        with path.open("rb") as lines:
            for number, (asked, more) in enumerate(read_lines(path.name, lines, ("set", "style"))):
                if quick and number >= QUICK_LINES:
                    return
                if "style" in more:
                    more["style"] = SAME_STYLE.get(more["style"], more["style"])
                yield asked, more


def _route(name: str, description: str) -> Route:
    return Route(RouteName(name), description, ())


def _with_examples(route: Route, shown: Sequence[Labelled], chance: random.Random) -> Route:
    own = [line.text for line in shown if line.gold == route.name]
    return Route(route.name, route.description, (), examples=tuple(chance.sample(own, EXAMPLES)))


def _sample(lines: Sequence[Labelled], most: int) -> list[Labelled]:
    return random.Random(SEED).sample(list(lines), min(most, len(lines)))


def read_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, with `--data`, a folder that is there, and `--quick`."""
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of labelled files")
    parser.add_argument("--quick", action="store_true", help="fewer draws and lines: a few seconds")
    arguments = parser.parse_args()
    if not arguments.data.is_dir() and getattr(arguments, "on", "public") == "public":
        parser.error(f"{arguments.data}: expected a folder with the labelled files; name it by --data")
    return arguments
