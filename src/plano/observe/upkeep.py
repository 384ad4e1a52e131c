"""Counts what befalls processes and no request: reloads, restarts, a loop that stands still."""

from __future__ import annotations

import msgspec


class Upkeep(msgspec.Struct):
    """Of one process, or of several added up."""

    reloads: dict[str, int] = {}
    """By outcome. Only the process that watches the configuration has any; so it is with restarts."""
    restarts: dict[str, int] = {}
    """Of workers, by reason."""
    loop_blocked: int = 0
    session_lines_dropped: int = 0
    key_answers_untold: int = 0
    """Whose tokens or money was not told where all workers count."""

    def add(self, other: Upkeep) -> None:
        for mine, others in ((self.reloads, other.reloads), (self.restarts, other.restarts)):
            for key, count in others.items():
                mine[key] = mine.get(key, 0) + count
        self.loop_blocked += other.loop_blocked
        self.session_lines_dropped += other.session_lines_dropped
        self.key_answers_untold += other.key_answers_untold
