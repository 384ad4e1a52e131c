"""What policies would have cost, as tables of at most a hundred columns, and what nobody can know of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from textwrap import fill
from typing import Final

import click

from plano.cli.tables import show_table
from plano.config.problems import printable
from plano.evaluation.replay.intervals import Estimate
from plano.evaluation.replay.replay import Notes, PolicyCost, Replayed
from plano.routing.budget import dollars

WIDTH: Final = 100
FEW_SESSIONS: Final = 30
"""Under which an interval is itself a guess."""
MOST_NAMED: Final = 5


def show_replayed(log: str, replayed: Replayed, prices: str, discount: float) -> None:
    """`prices`: whose, and of when."""
    notes, first = replayed.notes, replayed.policies[0]
    click.echo(f"{printable(log)}: {_amounts(notes)}{_span(notes)}")
    click.echo(f"list prices: {prices}\n")
    show_table(
        "what each policy would have cost",
        ("policy", "cost", "95 % interval", f"against {first.policy.name}"),
        [_cost(each) for each in replayed.policies],
    )
    show_table(
        "what for, and how",
        ("policy", "reads", "writes", "misses", "output", "switches", "in a loop", "as routed"),
        [_parts(each) for each in replayed.policies],
    )
    for each in replayed.policies:
        click.echo(f"{each.policy.name}: {each.policy.in_words}")
    click.echo(
        "\nreads: what a provider's cache held; writes: what a session had not read before; misses: what it\n"
        "had, and was read again, after a change of models or too long a pause; in a loop: of the switches,\n"
        "those between calls of an agent; as routed: requests that had the model which routing preferred\n"
    )
    for caveat in caveats(notes, discount):
        click.echo(fill(f"- {caveat}", WIDTH, subsequent_indent="  "))


def caveats(notes: Notes, discount: float) -> Iterator[str]:
    """What could not be used, what was assumed, and what cannot be known."""
    yield from _left_out(notes)
    yield from _assumed(notes, discount)
    yield (
        "not known: whether another model would have written as much, or needed as many turns; how good its "
        "answers would have been; how its provider would have counted the tokens"
    )
    yield (
        "taken for granted: each request begins with what the one before it held, and every provider keeps "
        "what it has read for the time it documents, in requests that mark it where marks are needed"
    )


def _left_out(notes: Notes) -> Iterator[str]:
    if notes.unpriced_sessions:
        models = [printable(model) for model, _ in notes.unpriced_models.most_common(MOST_NAMED)]
        more = len(notes.unpriced_models) - len(models)
        yield (
            f"left out: {_n(notes.unpriced_sessions, 'session')}, {_n(notes.unpriced_requests, 'request')}, "
            f"for want of a price of {', '.join(models)}{f' and {more} more' if more else ''}"
        )
    if notes.failed:
        yield f"left out: {_n(notes.failed, 'request')} that failed"
    if notes.without_tokens:
        yield f"left out: {_n(notes.without_tokens, 'request')} without a count of tokens or bytes"


def _assumed(notes: Notes, discount: float) -> Iterator[str]:
    if notes.sessions < FEW_SESSIONS:
        yield f"{_n(notes.sessions, 'session')}: too few for the intervals to be more than a hint"
    if notes.unrouted:
        yield (
            f"of {_n(notes.unrouted, 'request')} the log does not say whom routing preferred; the model that "
            "answered stands for it, which makes policies look alike"
        )
    if notes.without_turns:
        yield f"of {_n(notes.without_turns, 'request')} the log does not say whether a user spoke: as if so"
    if notes.without_session:
        yield f"{_n(notes.without_session, 'request')} without a session, each priced as one of its own"
    if notes.estimated:
        yield f"{_n(notes.estimated, 'request')} without a count of input tokens: taken at 4 bytes each"
    if notes.without_output:
        yield f"{_n(notes.without_output, 'request')} without a count of output tokens: priced without output"
    if notes.guessed_cached_prices:
        models = ", ".join(sorted(map(printable, notes.guessed_cached_prices))[:MOST_NAMED])
        yield f"no cached price of {models}: taken as {discount:g} of the input price"
    if notes.out_of_order:
        yield f"{_n(notes.out_of_order, 'line')} older than others before by over an hour: sort by time"
    if notes.closed_early:
        yield f"{_n(notes.closed_early, 'session')} cut in two: more were open than are held at once"
    if notes.reported_cached or notes.modelled_cached:
        yield (
            f"a check: providers report {notes.reported_cached:,} tokens from their caches; by the lifetimes "
            f"that they document it would have been {notes.modelled_cached:,}"
        )


def _amounts(notes: Notes) -> str:
    return f"{_n(notes.priced, 'request')} in {_n(notes.sessions, 'session')}"


def _span(notes: Notes) -> str:
    if notes.first_at is None or notes.last_at is None:
        return ""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (notes.first_at, notes.last_at))
    return f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _cost(each: PolicyCost) -> tuple[str, ...]:
    return (
        each.policy.name,
        f"{dollars(each.cost.value):>10}",
        _interval(each.cost),
        _against(each.against_first),
    )


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{dollars(estimate.low)} to {dollars(estimate.high)}"


def _against(ratio: Estimate | None) -> str:
    if ratio is None:
        return "-"
    told = f"{100 * (ratio.value - 1):+.1f} %"
    if ratio.low is None or ratio.high is None:
        return told
    return f"{told} ({100 * (ratio.low - 1):+.1f} to {100 * (ratio.high - 1):+.1f})"


def _parts(each: PolicyCost) -> tuple[str, ...]:
    parts = (each.cache_reads, each.cache_writes, each.misses, each.output)
    return (
        each.policy.name,
        *(f"{dollars(part.value):>10}" for part in parts),
        f"{each.switches.value:8,.0f}",
        f"{each.loop_switches.value:9,.0f}",
        f"{100 * each.as_routed.value:7.1f} %",
    )
