"""The signals a gateway listens to, and what each means."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from plano.http1.limits import ServerLimits

ENDING = (signal.SIGTERM, signal.SIGINT)
NO_RELOAD = (
    "plano: SIGHUP does not reload the configuration yet; the gateway goes on as it is, "
    "restart it to change something"
)


class Stop:
    """What the signals have asked for: first an orderly end, then a quick one."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.by_person = False
        """Whether it was Ctrl-C: somebody is waiting for the prompt."""

    def __call__(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            self.hurry.set()
            return
        self.by_person = number == signal.SIGINT
        self.asked.set()


def watch(stop: Callable[[signal.Signals], None], say: Callable[[str], None]) -> None:
    """From now on SIGTERM and SIGINT call `stop`, each time they come, and SIGHUP ends nothing."""
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, say, NO_RELOAD)


def ignore() -> None:
    """The end is near: a signal that comes now would find no handler any more, and would make an
    orderly end look like a violent one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*ENDING, signal.SIGHUP))


def in_words(numbers: Sequence[signal.Signals], limits: ServerLimits) -> str:
    """What the last of these signals has started, for who sent it."""
    if len(numbers) > 1:
        return "plano: ending now; answers under way are cut short"
    if numbers[0] == signal.SIGINT:
        return f"plano: stopping; answers under way have {limits.drain_s:g} s, Ctrl-C again ends them now"
    return (
        f"plano: draining; clients have {limits.drain_idle_s:g} s to learn of it, answers under way "
        f"{limits.drain_s:g} s; a second signal ends them now"
    )
