"""A client that talks but does not read, or hardly: TCP itself, because every library reads ahead."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.tokens import token

LOGIN_SECONDS = 10.0
_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(slots=True)
class Deaf:
    """Logged in; reads only when told to."""

    _socket: socket.socket

    async def say(self, *packets: str) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, b"".join(map(_frame, packets)))

    async def read(self, most_bytes: int) -> bytes:
        """What is there by now, at most so much; empty at the end."""
        return await asyncio.get_running_loop().sock_recv(self._socket, most_bytes)

    async def first_callback(self) -> int:
        """Reads up to the first message; the number of its callback."""
        said = b""
        while (found := re.search(rb'42([0-9]+)\["message"', said)) is None:
            said += await self.read(200)
        return int(found[1])


@asynccontextmanager
async def deaf(port: int, user: str, **claims: object) -> AsyncIterator[Deaf]:
    loop = asyncio.get_running_loop()
    with contextlib.closing(socket.socket()) as connected:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connected.setblocking(False)
        client = Deaf(connected)
        async with asyncio.timeout(LOGIN_SECONDS):
            await loop.sock_connect(connected, ("127.0.0.1", port))
            await loop.sock_sendall(connected, _UPGRADE)
            said = b""
            while b'"maxPayload"' not in said:
                said += await client.read(1000)
            await client.say(f'40{{"token":"{token(user, **claims)}"}}')  # type: ignore[arg-type]
            said = b""
            while b'40{"sid"' not in said:
                said += await client.read(100)
        yield client


def _frame(packet: str) -> bytes:
    """A client's text frame, masked with zeros."""
    payload = packet.encode()
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack(">BH", 0x80 | 126, len(payload))
    return b"\x81" + length + b"\0\0\0\0" + payload
