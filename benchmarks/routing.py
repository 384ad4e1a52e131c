"""How often the embedded router is right, on public data sets: `python -m benchmarks.routing`.

It asks the router that ships, with its defaults, through the same objects as the gateway. The data are
not part of the project: `--data` names a folder with them (docs/routing.md says which, and whose).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plano.catalog.catalog import Route
from plano.catalog.names import RouteName
from plano.classifiers.embedded.judgement import THRESHOLD
from plano.classifiers.embedded.router import EmbeddedRouter
from plano.evaluation.accuracy import Accuracy, Outcome, Share, accuracy, clustered
from plano.evaluation.calibration import Scored, fit
from plano.evaluation.labelled import LabelledFile
from plano.routing.reading import read
from plano.routing.route_set import RouteSet
from plano.routing.utterance import Utterance
from plano.routing.verdict import Matched, NoneFits, Verdict

DATA = Path(__file__).parents[2] / "shared" / "routing-data"
SEED = 7
ROUTES_DRAWN = 12
DRAWS, QUICK_DRAWS = 20, 4
EXAMPLES = 3
QUICK_LINES = 400
SAME_STYLE = {"other-lang": "other-language", "oos": "out-of-scope"}
"""Styles of the gateway conversations that have two names."""
READ_TOKENS = 8192
"""The default of `orchestrator_model_context_length`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    share: Share
    floor: float | None = None
    """What it must reach; None: for the record only."""

    @property
    def is_met(self) -> bool:
        return self.floor is None or self.share.accuracy >= self.floor


@dataclass(frozen=True, slots=True)
class Labelled:
    """An utterance and its route; None: out of scope."""

    text: str
    gold: str | None


Judge = Callable[[Sequence[Utterance], RouteSet], Verdict]


def main() -> int:
    arguments = _arguments()
    began = time.monotonic()
    router = EmbeddedRouter()
    files = Files(arguments.data)
    if arguments.training:
        rows = list(measured_on_training(router.judge, files, quick=arguments.quick))
    else:
        rows = list(measured(router.judge, files, quick=arguments.quick))
    router.close()
    _show(rows, time.monotonic() - began, quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps([_document(row) for row in rows], indent=1), "utf-8")
    # A quick look has too few lines to miss anything by.
    return 0 if arguments.quick or all(row.is_met for row in rows) else 1


def measured(judge: Judge, files: Files, *, quick: bool) -> Iterator[Row]:
    """Every row, each as soon as it is known."""
    draws = QUICK_DRAWS if quick else DRAWS
    clinc, val = files.routes("clinc150"), files.labelled("clinc150_val")
    train = files.labelled("clinc150_train")
    yield Row("12 of CLINC150, zero-shot", drawn(judge, clinc, val, draws), 0.935)
    yield Row(f"12 of CLINC150, {EXAMPLES} examples", drawn(judge, clinc, val, draws, shown=train), 0.96)
    yield Row("150 of CLINC150, zero-shot", flat(judge, clinc, val, quick=quick), 0.80)
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


@dataclass(frozen=True, slots=True)
class Told:
    """The outcomes of a file, with what its lines say of themselves."""

    outcomes: tuple[Outcome, ...]
    said: tuple[dict[str, str], ...]

    @property
    def accuracy(self) -> Accuracy:
        return accuracy(self.outcomes)

    def by(self, what: str) -> dict[str, list[list[bool]]]:
        """Right or not, by what the lines say under a name, and by conversation."""
        found: dict[str, dict[str, list[bool]]] = {}
        for outcome, said in zip(self.outcomes, self.said, strict=True):
            turns = found.setdefault(said[what], {}).setdefault(outcome.conversation, [])
            turns.append(outcome.gold == outcome.predicted)
        return {name: list(conversations.values()) for name, conversations in found.items()}


def dialogues(judge: Judge, lines: Iterable[tuple[Asked, dict[str, str]]]) -> Told:
    """Every turn judged, in order, as a gateway would see them come."""
    outcomes, said = [], []
    for asked, more in lines:
        began = time.perf_counter()
        verdict = judge(asked.utterances, asked.routes)
        took_ms = (time.perf_counter() - began) * 1e3
        outcomes.append(Outcome(asked.conversation, asked.right_for(given(verdict)), given(verdict), took_ms))
        said.append(more)
    return Told(tuple(outcomes), tuple(said))


@dataclass(frozen=True, slots=True)
class Asked:
    conversation: str
    utterances: Sequence[Utterance]
    golds: tuple[str | None, ...]
    """Any of them is right."""
    routes: RouteSet

    def right_for(self, predicted: str | None) -> str | None:
        return predicted if predicted in self.golds else self.golds[0]


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
        with path.open("rb") as lines, path.open("rb") as again:
            turns = LabelledFile(
                path.name, lines, RouteSet([]), partial(read, budget_tokens=READ_TOKENS)
            ).turns()
            beside = map(json.loads, again)
            for number, (turn, line) in enumerate(zip(turns, beside, strict=True)):
                if quick and number >= QUICK_LINES:
                    return
                more = {key: line[key] for key in ("set", "style") if key in line}
                if "style" in more:
                    more["style"] = SAME_STYLE.get(more["style"], more["style"])
                golds = (turn.gold, *turn.also)
                yield Asked(turn.conversation, turn.utterances, golds, turn.routes), more


def _route(name: str, description: str) -> Route:
    return Route(RouteName(name), description, ())


def _with_examples(route: Route, shown: Sequence[Labelled], chance: random.Random) -> Route:
    own = [line.text for line in shown if line.gold == route.name]
    return Route(route.name, route.description, (), examples=tuple(chance.sample(own, EXAMPLES)))


def _sample(lines: Sequence[Labelled], most: int) -> list[Labelled]:
    return random.Random(SEED).sample(list(lines), min(most, len(lines)))


def one_turn(text: str) -> tuple[Utterance, ...]:
    return (Utterance("user", text),)


def given(verdict: Verdict) -> str | None:
    match verdict:
        case Matched(route, _, _):
            return route
        case NoneFits():
            return None
        case unable:
            raise SystemExit(unable.because)


# --- what is printed ---


def _show(rows: Sequence[Row], took_s: float, *, quick: bool) -> None:
    table = Table(title="The embedded router" + (", a quick look" if quick else ""), title_justify="left")
    table.add_column("")
    for heading in ("n", "right", "95 %", "at least", ""):
        table.add_column(heading, justify="right")
    for row in rows:
        share = row.share
        floor = "" if row.floor is None else f"{row.floor:.1%}"
        met = "" if quick or row.floor is None else "met" if row.is_met else "MISSED"
        between = f"{share.low * 100:.1f} to {share.high * 100:.1f}"
        table.add_row(row.what, f"{share.n}", f"{share.accuracy:.1%}", between, floor, met)
    console = Console(width=100)
    console.print(table)
    console.print(f"seed {SEED}; {took_s:.0f} s")


def _document(row: Row) -> dict[str, object]:
    share = row.share
    return {
        "what": row.what.strip(),
        "n": share.n,
        "accuracy": share.accuracy,
        "low": share.low,
        "high": share.high,
        "floor": row.floor,
    }


def read_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, with `--data`, a folder that is there, and `--quick`."""
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of labelled files")
    parser.add_argument("--quick", action="store_true", help="fewer draws and lines: a few seconds")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: expected a folder with the labelled files; name it by --data")
    return arguments


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument(
        "--training", action="store_true", help="the training parts, which nothing was chosen by"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    return read_arguments(parser)


if __name__ == "__main__":
    sys.exit(main())
