"""Connections to a gateway on which a test writes its own bytes."""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable
from itertools import cycle

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT = 0x81

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(port: int) -> Stream:
    return await asyncio.open_connection("127.0.0.1", port)


async def upgraded(port: int) -> Stream:
    """A WebSocket that has got engine.io's first packet."""
    reader, writer = await connected(port)
    writer.write(UPGRADE)
    try:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        await reader.readuntil(b"}")
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def masked(first_byte: int, payload: bytes = b"") -> bytes:
    """A client's frame, masked with zeros."""
    length = len(payload)
    if length < 126:
        head = bytes([first_byte, 0x80 | length])
    elif length < 65_536:
        head = struct.pack(">BBH", first_byte, 0x80 | 126, length)
    else:
        head = struct.pack(">BBQ", first_byte, 0x80 | 127, length)
    return head + b"\0\0\0\0" + payload


async def ended(stream: Stream, seconds: float = 5.0) -> bytes:
    """What the gateway says until it closes; TimeoutError when it does not."""
    reader, writer = stream
    said = b""
    try:
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65_536):
                    said = (said + chunk)[-65_536:]
    finally:
        writer.transport.abort()
    return said


def fed(feed: Callable[[bytes], None], sent: bytes, sizes: Iterable[int]) -> None:
    """In pieces of these sizes, again and again."""
    at = 0
    for size in cycle(sizes):
        feed(sent[at : at + size])
        at += size
        if at >= len(sent):
            break
