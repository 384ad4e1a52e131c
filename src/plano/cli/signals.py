"""The signals a gateway listens to, and what each means."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from types import FrameType

from plano.http1.limits import ServerLimits

ENDING = (signal.SIGTERM, signal.SIGINT)
NO_RELOAD = (
    "plano: SIGHUP does not reload the configuration yet; the gateway goes on as it is, "
    "restart it to change something"
)


class Stop:
    """What has been asked for: first an orderly end, then a quick one."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.leaves_idle = False
        """Whether clients with nothing under way are left at once: somebody waits for the prompt or the
        port."""

    def ask(self, *, leave_idle: bool) -> None:
        """An orderly end, however often it is asked for."""
        if not self.asked.is_set():
            self.leaves_idle = leave_idle
            self.asked.set()

    def signalled(self, number: signal.Signals) -> None:
        """A second signal hurries; SIGINT comes from a person, who waits."""
        if self.asked.is_set():
            self.hurry.set()
        self.ask(leave_idle=number == signal.SIGINT)


def watch(stop: Callable[[signal.Signals], None], say: Callable[[str], None]) -> None:
    """From now on SIGTERM and SIGINT call `stop`, each time they come, and SIGHUP ends nothing.

    Handlers of our own, not the loop's: those are gone when it closes, and a signal that came then would
    make an orderly end look like a violent one.
    """
    loop = asyncio.get_running_loop()

    def came(number: int, _frame: FrameType | None) -> None:
        if loop.is_closed():
            return
        if number == signal.SIGHUP:
            loop.call_soon_threadsafe(say, NO_RELOAD)
        else:
            loop.call_soon_threadsafe(stop, signal.Signals(number))

    for number in (*ENDING, signal.SIGHUP):
        signal.signal(number, came)


def ignore() -> None:
    """The end is near, whatever still comes; the last thing to be called inside the loop."""
    for number in (*ENDING, signal.SIGHUP):
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
