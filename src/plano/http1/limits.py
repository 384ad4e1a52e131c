"""Every limit of the HTTP/1.1 edges, with its reason.

The defaults are constants; a configuration may change each under the same name in
`listeners[].limits` (durations as `10s` or `500ms`, sizes in bytes or as `32MiB`).
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
SMALL_BODY_BYTES = 64 * KIB
"""What is still taken when memory is short: most requests, at a cost that does not matter any more."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one client connection may use."""

    request_headers_s: float = 10.0
    """First byte of a request to its last header, absolute: a slow-loris pays no rent here."""
    request_body_s: float = 60.0
    """End of headers to the last body byte, absolute: 32 MiB in 60 s is a 4.5 Mbit/s line."""
    keep_alive_s: float = 75.0
    """Idle time between requests: above the 60 s that load balancers in front usually keep."""
    client_stall_s: float = 60.0
    """A client that takes nothing for so long while bytes wait for it is gone."""
    target_bytes: int = 8 * KIB
    """Paths here are short; 8 KiB is what other servers allow."""
    headers_bytes: int = 32 * KIB
    """Target and header fields together; coding agents send 2 to 6 KiB."""
    header_count: int = 128
    """Fields a request; clients send 15 to 40."""
    body_bytes: int = 32 * MIB
    """Anthropic's and OpenAI's own limit on a request body."""
    buffered_bodies_bytes: int = 256 * MIB
    """All request bodies held by one worker together, each until it is answered; past it new ones are shed
    with 503."""
    memory_percent: int = 90
    """Of the control group's memory in use, page cache aside; past it larger bodies (`SMALL_BODY_BYTES`) are
    shed with 503. A tenth leaves room for what is being answered, and for one second between two looks; 100
    never sheds."""
    pipelined_bytes: int = 64 * KIB
    """Heads and bodies that may wait behind the request being answered; past it those are answered, then the
    connection closes. Reading never pauses, or a departure would go unnoticed."""
    held_reply_bytes: int = 96 * KIB
    """What a slow reader may leave waiting before reading upstream pauses; with the read that comes on top
    (64 KiB) and what two connections cost, a client that reads nothing stays below 256 KiB."""
    drain_s: float = 30.0
    """SIGTERM to the moment the remaining answers are ended with an error: Kubernetes kills after 30 s
    by default, so the configured grace period must be longer."""
    drain_idle_s: float = 5.0
    """How long, after SIGTERM, clients with an idle connection have to send a request and be told
    `connection: close`; a connection closed without that word loses the request that crosses it."""
    max_connections: int = 10_000
    """Client connections a worker keeps at most; lowered to what the descriptor limit allows."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one upstream connection may use."""

    connect_s: float = 5.0
    """DNS, TCP and TLS together (`overrides.upstream_connect_timeout`)."""
    dns_s: float = 3.0
    """A look-up inside the connect limit, so that a dead resolver leaves time to say so."""
    first_byte_s: float = 120.0
    """Request sent to the head of the answer and, in a stream, to its first content (comments and pings are
    none), for the last candidate: reasoning models think long."""
    first_byte_with_another_s: float = 30.0
    """The same while another candidate could be tried instead."""
    silence_s: float = 60.0
    """Between two pieces of an answer; providers send a ping at least every 15 to 30 s."""
    exchange_s: float = 300.0
    """The whole exchange, all attempts included (the listener's `timeout`)."""
    headers_bytes: int = 64 * KIB
    """An answer's head; providers send 1 to 4 KiB."""
    header_count: int = 256
    """Fields an answer."""
    reply_bytes: int = 32 * MIB
    """A plain answer, or one event of a stream; generated images come as one. A plain answer that comes in
    chunks has begun when it turns out to be larger, and is then cut off loudly."""
    idle_s: float = 30.0
    """How long an unused connection is kept: under the shortest idle limit of the known providers."""
    idle_per_origin: int = 128
    """Unused connections kept for one origin."""
    connections_per_origin: int = 2_000
    """Open connections to one origin; more wait inside the connect limit."""
