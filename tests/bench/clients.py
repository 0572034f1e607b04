"""Clients as cheap as they can be: Engine.IO frames straight on TCP, each message confirmed at once.

`python -m tests.bench.clients` is a process of its own, so that what it costs is not counted. It takes one
JSON line that names port and tokens, and says in JSON lines how far it is: `connected`, `count` twice a
second, and with `stop` on stdin the latencies of all that came, in milliseconds.
"""

import asyncio
import base64
import gc
import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import orjson
import uvloop

REPORT_SECONDS = 0.5
MASK = b"\x80\x00\x00\x00\x00"  # a mask of zeros leaves the payload as it is


@dataclass(slots=True)
class Arrivals:
    """What came to any client. `latencies_ms` counts from the `t` of a message (monotonic nanoseconds)."""

    connected: int = 0
    closed: int = 0
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    def note(self, message: bytes) -> None:
        now = time.monotonic_ns()
        self.last = now / 1e9
        self.first = self.first or self.last
        self.count += 1
        self.latencies_ms.append((now - orjson.loads(message)[1]["data"]["t"]) / 1e6)


class RawClient(asyncio.Protocol):
    """One websocket. Understands what this server sends: short unmasked frames, never fragmented."""

    def __init__(self, token: str, arrivals: Arrivals) -> None:
        self._token, self._arrivals = token, arrivals
        self._buffer = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrivals.closed += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert b" 101 " in head, head
            self._upgraded, self._buffer = True, rest
        answers = bytearray()
        while frame := self._frame():
            answers += self._answer(frame)
        if answers:
            self._transport.write(answers)

    def _frame(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + size:
            return None
        payload = bytes(buffer[start : start + size])
        del buffer[: start + size]
        return payload

    def _answer(self, frame: bytes) -> bytes:
        match frame[:2]:
            case b"42":
                start = frame.index(b"[")
                self._arrivals.note(frame[start:])
                return _text(b"43" + frame[2:start] + b"[]")
            case b"40":
                self._arrivals.connected += 1
            case b"2":
                return _text(b"3")
            case head if head[:1] == b"0":
                return _text(b"40" + orjson.dumps({"token": self._token}))
        return b""


def _text(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + MASK[1:] + payload


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    wanted = json.loads(await reader.readline())
    arrivals = Arrivals()
    for token in wanted["tokens"]:
        await loop.create_connection(lambda token=token: RawClient(token, arrivals), "127.0.0.1", wanted["port"])  # type: ignore[misc]  # mypy cannot infer a default's type
    gc.freeze()
    stop = asyncio.create_task(reader.readline())
    while not stop.done():
        _say(connected=arrivals.connected, closed=arrivals.closed, count=arrivals.count)
        await asyncio.wait([stop], timeout=REPORT_SECONDS)
    _say(
        count=arrivals.count,
        closed=arrivals.closed,
        first=arrivals.first,
        last=arrivals.last,
        latencies_ms=arrivals.latencies_ms,
    )


if __name__ == "__main__":
    uvloop.run(main())
