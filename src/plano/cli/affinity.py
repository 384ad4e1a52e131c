"""What `plano up` says of affinity: where sessions are kept, for how long, by what they are known."""

from __future__ import annotations

from plano.config.load import Configuration
from plano.redis_url import parse_address


def affinity_line(configuration: Configuration) -> str:
    """One line; no secret stands in it."""
    routing, caching = configuration.routing, configuration.prompt_caching
    cache = routing.session_cache
    if cache.type == "redis" and cache.url is not None:
        kept = f"in Redis at {parse_address(cache.url.reveal())}"
    else:
        kept = f"in memory, {routing.session_max_entries} sessions at most"
    known = ["X-Model-Affinity"]
    if cache.tenant_header is not None:
        known[0] += f" within {cache.tenant_header}"
    if routing.route_on_user_only:
        known.append("how they began (route_on_user_only)")
    elif routing.routing_budget is not None:
        known.append("how they began (routing_budget)")
    elif caching.enabled and caching.session_affinity:
        known.append("how they began (prompt_caching)")
    return (
        f"affinity: {kept}, for {routing.session_ttl_seconds} s; sessions are known by {' or '.join(known)}"
    )


def not_shared(configuration: Configuration, workers: int) -> str | None:
    """What several processes mean for pins in memory; None where nothing is lost."""
    if workers == 1 or configuration.routing.session_cache.type == "redis":
        return None
    return (
        f"affinity is kept in memory, apart in each of the {workers} processes: a session whose requests "
        "come on several connections may meet several models. Redis (routing.session_cache) is shared by all"
    )
