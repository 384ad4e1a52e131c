"""The Redis that is told what to say: what it does not say would be a fault that no test has met."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.fault.baseline import turns, until
from tests.wall.raw_client import RawClient
from tests.wall.resp import LATE, MIB, TROUBLES, WELL, RespStub, error, take_command, value
from tests.wall.script import Fin, Raw, Rst, Stall

SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nab\r\n"
GET = b"*4\r\n$8\r\nGETRANGE\r\n$1\r\nk\r\n$1\r\n0\r\n$4\r\n4096\r\n"


@asynccontextmanager
async def asking(stub: RespStub) -> AsyncIterator[RawClient]:
    async with stub, RawClient(stub.port) as client:
        yield client


async def test_it_keeps_texts_as_redis_does() -> None:
    """What the gateway asks of a server that is well, as redis-py reads it."""
    async with RespStub() as stub, Redis(port=stub.port, protocol=2) as client:
        told = [
            await client.getrange("k", 0, 9),
            await client.set("k", "first", nx=True, px=1000),
            await client.set("k", "second", nx=True, px=1000),
            await client.getrange("k", 1, 3),
            await client.set("k", "third", xx=True, keepttl=True),
            await client.set("other", "x", xx=True),
            await client.getrange("k", 0, 9),
        ]

    assert told == [b"", True, None, b"irs", True, None, b"third"]


async def test_commands_are_answered_by_name_and_noted() -> None:
    """A fault of writing is none of reading."""
    async with asking(RespStub({"SET": error("OOM full"), "GETRANGE": value(b"x")})) as client:
        await client.send(SET + GET[:9])
        first = await client.read_until(b"\r\n")
        await client.send(GET[9:])
        second = await client.read_until(b"x\r\n")

    assert (first, second) == (b"-OOM full\r\n", b"$1\r\nx\r\n")


async def test_what_it_has_heard_can_be_waited_for() -> None:
    """With its words, and on which connection it came."""
    stub = RespStub(always=WELL)
    async with asking(stub) as client:
        await client.send(SET * 2)
        second = await stub.heard("SET", 2)

    assert (second.words, second.connection, len(stub.named("SET"))) == ((b"SET", b"k", b"ab"), 0, 2)


async def test_a_late_answer_comes_when_it_is_told_to() -> None:
    """And what is asked behind it waits as well."""
    stub = RespStub({"SET": LATE})
    async with asking(stub) as client:
        await client.send(SET + GET)
        await stub.heard("SET")
        await turns()
        before = len(stub.said)
        stub.release()
        answers = await client.read_until(b"$0\r\n\r\n")

    assert (before, answers) == (1, b"+OK\r\n$0\r\n\r\n")


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_every_trouble_comes_as_it_is_written(trouble: str) -> None:
    """Every byte, and the end behind it."""
    script = TROUBLES[trouble]
    said = b"".join(step.data for step in script if isinstance(step, Raw))
    async with asking(RespStub(always=script)) as client:
        await client.send(SET)
        received = await client.read_until(said[-64:]) if said else b""
        while len(received) < len(said):
            received += await client.read()
        end = None if not isinstance(script[-1], Fin | Rst) else await client.read_to_end()

    ends = {Fin: (b"", "fin"), Rst: (b"", "rst"), Stall: None, Raw: None}
    assert (received == said, end) == (True, ends[type(script[-1])])


async def test_it_dies_and_comes_back_under_the_same_address() -> None:
    """Connections are reset, the next is refused; afterwards it has forgotten nothing."""
    async with RespStub() as stub:
        async with RawClient(stub.port) as client:
            await client.send(SET)
            await client.read_until(b"OK\r\n")
            await stub.go()
            end = await client.read_to_end()
        with pytest.raises(ConnectionRefusedError):
            async with RawClient(stub.port):
                pass
        await stub.listen()
        async with RawClient(stub.port) as again:
            await again.send(GET)
            kept = await again.read_until(b"ab\r\n")

    assert (end, kept, stub.connections) == ((b"", "rst"), b"$2\r\nab\r\n", 2)


async def test_a_client_that_leaves_is_let_go() -> None:
    """In the middle of an answer that it does not read, too."""
    tasks = asyncio.all_tasks()
    async with asking(RespStub(always=value(b"x" * MIB))) as client:
        await client.send(SET)
        await client.read()
        client.reset()
        await until(lambda: asyncio.all_tasks() == tasks)


def test_a_command_is_taken_whole_or_not_at_all() -> None:
    """Wherever it was cut."""
    for cut in range(len(SET)):
        data = bytearray(SET[:cut])
        assert (take_command(data), bytes(data)) == (None, SET[:cut])
    data = bytearray(SET + GET)

    assert (take_command(data), take_command(data)) == (
        (b"SET", b"k", b"ab"),
        (b"GETRANGE", b"k", b"0", b"4096"),
    )


def test_what_is_no_command_is_told() -> None:
    """A test that speaks to the wrong port finds out."""
    with pytest.raises(ValueError, match=r"expected b'\*' and a number; got b'GET / HTTP/1.1'"):
        take_command(bytearray(b"GET / HTTP/1.1\r\n"))


async def test_what_it_cannot_read_fails_the_test() -> None:
    """A client that speaks something else must not look like one in trouble."""
    stub = await RespStub().__aenter__()
    async with RawClient(stub.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n")
        assert await client.read_to_end() == (b"", "rst")

    with pytest.raises(ValueError, match="expected"):
        await stub.__aexit__(None, None, None)
