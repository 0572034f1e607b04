"""uvicorn's connections with an end to its patience: for slow requests, endless heads, and clients that do not read.

As they come they wait for ever for a request that is never finished or an answer that is never read, keep whatever a
head holds and as many requests as come at once, write an answer to every ping into a buffer without bounds, and take
connections until the process has no file left for its own.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from shared import log

REQUEST_SECONDS = 10.0
"""From the connection, or the beginning of a later request, to the end of a request."""

ANSWER_SECONDS = 300.0
"""From there to the next request or the end of the connection; a poll is answered sooner."""

HEAD_BYTES = 65_536
REQUESTS_AT_ONCE = 32
BAD_REQUEST = "Invalid HTTP request received."
TOLD_SECONDS = 10.0

_log = log.get(__name__)


class Door:
    """How many connections one server takes. Once they are so many, who has kept it waiting longest for a request goes:
    whoever comes to the point gets in, as long as not all that are in have done so.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[PatientHttp, None] = {}
        self._told = -TOLD_SECONDS

    def came(self, connection: "PatientHttp", there: int) -> None:
        """`there`: how many connections there are, with this one."""
        self.waits(connection)
        if there > self._most:
            longest = next(iter(self._waiting))
            self.left(longest)
            longest.transport.abort()
            if time.monotonic() - self._told > TOLD_SECONDS:
                self._told = time.monotonic()
                _log.warning("full: each new connection costs the place of one that has asked nothing", most=self._most)

    def waits(self, connection: "PatientHttp") -> None:
        self._waiting[connection] = None

    def left(self, connection: "PatientHttp") -> None:
        """It is gone, or has come to the point."""
        self._waiting.pop(connection, None)


class PatientHttp(HttpToolsProtocol):
    """A request must end in time, its answer be read in time, and its head be of a reasonable size."""

    def __init__(self, *args: Any, door: Door, **named: Any) -> None:
        super().__init__(*args, **named)
        self._door = door
        self._in_head = True
        self._heads = 0
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as theirs
        super().connection_made(transport)
        self._within(REQUEST_SECONDS)
        self._door.came(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        self._door.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        in_head, heads = self._in_head, self._heads
        super().data_received(data)
        # Not when a head has ended in this piece: the most of it may be a body.
        if in_head and self._in_head and heads == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(BAD_REQUEST)

    def on_message_begin(self) -> None:
        self._within(REQUEST_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._heads += 1
        super().on_headers_complete()
        if len(self.pipeline) > REQUESTS_AT_ONCE:
            self.transport.abort()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._within(ANSWER_SECONDS)
        self._door.left(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._door.waits(self)

    def handle_websocket_upgrade(self) -> None:
        self._in_head = False
        self._within(None)
        self._door.left(self)
        if self.url.isascii():
            super().handle_websocket_upgrade()
        else:  # the WebSocket library fails on it, and says so in a stack trace
            self.send_400_response(BAD_REQUEST)

    def _within(self, seconds: float | None) -> None:
        """The end of what it is given time for now; None: there is none."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


class PatientWebSocket(WebSocketsSansIOProtocol):
    """A handshake that is none is answered, and a client that pings without reading is ended."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():  # its head comes in one piece
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()
