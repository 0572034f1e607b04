"""A connection that is closed while its client has stopped reading, and that is up to date but for the last bytes."""

import asyncio
import socket

import pytest

from tests.support.gateway import in_process
from tests.support.streams import UPGRADE, masked
from tests.support.tokens import token
from tests.support.until import until

PATIENT = {
    "gateway_ping_interval_seconds": 60,
    "gateway_ping_timeout_seconds": 60,
    "gateway_confirm_timeout_seconds": 200,
}


async def test_what_is_never_read_keeps_no_connection_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.line.ENDING_SECONDS", 0.5)
    loop = asyncio.get_running_loop()
    async with in_process(**PATIENT) as gateway:
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, ("127.0.0.1", gateway.port))
            await loop.sock_sendall(client, UPGRADE)
            assert await loop.sock_recv(client, 4096)
            await loop.sock_sendall(client, masked(0x81, f'40{{"token":"{token("alice")}"}}'.encode()))
            await until(lambda: len(gateway.sessions), "the session")
            (connection,) = gateway.sockets.engine.open_connections()
            websocket = connection.line.straight if connection.line is not None else None
            assert websocket is not None
            while not websocket.transport.get_write_buffer_size():
                websocket.say(b"x" * 20_000)
                await asyncio.sleep(0)
            assert websocket.can_say()

            gateway.sockets.engine.close(connection, "draining")

            await until(lambda: websocket.disconnected, "the end of the connection", 30.0)
