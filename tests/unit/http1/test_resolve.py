"""Look-ups: few at a time, shared, kept for moments, and never in anybody's way."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from plano.http1.resolve import LOOK_UPS_AT_ONCE, AddressInfo, Resolver, alternating, literal_address


def address(host: str, port: int = 80) -> AddressInfo:
    if ":" in host:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))


class LookUps:
    """A resolver that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.answer: list[AddressInfo] | Exception = [address("127.0.0.1")]

    def __call__(self, host: str, port: int) -> list[AddressInfo]:
        self.asked.append(host)
        self.may_answer.wait(5)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_address_needs_no_resolver(host: str) -> None:
    look_ups = LookUps()
    resolver = Resolver(asyncio.get_running_loop(), look_up=look_ups)

    found = await resolver.addresses(host, 80)

    assert ([info[4][0] for info in found], look_ups.asked) == ([host], [])


@pytest.mark.parametrize("host", ["localhost", "127.1", "fe80::1%lo", "::g", "a\0b", "höst", ""])
def test_what_is_no_plain_address_is_left_to_the_resolver(host: str) -> None:
    assert literal_address(host, 80) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_an_address_is_read_as_the_system_reads_it(host: str) -> None:
    """The system is not asked, because it may want to open files for the answer."""
    found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    assert [literal_address(host, 443)] == found


async def test_those_who_ask_at_once_share_one_look_up_and_later_ones_its_answer() -> None:
    look_ups = LookUps()
    look_ups.may_answer.set()
    resolver = Resolver(asyncio.get_running_loop(), look_up=look_ups)
    async with asyncio.TaskGroup() as group:
        together = [group.create_task(resolver.addresses("a.invalid", 80)) for _ in range(5)]
    later = await resolver.addresses("a.invalid", 80)

    assert ([task.result() for task in together], later, look_ups.asked) == (
        [[address("127.0.0.1")]] * 5,
        [address("127.0.0.1")],
        ["a.invalid"],
    )


async def test_an_answer_is_kept_for_its_time_only() -> None:
    look_ups = LookUps()
    look_ups.may_answer.set()
    resolver = Resolver(asyncio.get_running_loop(), look_up=look_ups, keep_s=0.0)
    await resolver.addresses("a.invalid", 80)
    await resolver.addresses("a.invalid", 80)

    assert look_ups.asked == ["a.invalid"] * 2


async def test_a_failure_is_not_kept() -> None:
    """A resolver that has recovered must be believed at once."""
    look_ups = LookUps()
    look_ups.may_answer.set()
    look_ups.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    resolver = Resolver(asyncio.get_running_loop(), look_up=look_ups)
    with pytest.raises(socket.gaierror):
        await resolver.addresses("a.invalid", 80)
    look_ups.answer = [address("127.0.0.1")]

    assert await resolver.addresses("a.invalid", 80) == [address("127.0.0.1")]


async def test_a_dead_resolver_holds_a_few_threads_and_no_more() -> None:
    """And the default executor, which others need, is not touched."""
    look_ups = LookUps()
    resolver = Resolver(asyncio.get_running_loop(), look_up=look_ups)
    waiting = [asyncio.create_task(resolver.addresses(f"{n}.invalid", 80)) for n in range(30)]
    for _ in range(5):
        await asyncio.sleep(0)
    held = sum(thread.name == "plano-resolver" for thread in threading.enumerate())
    look_ups.may_answer.set()
    await asyncio.wait(waiting)

    assert (held, len(look_ups.asked)) == (LOOK_UPS_AT_ONCE, 30)


async def test_giving_up_does_not_stop_the_look_up_for_others() -> None:
    look_ups = LookUps()
    resolver = Resolver(asyncio.get_running_loop(), look_up=look_ups)
    impatient = asyncio.create_task(resolver.addresses("a.invalid", 80))
    patient = asyncio.create_task(resolver.addresses("a.invalid", 80))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    look_ups.may_answer.set()

    assert (await patient, look_ups.asked, impatient.cancelled()) == (
        [address("127.0.0.1")],
        ["a.invalid"],
        True,
    )


def test_families_take_turns() -> None:
    """So that a broken IPv6 costs one head start, not one for each of its addresses."""
    mixed = [address(host) for host in ("fd00::1", "fd00::2", "fd00::3", "10.0.0.1")]

    assert alternating(mixed) == [mixed[0], mixed[3], mixed[1], mixed[2]]
