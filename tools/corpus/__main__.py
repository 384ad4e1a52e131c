"""The corpus from the command line: `python -m tools.corpus check`, and what else `--help` lists."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tools.corpus.agreement import agreement
from tools.corpus.checking import faults
from tools.corpus.diversity import SAMPLED, diversity
from tools.corpus.held import CORPUS, SPLITS, Gold, RouteSet, Turn, read_all, read_split, write
from tools.corpus.written import parse_file

OTHERS = CORPUS.parents[1] / "shared" / "routing-data"
SECOND = CORPUS / "second.jsonl"
NATURAL = ("clinc150_train", "hwu64_train", "banking77_train", "sgd_dev", "gateway_dev")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.corpus", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _command(commands, "check", _check, "whether the corpus is sound, and its splits apart")
    _command(commands, "count", _count, "how much of what there is")
    _command(commands, "agreement", _agreement, "what a second labelling says of the first")
    lines = _command(commands, "lines", _lines, "a split as lines for `plano eval`, on standard output")
    lines.add_argument("split", choices=SPLITS)
    add = _command(commands, "add", _add, "take in route sets that were written as text")
    add.add_argument("files", nargs="+", type=Path)
    varied = _command(commands, "diversity", _diversity, "how varied it is, beside sets of other origin")
    varied.add_argument("--others", type=Path, default=OTHERS, help="a folder of labelled lines")
    arguments = parser.parse_args()
    found: int = arguments.run(arguments)
    return found


Run = Callable[[argparse.Namespace], int]


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Run, told: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=told, description=told)
    parser.set_defaults(run=run)
    return parser


def _check(_: argparse.Namespace) -> int:
    found = list(faults(read_all()))
    for each in found:
        print(each)
    print(f"{len(found)} faults" if found else "the corpus is sound, and its splits are apart")
    return 1 if found else 0


def _add(arguments: argparse.Namespace) -> int:
    for path in arguments.files:
        print(f"written: {write(parse_file(path)).relative_to(CORPUS.parent)}")
    return 0


def _lines(arguments: argparse.Namespace) -> int:
    for held in read_split(arguments.split):
        for turn in held.turns():
            print(json.dumps(turn.line(), ensure_ascii=False))
    return 0


def _count(_: argparse.Namespace) -> int:
    table = Table(title="The corpus", title_justify="left")
    for heading in ("", *SPLITS, "all"):
        table.add_column(heading, justify="right" if heading else "left")
    held = {split: read_split(split) for split in SPLITS}
    for what, count in _COUNTS:
        row = [count(held[split]) for split in SPLITS]
        table.add_row(what, *map(str, row), str(count([each for split in SPLITS for each in held[split]])))
    Console(width=100).print(table)
    tags = Counter(
        tag for sets in held.values() for each in sets for c in each.conversations for tag in c.tags
    )
    print("conversations by tag:", ", ".join(f"{tag} {count}" for tag, count in tags.most_common()))
    return 0


def _turns(sets: Sequence[RouteSet]) -> Iterator[Turn]:
    return (turn for each in sets for turn in each.turns())


_COUNTS: tuple[tuple[str, Callable[[Sequence[RouteSet]], int]], ...] = (
    ("route sets", len),
    *(
        (f"  {kind}", lambda sets, kind=kind: sum(each.header.kind == kind for each in sets))
        for kind in ("domains", "task-types", "domain-action", "mixture", "products")
    ),
    ("routes", lambda sets: sum(len(each.routes) for each in sets)),
    ("conversations", lambda sets: sum(len(each.conversations) for each in sets)),
    ("turns", lambda sets: sum(1 for _ in _turns(sets))),
    ("  that follow others", lambda sets: sum(turn.number > 1 for turn in _turns(sets))),
    ("  without a route", lambda sets: sum(None in turn.gold for turn in _turns(sets))),
    ("  with several right ones", lambda sets: sum(len(turn.gold) > 1 for turn in _turns(sets))),
)


def _agreement(_: argparse.Namespace) -> int:
    turns = {turn.id: turn for turn in _turns(read_all())}
    labelled: list[tuple[Turn, Gold, str | None]] = []
    for line in SECOND.read_bytes().splitlines():
        told = msgspec.json.decode(line)
        labelled.append((turns[told["turn"]], tuple(told["first"]), told["second"]))
    found = agreement(labelled)
    print(f"{found.turns} turns labelled twice: {found.share:.1%} agree, kappa {found.kappa:.2f}")
    for kind, (count, share) in found.by_kind.items():
        print(f"  {kind:14} {count:5}  {share:.1%}")
    return 0


def _diversity(arguments: argparse.Namespace) -> int:
    from plano.classifiers.embedded.encoder import Encoder  # noqa: PLC0415 - loads 50 MB, for this alone

    encode = Encoder.load().encode
    sources = {f"corpus, {split}": [t.text for t in _turns(read_split(split))] for split in SPLITS}
    for name in NATURAL:
        path = arguments.others / f"{name}.jsonl"
        if path.is_file():
            sources[name] = [_latest(line) for line in path.read_bytes().splitlines()]
    table = Table(title=f"Samples of {SAMPLED} turns", title_justify="left")
    headings = ("", "turns", "words 10/50/90 %/most", "different words", "distinct 2", "distinct 3")
    for heading in (*headings, "openings", "overlap", "cosine", "nearest"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, texts in sources.items():
        if len(texts) > 1:
            d = diversity(texts, encode)
            shares = (d.distinct_2, d.distinct_3, d.openings, d.overlap, d.similarity, d.nearest)
            lengths = "/".join(map(str, d.lengths))
            table.add_row(
                name, str(d.turns), lengths, str(d.different_words), *(f"{each:.2f}" for each in shares)
            )
    Console(width=140).print(table)
    return 0


def _latest(line: bytes) -> str:
    content = msgspec.json.decode(line)["messages"][-1]["content"]
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


if __name__ == "__main__":
    sys.exit(main())
