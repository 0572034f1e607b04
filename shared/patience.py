"""uvicorn's connections with an end to its patience: for slow requests, endless heads, and clients that do not read.

As they come they wait for ever for a request that is never finished or an answer that is never read, keep whatever a
head holds and as many requests as come at once, write an answer to every ping into a buffer without bounds, take as
many frames as somebody sends of which no application hears, and take connections until the process has no file left
for its own.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from shared import log
from shared.turnstile import Turnstile

REQUEST_SECONDS = 10.0
"""From the connection, or the beginning of a later request, to the end of a request."""

ANSWER_SECONDS = 300.0
"""From there to the next request or the end of the connection; a poll is answered sooner."""

HEAD_BYTES = 65_536
REQUESTS_AT_ONCE = 32
TRIFLES_AT_ONCE = 200
TRIFLES_PER_SECOND = 20.0
"""Frames that mean nothing by themselves: pings, pongs, and parts of a message that are shorter than this."""
PART_BYTES = 128

BAD_REQUEST = "Invalid HTTP request received."
TOLD_SECONDS = 10.0

_log = log.get(__name__)


class TooManyAtOnce(Exception):
    """More requests came than may wait for their answers."""


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

    def __init__(self, *args: Any, door: Door, turnstile: Turnstile, **named: Any) -> None:
        super().__init__(*args, **named)
        self._door = door
        self._turnstile = turnstile
        self._early: bytearray | None = None  # while it waits at the turnstile: what came after its request
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
        self._turnstile.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            if len(self._early) > HEAD_BYTES:
                self.transport.abort()
            return
        in_head, heads = self._in_head, self._heads
        super().data_received(data)
        # Not when a head has ended in this piece: the most of it may be a body.
        if in_head and self._in_head and heads == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
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
            raise TooManyAtOnce  # to the parser: there may be thousands more in what it was given

    def on_message_complete(self) -> None:
        self._in_head = True
        self._within(ANSWER_SECONDS)
        self._door.left(self)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._door.waits(self)

    def handle_websocket_upgrade(self) -> None:
        self._in_head = False
        self._within(None)
        self._door.left(self)
        answering = bool(self.cycle) and not self.cycle.response_complete  # None at first
        # The WebSocket library fails on an address that is no ASCII, and says so in a stack trace; and the rest of an
        # earlier answer would stand among its frames.
        if self.url.isascii() and not answering:
            self._early = bytearray()
            self._turnstile.come(self, self._enter)
        else:
            self.send_400_response(BAD_REQUEST)

    def _enter(self) -> None:
        if self.transport.is_closing():
            return
        try:
            super().handle_websocket_upgrade()
            early, self._early = self._early, None
            if early:
                self.transport.get_protocol().data_received(bytes(early))  # type: ignore[attr-defined]  # the WebSocket's
        except Exception:
            self.transport.abort()  # as the event loop does where it is the one that calls
            raise
        self.parser = None  # type: ignore[assignment]  # they point at each other

    def _within(self, seconds: float | None) -> None:
        """The end of what it is given time for now; None: there is none."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


class PatientWebSocket(WebSocketsSansIOProtocol):
    """A handshake that is none is answered, a refusal is no error, and a client that pings without reading, or sends no
    end of frames that mean nothing, is ended.
    """

    _trifles = 0.0  # how many came lately
    _trifled_at = 0.0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():  # its head comes in one piece
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent:  # or theirs says of each client that is refused with an answer that the application failed
            self.handshake_complete = True

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is not None:
            super().handle_parser_exception()
        else:  # it comes before the WebSocket is accepted: there is none to close yet, and theirs fails
            self.transport.abort()

    def handle_ping(self) -> None:
        if self.writable.is_set() and self._bears_a_trifle():
            super().handle_ping()
        else:
            self.transport.abort()

    def handle_pong(self, event: Frame) -> None:
        if self._bears_a_trifle():
            super().handle_pong(event)
        else:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        if event.fin or len(event.data) >= PART_BYTES or self._bears_a_trifle():
            super().handle_cont(event)
        else:
            self.transport.abort()

    def _bears_a_trifle(self) -> bool:
        now = time.monotonic()
        self._trifles = max(0.0, self._trifles - (now - self._trifled_at) * TRIFLES_PER_SECOND) + 1
        self._trifled_at = now
        return self._trifles <= TRIFLES_AT_ONCE
