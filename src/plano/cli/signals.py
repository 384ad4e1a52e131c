"""The signals a gateway listens to, and what each means."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from types import FrameType

from plano.http1.limits import ServerLimits

ENDING = (signal.SIGTERM, signal.SIGINT)
ASKING = (signal.SIGHUP, signal.SIGUSR2)
"""To read the configuration again; to restart the workers one after the other."""


class Stop:
    """What has been asked for: first an orderly end, then a quick one."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.leaves_idle = False
        """Whether clients with nothing under way are left at once: somebody waits for the prompt or the
        port."""

        self.others_accept = False
        """Whether another worker lets in those who come."""

    def ask(self, *, leave_idle: bool, others_accept: bool = False) -> None:
        """An orderly end, however often it is asked for."""
        if not self.asked.is_set():
            self.leaves_idle, self.others_accept = leave_idle, others_accept
            self.asked.set()

    def signalled(self, number: signal.Signals) -> None:
        """A second signal hurries; SIGINT comes from a person, who waits."""
        if self.asked.is_set():
            self.hurry.set()
        self.ask(leave_idle=number == signal.SIGINT)


def watch(
    stop: Callable[[signal.Signals], None], *, reload: Callable[[], None], roll: Callable[[], None]
) -> None:
    """From now on SIGTERM and SIGINT call `stop`, SIGHUP `reload` and SIGUSR2 `roll`, each time they come.

    Handlers of our own, not the loop's: those are gone when it closes, and a signal that came then would
    make an orderly end look like a violent one.
    """
    loop = asyncio.get_running_loop()
    asked = {signal.SIGHUP: reload, signal.SIGUSR2: roll}

    def came(number: int, _frame: FrameType | None) -> None:
        if loop.is_closed():
            return
        found = signal.Signals(number)
        if found in asked:
            loop.call_soon_threadsafe(asked[found])
        else:
            loop.call_soon_threadsafe(stop, found)

    for number in (*ENDING, *ASKING):
        signal.signal(number, came)


def nothing() -> None:
    """What a worker does when it is asked for what its supervisor was asked for as well."""


def ignore() -> None:
    """The end is near, whatever still comes; the last thing to be called inside the loop."""
    for number in (*ENDING, *ASKING):
        signal.signal(number, signal.SIG_IGN)


def in_words(numbers: Sequence[signal.Signals], limits: ServerLimits, *, idle: bool) -> str:
    """What the last of these signals has started, for who sent it; `idle`: nothing is being answered."""
    if len(numbers) > 1:
        return "plano: ending now; answers under way are cut short"
    if numbers[0] == signal.SIGTERM:
        return (
            f"plano: draining; clients have {limits.drain_idle_s:g} s to learn of it, answers under way "
            f"{limits.drain_s:g} s; a second signal ends them now"
        )
    if idle:
        return "plano: stopping"
    return f"plano: stopping; answers under way have {limits.drain_s:g} s, Ctrl-C again ends them now"
