"""Crowds of bad clients beside healthy load.

    python -m tests.large.crowds slow-requests      send their headers, or their body, a byte now and then
    python -m tests.large.crowds stopped-readers    stop reading a long stream
    python -m tests.large.crowds scarce             more clients than there are descriptors for

Exits with 1 when a bound is missed. Latencies mean something on a quiet machine alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.large import scarce, slow_requests, stopped_readers


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.large.crowds", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    slow = commands.add_parser("slow-requests", help="1,000 clients that send slowly, of each kind")
    slow.add_argument("--clients", type=int, default=1000)
    slow.add_argument("--rounds", type=int, default=5, help="windows with and without, of each kind")
    slow.add_argument("--deadline", type=float, default=4.0, metavar="S", help="configured, for both")
    slow.add_argument("--defaults", action="store_true", help="10 s and 60 s, once; no verdict on p99")
    stopped = commands.add_parser("stopped-readers", help="1,000 clients that stop reading a long stream")
    stopped.add_argument("--clients", type=int, default=1000)
    stopped.add_argument(
        "--stall", type=float, default=20.0, metavar="S", help="client_stall_s; 60 s unless configured"
    )
    few = commands.add_parser("scarce", help="more clients than there are descriptors for")
    few.add_argument("--clients", type=int, default=1000)
    few.add_argument("--descriptors", type=int, default=600, help="what the gateway may open")
    options = parser.parse_args(arguments)
    if options.command == "scarce":
        return asyncio.run(scarce.run(options.clients, options.descriptors))
    if options.command == "stopped-readers":
        return asyncio.run(stopped_readers.run(options.clients, options.stall))
    deadline_s = None if options.defaults else options.deadline
    rounds = 1 if options.defaults else options.rounds
    return asyncio.run(slow_requests.run(options.clients, rounds, deadline_s))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
