"""What is asked about: user turns of an exact number of tokens, in requests of an exact size.

A place in a turn is marked for `native/load.c`, which writes other words there for every request; what
is asked from Python gets its words from `fresh`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from benchmarks.bodies import KIB, encoded

Message = dict[str, object]

PLACE = "@" * 34
"""As in `native/load.c`: five words of six letters, each one token."""
PLACE_TOKENS = 5
SHORT, LONG = 15, 128
"""New tokens, without the two that mark start and end."""

_OPENING = "please write a small function for my "
_OPENING_TOKENS = 7
_MORE = """\
and then read the other part of this note where each item has a name and some text that we should keep
because people will ask about it when they open the page on a phone at work or late at night in bed while
the team is away from the main desk"""
"""Each is one token."""
_WORDS = """\
answer doctor window letter budget garden server winter market number report island engine lawyer coffee
bridge energy salary ticket flower signal camera planet summer silver castle finger school animal travel
method office"""
"""Each is one token, here too."""
_TOOL_RESULT = 'src/café.py:12: error: "parse" is not defined\n\tsee line 40 for where it was last used.\n'
TOOL_RESULT_BYTES = 2 * KIB
STEPS = 20
SYSTEM = "You are terse. "


def turn(tokens: int, words: str = PLACE) -> str:
    """A user turn of exactly so many tokens, `words` among them."""
    more = _MORE.split()
    wanted = tokens - PLACE_TOKENS - _OPENING_TOKENS
    filling = (more * (wanted // len(more) + 1))[:wanted]
    return f"{_OPENING}{words} {' '.join(filling)}"


def fresh(start: int) -> Iterator[str]:
    """Words for `turn`, never the same in 33 million times."""
    words = _WORDS.split()
    base = len(words)
    for number in count(start):
        yield " ".join(words[number // base**place % base] for place in range(PLACE_TOKENS))


def request(text: str, model: str | None) -> bytes:
    """A chat request of exactly 1 KiB that ends in the turn `text`."""
    system: Message = {"role": "system", "content": SYSTEM}
    whole: dict[str, object] = {} if model is None else {"model": model}
    whole |= {"temperature": 0.2, "messages": [system, {"role": "user", "content": text}]}
    system["content"] = SYSTEM + "." * (KIB - len(encoded(whole)))
    return encoded(whole)


def agent_loop(text: str, steps: int = STEPS) -> Iterator[bytes]:
    """What an agent sends while it works on one user turn: one tool call more each time."""
    messages: list[Message] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    for step in range(steps):
        yield encoded({"messages": messages})
        call = {"id": f"call_{step}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        result = (_TOOL_RESULT * (TOOL_RESULT_BYTES // len(_TOOL_RESULT) + 1))[:TOOL_RESULT_BYTES]
        messages.append({"role": "tool", "tool_call_id": f"call_{step}", "content": result})
