"""What a connection bears of requests without reading, and a WebSocket of frames that the application does not see."""

import asyncio
from typing import Any

import pytest
from uvicorn.server import ServerState

from shared.http import HealthApp, config_of
from shared.patience import PART_BYTES, REQUESTS_AT_ONCE, TRIFLES_AT_ONCE
from tests.support.gateway import assembled
from tests.support.streams import masked
from tests.support.tokens import token
from tests.support.wireless import ADDRESSES, Client, visitors

PATIENT = {"gateway_ping_interval_seconds": 10, "gateway_ping_timeout_seconds": 8}
BEGIN, PART, LAST, PING, PONG = 0x01, 0x00, 0x80, 0x89, 0x8A


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def is_let_in(client: Client) -> bool:
    return any(str(frame).startswith("40{") for frame in client.got)


@pytest.mark.parametrize("frame", [masked(PING), masked(PING, b"x" * 125), masked(PONG), masked(PART)])
async def test_no_end_of_frames_that_mean_nothing_ends_the_connection(frame: bytes) -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await those.come()
        client.says_bytes(masked(BEGIN, b"4"))

        client.says_bytes(frame * 2 * TRIFLES_AT_ONCE)
        await turns()

        assert client.closed
        assert len(gateway.sockets.engine) == 0


@pytest.mark.parametrize(("size", "frame"), [(PART_BYTES, b""), (2, masked(PING)), (2, masked(PONG))])
async def test_a_message_may_come_in_parts_with_pings_between(size: int, frame: bytes) -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await those.come()
        login = f'40{{"token":"{token("alice")}"'.encode()
        login += b" " * (0 if size == 2 else 1_000 * size)  # more parts than trifles, if they were any
        parts = [login[at : at + size] for at in range(0, len(login), size)]

        client.says_bytes(masked(BEGIN) + frame * 20 + b"".join(masked(PART, part) for part in parts))
        client.says_bytes(masked(LAST, b"}"))
        await turns()

        assert is_let_in(client)


class Wire(asyncio.Transport):
    """Whose other end does not read."""

    closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ADDRESSES.get(name, default)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.abort()

    def pause_reading(self) -> None:
        pass

    def write(self, data: Any) -> None:
        pass


async def test_of_thousands_of_requests_at_once_no_more_are_looked_at_than_may_wait() -> None:
    config = config_of(HealthApp(lambda: True))
    config.load()
    connection: Any = config.http_protocol_class(config=config, server_state=ServerState(), app_state={})  # type: ignore[call-arg]
    connection.connection_made(wire := Wire())

    connection.data_received(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000)

    assert wire.closed
    assert connection._heads == REQUESTS_AT_ONCE + 2  # one is being answered, and one was too many
    connection.connection_lost(None)
    await turns()
