"""The proxy of the chaos runs does to a connection what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.proxy import Proxy, Weather
from tests.support.until import until


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that says back what it hears."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                writer.write(chunk)
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with echo() as port, Proxy(port) as opened:
        yield opened


async def test_passes_everything_on_in_fair_weather(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

    writer.write(b"hello")

    assert await reader.readexactly(5) == b"hello"
    writer.transport.abort()


async def test_a_black_hole_answers_nothing_and_gives_everything_back_afterwards(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"

    proxy.become(Weather.BLACK_HOLE)
    writer.write(b"again")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(5), 0.3)
    proxy.become(Weather.FAIR)

    assert await reader.readexactly(5) == b"again"
    writer.transport.abort()


async def test_a_connection_that_came_at_the_last_moment_is_ended_too() -> None:
    async with echo() as port, Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await until(lambda: proxy.opened, "the connection is taken")

    assert await reader.read() == b""
    writer.transport.abort()


async def test_a_cut_ends_every_connection(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"

    await proxy.cut()

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.transport.abort()


async def test_a_torn_connection_ends_in_the_middle_of_what_was_said(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.tearing = True

    writer.write(b"hello, you")
    heard = await asyncio.gather(reader.read(), return_exceptions=True)

    assert heard[0] != b"hello, you"
    await until(lambda: not proxy._pipes, "the end of the connection")
    writer.transport.abort()


async def test_whoever_comes_while_there_is_no_way_is_cut(proxy: Proxy) -> None:
    proxy.become(Weather.GONE)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)

    writer.transport.abort()
