"""The wording of a router model's own, as `routing.router_prompt` names it: a file beside the configuration.

What is put into its two places is not this module's business; that each is there once, is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from plano.config.texts import read_bytes

PLACES: Final = ("{routes}", "{conversation}")


def read_router_prompt(path: Path) -> tuple[str | None, list[str]]:
    """The template, or everything that is wrong with it. Other braces than its places' mean nothing."""
    content = read_bytes(path)
    if isinstance(content, str):
        return None, [content]
    try:
        template = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [f"expected a template in UTF-8; got a byte on its line {line} that is none"]
    wrong = [message for place in PLACES if (message := _misplaced(place, template))]
    return (None, wrong) if wrong else (template, [])


def _misplaced(place: str, template: str) -> str | None:
    lines = [number for number, line in enumerate(template.split("\n"), 1) for _ in range(line.count(place))]
    if len(lines) == 1:
        return None
    if not lines:
        return f"expected a template that holds {place} once; it is not in there"
    return f"expected a template that holds {place} once; got it on its lines {', '.join(map(str, lines))}"
