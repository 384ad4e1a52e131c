"""What several processes mean for the limits of gateway keys."""

from __future__ import annotations

from plano.config.configuration import KeyRow
from plano.config.load import Configuration


def counted_apart(configuration: Configuration, workers: int) -> str | None:
    """What to say where each process counts for itself; None where nothing is counted, or all together."""
    is_shared = configuration.routing.session_cache.type == "redis"
    limited = [row.name for row in configuration.listener.keys or () if _is_limited(row, is_shared)]
    if workers == 1 or not limited:
        return None
    more = f" and {len(limited) - 1} more" if len(limited) > 1 else ""
    if is_shared:
        return (
            f"each of the {workers} processes counts by itself what keys have under way: "
            f"{limited[0]!r}{more} may have up to {workers} times its max_concurrent; divide it, or run one "
            "process"
        )
    return (
        f"each of the {workers} processes counts by itself what keys have had: {limited[0]!r}{more} "
        f"may have up to {workers} times what is written; count in Redis (routing.session_cache), divide the "
        "limits, or run one process"
    )


def _is_limited(row: KeyRow, is_shared: bool) -> bool:
    """In what each process counts by itself."""
    windows = (row.requests_per_minute, row.tokens_per_minute, row.max_usd_per_day)
    counted = (row.max_concurrent,) if is_shared else (row.max_concurrent, *windows)
    return any(limit is not None for limit in counted)
