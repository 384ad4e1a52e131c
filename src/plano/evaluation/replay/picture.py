"""A picture of what policies would have cost: a bar each, cut into what was paid for, as one SVG file.

No library draws it: rectangles, lines and words. The colours can be told apart by whoever sees few of them
(M. Okabe and K. Ito's set), and every number that matters is written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import floor, log10
from typing import Final

from plano.config.problems import printable
from plano.evaluation.replay.replay import PolicyCost, Replayed
from plano.routing.budget import dollars

WIDTH: Final = 960
LEFT: Final = 150
RIGHT: Final = 250
"""Room for what is written beside the bars."""
TOP: Final = 96
ROW: Final = 46
BAR: Final = 24
BOTTOM: Final = 62
FONT: Final = "font-family='system-ui, sans-serif' font-size='13'"
INK: Final = "fill='#222'"
PARTS: Final = (
    ("cache reads", "#56B4E9"),
    ("cache writes", "#009E73"),
    ("misses", "#D55E00"),
    ("output", "#BBBBBB"),
)


def picture(replayed: Replayed, log: str, prices: str) -> str:
    """The whole file. A line over a bar's end is the 95 % interval of its length."""
    height = TOP + ROW * len(replayed.policies) + BOTTOM
    longest = max([_reach(each) for each in replayed.policies])
    scale = (WIDTH - LEFT - RIGHT) / (longest or 1.0)
    notes = replayed.notes
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' {FONT} {INK}>",
        f"<rect width='{WIDTH}' height='{height}' fill='#fff'/>",
        _text(16, 28, "What each policy would have cost", "font-size='17' font-weight='600'"),
        _text(
            16,
            48,
            f"{log}: {notes.priced:,} requests in {notes.sessions:,} sessions; {prices}",
            "fill='#555'",
        ),
        *_legend(),
        *_axis(longest, scale, height - BOTTOM),
        *(line for row, each in enumerate(replayed.policies) for line in _bar(each, TOP + ROW * row, scale)),
        _text(
            16,
            height - 14,
            "Lines at the ends: 95 % intervals, resampled by session. Every model is taken to write as much.",
            "fill='#555' font-size='12'",
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _reach(each: PolicyCost) -> float:
    return max(each.cost.value, each.cost.high or 0.0)


def _legend() -> Iterator[str]:
    at = LEFT
    for name, colour in PARTS:
        yield f"<rect x='{at}' y='62' width='12' height='12' fill='{colour}'/>"
        yield _text(at + 17, 73, name)
        at += 34 + 7 * len(name)


def _axis(longest: float, scale: float, bottom: int) -> Iterator[str]:
    step = _step(longest)
    tick = 0.0
    while tick <= longest * 1.0001:
        at = LEFT + tick * scale
        yield f"<line x1='{at:.1f}' y1='{TOP - 8}' x2='{at:.1f}' y2='{bottom}' stroke='#ddd'/>"
        yield _text(at, bottom + 18, dollars(tick) if tick else "$0", "text-anchor='middle' fill='#555'")
        tick += step


def _step(longest: float) -> float:
    """1, 2 or 5 times a power of ten: four to nine steps."""
    if longest <= 0:
        return 1.0
    power = 10.0 ** floor(log10(longest / 4))
    return next((factor * power for factor in (5, 2) if factor * power <= longest / 4), power)


def _bar(each: PolicyCost, top: int, scale: float) -> Iterator[str]:
    yield _text(LEFT - 10, top + 17, each.policy.name, "text-anchor='end'")
    at = float(LEFT)
    parts = (each.cache_reads, each.cache_writes, each.misses, each.output)
    for part, (name, colour) in zip(parts, PARTS, strict=True):
        width = part.value * scale
        box = f"x='{at:.1f}' y='{top}' width='{width:.1f}' height='{BAR}' fill='{colour}'"
        yield f"<rect {box}><title>{name}: {dollars(part.value)}</title></rect>"
        at += width
    middle = top + BAR / 2
    end = at
    if each.cost.low is not None and each.cost.high is not None:
        low, end = LEFT + each.cost.low * scale, max(at, LEFT + each.cost.high * scale)
        high = LEFT + each.cost.high * scale
        yield _line(low, middle, high, middle)
        yield from (_line(edge, middle - 5, edge, middle + 5) for edge in (low, high))
    against = "" if each.against_first is None else f" ({100 * (each.against_first.value - 1):+.1f} %)"
    yield _text(end + 10, top + 11, f"{dollars(each.cost.value)}{against}", "font-weight='600'")
    told = f"{each.switches.value:,.0f} switches; {100 * each.as_routed.value:.0f} % as routed"
    yield _text(end + 10, top + 26, told, "fill='#555' font-size='12'")


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='#222' stroke-width='1.5'/>"


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(printable(words))}</text>"
