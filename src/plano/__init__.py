"""Plano: a router for language models.

Importing it loads nothing else: programs that only ask for the version, and the command line
before it knows what was typed, should not pay for a parser or an event loop.
"""

from __future__ import annotations

__version__ = "0.1.0"
