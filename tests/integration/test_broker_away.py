"""Who answers at a broker's address need not be a broker: whatever comes of it is `BrokerAway`."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from pydantic import SecretStr

from shared.broker import BrokerAway, connect
from shared.settings import BrokerSettings

TRIES = 20


@pytest.fixture
def hollow() -> Iterator[int]:
    """A port that takes every connection and closes it at once, as a container's proxy does without the container."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def turn_away() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        turning = threading.Thread(target=turn_away)
        turning.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        turning.join()


def test_a_connection_that_is_closed_at_once_says_that_the_broker_is_away(
    hollow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", f"amqp://127.0.0.1:{hollow}/")

    async def connects() -> None:
        for _ in range(TRIES):
            with pytest.raises(BrokerAway):
                await connect(BrokerSettings(), "test")

    uvloop.run(connects())  # the services' own loop, which hears of the end sooner


@asynccontextmanager
async def answering(first: bytes) -> AsyncIterator[str]:
    """Somebody who answers the first thing that is said with `first`, then closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first:
            await reader.read(8)
            writer.write(first)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"amqp://guest:secret@127.0.0.1:{port}/"


@pytest.mark.parametrize(
    "first",
    [b"", b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\x00\x00", b"\x00" * 64],
    ids=["nothing", "another version", "http", "half a frame", "zeros"],
)
async def test_who_is_no_broker_or_closes_during_the_handshake_is_a_broker_away(first: bytes) -> None:
    async with answering(first) as url:
        with pytest.raises(BrokerAway) as raised:
            await connect(BrokerSettings(broker_url=(SecretStr(url),)), "test")

    assert "127.0.0.1" in str(raised.value)
    assert "secret" not in str(raised.value)
