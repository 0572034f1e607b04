"""A WebSocket of one client as lean as it can be: whole frames in, answers out in one write for each read.

Understands what these servers send: unmasked frames, never fragmented. Its own are masked with zeros, which leaves
the payload as it is.
"""

import asyncio
import base64
import os
from collections.abc import Callable
from enum import Enum
from typing import cast

from tests.bench.load.tally import Mailbox, Tally

UNMASKED = b"\x00\x00\x00\x00"


class Opcode(bytes, Enum):
    """The first byte of a frame that is whole."""

    TEXT = b"\x81"
    BINARY = b"\x82"


def frame(opcode: Opcode, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return opcode.value + head + UNMASKED + payload


class Socket(asyncio.Protocol):
    """What both protocols share. A subclass says how to ask for the upgrade, and reads the frames."""

    path = "/"
    subprotocol = ""

    def __init__(self, mailbox: Mailbox, tally: Tally, login: str, closed: Callable[[], None]) -> None:
        self.mailbox, self.tally, self.login = mailbox, tally, login
        self.online = False
        self.answered = False
        self.held: list[bytes] | None = None
        """Confirmations that wait for the word to go on; None: each leaves at once."""
        self._closed = closed
        self._rest = b""
        self._upgraded = False
        self._given_up = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if self._given_up:
            self._transport.abort()
            return
        key = base64.b64encode(os.urandom(16)).decode()
        wanted = f"Sec-WebSocket-Protocol: {self.subprotocol}\r\n" if self.subprotocol else ""
        self._transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{wanted}\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if self.online:
            self.tally.online -= 1
        self.online = False
        self._closed()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        position = 0 if self._upgraded else self._upgrade(data)
        if position < 0:
            self._rest = data
            return
        end = len(data)
        answers: list[bytes] = []
        while end - position >= 2:
            size, start = data[position + 1], position + 2
            if size == 126:
                size, start = int.from_bytes(data[position + 2 : position + 4], "big"), position + 4
            elif size == 127:
                size, start = int.from_bytes(data[position + 2 : position + 10], "big"), position + 10
            if start + size > end:
                break
            self.read(data, start, start + size, answers)
            position = start + size
        self._rest = data[position:]
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))
        self.tally.look()

    def read(self, data: bytes, start: int, end: int, answers: list[bytes]) -> None:
        """One frame's payload; what it calls for is added to `answers`, framed."""
        raise NotImplementedError

    def greet(self) -> None:
        """The upgrade is done."""

    def confirm(self, answer: bytes, answers: list[bytes]) -> None:
        (answers if self.held is None else self.held).append(answer)

    def go_on(self) -> None:
        held, self.held = self.held, None
        if held:
            self.write(b"".join(held))

    def cut(self) -> None:
        """As when the network goes: no goodbye."""
        self._given_up = True
        if self._transport is not None:
            self._transport.abort()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _upgrade(self, data: bytes) -> int:
        """Where the frames begin; -1: not all of the answer is here."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return -1
        if b" 101 " not in data[:32]:
            self.tally.refused += 1
            self.cut()
            return len(data)
        self._upgraded = True
        self.greet()
        return end + 4
