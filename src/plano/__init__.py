"""Plano: a router for language models.

Importing it loads nothing else: programs that only ask for the version, and the command line
before it knows what was typed, should not pay for a parser or an event loop. `Router` and what
belongs to it are loaded when they are first named.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plano.in_process import DecisionObject, PlanoError, ReasonObject, Router

__all__ = ["DecisionObject", "PlanoError", "ReasonObject", "Router", "__version__"]

__version__ = "0.1.0"

_IN_PROCESS = frozenset(("DecisionObject", "PlanoError", "ReasonObject", "Router"))


def __getattr__(name: str) -> object:
    if name not in _IN_PROCESS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from plano import in_process  # noqa: PLC0415 - only who names it should pay for it

    return getattr(in_process, name)
